"""A matrix of samples as JSON, without a Python object per sample where that can be helped.

orjson prints a whole float64 matrix in shortest round-trip form; one template with all timestamps in place then takes
each row's numbers. Rows that orjson prints otherwise than Prometheus (not finite, exponents, gaps) take the plain way.
benchmarks/web.py measures it; tests/properties/test_matrix.py holds it to `plain_rows`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from pyscrape.promql.format import format_sample

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]


def format_timestamp(at_ms: int) -> str:
    """Milliseconds as JSON seconds with up to three decimals: 1435781430781 -> `1435781430.781`."""
    sign, at_ms = ("-", -at_ms) if at_ms < 0 else ("", at_ms)
    whole, rest = divmod(at_ms, 1000)
    return f"{sign}{whole}.{rest:03d}".rstrip("0") if rest else f"{sign}{whole}"


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
    times = [format_timestamp(at_ms) for at_ms in times_ms]
    size = np.abs(values)
    # orjson writes exponents from 1e16 and below 1e-5; `not (a <= b)` also finds NaN.
    odd = ~((size < 1e16) & ((size >= 1e-5) | (size == 0))).all(axis=1)
    if present is not None:
        odd |= ~present.all(axis=1)
    rows: list[bytes] = [b""] * len(values)
    easy = np.flatnonzero(~odd)
    if len(easy) and times:
        printed = orjson.dumps(np.ascontiguousarray(values[easy]), option=orjson.OPT_SERIALIZE_NUMPY)
        printed = printed.replace(b".0,", b",").replace(b".0]", b"]")
        template = b"[" + b",".join(b'[%s,"%%s"]' % time.encode() for time in times) + b"]"
        for place, row in zip(easy.tolist(), printed[2:-2].split(b"],["), strict=True):
            rows[place] = template % tuple(row.split(b","))
    hard = np.flatnonzero(odd)
    masked = None if present is None else present[hard]
    for place, encoded in zip(hard.tolist(), plain_rows(times, values[hard], masked), strict=True):
        rows[place] = encoded
    return rows
