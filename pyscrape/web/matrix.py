"""A matrix of samples as JSON, without a Python object per sample where that can be helped.

orjson prints a whole float64 matrix in shortest round-trip form; one template with all timestamps in place then takes
each row's numbers. Numbers that orjson prints otherwise than Prometheus (not finite, exponents) are put in one by one.
benchmarks/web.py measures it; tests/properties/test_matrix.py holds it to `plain_rows`.
"""

from collections.abc import Iterator, Sequence
from itertools import compress

import numpy as np
import orjson
from numpy.typing import NDArray

from pyscrape.promql.format import format_sample

FEW = 24
"""So many numbers are printed one by one in less time than numpy needs to begin."""

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]


def format_timestamp(at_ms: int) -> str:
    """Milliseconds as JSON seconds with three decimals or none, as Prometheus writes them: 1010 -> `1.010`."""
    sign, at_ms = ("-", -at_ms) if at_ms < 0 else ("", at_ms)
    whole, rest = divmod(at_ms, 1000)
    return f"{sign}{whole}.{rest:03d}" if rest else f"{sign}{whole}"


def plain_rows(times: Sequence[str], values: Matrix, present: Mask | None) -> Iterator[bytes]:
    """`[[t,"v"],...]` for each row of values[series x steps]: the obvious way."""
    for row in range(len(values)):
        numbers = values[row].tolist()
        cells = range(len(times)) if present is None else np.flatnonzero(present[row]).tolist()
        yield ("[" + ",".join(f'[{times[k]},"{format_sample(numbers[k])}"]' for k in cells) + "]").encode()


def matrix_rows(times_ms: Sequence[int], values: Matrix, present: Mask | None = None) -> list[bytes]:
    """The samples of each series as JSON, `[[t,"v"],...]`.

    Args:
        times_ms: the time of each step, [steps].
        values: [series x steps].
        present: [series x steps], where a sample exists; None means everywhere.
    """
    if not len(values) or not len(times_ms):
        return [b"[]"] * len(values)
    cells = [b'[%s,"%%s"]' % format_timestamp(at_ms).encode() for at_ms in times_ms]
    template = b"[" + b",".join(cells) + b"]"
    gaps = None if present is None else ~present
    printed = sample_texts(values if gaps is None else np.where(gaps, 0.0, values))
    gapped = {} if gaps is None else _rows_with_gaps(gaps, cells, printed)
    return [gapped.get(row) or template % tuple(numbers) for row, numbers in enumerate(printed)]


def sample_texts(values: Matrix) -> list[list[bytes]]:
    """The text of every number of a matrix that has some."""
    if values.size <= FEW:
        return [[format_sample(value).encode() for value in row] for row in values.tolist()]
    size = np.abs(values)
    # orjson writes exponents from 1e16 and below 1e-5; `not (a <= b)` also finds NaN. -0 is no whole number to it.
    odd = ~((size < 1e16) & ((size >= 1e-5) | (size == 0)))
    odd |= (size == 0) & np.signbit(values)
    whole = odd | (values == np.rint(values))
    if whole.all():  # as integers, there is no `.0` to be looked for
        text = orjson.dumps(np.where(odd, 0.0, values).astype(np.int64), option=orjson.OPT_SERIALIZE_NUMPY)
    else:
        text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
        if whole.any():
            text = text.replace(b".0,", b",").replace(b".0]", b"]")
    texts = [row.split(b",") for row in text[2:-2].split(b"],[")]
    for row, step in np.argwhere(odd).tolist() if odd.any() else ():
        texts[row][step] = format_sample(values.item(row, step)).encode()
    return texts


def _rows_with_gaps(gaps: Mask, cells: list[bytes], printed: list[list[bytes]]) -> dict[int, bytes]:
    """The rows that lack a step, by number; rows with the same gaps share a template."""
    templates: dict[bytes, bytes] = {}
    rows: dict[int, bytes] = {}
    for row in np.flatnonzero(gaps.any(axis=1)).tolist():
        there = (~gaps[row]).tolist()
        key = gaps[row].tobytes()
        if key not in templates:
            templates[key] = b"[" + b",".join(compress(cells, there)) + b"]"
        rows[row] = templates[key] % tuple(compress(printed[row], there))
    return rows
