"""Sealed rows as bytes: per column the cheapest of a few exact forms, every form a plain numpy matrix.

Real pages are mostly numbers that do not change, whole numbers, and decimals of a few places. A column becomes
integers where that is exact (`value * 10**scale`), else the bits of its floats; it is kept as its first number and
differences of 0 to 8 bytes, or differences of differences where those are narrower. Columns of one form share a
matrix [rows x columns], so that one column is read without unpacking its neighbours and many columns are unpacked
by a few passes of numpy. There is no entropy coder: it would halve the bytes (0.6 instead of 1.1 a sample on
node_exporter) and make every read inflate.

"No sample", staleness markers and ordinary NaNs stand apart as runs of rows, so that they cost their columns
nothing; under them the column repeats its last number. Everything is exact to the bit.

    header | class table | times | slots: uint16 or uint32 per column | runs | per class: first, second, scales, steps

A column's slot says its class and its place there: slots are numbered through the classes.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.value import ABSENT_BITS, NAN_BITS, STALE_BITS

Times = NDArray[np.int64]
Values = NDArray[np.float64]
Ints = NDArray[np.int64]

_HEADER = struct.Struct(
    "<BBBBIIIq"
)  # version, classes, bytes of a time, bytes of a slot, rows, columns, runs, first time
_CLASS = struct.Struct(
    "<BBBxIII"
)  # form, bytes of a step, bytes of a first number, columns, first slot, offset
VERSION = 1
MAX_ROWS = 65_535

_INT, _INT_2, _BITS = 0, 1, 2
"""Forms: integers by difference, by difference of differences, float bits by difference."""

_KINDS = np.array([ABSENT_BITS, STALE_BITS, NAN_BITS], np.uint64)
_SIGNED = {width: np.dtype(f"<i{width}") for width in (1, 2, 4, 8)}
_UNSIGNED = {width: np.dtype(f"<u{width}") for width in (1, 2, 4, 8)}
_PIECES = {
    3: ((0, "<u2"), (2, "i1")),
    5: ((0, "<u4"), (4, "i1")),
    6: ((0, "<u4"), (4, "<i2")),
    7: ((0, "<u4"), (4, "<u2"), (6, "i1")),
}
"""By width that no integer of numpy has: where such integers begin in it that make it up."""
_POWERS = 10.0 ** np.arange(16)
_EXACT = 2.0**53
_WIDE = 192
_NEGATIVE_ZERO = np.uint64(1 << 63)


class _Class(NamedTuple):
    """Columns of one form and width, with where their arrays begin in the bytes."""

    form: int
    width: int
    first_width: int
    columns: int
    slot: int
    at: int


class Packed:
    """A reader of packed bytes; keeps a view on them and nothing else of their size."""

    __slots__ = ("_at_runs", "_at_slots", "_at_times", "_data", "_head")

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = data
        self._head = _HEADER.unpack_from(data)
        version, classes, time_width, slot_width, rows, columns, _, _ = self._head
        if version != VERSION:
            raise ValueError(f"packed rows of version {version}, not {VERSION}")
        self._at_times = at = _HEADER.size + classes * _CLASS.size
        self._at_slots = at = _aligned(at + time_width * rows)
        self._at_runs = _aligned(at + slot_width * columns)

    @property
    def rows(self) -> int:
        return int(self._head[4])

    @property
    def columns(self) -> int:
        return int(self._head[5])

    def times(self) -> Times:
        """The time of every row."""
        offsets = np.frombuffer(self._data, f"<u{self._head[2]}", self.rows, self._at_times)
        return offsets.astype(np.int64) + np.int64(self._head[7])

    def read(
        self, positions: NDArray[np.intp] | None = None, start: int = 0, count: int | None = None
    ) -> Values:
        """`count` rows from `start` on (all by default) of some columns (all by default), shape [rows x positions].

        Rows before `start` are only added up, which costs a fifth of unpacking them.
        """
        rows = self.rows - start if count is None else count
        slots = np.frombuffer(self._data, _UNSIGNED[self._head[3]], self.columns, self._at_slots)
        if positions is not None:
            slots = slots[positions]
        if not len(slots) or not rows:
            return np.empty((rows, len(slots)))
        table = self._data[_HEADER.size : _HEADER.size + self._head[1] * _CLASS.size]
        classes = [_Class(*entry) for entry in _CLASS.iter_unpack(table)]
        if len(slots) == 1:
            [slot] = slots.tolist()
            one = next(one for one in classes if slot < one.slot + one.columns)
            out = np.empty((rows, 1))
            self._unpack(one, slots.astype(np.intp) - one.slot, start, out)
        else:
            # columns in the order of their slots, so that each class fills neighbours; then each to its place
            ranks = slots if positions is None else np.empty(len(slots), np.intp)
            if positions is not None:
                order = np.argsort(slots, kind="stable")
                ranks[order] = np.arange(len(slots))
                slots = slots[order]
            else:
                slots = np.arange(len(slots))
            ends = np.searchsorted(slots, [one.slot + one.columns for one in classes]).tolist()
            out = np.empty((rows, len(slots)))
            begin = 0
            for one, end in zip(classes, ends, strict=True):
                if begin < end:
                    places = slots[begin:end].astype(np.intp) - one.slot
                    self._unpack(one, places, start, out[:, begin:end])
                    begin = end
            if (ranks[1:] < ranks[:-1]).any():
                out = out.take(ranks, axis=1)
        if self._head[6]:
            self._lay_runs(out, positions, start)
        return out

    def _unpack(self, one: _Class, places: NDArray[np.intp], start: int, into: Values) -> None:
        """Rows from `start` on of some columns of a class; `into` has shape [rows x places]."""
        columns, at = one.columns, one.at
        first = np.frombuffer(self._data, _SIGNED[one.first_width], columns, at)[places].astype(np.int64)
        at = _aligned(at + one.first_width * columns)
        slope: Ints | None = None
        if one.form == _INT_2:
            slope = np.frombuffer(self._data, "<i8", columns, at)[places]
            at = _aligned(at + 8 * columns)
        powers: NDArray[np.floating] | None = None
        if one.form != _BITS:
            scales = np.frombuffer(self._data, np.uint8, columns, at)[places]
            at = _aligned(at + columns)
            powers = _POWERS[scales] if scales.any() else None
        if not one.width and slope is None:
            values = first.view(np.float64) if one.form == _BITS else first.astype(np.float64)
            into[:] = values if powers is None else values / powers
            return
        numbers = self._numbers(one, at, places, start, len(into), first, slope)
        if one.form == _BITS:
            into[:] = numbers.view(np.float64)
            return
        into[:] = numbers
        if powers is not None:
            np.divide(into, powers, out=into)

    def _numbers(
        self,
        one: _Class,
        at: int,
        places: NDArray[np.intp],
        start: int,
        rows: int,
        first: Ints,
        slope: Ints | None,
    ) -> Ints:
        """The integers of rows from `start` on: differences, whose array begins at `at`, added up."""
        numbers = np.empty((rows, len(places)), np.int64)
        numbers[1:] = self._steps(one, at, places, start, start + rows - 1) if one.width else 0
        before = self._steps(one, at, places, 0, start) if one.width and start else None
        numbers[0] = first if before is None else first + before.sum(axis=0, dtype=np.int64)
        if slope is not None:
            numbers[0] = first + start * slope
            if before is not None:
                weights = np.arange(start, 0, -1)[:, None]
                numbers[0] += (before * weights).sum(axis=0, dtype=np.int64)
                slope = slope + before.sum(axis=0, dtype=np.int64)
            if rows > 1:
                numbers[1] += slope
                _add_up(numbers[1:])
        _add_up(numbers)
        return numbers

    def _steps(self, one: _Class, at: int, places: NDArray[np.intp], low: int, high: int) -> Ints:
        """Differences of a class' columns that lead to the rows low + 1 to high, shape [rows x places]."""
        rows, width = high - low, one.width
        if not rows:  # there may be nothing behind the last row to lay an array on
            return np.zeros((0, len(places)), np.int64)
        at += low * one.columns * width
        if width in (1, 2, 4, 8):
            flat = np.frombuffer(self._data, _SIGNED[width], rows * one.columns, at)
            steps = flat.reshape(rows, one.columns)
            return steps if len(places) == one.columns and _in_order(places) else steps.take(places, axis=1)
        steps = np.zeros((rows, len(places)), np.int64)
        in_order = len(places) == one.columns and _in_order(places)
        for offset, dtype in reversed(_PIECES[width]):  # the sign is in the last piece
            piece: NDArray[np.integer] = np.ndarray(
                (rows, one.columns), dtype, self._data, at + offset, (one.columns * width, width)
            )
            steps |= (piece if in_order else piece[:, places]).astype(np.int64) << (8 * offset)
        return steps

    def _lay_runs(self, out: Values, positions: NDArray[np.intp] | None, start: int) -> None:
        """Put the rows without an ordinary number in their place; `out` begins at row `start`."""
        columns, first, last, kinds = self._runs()
        if positions is None:
            chosen = np.arange(len(columns))
            target = columns.astype(np.intp)
        else:
            low = np.searchsorted(columns, positions, side="left")
            high = np.searchsorted(columns, positions, side="right")
            counts = high - low
            if not counts.any():
                return
            target = np.repeat(np.arange(len(positions)), counts)
            chosen = _ranges(low, counts)
        begin = np.clip(first[chosen].astype(np.intp) - start, 0, len(out))
        lengths = np.clip(last[chosen].astype(np.intp) - start, 0, len(out)) - begin
        rows = _ranges(begin, lengths)
        bits = out.view(np.uint64)
        bits[rows, np.repeat(target, lengths)] = np.repeat(_KINDS[kinds[chosen]], lengths)

    def _runs(self) -> tuple[NDArray[np.uint32], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint8]]:
        count, at = int(self._head[6]), self._at_runs
        columns = np.frombuffer(self._data, "<u4", count, at)
        first = np.frombuffer(self._data, "<u2", count, at + 4 * count)
        last = np.frombuffer(self._data, "<u2", count, at + 6 * count)
        kinds = np.frombuffer(self._data, np.uint8, count, at + 8 * count)
        return columns, first, last, kinds


