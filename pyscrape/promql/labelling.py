"""Functions that change labels alone. Each distinct text is worked on once, whatever the number of series."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cmp_to_key
from typing import TYPE_CHECKING

import numpy as np

from pyscrape.model.blocks import Codes, LabelFrame
from pyscrape.model.labels import METRIC_NAME
from pyscrape.model.names import valid_label_name
from pyscrape.model.regex import RegexError, compile_re2
from pyscrape.promql.ast import Call
from pyscrape.promql.errors import QueryError
from pyscrape.promql.frames import Ids, column, columns, with_label
from pyscrape.promql.values import Grid, Vector, merge_same

if TYPE_CHECKING:
    from pyscrape.promql.evaluator import Evaluator

_CHUNKS = re.compile(r"\d+|\D+")


def label_replace(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    """label_replace(v, dst, replacement, src, regex): dst gets the replacement where all of src matches."""
    target, replacement, source, pattern = (ev.string(arg) for arg in call.args[1:])
    try:
        compiled = compile_re2(pattern)
    except RegexError as error:
        raise QueryError(f"invalid regular expression in label_replace(): {pattern}") from error
    if not valid_target(target):
        raise QueryError(f"invalid destination label name in label_replace(): {target}")
    vector = ev.vector(call.args[0], grid)
    code, text = ev.symbols.code, ev.symbols.text
    matched: dict[int, int] = {}
    sources = column(vector.frame, code(source))
    for value in np.unique(sources).tolist():
        found = compiled.fullmatch(text(value))
        if found is not None:
            matched[value] = code(found.expand(replacement))
    values, first = np.unique(sources, return_inverse=True)
    hits = np.array([value in matched for value in values.tolist()], dtype=np.bool_)[first]
    made = np.array([matched.get(value, 0) for value in values.tolist()], dtype=np.int32)[first]
    if not hits.any():
        return vector
    old = column(vector.frame, code(target))
    return _relabelled(vector, target, code(target), np.where(hits, made, old).astype(np.int32), hits)


def label_join(ev: "Evaluator", call: Call, grid: Grid) -> Vector:
    """label_join(v, dst, separator, src...): dst becomes the values of the sources, joined."""
    target, separator, *sources = (ev.string(arg) for arg in call.args[1:])
    for source in sources:
        if not valid_target(source):
            raise QueryError(f"invalid source label name in label_join(): {source}")
    if not valid_target(target):
        raise QueryError(f"invalid destination label name in label_join(): {target}")
    vector = ev.vector(call.args[0], grid)
    code, text = ev.symbols.code, ev.symbols.text
    codes = columns(vector.frame, [code(source) for source in sources])
    made = np.array([code(separator.join(map(text, row))) for row in codes.tolist()], dtype=np.int32)
    return _relabelled(vector, target, code(target), made, np.ones(len(made), dtype=np.bool_))


def valid_target(name: str) -> bool:
    """Whether a string literal may name a label; bytes that were no UTF-8 arrive as U+FFFD."""
    return valid_label_name(name, "utf8") and "\ufffd" not in name


def _relabelled(
    vector: Vector,
    name: str,
    code: int,
    values: Codes,
    changed: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]",
) -> Vector:
    """The vector with another value of one label; a name that was just set is there to stay."""
    unnamed = vector.unnamed
    if unnamed is not None and name == METRIC_NAME:
        unnamed = unnamed & ~changed
    return merge_same(replace(vector, frame=with_label(vector.frame, code, values), unnamed=unnamed))


def natural_order(frame: LabelFrame, names: Sequence[int], by_labels: Ids) -> Ids:
    """The order of the series by some labels, digits in them by their number; ties by all labels."""
    text = frame.symbols.text
    rows = columns(frame, list(names)).tolist()
    rank = np.empty(len(by_labels), dtype=np.int64)
    rank[by_labels] = np.arange(len(by_labels))
    key: Callable[[str], object] = cmp_to_key(natural_compare)
    keys = [
        (*(key(text(value)) for value in row), place) for row, place in zip(rows, rank.tolist(), strict=True)
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def natural_compare(left: str, right: str) -> int:
    """-1, 0 or 1: texts compared chunk by chunk, runs of digits by their value.

    >>> natural_compare("cpu-2", "cpu-10"), natural_compare("a", "b"), natural_compare("x", "x")
    (-1, -1, 0)
    """
    for a, b in zip(_CHUNKS.findall(left), _CHUNKS.findall(right), strict=False):
        if a == b:
            continue
        if a[0].isdigit() and b[0].isdigit() and int(a) != int(b):
            return -1 if int(a) < int(b) else 1
        return -1 if a < b else 1
    return (len(left) > len(right)) - (len(left) < len(right))
