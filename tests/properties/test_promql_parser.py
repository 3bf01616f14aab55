"""Laws of the parser: any text is parsed or refused with its own error, and what is printed reads back the same."""

import random

from hypothesis import given
from hypothesis import strategies as st

from pyscrape.promql import QueryParseError, parse_expr
from pyscrape.promql.json import to_json
from pyscrape.promql.printer import format_expr, format_query
from pyscrape.promql.signatures import FUNCTIONS
from pyscrape.promql.tokens import KEYWORDS
from tests.helpers.examples import examples

ALL = {"experimental": True, "extended_ranges": True, "fill": True}
WORDS = [
    *KEYWORDS, *FUNCTIONS, *"(){}[],:+-*/%^=<>@#\n", "==", "!=", "=~", "!~", "<=", ">=", "x", "a:b", "1", "0x1F",
    "1e3", "5m", "1h30m", '"a"', "'b'", "`c`", '"\\', "Inf", "NaN", "ü", "\x00", "\\", ".", "5mm",
]  # fmt: skip


def survives(query: str) -> bool:
    """Whether a query parses; anything but QueryParseError gets out."""
    try:
        tree = parse_expr(query, **ALL)
    except QueryParseError as error:
        assert error.faults
        assert all(0 <= fault.start <= len(query) for fault in error.faults)
        assert str(error).endswith(error.message)
        return False
    text = format_expr(tree)
    assert parse_expr(text, **ALL) == tree
    assert format_expr(parse_expr(text, **ALL)) == text
    assert parse_expr(format_query(query, 10, **ALL), **ALL) == tree
    assert to_json(tree)
    return True


def fuzz(seed: int, rounds: int) -> int:
    """Random token soups around sound queries; returns how many parsed. For long runs by hand."""
    rng = random.Random(seed)
    sound = [
        "sum by (a) (rate(x{b='c'}[5m] offset 1m))",
        "a + on (b) group_left (c) d > bool 2",
        "x[1h:5m] @ end()",
    ]
    parsed = 0
    for _ in range(rounds):
        tokens = rng.choice(sound).replace("(", " ( ").replace(")", " ) ").split()
        for _ in range(rng.randint(0, 3)):
            tokens.insert(rng.randrange(len(tokens) + 1), rng.choice(WORDS))
            del tokens[rng.randrange(len(tokens))]
        parsed += survives(rng.choice([" ", ""]).join(tokens))
    return parsed


def test_fuzz() -> None:
    assert fuzz(8, 3000) > 100


@given(st.text(max_size=40))
@examples(200)
def test_any_text(query: str) -> None:
    survives(query)


@given(st.lists(st.sampled_from(WORDS), max_size=12))
@examples(300)
def test_any_tokens(words: list[str]) -> None:
    survives(" ".join(words))


NAMES = st.sampled_from(["x", "up", "a:b", "sum", "offset"])
SPANS = st.sampled_from(["5m", "90", "1h30m", "2 * 1m", "step()", "max_of(1m, range())", "(1m + 1)"])
SELECTORS = st.builds(
    lambda name, matchers, modifiers: name + matchers + modifiers,
    NAMES,
    st.sampled_from(["", "{}", "{a='b'}", '{"c.d"!="e",f=~"g|h"}']),
    st.sampled_from(["", " offset 5m", " offset -1h @ 10", " @ start()", " smoothed"]),
)
RANGES = st.builds(
    lambda name, span, mod: f"{name}[{span}]{mod}",
    NAMES,
    SPANS,
    st.sampled_from(["", " offset 1m", " @ end()"]),
)
LEAVES = (
    SELECTORS
    | RANGES.map(lambda m: f"rate({m})")
    | st.sampled_from(["vector(1)", "-x", "(time() * x)", "(x offset -(1m) * 2)"])
)


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    matching = st.sampled_from(["", "on (a) ", "ignoring (b) group_left (c) ", "on () "])
    return st.one_of(
        st.builds(
            lambda a, op, m, b: f"{a} {op} {m}{b}",
            inner,
            st.sampled_from(["+", "-", "*", "/", "%", "^", "atan2", "==", "<", ">="]),
            matching,
            inner,
        ),
        st.builds(
            lambda a, op, b: f"{a} {op} {b}", inner, st.sampled_from(["and", "or", "unless", "> bool"]), inner
        ),
        inner.map(lambda a: f"({a})"),
        inner.map(lambda a: f"-{a}"),
        inner.map(lambda a: f"abs({a})"),
        inner.map(lambda a: f'sum by (a, "b.c") ({a})'),
        inner.map(lambda a: f"topk without (a) (2, {a})"),
        st.builds(lambda a, span: f"max_over_time(({a})[{span}:1m])", inner, SPANS),
    )


@given(st.recursive(LEAVES, _compound, max_leaves=8))
@examples(200)
def test_printing_is_the_inverse_of_parsing(query: str) -> None:
    assert survives(query), query
