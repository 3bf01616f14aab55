"""The two messages of remote write: their headers, what is kept of a series for them, and samples as a body."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np

from pyscrape.remote.blocks import Elements, body, elements, make_block
from pyscrape.remote.encode import (
    Exemplar,
    Metadata,
    compressed,
    exemplar_series,
    series_head,
    write_request,
)
from pyscrape.remote.encode2 import series_texts, write_request2
from pyscrape.remote.families import FamilyBook
from pyscrape.remote.rows import Batch, Columns, Part, Times, Values
from pyscrape.remote.settings import PROTOBUF_V2

HEADERS: Mapping[int, Sequence[tuple[str, str]]] = {
    1: (
        ("Content-Encoding", "snappy"),
        ("Content-Type", "application/x-protobuf"),
        ("X-Prometheus-Remote-Write-Version", "0.1.0"),
    ),
    2: (
        ("Content-Encoding", "snappy"),
        ("Content-Type", f"application/x-protobuf;proto={PROTOBUF_V2}"),
        ("X-Prometheus-Remote-Write-Version", "2.0.0"),
    ),
}
"""By the number that a request carries."""


class Piece(NamedTuple):
    """The samples of a part of a row."""

    batch: Batch
    part: Part

    @property
    def columns(self) -> Columns:
        return self.batch.row.columns[self.part.places]

    @property
    def heads(self) -> list[Any]:
        return self.batch.row.heads(self.part.places)

    @property
    def values(self) -> Values:
        return self.batch.values[self.part.places]

    @property
    def times_ms(self) -> Times:
        times = self.batch.times_ms
        return np.full(self.part.samples, times) if isinstance(times, int) else times[self.part.places]

    @property
    def newest_ms(self) -> int:
        return self.batch.times_ms if isinstance(self.batch.times_ms, int) else int(self.times_ms.max())


class Waiting(NamedTuple):
    """The exemplars of a series that wait for its next sample; `labels` as they are sent."""

    labels: Mapping[str, str]
    exemplars: list[Exemplar]


class Message(Protocol):
    """How samples become bytes."""

    version: int

    def head(self, labels: Mapping[str, str]) -> Any:
        """What is kept of a series, from its labels."""

    def body(self, pieces: Sequence[Piece], exemplars: Mapping[int, Waiting]) -> bytes:
        """A compressed message; `exemplars` by the series' id."""


class Message1:
    """`prometheus.WriteRequest`. Parts that come again and again get blocks, one a call."""

    version = 1

    def __init__(self) -> None:
        self._may_build = False

    def head(self, labels: Mapping[str, str]) -> bytes:
        return series_head(labels)

    def body(self, pieces: Sequence[Piece], exemplars: Mapping[int, Waiting]) -> bytes:
        self._may_build = True
        parts = [self._elements(piece) for piece in pieces]
        if exemplars:
            parts.append(elements(b"".join(exemplar_series(*waiting) for waiting in exemplars.values())))
        return body(parts)

    def _elements(self, piece: Piece) -> Elements:
        part, at_ms = piece.part, piece.batch.times_ms
        if not isinstance(at_ms, int):
            return elements(write_request(piece.heads, piece.times_ms, piece.values))
        part.used += 1
        if part.block is None and part.used > 1 and self._may_build and not part.hopeless:
            block = make_block(piece.heads)
            if block is None:
                part.hopeless = True
            else:
                piece.batch.row.hold(part, block)
            self._may_build = False
        if part.block is not None:
            return part.block.fill(at_ms, piece.values)
        return elements(write_request(piece.heads, piece.times_ms, piece.values))


class Message2:
    """`io.prometheus.write.v2.Request`."""

    version = 2

    def __init__(self, metadata: Callable[[], Iterable[Metadata]], clock: Callable[[], float]) -> None:
        self._book = FamilyBook(metadata, clock)

    def head(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        return series_texts(labels)

    def body(self, pieces: Sequence[Piece], exemplars: Mapping[int, Waiting]) -> bytes:
        columns = np.concatenate([piece.columns for piece in pieces])
        placed = {
            int(np.flatnonzero(columns == column)[-1]): waiting.exemplars
            for column, waiting in exemplars.items()
        }
        message = write_request2(
            list(chain.from_iterable(piece.heads for piece in pieces)),
            np.concatenate([piece.times_ms for piece in pieces]),
            np.concatenate([piece.values for piece in pieces]),
            self._book.of,
            placed,
        )
        return compressed(message)
