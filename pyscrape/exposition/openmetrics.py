"""OpenMetrics text, 0.0.1 and 1.0.0: single blanks, an end mark, float seconds, units, exemplars.

As lax as Prometheus is: a page is read line by line, so rules about order, grouping or values of a family are
not looked at.
"""

from collections.abc import Mapping
from typing import ClassVar

from pyscrape.exposition.entries import Entry, Exemplar, Help, MetricType, Series, Type, Unit
from pyscrape.exposition.errors import ParseError, decoded, go_quoted
from pyscrape.exposition.floats import milliseconds, parse_float
from pyscrape.exposition.grammar import Grammar
from pyscrape.exposition.lexer import LABEL, METRIC, State, Table, Token
from pyscrape.exposition.series import parse_exemplar_labels, unescape

_NAME_IN_QUOTES = rb'"[^\\"\0]*+(?:\\[^\n\0][^\\"\0]*+)*+"'
_OPEN_NAME = rb'"[^\\"\0]*+(?:\\[^\n\0][^\\"\0]*+)*+\\?'
_QUOTED = rb'"[^\\"\n\0]*+(?:\\[^\n\0][^\\"\n\0]*+)*+"'
_OPEN_QUOTE = rb'"[^\\"\n\0]*+(?:\\[^\n\0][^\\"\n\0]*+)*+\\?'
_FIELD = rb" [^ \n\0]++"

OPENMETRICS_TABLE = Table(
    {
        State.INIT: (
            (rb"# HELP ", Token.HELP, State.META_NAME),
            (rb"# TYPE ", Token.TYPE, State.META_NAME),
            (rb"# UNIT ", Token.UNIT, State.META_NAME),
            (rb"# EOF\n?+", Token.EOF_WORD, None),
            (METRIC, Token.METRIC_NAME, State.VALUE),
            (rb"\{", Token.BRACE_OPEN, State.LABELS),
        ),
        State.META_NAME: (
            (_NAME_IN_QUOTES, Token.METRIC_NAME, State.META_TEXT),
            (METRIC, Token.METRIC_NAME, State.META_TEXT),
        ),
        State.META_TEXT: ((rb" [^\n]*+\n", Token.TEXT, State.INIT),),
        State.LABELS: (
            (LABEL, Token.LABEL_NAME, None),
            (_NAME_IN_QUOTES, Token.QUOTED, None),
            (rb"\}", Token.BRACE_CLOSE, State.VALUE),
            (rb"=", Token.EQUAL, State.LABEL_VALUE),
            (rb",", Token.COMMA, None),
        ),
        State.LABEL_VALUE: ((rb'"[^\\"\n]*+(?:\\\0*+[^\n][^\\"\n]*+)*+"', Token.LABEL_VALUE, State.LABELS),),
        State.VALUE: (
            (rb"\{", Token.BRACE_OPEN, State.LABELS),
            (_FIELD, Token.VALUE, State.TIMESTAMP),
        ),
        State.TIMESTAMP: (
            (rb" # \{", Token.COMMENT, State.EXEMPLAR),
            (rb"\n", Token.LINEBREAK, State.INIT),
            (rb" (?!# )[^ \n\0]++", Token.TIMESTAMP, None),
        ),
        State.EXEMPLAR: (
            (LABEL, Token.LABEL_NAME, None),
            (_QUOTED, Token.QUOTED, None),
            (rb"\}", Token.BRACE_CLOSE, State.EXEMPLAR_VALUE),
            (rb"=", Token.EQUAL, State.EXEMPLAR_VALUE),
            (rb",", Token.COMMA, None),
        ),
        State.EXEMPLAR_VALUE: (
            (_QUOTED, Token.LABEL_VALUE, State.EXEMPLAR),
            (_FIELD, Token.VALUE, State.EXEMPLAR_TIMESTAMP),
        ),
        State.EXEMPLAR_TIMESTAMP: (
            (_FIELD, Token.TIMESTAMP, None),
            (rb"\n", Token.LINEBREAK, State.INIT),
        ),
    },
    {
        State.INIT: rb"#(?: (?:HELP|HEL|HE|H|TYPE|TYP|TY|T|UNIT|UNI|UN|U|EO|E)?)?",
        State.META_NAME: _OPEN_NAME,
        State.META_TEXT: rb"(?: [^\n]*+)?",
        State.LABELS: _OPEN_NAME,
        State.LABEL_VALUE: rb'"[^\\"\n]*+(?:\\\0*+[^\n][^\\"\n]*+)*+\\?\0*',
        State.VALUE: rb" ?",
        State.TIMESTAMP: rb" (?:# ?)?|",
        State.EXEMPLAR: _OPEN_QUOTE,
        State.EXEMPLAR_VALUE: _OPEN_QUOTE + rb"| ?",
        State.EXEMPLAR_TIMESTAMP: rb" ?",
    },
)