def pack(times: Times, values: Values) -> bytes:
    """Rows as bytes for `Packed`; `values` has shape [rows x columns], 1 to 65,535 rows, times ascending."""
    rows, columns = values.shape
    bits = values.view(np.uint64)
    runs, bits = _without_runs(bits)
    classes = _classify(bits)
    slots = np.empty(columns, np.uint32)
    slot = 0
    for one in classes:
        slots[one.columns] = np.arange(slot, slot + len(one.columns))
        slot += len(one.columns)
    slot_width = 2 if columns < 65_536 else 4
    offsets = times - times[0]
    time_width = next(width for width in (2, 4, 8) if int(offsets[-1]) < 1 << (8 * width))
    out = bytearray(_HEADER.size + len(classes) * _CLASS.size)
    _HEADER.pack_into(
        out, 0, VERSION, len(classes), time_width, slot_width, rows, columns, len(runs[0]), int(times[0])
    )
    _put(out, offsets.astype(f"<u{time_width}"))
    _put(out, slots.astype(f"<u{slot_width}"))
    for array in runs:
        out += array.tobytes()
    slot = 0
    for k, one in enumerate(classes):
        _pad(out)
        entry = (one.form, one.width, one.first_width, len(one.columns), slot, len(out))
        _CLASS.pack_into(out, _HEADER.size + k * _CLASS.size, *entry)
        slot += len(one.columns)
        for part in one.arrays():
            _put(out, part)
    return bytes(out)


