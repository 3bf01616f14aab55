"""What is kept of a target's columns from row to row: the labels as they are sent, and blocks compressed beforehand.

A row is cut into parts, each at most `PART_SAMPLES` long. A part that came twice and came with one time gets a block.
When all have one, the labels themselves are only needed if a sample comes with a time of its own, and are kept
compressed.
"""

from typing import Any, NamedTuple

import cramjam
import numpy as np
from numpy.typing import NDArray

from pyscrape.remote.blocks import Block

Columns = NDArray[np.int32]
Times = NDArray[np.int64]
Values = NDArray[np.float64]

PART_SAMPLES = 1000
"""Short, so that making a block holds nothing up for longer than some milliseconds."""


class Part:
    """Some samples of a row that are sent together."""

    __slots__ = ("block", "hopeless", "places", "samples", "used")

    def __init__(self, start: int, samples: int) -> None:
        self.places = slice(start, start + samples)
        self.samples = samples
        self.used = 0
        self.block: Block | None = None
        self.hopeless = False  # no block can be made of it


class Row:
    """The columns of a row that are sent. `whole` and `chosen`: those that came, and which of them they are."""

    __slots__ = ("_heads", "_most", "_packed", "_parts", "chosen", "columns", "whole")

    def __init__(
        self, whole: Columns, chosen: "NDArray[np.bool_] | None", columns: Columns, heads: list[Any]
    ) -> None:
        self.whole = whole
        self.chosen = chosen
        self.columns = columns
        self._heads: list[Any] | None = heads
        self._packed: tuple[bytes, NDArray[np.int32]] | None = None
        self._parts: list[Part] = []
        self._most = 0

    def __len__(self) -> int:
        return len(self.columns)

    def subset(self, chosen: "NDArray[np.bool_]") -> "Row":
        """A row of some of the columns."""
        heads = self.heads(slice(None))
        kept = [heads[place] for place in np.flatnonzero(chosen).tolist()]
        return Row(self.whole, None, self.columns[chosen], kept)

    def heads(self, places: slice) -> list[Any]:
        """The labels at some places."""
        heads: list[Any] = self._heads if self._heads is not None else self._unpacked()
        return heads[places]

    def parts(self, most: int) -> list[Part]:
        """Its parts, at most so many samples each."""
        most = min(most, PART_SAMPLES)
        if self._most != most:
            self._most = most
            size = len(self.columns)
            self._parts = [Part(start, min(most, size - start)) for start in range(0, size, most)]
            if self._heads is None:
                self._heads, self._packed = self._unpacked(), None
        return self._parts

    @property
    def complete(self) -> bool:
        """Whether all its parts have blocks."""
        return bool(self._parts) and all(part.block is not None for part in self._parts)

    @property
    def packed(self) -> bool:
        """Whether its labels are kept compressed."""
        return self._heads is None

    def pack(self) -> None:
        """Keep its labels, which are bytes, compressed."""
        assert self._heads is not None
        ends = np.cumsum([len(head) for head in self._heads], dtype=np.int32)
        self._packed = (bytes(cramjam.snappy.compress_raw(b"".join(self._heads))), ends)
        self._heads = None

    def _unpacked(self) -> list[bytes]:
        assert self._packed is not None
        data, ends = bytes(cramjam.snappy.decompress_raw(self._packed[0])), self._packed[1].tolist()
        return [data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


class Batch(NamedTuple):
    """The samples of a row: at one time, or each at its own."""

    row: Row
    times_ms: "int | Times"
    values: Values

    @property
    def samples(self) -> int:
        return len(self.values)

    @property
    def newest_ms(self) -> int:
        return self.times_ms if isinstance(self.times_ms, int) else int(self.times_ms.max())

    def where(self, chosen: "NDArray[np.bool_]") -> "Batch":
        """Some of the samples."""
        times = self.times_ms if isinstance(self.times_ms, int) else self.times_ms[chosen]
        return Batch(self.row.subset(chosen), times, self.values[chosen])

    def between(self, first_ms: int, last_ms: int) -> "Batch | None":
        """Only samples of these times; None where there are none."""
        times = self.times_ms
        if isinstance(times, int):
            return self if first_ms <= times <= last_ms else None
        good = (times >= first_ms) & (times <= last_ms)
        if good.all():
            return self
        return self.where(good) if good.any() else None
