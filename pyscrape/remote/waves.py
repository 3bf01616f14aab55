"""Rows as the requests that are sent: encoded and compressed once, the same bytes at every attempt.

Requests of one lane go out one after the other, lanes beside each other. A lane has its own series, and the next wave
begins when all lanes of the one before are done: no series is ever out of order, whatever the number of lanes becomes.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pyscrape.remote.exemplars import ExemplarQueue
from pyscrape.remote.protocol import Message, Piece, Waiting
from pyscrape.remote.rows import Batch, Row


class Request(NamedTuple):
    """One compressed message; `version` of the protocol."""

    lane: int
    samples: int
    newest_ms: int
    body: bytes
    exemplars: int = 0
    version: int = 1


class Wave:
    """Requests that are not yet done with, by lane."""

    def __init__(self, requests: Sequence[Request]) -> None:
        lanes: dict[int, deque[Request]] = {}
        for request in requests:
            lanes.setdefault(request.lane, deque()).append(request)
        self.lanes = tuple(lanes.values())

    @property
    def samples(self) -> int:
        return sum(request.samples for request in self)

    def __iter__(self) -> Iterator[Request]:
        return (request for lane in self.lanes for request in lane)


def requests_of(
    batches: Sequence[Batch], lanes: int, most_samples: int, message: Message, exemplars: ExemplarQueue
) -> list[Request]:
    """The requests of some rows, each of so many samples at most, with the exemplars that wait for their series."""
    by_lane: list[list[Piece]] = [[] for _ in range(lanes)]
    families = related([batch.row for batch in batches]) if lanes > 1 else [None] * len(batches)
    for batch, family in zip(batches, families, strict=True):
        for number, part in enumerate(batch.row.parts(most_samples)):
            # Parts of a row have series of their own; where other rows have some of them, all go one way.
            lane = int(batch.row.columns[0]) + number if family is None else family
            by_lane[lane % lanes].append(Piece(batch, part))
    found = []
    for lane, pieces in enumerate(by_lane):
        for group in _groups(pieces, most_samples):
            own: dict[int, Waiting] = {}
            if exemplars:
                own = exemplars.take(np.concatenate([piece.columns for piece in group]))
            found.append(
                Request(
                    lane,
                    samples=sum(piece.part.samples for piece in group),
                    newest_ms=max(piece.newest_ms for piece in group),
                    body=message.body(group, own),
                    exemplars=sum(len(waiting.exemplars) for waiting in own.values()),
                    version=message.version,
                )
            )
    return found


def _groups(pieces: Sequence[Piece], most_samples: int) -> Iterator[list[Piece]]:
    """Pieces one after the other, together as far as they have so many samples at most."""
    group: list[Piece] = []
    count = 0
    for piece in pieces:
        if group and count + piece.part.samples > most_samples:
            yield group
            group, count = [], 0
        group.append(piece)
        count += piece.part.samples
    if group:
        yield group


def related(rows: Sequence[Row]) -> list[int | None]:
    """For each row the number of the group of rows that share series with it; None where only it has its series.

    The same row may stand several times: that alone makes no group.
    """
    distinct = list({id(row): row for row in rows}.values())
    group = list(range(len(distinct)))
    shared: set[int] = set()
    owner = np.full(max((int(row.columns.max()) for row in distinct), default=0) + 1, -1, np.int32)
    for number, row in enumerate(distinct):
        others = {group[other] for other in np.unique(owner[row.columns]).tolist() if other >= 0}
        if others:
            group = [number if one in others else one for one in group]
            shared.add(number)
        owner[row.columns] = number
    # A group that was joined to a later one has that one's number.
    found = {id(row): one if one in shared else None for row, one in zip(distinct, group, strict=True)}
    return [found[id(row)] for row in rows]