@dataclass(frozen=True, slots=True)
class _Form:
    """Columns that will share a class, with their arrays."""

    form: int
    width: int
    columns: NDArray[np.intp]
    first: Ints
    slope: Ints | None = None
    scales: NDArray[np.uint8] | None = None
    steps: NDArray[np.generic] | None = None

    @property
    def first_width(self) -> int:
        return _native(_width(self.first, self.first))

    def arrays(self) -> list[NDArray[np.generic]]:
        """What follows one another in the bytes."""
        first = self.first.astype(f"<i{self.first_width}")
        return [array for array in (first, self.slope, self.scales, self.steps) if array is not None]


def _classify(bits: NDArray[np.uint64]) -> list[_Form]:
    """Every column in one form."""
    still = ~(bits[1:] != bits[0]).any(axis=0)
    forms: list[_Form] = []
    constant = np.flatnonzero(still)
    if len(constant):
        forms += _constants(constant, bits[0, constant])
    moving = np.flatnonzero(~still)
    if len(moving):
        values = bits.view(np.float64)
        values = values[:, moving] if len(constant) else values
        scales, numbers = _integers(values)
        exact = np.flatnonzero(scales >= 0)
        if len(exact):
            whole = len(exact) == len(moving)
            forms += _integer_forms(
                moving[exact], scales[exact].astype(np.uint8), numbers if whole else numbers[:, exact]
            )
        other = np.flatnonzero(scales < 0)
        if len(other):
            forms += _by_width(_BITS, moving[other], values.view(np.int64)[:, other], None)
    return forms


def _constants(columns: NDArray[np.intp], bits: NDArray[np.uint64]) -> list[_Form]:
    """Columns that hold one number: most are small integers."""
    values = bits.view(np.float64)
    with np.errstate(invalid="ignore"):
        small = (np.abs(values) < 32_768) & (np.rint(values) == values) & (bits != _NEGATIVE_ZERO)
    forms = []
    for form, chosen in ((_INT, small), (_BITS, ~small)):
        where = np.flatnonzero(chosen)
        if len(where):
            first = values[where].astype(np.int64) if form == _INT else bits[where].view(np.int64)
            scales = np.zeros(len(where), np.uint8) if form == _INT else None
            forms.append(_Form(form, 0, columns[where], first, scales=scales))
    return forms


