"""Label sets of many series as integer matrices: choose, join, compare and merge them without making objects.

All functions take LabelFrames that share one symbol table, where equal strings have equal codes.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Codes, LabelFrame
from pyscrape.model.labels import METRIC_NAME
from pyscrape.model.remembered import Remembered
from pyscrape.model.symbols import NAME, Symbols, SymbolTable

Ids = NDArray[np.int64]

RESERVED = frozenset({METRIC_NAME, "__type__", "__unit__"})
"""Labels of what a metric is, untrue of what is computed from it."""

FEW_CODES = 512
"""So many are looked at one by one in less time than numpy needs to begin."""

KEPT, KEPT_SERIES = 64, 1000
_GROUPS: Remembered[tuple[Ids, Ids]] = Remembered(KEPT, KEPT_SERIES)
_SERIES: Remembered[tuple[LabelFrame, Ids]] = Remembered(KEPT, KEPT_SERIES)
_MATCHES: Remembered[tuple[Ids, Ids, int]] = Remembered(KEPT, KEPT_SERIES)
_COLUMNS: Remembered[Codes] = Remembered(KEPT, KEPT_SERIES)
_ORDERS: Remembered[Ids] = Remembered(KEPT, KEPT_SERIES)
_NO_SYMBOLS = Symbols()
"""Of what is remembered: those of a query are not to stay in memory."""

# Any odd numbers do; rows with equal sums are compared cell by cell afterwards.
_MIX = np.random.default_rng(7).integers(1, 2**63, size=64, dtype=np.uint64) | np.uint64(1)


def empty_frame(symbols: SymbolTable, series: int = 0) -> LabelFrame:
    """`series` label sets without any label."""
    return LabelFrame((), np.zeros((series, 0), dtype=np.int32), symbols)


def column(frame: LabelFrame, name: int) -> Codes:
    """The value codes of one label, [series]; zeros where no series has it."""
    if name in frame.names:
        return frame.codes[:, frame.names.index(name)]
    return np.zeros(len(frame), dtype=np.int32)


def columns(frame: LabelFrame, names: Sequence[int]) -> Codes:
    """The value codes of several labels, [series x names]."""
    if not names:
        return np.zeros((len(frame), 0), dtype=np.int32)
    return np.stack([column(frame, name) for name in names], axis=1)


def take(frame: LabelFrame, rows: NDArray[np.generic] | slice) -> LabelFrame:
    """Some series of a frame, by index, mask or slice."""
    return LabelFrame(frame.names, frame.codes[rows], frame.symbols)


def keep(frame: LabelFrame, names: Collection[int]) -> LabelFrame:
    """Only the labels `names`."""
    return _only(frame, tuple(k for k, name in enumerate(frame.names) if name in names))


def drop(frame: LabelFrame, names: Collection[int]) -> LabelFrame:
    """All labels but `names`."""
    if not any(name in names for name in frame.names):
        return frame
    return _only(frame, tuple(k for k, name in enumerate(frame.names) if name not in names))


def _only(frame: LabelFrame, kept: tuple[int, ...]) -> LabelFrame:
    """The labels at some places."""
    codes = _COLUMNS.of((frame.codes,), kept, lambda: np.ascontiguousarray(frame.codes[:, kept]).copy())
    return LabelFrame(tuple(frame.names[k] for k in kept), codes, frame.symbols)


def reserved(frame: LabelFrame) -> tuple[int, ...]:
    """The labels of a frame that go when a value no longer is what its metric's name, type and unit say."""
    text = frame.symbols.text
    return tuple(name for name in frame.names if text(name) in RESERVED)


def drop_name(frame: LabelFrame) -> LabelFrame:
    """All labels but the metric's name, and its type and unit."""
    return drop(frame, reserved(frame))


def with_label(frame: LabelFrame, name: int, values: Codes) -> LabelFrame:
    """The frame with one label set to `values`, [series]."""
    rest = drop(frame, (name,))
    codes = np.concatenate([rest.codes, values.astype(np.int32)[:, None]], axis=1)
    return LabelFrame((*rest.names, name), codes, frame.symbols)


def concat(frames: Sequence[LabelFrame], symbols: SymbolTable) -> LabelFrame:
    """The series of all frames, one frame after the other."""
    if len(frames) == 1:
        return frames[0]
    names = tuple(dict.fromkeys(name for frame in frames for name in frame.names))
    if not frames:
        return empty_frame(symbols)
    return LabelFrame(names, np.concatenate([columns(frame, names) for frame in frames]), symbols)


def groups_of(codes: Codes) -> tuple[Ids, Ids]:
    """Equal rows of `codes` get one id: (id of each row, a row of each id), ids in the order of first appearance."""
    return _GROUPS.of((codes,), None, lambda: _grouped(codes))


