"""What the grammars of both formats share: the cursor, and the labels between braces."""

from collections.abc import Mapping
from typing import ClassVar

from pyscrape.exposition.entries import Entry, MetricType
from pyscrape.exposition.errors import ParseError, go_quoted
from pyscrape.exposition.lexer import Lexer, Table, Token
from pyscrape.exposition.series import NORMALISED_BY_TYPE, Normalised


class Grammar:
    """A parser of one format over one page. `next_entry` gives None at the end; ParseError ends it too.

    `position` is where the next entry starts: a faster way may read entries by itself and set it, as long as it
    stops at the start of a line.
    """

    table: Table
    types: ClassVar[Mapping[bytes, MetricType]]

    def __init__(self, body: bytes) -> None:
        self.lexer = Lexer(self.table, body)
        self.normalised: Normalised = ""
        self.entry_start = 0

    @property
    def position(self) -> int:
        """Offset of the next entry."""
        return self.lexer.end

    @position.setter
    def position(self, offset: int) -> None:
        self.lexer.end = offset

    def next_entry(self) -> Entry | None:
        """The next entry of the page, None after the last."""
        raise NotImplementedError  # each format has its own

    def _token(self) -> Token:
        return self.lexer.next()

    def _unexpected(self, expected: str, got: Token) -> ParseError:
        return self.lexer.unexpected(expected, got, self.entry_start)

    def _meta_name(self, keyword: Token) -> bytes:
        token = self._token()
        if token is not Token.METRIC_NAME:
            raise self._unexpected(f"expected metric name after {keyword.value}", token)
        name = self.lexer.text
        return name[1:-1] if len(name) > 1 and name[0] == name[-1] == 0x22 else name

    def _meta_type(self, text: bytes) -> MetricType:
        found = self.types.get(text)
        if found is None:
            raise self.lexer.wrong(f"invalid metric type {go_quoted(text)}", position=self.lexer.start + 1)
        self.normalised = NORMALISED_BY_TYPE.get(found, "")
        return found

    def _meta_help(self, text: bytes) -> str:
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise self.lexer.wrong(f"help text {go_quoted(text)} is not a valid utf8 string") from None

    def _series(self, first: Token) -> tuple[bytes, Token]:
        """Series text from its first token on, and the token after it."""
        if first is Token.METRIC_NAME:
            end = self.lexer.end
            after = self._token()
            if after is Token.BRACE_OPEN:
                self._label_pairs(named=True)
                end = self.lexer.end
                after = self._token()
        else:
            named = self._label_pairs(named=False)
            end = self.lexer.end
            after = self._token()
            if not named:
                raise self.lexer.wrong("metric name not set", self.entry_start)
        return self.lexer.body[self.entry_start : end], after

    def _label_pairs(self, *, named: bool, exemplar: bool = False) -> bool:
        """Labels up to the closing brace; whether the metric has a name, from before or from in here."""
        token = self._token()
        while token is not Token.BRACE_CLOSE:
            if token not in (Token.LABEL_NAME, Token.QUOTED):
                raise self._unexpected("expected label name", token)
            quoted = token is Token.QUOTED
            token = self._token()
            if quoted and token in (Token.COMMA, Token.BRACE_CLOSE):
                # A quoted string without a value is the metric's name.
                if exemplar:
                    raise self._unexpected("expected label name", token)
                if named:
                    raise self.lexer.wrong("metric name already set", self.entry_start)
                named = True
                token = self._token() if token is Token.COMMA else token
                continue
            if token is not Token.EQUAL:
                raise self._unexpected("expected equal", token)
            token = self._token()
            if token is not Token.LABEL_VALUE:
                raise self._unexpected("expected label value", token)
            self._check_utf8()
            token = self._after_pair()
        return named

    def _after_pair(self) -> Token:
        raise NotImplementedError  # each format has its own

    def _check_utf8(self) -> None:
        value = self.lexer.text
        if not value.isascii():
            try:
                value.decode()
            except UnicodeDecodeError:
                raise self.lexer.wrong(f"invalid UTF-8 label value: {go_quoted(value)}") from None
