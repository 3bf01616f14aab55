"""What a selection hands to a query: label codes once, then samples as columns on shared time axes.

No object per series or sample exists on this way. A logical series is in exactly one block of a selection;
the store has joined chunks and, where one series lived in several tables, the tables too.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.labels import Labels
from pyscrape.model.symbols import SymbolTable
from pyscrape.model.value import ABSENT_BITS

Times = NDArray[np.int64]
Values = NDArray[np.float64]
Codes = NDArray[np.int32]

Room = Callable[[int], None]
"""Told of a number of samples before they are read for a selection; raises where so many more may not be."""


def unlimited(_samples: int) -> None:
    """Room for any number of samples."""


@dataclass(frozen=True, slots=True)
class LabelFrame:
    """Labels of many series as a matrix of symbol codes.

    `names[k]` is the symbol code of the k-th label name; `codes[i, k]` (shape [series x names]) the code of
    series i's value for it, 0 where the series has no such label. Names are distinct, in no fixed order.
    """

    names: tuple[int, ...]
    codes: Codes
    symbols: SymbolTable

    def __len__(self) -> int:
        return len(self.codes)

    def labels(self, series: int) -> Labels:
        """The labels of one series, for errors and answers."""
        row = self.codes[series].tolist()
        text = self.symbols.text
        return Labels((text(name), text(code)) for name, code in zip(self.names, row, strict=True) if code)


class Facts(NamedTuple):
    """What is known of all samples of a block, because somebody has looked; False where nobody has.

    `whole`: every cell is a sample that is a number. `rising`: and none is smaller than the one before it.
    """

    whole: bool = False
    rising: bool = False

    def __and__(self, other: "Facts") -> "Facts":
        """What is known of two blocks."""
        return Facts(self.whole and other.whole, self.rising and other.rising)


UNKNOWN = Facts()
WHOLE = Facts(whole=True)


@dataclass(frozen=True, slots=True)
class Block:
    """Samples of some series of a selection on one time axis.

    `series`: shape [columns], row of each column in the selection's frame. `times_ms`: shape [rows], strictly
    increasing. `values`: shape [rows x columns]; `ABSENT_BITS` where a column has no sample in that row,
    `STALE_BITS` for a staleness marker. Read-only for the receiver.
    """

    series: NDArray[np.int64]
    times_ms: Times
    values: Values
    facts: Facts = UNKNOWN


@dataclass(frozen=True, slots=True)
class Ragged:
    """Samples of many small groups of series, each group with times of its own, side by side in one matrix.

    `series`: shape [columns], row of each column in the selection's frame; `owner`: shape [columns], the group of each,
    ascending from 0. `times_ms`: shape [groups x rows], never decreasing along a row; what is not in (start_ms, end_ms]
    stands as start_ms or end_ms + 1 and is no part of the selection. `values`: shape [columns x more rows]; that of
    column c at `times_ms[owner[c], k]` is `values[c, first + k]`. No sample is a NaN of any kind, and what stands at
    end_ms + 1 is no smaller than the sample before it, or a sample itself. Read-only for the receiver.
    """

    series: NDArray[np.int64]
    owner: NDArray[np.int64]
    times_ms: Times
    values: Values
    first: int
    start_ms: int
    end_ms: int
    facts: Facts = WHOLE

    @property
    def cells(self) -> int:
        """Samples, about: a row more or less of each group."""
        columns, rows = len(self.series), len(self.times_ms.T)
        return columns * rows

    def blocks(self) -> Iterator[Block]:
        """The same samples, a block for each group."""
        bounds = np.searchsorted(self.owner, np.arange(len(self.times_ms) + 1)).tolist()
        for group, times in enumerate(self.times_ms):
            columns = slice(bounds[group], bounds[group + 1])
            low, high = np.searchsorted(times, (self.start_ms, self.end_ms), side="right").tolist()
            if low < high:
                values = self.values[columns, self.first + low : self.first + high]
                yield Block(self.series[columns], times[low:high], values.T, self.facts)


@dataclass(frozen=True, slots=True)
class Selection:
    """The series that some matchers chose, with their samples in (start, end] of the asked range.

    `ragged`: further series, where the caller said that it can read them so.
    """

    frame: LabelFrame
    blocks: tuple[Block, ...]
    ragged: Ragged | None = None

    def plain(self) -> tuple[Block, ...]:
        """All samples as blocks."""
        return self.blocks if self.ragged is None else (*self.blocks, *self.ragged.blocks())

    def to_numpy(self) -> tuple[list[Labels], Times, Values]:
        """(labels, times in ms, values [times x series]) on one axis, NaN where there is no sample: for notebooks."""
        blocks = self.plain()
        axes = [block.times_ms for block in blocks]
        times = np.unique(np.concatenate(axes)) if axes else np.zeros(0, np.int64)
        values = np.full((len(times), len(self.frame)), np.nan)
        for block in blocks:
            rows = np.searchsorted(times, block.times_ms)
            values[np.ix_(rows, block.series)] = np.where(np.isnan(block.values), np.nan, block.values)
        return [self.frame.labels(series) for series in range(len(self.frame))], times, values


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest sample of each series that some matchers chose; series without one in the asked range are left out.

    `times_ms` and `values`: shape [series], in the order of the frame; staleness markers are samples here.
    """

    frame: LabelFrame
    times_ms: Times
    values: Values


def newest_of(blocks: Iterable[Block], series: int) -> tuple[Times, Values, NDArray[np.bool_]]:
    """(times, values, whether there is any) of the newest sample of each of `series` series: the plain way."""
    times = np.zeros(series, np.int64)
    values = np.zeros(series)
    found = np.zeros(series, np.bool_)
    for block in blocks:
        there = block.values.view(np.uint64) != np.uint64(ABSENT_BITS)
        last = len(there) - 1 - there[::-1].argmax(axis=0)
        some = there.any(axis=0)
        rows, columns = last[some], np.flatnonzero(some)
        places = block.series[some]
        times[places] = block.times_ms[rows]
        values[places] = block.values[rows, columns]
        found[places] = True
    return times, values, found
