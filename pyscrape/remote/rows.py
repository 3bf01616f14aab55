"""What is kept of a target's columns from row to row: the labels as they are sent, and blocks compressed beforehand.

A row is cut into parts, each at most `PART_SAMPLES` long. A part that came twice and came with one time gets a block;
then the labels themselves are only needed if a sample comes with a time of its own, and can be had from the block.
Until then labels that are bytes are kept compressed: a tenth of the memory of an object for each series.
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

    __slots__ = ("_chunks", "_most", "_parts", "chosen", "columns", "whole")

    def __init__(
        self, whole: Columns, chosen: "NDArray[np.bool_] | None", columns: Columns, heads: list[Any]
    ) -> None:
        self.whole = whole
        self.chosen = chosen
        self.columns = columns
        starts = range(0, len(heads), PART_SAMPLES)
        self._chunks: list[_Chunk] = [_kept(heads[start : start + PART_SAMPLES]) for start in starts]
        self._parts: list[Part] = []
        self._most = 0

    def __len__(self) -> int:
        return len(self.columns)

    def subset(self, chosen: "NDArray[np.bool_]") -> "Row":
        """A row of some of the columns."""
        heads = self.heads(slice(0, len(self.columns)))
        kept = [heads[place] for place in np.flatnonzero(chosen).tolist()]
        return Row(self.whole, None, self.columns[chosen], kept)

    def heads(self, places: slice) -> list[Any]:
        """The labels at some places."""
        first, last = places.start // PART_SAMPLES, (places.stop - 1) // PART_SAMPLES
        found = [head for chunk in self._chunks[first : last + 1] for head in _heads_of(chunk)]
        begin = first * PART_SAMPLES
        return found[places.start - begin : places.stop - begin]

    def hold(self, part: Part, block: Block) -> None:
        """`block` is made of the labels of `part`: where they are kept by themselves it takes their place."""
        part.block = block
        number, rest = divmod(part.places.start, PART_SAMPLES)
        if not rest and part.samples == min(PART_SAMPLES, len(self) - part.places.start):
            self._chunks[number] = block

    def parts(self, most: int) -> list[Part]:
        """Its parts, at most so many samples each."""
        most = min(most, PART_SAMPLES)
        if self._most != most:
            self._most = most
            size = len(self.columns)
            self._parts = [Part(start, min(most, size - start)) for start in range(0, size, most)]
        return self._parts


class _Packed(NamedTuple):
    data: bytes
    ends: NDArray[np.int32]


_Chunk = _Packed | Block | list[Any]


def _kept(heads: list[Any]) -> _Chunk:
    """Labels as they are kept: compressed, where they are bytes."""
    if not isinstance(heads[0], bytes):
        return heads
    ends = np.cumsum([len(head) for head in heads], dtype=np.int32)
    return _Packed(bytes(cramjam.snappy.compress_raw(b"".join(heads))), ends)


def _heads_of(chunk: _Chunk) -> list[Any]:
    if isinstance(chunk, Block):
        return chunk.heads()
    if not isinstance(chunk, _Packed):
        return chunk
    data, ends = bytes(cramjam.snappy.decompress_raw(chunk.data)), chunk.ends.tolist()
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
