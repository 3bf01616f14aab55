"""The series notation of rule tests: `http_requests{job="a"} 0+10x5 _ stale` gives a series and its samples.

A value stands at each step; `VxN` repeats it N more times, `V+DxN` adds D each time, `_` leaves a step out. Native
histograms (`{{...}}`) are recognised and kept as text: they have no place in a store of floats.
"""

import re
from dataclasses import dataclass

from pyscrape.model.names import quoted
from pyscrape.promql import tokens as t
from pyscrape.promql.cursor import Cursor, ParserOptions, Stop, Unexpected
from pyscrape.promql.faults import QueryParseError
from pyscrape.promql.lexer import Lexer
from pyscrape.promql.literals import unquote
from pyscrape.promql.tokens import Token

SPACE = "space"
HISTOGRAM = "histogram"
_BLANKS = re.compile(r"[ \t\n\r]+")
_SPECIAL = re.compile(r"(?i:stale|nan|inf)(?=x[0-9])")
_WORD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_DIGITS = frozenset("0123456789")
_HISTOGRAM = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_METRIC_NAME = "__name__"


class Stale:
    """The value of a staleness marker; its bits are for the store to write."""

    def __repr__(self) -> str:
        return "STALE"


STALE = Stale()


@dataclass(frozen=True, slots=True)
class Histogram:
    """A native histogram as it was written."""

    text: str


Value = float | Stale | Histogram | None


@dataclass(frozen=True, slots=True)
class SeriesDescription:
    """A series' labels (with `__name__`) and its value at each step; None where there is no sample."""

    labels: dict[str, str]
    values: tuple[Value, ...]


def parse_series(text: str) -> SeriesDescription:
    """A line of the notation; QueryParseError when it is none.

    >>> parse_series('up{job="a"} 1+2x2 _ 7').values
    (1.0, 3.0, 5.0, None, 7.0)
    """
    parser = _SeriesParser(text)
    labels: dict[str, str] = {}
    values: list[Value] = []
    try:
        labels = parser.metric()
        values = parser.values()
    except Unexpected:
        parser.unexpected("series values")
    except Stop:
        pass  # the fault is noted
    if parser.faults:
        raise QueryParseError(text, parser.faults)
    return SeriesDescription(labels, tuple(values))


class _SeriesLexer(Lexer):
    """Behind the metric, blanks count and `x` and `_` are tokens."""

    def word(self) -> None:
        super().word()
        if self.peek() != "{":
            self.rules = self.sequence

    def close_brace(self) -> None:
        super().close_brace()
        self.rules = self.sequence

    def sequence(self) -> None:
        if self.skip(_BLANKS):
            self.tokens.append(Token(SPACE, self.read[:1], self.start, self.start + 1))
            return
        if self.skip(_HISTOGRAM):
            self.emit(HISTOGRAM)
            return
        character = self.next()
        if character == "":
            self.end()
        elif character in "+-x_":
            self.emit(character)
        elif character in _DIGITS or (character == "." and self.peek() in _DIGITS):
            self.at = self.start
            self.repeated_number()
        elif _WORD.match(character):
            self.at = self.start
            kind = t.IDENTIFIER
            if self.skip(_SPECIAL) or self.skip(_WORD):
                kind = t.NUMBER if self.read.lower() in t.SPECIAL_NUMBERS else t.IDENTIFIER
            self.emit(kind)
        else:
            self.fail(f"unexpected character in series sequence: {t.rune(character)}")

    def repeated_number(self) -> None:
        """A number, behind which an `x` may stand; so there is no hexadecimal here."""
        if self.scan_number(hexadecimal=False) or (self.at > self.start and self.peek() == "x"):
            self.emit(t.NUMBER)
        else:
            self.fail(f"bad number syntax: {quoted(self.read)}")


class _SeriesParser(Cursor):
    def __init__(self, text: str) -> None:
        super().__init__(text, ParserOptions(), _SeriesLexer)

    def metric(self) -> dict[str, str]:
        labels: dict[str, str] = {}
        token = self.peek()
        if token.kind in (t.IDENTIFIER, t.METRIC_IDENTIFIER) or token.kind in t.METRIC_WORDS:
            self.at += 1
            labels[_METRIC_NAME] = token.text
        if self.accept("{") and not self.accept("}"):
            self.label_set(labels)
        return labels

    def label_set(self, labels: dict[str, str]) -> None:
        while True:
            self.label(labels)
            if self.peek().kind not in (",", "}"):
                self.unexpected("label set", '"," or "}"')
                self.skip_to({",", "}"})
            if self.take().kind == "}" or self.accept("}"):
                return

    def label(self, labels: dict[str, str]) -> None:
        """`name="value"`, or the metric's name in quotes."""
        name = self.peek()
        expected = 'identifier or "}"'
        if name.kind in (t.IDENTIFIER, t.STRING):
            self.at += 1
            label = unquote(name.text) if name.kind == t.STRING else name.text
            expected = '"="'
            if self.accept("="):
                expected = "string"
                if value := self.accept(t.STRING):
                    labels[label] = unquote(value.text)
                    return
            elif name.kind == t.STRING:
                labels[_METRIC_NAME] = label
                return
        self.unexpected("label set", expected)
        self.skip_to({",", "}"})

    def values(self) -> list[Value]:
        found: list[Value] = []
        while self.accept(SPACE):
            if self.peek().kind not in (SPACE, t.END):
                found.extend(self.item())
        self.expect(t.END)
        return found

    def item(self) -> list[Value]:
        if self.accept("_"):
            return [None] * (self.count() if self.accept("x") else 1)
        if self.peek().kind == HISTOGRAM:
            return self.histograms()
        value = self.value()
        if self.accept("x"):
            return [value] * (self.count() + 1)
        if self.peek().kind not in ("+", "-"):
            return [value]
        increment = self.signed_number()
        self.expect("x")
        repeats = self.count()
        if isinstance(value, Stale):
            return [value] * (repeats + 1)
        running: list[Value] = []
        for _ in range(repeats + 1):
            running.append(value)
            value += increment
        return running

    def value(self) -> float | Stale:
        word = self.peek()
        if word.kind != t.IDENTIFIER:
            return self.signed_number()
        if word.text != "stale":
            self.unexpected("series values", 'number or "stale"')
            raise Stop
        self.at += 1
        return STALE

    def count(self) -> int:
        number = self.expect(t.NUMBER)
        if not number.text.isascii() or not number.text.isdigit():
            reason = f"strconv.ParseUint: parsing {quoted(number.text)}: invalid syntax"
            self.fault(number, f"invalid repetition in series values: {reason}")
            raise Stop
        return int(number.text)

    def histograms(self) -> list[Value]:
        """`H`, `HxN` or `H+HxN`: as many as there would be, each as the text of the first."""
        histogram = Histogram(self.take().text)
        if self.accept("+") or self.accept("-"):
            self.expect(HISTOGRAM)
            self.expect("x")
        elif not self.accept("x"):
            return [histogram]
        return [histogram] * (self.count() + 1)
