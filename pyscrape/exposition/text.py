"""Prometheus' text format, 0.0.4 and 1.0.0 (quoted names): blanks are free, timestamps are milliseconds."""

from collections.abc import Mapping
from typing import ClassVar

from pyscrape.exposition.entries import Comment, Entry, Help, MetricType, Series, Type
from pyscrape.exposition.errors import decoded
from pyscrape.exposition.floats import parse_float, parse_milliseconds
from pyscrape.exposition.grammar import Grammar
from pyscrape.exposition.lexer import LABEL, METRIC, State, Table, Token
from pyscrape.exposition.series import unescape, unescape_help

_BLANKS = (rb"[ \t]++", Token.WHITESPACE, None)
_QUOTED = rb'"[^\\"\0]*+(?:\\[^\n\0][^\\"\0]*+)*+"'
_OPEN_QUOTE = rb'"[^\\"\0]*+(?:\\[^\n\0][^\\"\0]*+)*+\\?'

TEXT_TABLE = Table(
    {
        State.INIT: (
            (rb"\n", Token.LINEBREAK, None),
            _BLANKS,
            (rb"#[ \t]++HELP[ \t]++", Token.HELP, State.META_NAME),
            (rb"#[ \t]++TYPE[ \t]++", Token.TYPE, State.META_NAME),
            (rb"#(?:[ \t]++(?:[^\n\0][^\n]*+)?|[^\n\0 \t][^\n\0]*+)?(?=\n)", Token.COMMENT, None),
            (METRIC, Token.METRIC_NAME, State.VALUE),
            (rb"\{", Token.BRACE_OPEN, State.LABELS),
            # A zero byte at the start of a line, or in some comments, ends a page without a word.
            (rb"\0|#", Token.EOF, None),
        ),
        State.META_NAME: (
            _BLANKS,
            (_QUOTED, Token.METRIC_NAME, State.META_TEXT),
            (METRIC, Token.METRIC_NAME, State.META_TEXT),
        ),
        State.META_TEXT: (
            (rb"[ \t]++(?=\n)", Token.WHITESPACE, None),
            (rb"(?:[^\n\0][^\n]*+)?", Token.TEXT, State.INIT),
        ),
        State.LABELS: (
            _BLANKS,
            (LABEL, Token.LABEL_NAME, None),
            (_QUOTED, Token.QUOTED, None),
            (rb"\}", Token.BRACE_CLOSE, State.VALUE),
            (rb"=", Token.EQUAL, State.LABEL_VALUE),
            (rb",", Token.COMMA, None),
        ),
        State.LABEL_VALUE: (
            _BLANKS,
            (rb'"[^\\"]*+(?:\\\0*+[^\n][^\\"]*+)*+"', Token.LABEL_VALUE, State.LABELS),
        ),
        State.VALUE: (
            _BLANKS,
            (rb"\{", Token.BRACE_OPEN, State.LABELS),
            (rb"[^{ \t\n\0]++", Token.VALUE, State.TIMESTAMP),
        ),
        State.TIMESTAMP: (
            _BLANKS,
            (rb"[0-9]++", Token.TIMESTAMP, None),
            (rb"\n", Token.LINEBREAK, State.INIT),
        ),
    },
    {
        State.META_NAME: _OPEN_QUOTE,
        State.LABELS: _OPEN_QUOTE,
        State.LABEL_VALUE: rb'"[^\\"]*+(?:\\\0*+[^\n][^\\"]*+)*+\\?\0*',
    },
)


class TextGrammar(Grammar):
    """Entries of a text page, by Prometheus' own token rules."""

    table = TEXT_TABLE
    types: ClassVar[Mapping[bytes, MetricType]] = {
        b"counter": "counter",
        b"gauge": "gauge",
        b"histogram": "histogram",
        b"summary": "summary",
        b"untyped": "unknown",
    }

    def __init__(self, body: bytes) -> None:
        # A last line without its newline is tolerated; Prometheus adds one always, and quotes it in messages.
        super().__init__(body + b"\n")

    def next_entry(self) -> Entry | None:
        while True:
            self.entry_start = self.lexer.end
            token = self._token()
            if token is not Token.LINEBREAK:
                break
        match token:
            case Token.EOF:
                return None
            case Token.HELP | Token.TYPE:
                return self._metadata(token)
            case Token.COMMENT:
                text = decoded(self.lexer.text)
                self._line_end("linebreak expected after comment")
                return Comment(text)
            case Token.METRIC_NAME | Token.BRACE_OPEN:
                return self._sample(token)
            case _:
                raise self._unexpected("expected a valid start token", token)

    def _token(self) -> Token:
        while True:
            token = self.lexer.next()
            if token is not Token.WHITESPACE:
                return token

    def _metadata(self, keyword: Token) -> Entry:
        name = self._meta_name(keyword)
        token = self._token()
        if token is not Token.TEXT:
            raise self.lexer.wrong(f"expected text in {keyword.value}, got {token.value}")
        text = self.lexer.text[1:]
        metric = unescape(decoded(name))
        entry: Entry
        if keyword is Token.TYPE:
            entry = Type(metric, self._meta_type(text))
        else:
            entry = Help(metric, unescape_help(self._meta_help(text)))
        self._line_end("linebreak expected after metadata")
        return entry

    def _line_end(self, expected: str) -> None:
        token = self._token()
        if token is not Token.LINEBREAK:
            raise self._unexpected(expected, token)

    def _after_pair(self) -> Token:
        token = self._token()
        return self._token() if token is Token.COMMA else token

    def _sample(self, first: Token) -> Series:
        raw, token = self._series(first)
        if token is not Token.VALUE:
            raise self._unexpected("expected value after metric", token)
        try:
            value = parse_float(self.lexer.text)
        except ValueError as error:
            raise self.lexer.wrong(str(error), self.entry_start) from None
        timestamp_ms: int | None = None
        token = self._token()
        if token is Token.TIMESTAMP:
            timestamp_ms = self._timestamp()
            self._line_end("expected next entry after timestamp")
        elif token is not Token.LINEBREAK:
            raise self._unexpected("expected timestamp or new record", token)
        return Series(raw, value, timestamp_ms, self.normalised)

    def _timestamp(self) -> int:
        try:
            return parse_milliseconds(self.lexer.text)
        except ValueError as error:
            raise self.lexer.wrong(str(error), self.entry_start) from None
