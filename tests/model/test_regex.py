import copy
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model import regex
from pyscrape.model.regex import RegexError, RegexTimeout, compile_re2
from pyscrape.model.regex_emit import emit
from pyscrape.model.regex_factor import factor
from pyscrape.model.regex_linear import LinearMatcher, stops_at
from pyscrape.model.regex_shape import hazard
from pyscrape.model.regex_syntax import parse, unwrap
from pyscrape.model.regex_unicode import unicode_class
from tests.helpers.examples import examples

REFUSED = [
    ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
    (r"\1", r"invalid escape sequence: `\1`"),
    ("a++", "invalid nested repetition operator: `++`"),
    ("a**", "invalid nested repetition operator: `**`"),
    ("*", "missing argument to repetition operator: `*`"),
    ("(", "missing closing ): `^(?s:()$`"),
    (")", "unexpected ): `^(?s:))$`"),
    ("[a", "missing closing ]: `[a)$`"),
    ("[b-a]", "invalid character class range: `b-a`"),
    ("x{1001}", "invalid repeat count: `{1001}`"),
    ("(x{100}){100}", "invalid repeat count: `{100}`"),
    (r"\Z", r"invalid escape sequence: `\Z`"),
    (r"\pX", r"invalid character class range: `\pX`"),
    ("(?P<a b>x)", "invalid named capture: `(?P<a b>`"),
    ("\udcc5", "invalid UTF-8: `\udcc5)$`"),
]


@pytest.mark.parametrize(("pattern", "message"), REFUSED)
def test_refused_in_go_s_words(pattern: str, message: str) -> None:
    with pytest.raises(RegexError) as refused:
        compile_re2(pattern)
    assert str(refused.value) == f"error parsing regexp: {message}"


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        ("a$", "a\n", None),
        (".", "\n", ("\n",)),
        (r"\d\s\w", "1\v_", None),
        (r"\d", "٣", None),
        ("(?i)k", "\u212a", ("\u212a",)),
        ("(?i)ß", "SS", None),
        (r"[[:alpha:]]+\x{e9}\012", "aé\n", ("aé\n",)),
        ("a)|(b", "xb", ("b", "b")),
        ("a)(b", "ab", ("ab", "b")),
        ("(|a)*", "aa", ("aa", "a")),
        ("(?:(a)|b)*", "ab", ("ab", "a")),
        ("(?U)(a+)(a*)", "aaa", ("aaa", "a", "aa")),
        (r"\Q.*\E", ".*", (".*",)),
        ("a{,2}", "a{,2}", ("a{,2}",)),
        (r"\p{Greek}+", "αβ", ("αβ",)),
        (r"\PL", "1", ("1",)),
        ("[ab]{0,2}?(?-i)+(?<n>a+?||)?", "baa", ("baa", "")),
        ("(?P<n>a)|(?P<n>b)", "b", ("b", None, "b")),
        (r"(.+?)(?::\d+)?;(\d+)", "[::1]:80;9100", ("[::1]:80;9100", "[::1]", "9100")),
        (r"(.+?)(?::\d+)?;(\d+)", ":;\n;9", (":;\n;9", ":;\n", "9")),
        ("(.*?):(.*?)b?", ":ab", (":ab", "", "a")),
        (".*?a", "ba\n", None),
    ],
)
def test_match(pattern: str, text: str, groups: tuple[str | None, ...] | None) -> None:
    match = compile_re2(pattern).fullmatch(text)
    assert (None if match is None else (match.group(0), *match.groups())) == groups