def _integers(values: Values) -> tuple[NDArray[np.int8], Ints]:
    """(scale by column, -1 where there is none; values * 10**scale as integers) of moving columns."""
    count = values.shape[1]
    scales = np.full(count, -1, np.int8)
    numbers = np.zeros(values.shape, np.int64)
    # a few rows tell the scale of most columns; all rows then have to agree
    probe = values[:: max(1, len(values) // 4)]
    waiting = np.arange(count)
    tried = 0
    for scale in range(len(_POWERS)):
        if not len(waiting):
            break
        likely = waiting[_exact(probe[:, waiting], _POWERS[scale]).all(axis=0)]
        if not len(likely):
            continue
        some = values if len(likely) == count else values[:, likely]
        good = _exact(some, _POWERS[scale]).all(axis=0)
        done = likely[good]
        if len(done):
            kept = some if len(done) == len(likely) else some[:, good]
            scales[done] = scale
            with np.errstate(all="ignore"):
                exact = np.rint(kept * _POWERS[scale]).astype(np.int64)
            if len(done) == count:
                numbers = exact
            else:
                numbers[:, done] = exact
            waiting = waiting[scales[waiting] < 0]
        tried += len(likely) - len(done)
    return scales, numbers


def _exact(values: Values, power: float) -> NDArray[np.bool_]:
    """Where a value is an integer over `power`, to the bit."""
    with np.errstate(all="ignore"):
        scaled = np.rint(values * power)
        good: NDArray[np.bool_] = (scaled / power == values) & (np.abs(scaled) < _EXACT)
    good &= values.view(np.uint64) != _NEGATIVE_ZERO
    return good


def _integer_forms(columns: NDArray[np.intp], scales: NDArray[np.uint8], numbers: Ints) -> list[_Form]:
    """Columns of integers by difference, or by difference of differences where that is narrower."""
    steps = np.diff(numbers, axis=0)
    widths = _widths(steps)
    forms = []
    second = np.zeros(len(columns), np.bool_)
    # The eight bytes for the first difference have to be won back: by few rows only from wide differences.
    may = (widths.astype(np.int32) * len(steps) > 16).nonzero()[0] if len(steps) > 2 else ()
    if len(may):
        bends = np.diff(steps if len(may) == len(columns) else steps[:, may], axis=0)
        bend_widths = _widths(bends)
        wins = (widths[may].astype(np.int32) - bend_widths) * len(steps) > 16
        second[may] = wins
        for width in _each(bend_widths[wins]):
            chosen = (wins & (bend_widths == width)).nonzero()[0]
            where = may[chosen]
            body = np.zeros((len(steps), len(where)), np.int64)
            body[1:] = bends[:, chosen]
            forms.append(
                _Form(
                    _INT_2,
                    width,
                    columns[where],
                    numbers[0, where],
                    steps[0, where],
                    scales[where],
                    _narrow(body, width) if width else None,
                )
            )
    rest = np.flatnonzero(~second)
    if len(rest):
        whole = len(rest) == len(columns)
        forms += _by_width(
            _INT, columns[rest], numbers if whole else numbers[:, rest], scales[rest],
            steps if whole else steps[:, rest], widths[rest],
        )  # fmt: skip
    return forms


def _by_width(
    form: int,
    columns: NDArray[np.intp],
    numbers: Ints,
    scales: NDArray[np.uint8] | None,
    steps: Ints | None = None,
    widths: NDArray[np.uint8] | None = None,
) -> list[_Form]:
    """One form for every width of difference that occurs."""
    if steps is None:
        steps = np.diff(numbers, axis=0)
    if widths is None:
        widths = _widths(steps)
    forms = []
    for width in _each(widths):
        where = np.flatnonzero(widths == width)
        forms.append(
            _Form(
                form,
                width,
                columns[where],
                numbers[0, where],
                scales=None if scales is None else scales[where],
                steps=_narrow(steps if len(where) == len(columns) else steps[:, where], width)
                if width
                else None,
            )
        )
    return forms


def _widths(steps: Ints) -> NDArray[np.uint8]:
    """Bytes that the differences of every column need."""
    return _width(steps.min(axis=0), steps.max(axis=0))


_LIMITS = (1, *(1 << (8 * width - 1) for width in range(1, 8)))


def _width(low: Ints, high: Ints) -> NDArray[np.uint8]:
    size = np.maximum(high, ~low)
    size |= low < 0  # -1 needs a byte, though its other bits are none
    widths = np.zeros(len(size), np.uint8)
    widest = size.max(initial=0)
    for limit in _LIMITS:
        if limit > widest:
            break
        widths += size >= limit
    return widths


def _each(widths: NDArray[np.uint8]) -> list[int]:
    """The widths that occur, ascending."""
    return [int(width) for width in np.bincount(widths).nonzero()[0]]


def _native(widths: NDArray[np.uint8]) -> int:
    widest = int(widths.max())
    return next(width for width in (1, 2, 4, 8) if width >= widest)


def _narrow(steps: Ints, width: int) -> NDArray[np.generic]:
    """Differences in `width` bytes each, rows kept together."""
    if width in (1, 2, 4, 8):
        return steps.astype(f"<i{width}")
    wide = np.ascontiguousarray(steps, "<i8").view(np.uint8).reshape(*steps.shape, 8)
    return np.ascontiguousarray(wide[:, :, :width])


def _without_runs(
    bits: NDArray[np.uint64],
) -> tuple[tuple[NDArray[np.generic], ...], NDArray[np.uint64]]:
    """(runs of "no sample", stale and NaN; the bits with the number before, or after, in their place)."""
    none = (np.zeros(0, np.uint32), np.zeros(0, np.uint16), np.zeros(0, np.uint16), np.zeros(0, np.uint8))
    some = np.flatnonzero(np.isnan(bits.view(np.float64)).any(axis=0))
    if not len(some):
        return none, bits
    part = bits if len(some) == bits.shape[1] else bits.take(some, axis=1)
    kinds = np.zeros(part.shape, np.uint8)
    for k, word in enumerate(_KINDS, start=1):
        kinds += (part == word) * np.uint8(k)
    runs = _runs_of(kinds, some)
    if not len(runs[0]):
        return none, bits
    filled = _filled(part, kinds == 0)
    if part is bits:
        return runs, filled
    bits = bits.copy()
    bits[:, some] = filled
    return runs, bits


def _runs_of(kinds: NDArray[np.uint8], columns: NDArray[np.intp]) -> tuple[NDArray[np.generic], ...]:
    """(column, first row, row after the last, kind - 1) of each stretch of one kind; kind 0 is no stretch."""
    rows = len(kinds)
    # Down the columns, with a row of another kind before and behind each.
    down = np.zeros((kinds.shape[1], rows + 2), np.uint8)
    down[:, 1:-1] = kinds.T
    flat = down.ravel()
    edge = flat[1:] != flat[:-1]
    start = (edge & (flat[1:] != 0)).nonzero()[0]
    end = (edge & (flat[:-1] != 0)).nonzero()[0]
    column, row = np.divmod(start, rows + 2)
    length = end - start
    kind = flat[start + 1] - np.uint8(1)
    return columns[column].astype("<u4"), row.astype("<u2"), (row + length).astype("<u2"), kind


def _filled(bits: NDArray[np.uint64], ordinary: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """What is not `ordinary` replaced by the last that is, else the first that comes, else 0; [rows x columns]."""
    rows, columns = bits.shape
    at = np.where(ordinary, np.arange(rows, dtype=np.int32)[:, None], np.int32(-1))
    np.maximum.accumulate(at, axis=0, out=at)
    first = ordinary.argmax(axis=0).astype(np.int32)
    np.copyto(at, first, where=at < 0)
    source = at.astype(np.intp)
    source *= columns
    source += np.arange(columns)
    filled = bits.ravel().take(source)
    never = ~ordinary[first, np.arange(columns)]
    if never.any():
        filled[:, never] = 0
    return filled


def _add_up(numbers: Ints) -> None:
    """Running sums down the columns, in place."""
    if numbers.shape[1] < _WIDE:
        np.cumsum(numbers, axis=0, out=numbers)
        return
    above = numbers[0]
    for row in numbers[1:]:  # numpy would go down column by column, which misses the cache
        np.add(row, above, out=row)
        above = row


def _in_order(places: NDArray[np.intp]) -> bool:
    return bool(places[0] == 0 and (np.diff(places) == 1).all())


def _ranges(starts: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    """start, start + 1, ... of every start, `length` of each, in one vector."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    ranges: NDArray[np.intp] = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return ranges


def _aligned(at: int) -> int:
    return (at + 7) & ~7


def _pad(out: bytearray) -> None:
    out += bytes(-len(out) % 8)


def _put(out: bytearray, array: NDArray[np.generic]) -> None:
    out += array.tobytes()
    _pad(out)
