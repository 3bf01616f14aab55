"""The two messages of remote write: their headers, what is kept of a series for them, and a batch as one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from pyscrape.remote.encode import Exemplar, Metadata, exemplar_series, series_head, write_request
from pyscrape.remote.encode2 import series_texts, write_request2
from pyscrape.remote.families import FamilyBook
from pyscrape.remote.queue import Batch
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


class Waiting(NamedTuple):
    """The exemplars of a series that wait for its next sample; `labels` as they are sent."""

    labels: Mapping[str, str]
    exemplars: list[Exemplar]


class Message(Protocol):
    """How samples become bytes."""

    version: int

    def head(self, labels: Mapping[str, str]) -> Any:
        """What is kept of a series, from its labels."""

    def body(self, batch: Batch, exemplars: Mapping[int, Waiting]) -> bytes:
        """A message that is not compressed yet; `exemplars` by the series' id."""


class Message1:
    """`prometheus.WriteRequest`."""

    version = 1

    def head(self, labels: Mapping[str, str]) -> bytes:
        return series_head(labels)

    def body(self, batch: Batch, exemplars: Mapping[int, Waiting]) -> bytes:
        samples = write_request(batch.heads.tolist(), batch.times_ms, batch.values)
        return samples + b"".join(exemplar_series(*waiting) for waiting in exemplars.values())


class Message2:
    """`io.prometheus.write.v2.Request`."""

    version = 2

    def __init__(self, metadata: Callable[[], Iterable[Metadata]], clock: Callable[[], float]) -> None:
        self._book = FamilyBook(metadata, clock)

    def head(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        return series_texts(labels)

    def body(self, batch: Batch, exemplars: Mapping[int, Waiting]) -> bytes:
        placed = {
            int(np.flatnonzero(batch.columns == column)[-1]): waiting.exemplars
            for column, waiting in exemplars.items()
        }
        return write_request2(batch.heads.tolist(), batch.times_ms, batch.values, self._book.of, placed)
