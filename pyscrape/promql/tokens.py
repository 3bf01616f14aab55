"""The tokens of PromQL, and how messages name them.

A token's kind is its own text for everything that is fixed (`+`, `(`, `sum`, `by`) and one of the classes below for
everything that varies, so that a grammar rule reads like the query it accepts.
"""

from typing import NamedTuple

from pyscrape.model.names import quoted

END = "end of input"
ERROR = "error"
IDENTIFIER = "identifier"
METRIC_IDENTIFIER = "metric identifier"
NUMBER = "number"
DURATION = "duration"
STRING = "string"

AGGREGATORS = frozenset(
    [
        "sum",
        "avg",
        "count",
        "min",
        "max",
        "group",
        "stddev",
        "stdvar",
        "topk",
        "bottomk",
        "count_values",
        "quantile",
        "limitk",
        "limit_ratio",
    ]
)
PARAMETER_AGGREGATORS = frozenset({"topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"})
EXPERIMENTAL_AGGREGATORS = frozenset({"limitk", "limit_ratio"})
WORD_OPERATORS = frozenset({"and", "or", "unless", "atan2"})
MODIFIERS = frozenset(
    [
        "offset",
        "smoothed",
        "anchored",
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "fill",
        "fill_left",
        "fill_right",
        "bool",
    ]
)
# Read as a fill modifier only before a parenthesis, for there were metrics of these names first.
CONTEXTUAL = frozenset({"fill", "fill_left", "fill_right"})
PREPROCESSORS = frozenset({"start", "end", "step", "range"})
KEYWORDS = AGGREGATORS | WORD_OPERATORS | MODIFIERS | PREPROCESSORS
SPECIAL_NUMBERS = frozenset({"inf", "nan"})

OPERATORS = WORD_OPERATORS | frozenset(
    ["+", "-", "*", "/", "%", "^", "==", "!=", "=~", "!~", "<", "<=", ">", ">=", "@"]
)

# Which words may also name a metric, or a label inside `by (...)`.
METRIC_WORDS = (
    AGGREGATORS | PREPROCESSORS | {"by", "and", "or", "unless", "offset", "without", "anchored", "smoothed"}
)
LABEL_WORDS = (AGGREGATORS | PREPROCESSORS | WORD_OPERATORS | MODIFIERS) - {"without"}

_CLASSES = frozenset({IDENTIFIER, METRIC_IDENTIFIER, NUMBER, DURATION, STRING})
_SHOWN = 10


class Token(NamedTuple):
    """One token: its kind, its text as written, and where it stands (character offsets)."""

    kind: str
    text: str
    start: int
    end: int

    def describe(self) -> str:
        """The token as messages show it: `<op:+>`, `<aggr:sum>`, `identifier "x"`, `"("`."""
        if self.kind in (END, ERROR):
            return self.kind
        if self.kind in (IDENTIFIER, METRIC_IDENTIFIER):
            return f"{self.kind} {quoted(self.text)}"
        if self.kind in MODIFIERS:
            return f"<{self.text}>"
        if self.kind in OPERATORS:
            return f"<op:{self.text}>"
        if self.kind in AGGREGATORS:
            return f"<aggr:{self.text}>"
        shown = quoted(self.text) if len(self.text) <= _SHOWN else quoted(self.text[:_SHOWN]) + "..."
        return f"{self.kind} {shown}" if self.kind in _CLASSES else shown


def rune(character: str) -> str:
    """A character in single quotes as Go's %q writes it; '' stands for the end of the input.

    >>> print(rune("x"), rune("'"), rune('"'))
    'x' '\\'' '"'
    """
    if character in ("'", '"'):
        return "'\\''" if character == "'" else "'\"'"
    return "'" + quoted(character or "\ufffd")[1:-1] + "'"