@pytest.mark.parametrize(
    ("pattern", "engine", "literal", "alternatives", "prefix"),
    [
        ("true", "none", "true", ("true",), "true"),
        ("a|b|ab", "none", None, ("a", "b", "ab"), ""),
        ("(https?)", "none", None, ("https", "http"), "http"),
        ("(.*)", "none", None, None, ""),
        ("__meta_(.+)", "none", None, None, "__meta_"),
        ("(.+?)(?::\\d+)?;(\\d+)", "re", None, None, ""),
        ("(?:[a-z]+\\.)+com", "re", None, None, ""),
        ("node_(cpu|memory)_.*", "re", None, None, "node_"),
        ("(a+)+b", "guarded", None, None, "a"),
        ("(.*)(.*)x", "guarded", None, None, ""),
        ("(a?)*", "guarded", None, None, ""),
        ("(a(?:b*|c*))+d", "guarded", None, None, "a"),
    ],
)
def test_the_cheapest_safe_engine(
    pattern: str, engine: str, literal: str | None, alternatives: tuple[str, ...] | None, prefix: str
) -> None:
    compiled = compile_re2(pattern)
    assert (compiled.engine, compiled.literal, compiled.alternatives, compiled.prefix) == (
        engine,
        literal,
        alternatives,
        prefix,
    )


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$1:${2}", "a:b"),
        ("$1x", ""),
        ("$1_$2", "b"),
        ("${1}_$2", "a_b"),
        ("$n$$", "b$"),
        ("$01$9", ""),
        ("$", "$"),
        ("$-", "$-"),
        ("${1", "${1"),
        ("${}${a-b}", "${}${a-b}"),
        ("100%s$1", "100%sa"),
        (r"\1", r"\1"),
    ],
)
def test_expand(template: str, text: str) -> None:
    match = compile_re2("(.)(?P<n>.)").fullmatch("ab")
    assert match is not None
    assert match.expand(template) == text
    for pattern in ("(.)(?P<n>.)", "([^x])(?P<n>[^x]?)", "([^x]*)(?P<n>b+)", "(a|x)(?P<n>b)"):
        compiled = compile_re2(pattern)
        replaced = compiled.replacer(compiled.template(template))
        assert (replaced("ab"), replaced("xxx")) == (text, None)


HOSTILE = ["(a+)+b", "(a|aa)+b", "(.*)(.*)(.*)(.*)(.*)[^a]x", "(?:a?){500}a{500}b", "(x+x+)+y"]


@pytest.mark.timeout(30)  # a guard against hanging: backtracking would take longer than the universe lasts
@pytest.mark.parametrize("pattern", HOSTILE)
def test_hostile_texts_never_hang(pattern: str) -> None:
    """How long they take, `python -m benchmarks relabel` says."""
    compile_re2.cache_clear()
    compiled = compile_re2(pattern)
    for number in range(100):
        try:
            # It ends as the pattern may, lest its last character tell at once.
            assert compiled.captures("a" * (10_000 - number) + "ca" + pattern[-1]) is None
        except RegexTimeout as timeout:
            assert "characters" in str(timeout)


def test_a_time_out_is_never_no_match_and_soon_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_re2.cache_clear()
    compiled = compile_re2("(?:(?:a|b){1,30}c?){30}")
    for length in (6000, 6001, 6002, 6003):
        with pytest.raises(RegexTimeout):
            compiled.matches("a" * length + "da")
    with monkeypatch.context() as patch, pytest.raises(RegexTimeout):
        patch.delattr(LinearMatcher, "matches")  # nothing is tried any more
        compiled.matches("a" * 9000 + "da")
    assert compiled.matches("ab" * 20)


def test_long_matches_have_groups_too() -> None:
    text = "a" * 20_000 + "b"
    match = compile_re2("(a|aa)+(b)").fullmatch(text)
    assert match is not None
    assert match.groups() == ("a", "b")


@pytest.mark.parametrize(
    ("pattern", "degree"),
    [
        ("abc", 0),
        ("a*", 1),
        ("[^:]+:(.+)", 1),
        ("(.*)-(.*)", 2),
        ("(?:a+b)+", 1),
        ("(a+)+", float("inf")),
        ("(?:ab?)+c", 1),
        ("(?:aa?)+", float("inf")),
        (r"(\d{1,3}\.){3}\d{1,3}", 0),
    ],
)
def test_worst_cases(pattern: str, degree: float) -> None:
    inner = unwrap(parse(f"^(?s:{pattern})$").node)
    assert inner is not None
    assert hazard(inner).degree == degree


def test_stops_at() -> None:
    assert stops_at("[0-9]+;x", "80;y") == 3
    assert stops_at("[0-9]+;x", "80") == 2
    assert stops_at("a)|(b", "x") is None


