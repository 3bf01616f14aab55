"""A batch as the requests that are sent: encoded and compressed once, the same bytes at every attempt.

Requests of one lane go out one after the other, lanes beside each other. A lane has its own series, and the next wave
begins when all lanes of the one before are done: no series is ever out of order, whatever the number of lanes becomes.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pyscrape.remote.encode import compressed
from pyscrape.remote.exemplars import ExemplarQueue
from pyscrape.remote.protocol import Message
from pyscrape.remote.queue import Batch


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
    batch: Batch, lanes: int, most_samples: int, message: Message, exemplars: ExemplarQueue
) -> list[Request]:
    """The requests of a batch, each of so many samples at most, with the exemplars that wait for its series."""
    found = []
    for lane in range(lanes):
        part = batch.part(lanes, lane)
        for start in range(0, len(part), most_samples):
            piece = part.where(slice(start, start + most_samples))
            own = exemplars.take(piece.columns)
            body = compressed(message.body(piece, own))
            count = sum(len(waiting.exemplars) for waiting in own.values())
            newest_ms = int(piece.times_ms.max())
            found.append(Request(lane, len(piece), newest_ms, body, count, message.version))
    return found
