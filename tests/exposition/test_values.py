"""Numbers in bulk are the numbers one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.exposition.floats import go_g, go_g_of_any, openmetrics_float, parse_float, parse_go_float
from pyscrape.exposition.values import decode_clocks, decode_values
from tests.helpers.examples import examples

TEXTS = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.floats(allow_nan=False).map(go_g),
    st.sampled_from(
        ["NaN", "+Inf", "-0", "-0.0", "1.", ".5", "+3", "1e400", "1_0", "x", "0x1", "1 ", "1,2", "nul"]
    ),
)


def laid_out(texts: list[str]) -> tuple[bytes, np.ndarray, np.ndarray]:
    body = b"".join(b"a " + text.encode() + b"\n" for text in texts)
    ends = np.cumsum([len(text) + 3 for text in texts]) - 1
    return body, ends - [len(text) for text in texts], ends


@examples(100)
@given(st.lists(TEXTS, min_size=1, max_size=8), st.sampled_from([1, 400]))
def test_bulk_agrees_with_one_by_one(texts: list[str], times: int) -> None:
    body, starts, ends = laid_out(texts * times)
    try:
        expected = [parse_float(text.encode()) for text in texts] * times
    except ValueError:
        with pytest.raises(ValueError):
            decode_values(body, starts, ends)
        return
    assert (
        decode_values(body, starts, ends).view(np.uint64).tolist()
        == np.array(expected).view(np.uint64).tolist()
    )


@pytest.mark.parametrize("before", [b"", b"# a comment as pages begin with\n"])
def test_zeros_keep_their_sign(before: bytes) -> None:
    texts = ["-0", "0", "-1"] * 400
    body, starts, ends = laid_out(texts)
    found = decode_values(before + body, starts + len(before), ends + len(before))
    assert [str(value) for value in found[-3:].tolist()] == ["-0.0", "0.0", "-1.0"]
    assert np.signbit(found).tolist() == [text.startswith("-") for text in texts]


def test_openmetrics_zeros_have_no_sign() -> None:
    assert [openmetrics_float(value) for value in (0.0, -0.0, 1.0, -2.0)] == ["0.0", "0.0", "1.0", "-2.0"]


def test_clocks() -> None:
    body = b"aaaaaaaa 1 1395066363000\nb 1 0000000000007\n"
    ends = np.array([24, 42])
    found = decode_clocks(body, ends)
    assert found is not None
    assert found.tolist() == [1395066363000, 7]
    assert decode_clocks(body.replace(b"000\n", b"00x\n"), ends) is None
    assert decode_clocks(body, np.array([5])) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (100000.0, "100000"),
        (1e6, "1e+06"),
        (1234567.0, "1.234567e+06"),
        (0.0001, "0.0001"),
        (0.00001234, "1.234e-05"),
        (1e21, "1e+21"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
    ],
)
def test_go_prints(value: float, text: str) -> None:
    assert go_g(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x1p4", 16.0),
        ("0x.8p1", 1.0),
        ("1_000", 1000.0),
        ("0x_1p4", 16.0),
        ("1__0", None),
        ("_1", None),
        ("0x1", None),
    ],
)
def test_go_parses(text: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(ValueError):
            parse_go_float(text)
    else:
        assert parse_go_float(text) == value


@examples(300)
@given(
    st.floats() | st.integers(-(10**17), 10**17).map(float) | st.floats(-2e6, 2e6).map(lambda x: round(x, 3))
)
def test_usual_numbers_are_printed_as_all_are(value: float) -> None:
    assert go_g(value) == go_g_of_any(value)