@pytest.mark.parametrize(
    ("pattern", "emitted"),
    [
        ("ab|ac|d", "(?:a(?:b|c)|d)"),
        ("ab|d|ac", "(?:a(?:b|c)|d)"),
        ("ab|.d|ac", "(?:ab|.d|ac)"),
        ("a|ab|a", "a(?:|b)"),
        ("(a)b|(a)c", "(?:(a)b|(a)c)"),
        ("a(b)|a(c)", "a(?:(b)|(c))"),
    ],
)
def test_common_beginnings(pattern: str, emitted: str) -> None:
    assert emit(factor(parse(pattern).node)) == emitted.replace(".", r"[^\x0a]")


def test_long_lists_are_cheap() -> None:
    names = [f"metric_name_{number}" for number in range(5000)]
    listed = compile_re2("|".join(names))
    grouped = compile_re2(f"({'|'.join(names[:500])})_[a-z]+")
    assert listed.alternatives == tuple(names)
    assert listed.prefix == "metric_name_"
    assert grouped.engine == "re"
    match = grouped.fullmatch("metric_name_77_total")
    assert match is not None
    assert match.groups() == ("metric_name_77",)


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (r"10\.0\.0\.1:90|b", ("10.0.0.1:90", "b")),
        (r"a\|b", ("a|b",)),
        ("", ("",)),
        ("a||b|a", ("a", "", "b")),
        ("é|中", ("é", "中")),
    ],
)
def test_lists_without_a_parser(pattern: str, texts: tuple[str, ...]) -> None:
    assert compile_re2(pattern).alternatives == texts


def test_copies_are_the_same_pattern() -> None:
    pattern = compile_re2("(a+)+b")
    assert copy.deepcopy(pattern).pattern == pickle.loads(pickle.dumps(pattern)).pattern == "(a+)+b"


@pytest.mark.parametrize("name", ["Greek", "Letter", "Lu", "LC", "any", "assigned", "old_italic", "ascii"])
def test_unicode_names(name: str) -> None:
    assert unicode_class(name, False)


def test_cased_letters_are_not_all_letters() -> None:
    assert compile_re2(r"\p{LC}+").matches("aǅZ")
    assert not compile_re2(r"\p{LC}").matches("ª")
    assert not compile_re2(r"\p{Cased_Letter}").matches("中")


PIECES = st.sampled_from(
    [
        "a",
        "b",
        "c",
        ".",
        "[ab]",
        "[^a]",
        "a*",
        "b+?",
        ".*?",
        "(.+?)",
        "(.+?)(?:b|[c;])",
        "(a|b)",
        "(a)?",
        "(b)*",
        "(?:a|bc)",
        "^",
        "$",
        r"\b",
        "a{1,2}",
        "b{2,}",
        "[ab]{0,2}",
        "|",
    ]
)


@examples(200)
@given(st.lists(PIECES, max_size=6).map("".join), st.text("abc\n", max_size=6))
def test_engines_agree_with_python(pattern: str, text: str) -> None:
    # These pieces mean the same to Python, but for `$` before a final line feed.
    source = pattern.replace("$", r"\Z")
    expected = re.compile(f"(?s:{source})", re.ASCII).fullmatch(text)
    found = compile_re2(pattern).captures(text)
    inner = unwrap(parse(f"^(?s:{pattern})$").node)
    assert inner is not None
    assert LinearMatcher(inner, compile_re2(pattern).groups, True).captures(text, 10**10) == found
    assert (found is None) is (expected is None)
    compiled = compile_re2(pattern)
    assert compiled.matches(text) is (found is not None)
    for template in ("".join(f"${{{n}}}%" for n in range(1, compiled.groups + 1)), "$0", "${2}${1}", "x"):
        replaced = compiled.replacer(compiled.template(template))(text)
        assert replaced == (None if found is None else compiled.template(template).expand(found))
    if expected is not None:
        assert found == (expected[0], *expected.groups())


def test_what_is_kept_of_the_patterns_of_queries_is_bounded() -> None:
    kept = {name: one.cache_info().maxsize for name, one in vars(regex).items() if hasattr(one, "cache_info")}
    assert kept.keys() >= {"compile_re2", "_guarded_engine"}
    assert None not in kept.values()
