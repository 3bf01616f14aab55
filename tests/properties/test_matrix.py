"""The fast matrix encoder prints what the plain one prints, and what Prometheus' rules say."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyscrape.promql.format import format_sample
from pyscrape.web.matrix import FEW, format_timestamp, matrix_rows, plain_rows

SHAPES = st.one_of(  # few numbers are printed one by one
    st.tuples(st.integers(1, 4), st.integers(1, 5)),
    st.tuples(st.integers(3, 5), st.integers(FEW // 3 + 1, 12)),
)
NUMBERS = st.one_of(
    st.floats(width=64),
    st.integers(-(10**22), 10**22).map(float),
    st.sampled_from([-0.0, 1e-5, 1e-6, 2.0**53 + 2, 1e16 - 2, 1e16, 1e21, 0.1]),
)


@given(
    SHAPES.flatmap(
        lambda shape: st.tuples(arrays(np.float64, shape, elements=NUMBERS), arrays(np.bool_, shape))
    )
)
def test_fast_and_plain_agree(both: tuple[np.ndarray, np.ndarray]) -> None:
    values, present = both
    times_ms = [1_700_000_000_000 + 500 * k for k in range(values.shape[1])]
    times = [format_timestamp(at_ms) for at_ms in times_ms]
    assert matrix_rows(times_ms, values) == list(plain_rows(times, values, None))
    assert matrix_rows(times_ms, values, present) == list(plain_rows(times, values, present))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_values_read_back(value: float) -> None:
    text = format_sample(value)
    assert float(text) == value
    assert ("e" in text) == (value != 0 and not 1e-6 <= abs(value) < 1e21)


def test_an_example() -> None:
    rows = matrix_rows(
        [1000, 2500], np.array([[1.0, 2.5], [np.nan, np.inf]]), np.array([[True, True], [False, True]])
    )
    assert rows == [b'[[1,"1"],[2.500,"2.5"]]', b'[[2.500,"+Inf"]]']
    assert json.loads(rows[0]) == [[1, "1"], [2.5, "2.5"]]


@pytest.mark.parametrize(
    ("at_ms", "text"), [(0, "0"), (1435781430781, "1435781430.781"), (1500, "1.500"), (-1500, "-1.500")]
)
def test_timestamps(at_ms: int, text: str) -> None:
    assert format_timestamp(at_ms) == text
