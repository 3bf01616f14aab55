import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.names import escape_name, quoted, unescape_name, valid_label_name, valid_metric_name

NOT_UTF8 = b"a\xc5z".decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("name", "label_legacy", "metric_legacy", "utf8"),
    [
        ("a", True, True, True),
        ("_a1", True, True, True),
        ("a:b", False, True, True),
        ("1a", False, False, True),
        ("a b", False, False, True),
        ("é", False, False, True),
        ("a\n", False, False, True),
        ("", False, False, False),
        (NOT_UTF8, False, False, False),
    ],
)
def test_validity(name: str, label_legacy: bool, metric_legacy: bool, utf8: bool) -> None:
    assert valid_label_name(name, "legacy") is label_legacy
    assert valid_metric_name(name, "legacy") is metric_legacy
    assert valid_label_name(name) is valid_metric_name(name) is utf8


@given(st.text(st.characters(codec="utf-8", max_codepoint=0xFFFFF), min_size=1))
def test_values_can_be_read_back(name: str) -> None:
    escaped = escape_name(name, "values")
    assert valid_metric_name(escaped, "legacy")
    assert unescape_name(escaped, "values") == name or not escaped.startswith("U__")


@pytest.mark.parametrize(
    "name", ["U__", "U___", "U__a_", "U___zz_", "U___1234567_", "U___d800_", "U__x_41", "plain"]
)
def test_malformed_escapes_stay(name: str) -> None:
    assert unescape_name(name, "values") == ("" if name == "U__" else name)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a", '"a"'),
        ('"\\', '"\\"\\\\"'),
        ("\n\t\x00\x7f", '"\\n\\t\\x00\\x7f"'),
        ("é \u00a0\u200b", '"é \\u00a0\\u200b"'),
        ("\U000e0001", '"\\U000e0001"'),
        (NOT_UTF8, '"a\\xc5z"'),
    ],
)
def test_quoted_as_go_does(text: str, printed: str) -> None:
    assert quoted(text) == printed