def _grouped(codes: Codes) -> tuple[Ids, Ids]:
    rows, width = codes.shape
    if not rows:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if not width:
        return np.zeros(rows, dtype=np.int64), np.zeros(1, dtype=np.int64)
    if codes.size <= FEW_CODES:
        return _few_groups(codes)
    first, ids = _unique(_hashes(codes))
    if not (codes[first[ids]] == codes).all():  # two rows with one hash: count on the rows themselves
        packed = np.ascontiguousarray(codes).view(np.dtype((np.void, codes.itemsize * width))).reshape(-1)
        first, ids = _unique(packed)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[ids], first[order]


def _few_groups(codes: Codes) -> tuple[Ids, Ids]:
    """The groups of a few rows, row by row."""
    keys: list[object] = codes[:, 0].tolist() if codes.shape[1] == 1 else [*map(tuple, codes.tolist())]
    group = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    first = dict(zip(reversed(keys), reversed(range(len(keys))), strict=True))
    ids = [group[key] for key in keys]
    return np.array(ids, dtype=np.int64), np.array([first[key] for key in group], dtype=np.int64)


def _hashes(codes: Codes) -> NDArray[np.uint64]:
    wide = codes.astype(np.int64).view(np.uint64)
    total = np.zeros(len(codes), dtype=np.uint64)
    for k in range(codes.shape[1]):
        mixed = (wide[:, k] + np.uint64(1)) * _MIX[k % len(_MIX)] + np.uint64(k)
        total = (total ^ (mixed ^ (mixed >> np.uint64(29)))) * _MIX[-1 - k % 32]
    return total


def _unique(keys: NDArray[np.generic]) -> tuple[Ids, Ids]:
    _, first, ids = np.unique(keys, return_index=True, return_inverse=True)
    return first, ids.reshape(-1)


def group_series(frame: LabelFrame, names: Collection[int], *, without: bool) -> tuple[LabelFrame, Ids]:
    """The label sets of `by (names)` or `without (names)`, and the group of each series."""
    # A name that only this query has a code for is none of the labels, whatever it is.
    key = without, tuple(names)
    groups, ids = _SERIES.of((frame.codes,), key, lambda: _grouped_series(frame, names, without=without))
    return LabelFrame(groups.names, groups.codes, frame.symbols), ids


def _grouped_series(frame: LabelFrame, names: Collection[int], *, without: bool) -> tuple[LabelFrame, Ids]:
    kept = drop(frame, {*names, NAME}) if without else keep(frame, names)
    ids, first = groups_of(kept.codes)
    return LabelFrame(kept.names, kept.codes[first], _NO_SYMBOLS), ids


def match_ids(
    left: LabelFrame, right: LabelFrame, names: Collection[int], *, on: bool
) -> tuple[Ids, Ids, int]:
    """Signature of each series of both sides for vector matching, and how many signatures there are."""
    if on:
        used = tuple(dict.fromkeys(names))
    else:
        ignored = {*names, NAME}
        used = tuple(dict.fromkeys(n for n in (*left.names, *right.names) if n not in ignored))
    return _MATCHES.of((left.codes, right.codes), used, lambda: _matched_ids(left, right, used))


def _matched_ids(left: LabelFrame, right: LabelFrame, used: Sequence[int]) -> tuple[Ids, Ids, int]:
    ids, first = groups_of(np.concatenate([columns(left, used), columns(right, used)]))
    return ids[: len(left)].copy(), ids[len(left) :].copy(), len(first)


def label_order(frame: LabelFrame) -> Ids:
    """The order of the series by their labels, pair by pair in byte order, as results are sorted."""
    return _ORDERS.of((frame.codes,), None, lambda: _label_order(frame))


def _label_order(frame: LabelFrame) -> Ids:
    if len(frame) < 2:
        return np.arange(len(frame))
    text = frame.symbols.text
    by_name = sorted(range(len(frame.names)), key=lambda k: text(frame.names[k]))
    keys: list[NDArray[np.int64]] = []
    later = np.zeros(len(frame), dtype=np.bool_)
    # From the last name to the first, which is what lexsort wants. A series without this label but with a later one
    # has a greater name here; one without any more labels has ended and comes first.
    for k in reversed(by_name):
        codes, place = np.unique(frame.codes[:, k], return_inverse=True)
        texts = [text(code) for code in codes.tolist()]
        rank = np.empty(len(codes), dtype=np.int64)
        rank[sorted(range(len(codes)), key=texts.__getitem__)] = np.arange(1, len(codes) + 1)
        has = frame.codes[:, k] != 0
        keys.append(np.where(has, rank[place.reshape(-1)], np.where(later, len(codes) + 1, 0)))
        later |= has
    return np.lexsort(keys) if keys else np.arange(len(frame))