_NO_END = "data does not end with # EOF"
_UNDERSCORE = ord("_")


class OpenMetricsGrammar(Grammar):
    """Entries of an OpenMetrics page, by Prometheus' own token rules."""

    table = OPENMETRICS_TABLE
    types: ClassVar[Mapping[bytes, MetricType]] = {
        b"counter": "counter",
        b"gauge": "gauge",
        b"histogram": "histogram",
        b"gaugehistogram": "gaugehistogram",
        b"summary": "summary",
        b"info": "info",
        b"stateset": "stateset",
        b"unknown": "unknown",
    }

    def next_entry(self) -> Entry | None:
        self.entry_start = self.lexer.end
        token = self._token()
        match token:
            case Token.EOF_WORD:
                if self._token() is not Token.EOF:
                    raise self.lexer.wrong("unexpected data after # EOF")
                return None
            case Token.EOF:
                raise self._no_end()
            case Token.HELP | Token.TYPE | Token.UNIT:
                return self._metadata(token)
            case Token.METRIC_NAME | Token.BRACE_OPEN:
                return self._sample(token)
            case _:
                raise self._unexpected("expected a valid start token", token)

    def _no_end(self) -> ParseError:
        return self.lexer.wrong(_NO_END, position=len(self.lexer.body))

    def _metadata(self, keyword: Token) -> Entry:
        name = self._meta_name(keyword)
        if self._token() is not Token.TEXT:
            raise self.lexer.wrong(f"expected text in {keyword.value}")
        text = self.lexer.text[1:-1]
        metric = unescape(decoded(name))
        if keyword is Token.TYPE:
            return Type(metric, self._meta_type(text))
        if keyword is Token.HELP:
            return Help(metric, unescape(self._meta_help(text)))
        if text and (
            not name.endswith(text) or len(name) <= len(text) or name[-len(text) - 1] != _UNDERSCORE
        ):
            raise self.lexer.wrong(
                f"unit {go_quoted(text)} not a suffix of metric {go_quoted(name)}",
                position=self.lexer.start + 1,
            )
        return Unit(metric, decoded(text))

    def _after_pair(self) -> Token:
        token = self._token()
        if token is Token.COMMA:
            return self._token()
        if token is not Token.BRACE_CLOSE:
            raise self._unexpected("expected comma or brace close", token)
        return token

    def _sample(self, first: Token) -> Series:
        raw, token = self._series(first)
        value = self._value(token, "metric")
        timestamp_ms: int | None = None
        exemplars: tuple[Exemplar, ...] = ()
        token = self._token()
        if token is Token.TIMESTAMP:
            timestamp_ms = self._timestamp_ms("timestamp")
            token = self._token()
            if token not in (Token.LINEBREAK, Token.COMMENT):
                raise self._unexpected("expected next entry after timestamp", token)
        if token is Token.COMMENT:
            exemplars = (self._exemplar(),)
        elif token is Token.EOF:
            raise self._no_end()
        # Prometheus lets any other token pass here and stumbles over the rest of the line as its next entry.
        return Series(raw, value, timestamp_ms, self.normalised, exemplars)

    def _exemplar(self) -> Exemplar:
        start = self.lexer.end
        self._label_pairs(named=True, exemplar=True)
        labels = parse_exemplar_labels(self.lexer.body[start : self.lexer.end])
        value = self._value(self._token(), "exemplar labels")
        timestamp_ms: int | None = None
        token = self._token()
        if token is Token.TIMESTAMP:
            timestamp_ms = self._timestamp_ms("exemplar timestamp")
            token = self._token()
            if token is not Token.LINEBREAK:
                raise self._unexpected("expected next entry after exemplar timestamp", token)
        elif token is Token.EOF:
            raise self._no_end()
        elif token is not Token.LINEBREAK:
            raise self._unexpected("expected timestamp or comment", token)
        return Exemplar(labels, value, timestamp_ms)

    def _number(self) -> float:
        try:
            return parse_float(self.lexer.text[1:])
        except ValueError as error:
            raise self.lexer.wrong(str(error), self.entry_start) from None

    def _value(self, token: Token, after: str) -> float:
        if token is not Token.VALUE:
            raise self._unexpected(f"expected value after {after}", token)
        return self._number()

    def _timestamp_ms(self, what: str) -> int:
        seconds = self._number()
        try:
            return milliseconds(seconds)
        except ValueError as error:
            raise self.lexer.wrong(f"invalid {what} {error}") from None
