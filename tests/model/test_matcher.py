import pytest

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.regex import RegexError


@pytest.mark.parametrize(
    ("operator", "value", "yes", "no"),
    [
        ("=", "a", ["a"], ["", "b", "aa"]),
        ("=", "", [""], ["a"]),
        ("!=", "a", ["", "b"], ["a"]),
        ("=~", "a|b.*", ["a", "b", "bc"], ["", "ac", "xb"]),
        ("=~", ".*", ["", "a", "a\nb"], []),
        ("!~", "a.*", ["", "ba"], ["a", "ab"]),
    ],
)
def test_matches(operator: str, value: str, yes: list[str], no: list[str]) -> None:
    matcher = Matcher(MatchType(operator), "x", value)
    assert [text for text in [*yes, *no] if matcher.matches(text)] == yes
    assert matcher.matches_empty is matcher.matches("")


@pytest.mark.parametrize(
    ("operator", "value", "values", "prefix"),
    [
        ("=", "a", ("a",), "a"),
        ("!=", "a", ("a",), "a"),
        ("=~", "5..|4..", None, ""),
        ("=~", "500|50[123]", ("500", "501", "502", "503"), "50"),
        ("=~", "node_.+", None, "node_"),
        ("!~", "(?i)a", ("A", "a"), ""),
    ],
)
def test_what_an_index_can_use(
    operator: str, value: str, values: tuple[str, ...] | None, prefix: str
) -> None:
    matcher = Matcher(MatchType(operator), "x", value)
    assert (matcher.set_values, matcher.prefix) == (values, prefix)


def test_prints_as_promql() -> None:
    assert str(Matcher(MatchType.RE, "a", 'x"\n')) == 'a=~"x\\"\\n"'
    assert str(Matcher(MatchType.NE, "a.b", "")) == '"a.b"!=""'


def test_equal_and_hashable() -> None:
    assert Matcher(MatchType.RE, "a", "x") == Matcher(MatchType.RE, "a", "x")
    assert len({Matcher(MatchType.EQ, "a", "x"), Matcher(MatchType.EQ, "a", "x")}) == 1


def test_bad_regex() -> None:
    with pytest.raises(RegexError, match="missing closing"):
        Matcher(MatchType.RE, "a", "(")
