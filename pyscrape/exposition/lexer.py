"""Tokens of both text formats, as Prometheus' generated lexers cut them.

A lexer is a table: in each state some patterns, tried in order, each giving a token and the next state. Where
none matches, `end` moves to where a state machine that never goes back would have stopped: that is the place
which Prometheus quotes in its messages. Zero bytes belong to values, help and comments only.
"""

import re
from collections.abc import Mapping, Sequence
from enum import Enum

from pyscrape.exposition.errors import ParseError, go_quoted


class Token(Enum):
    """Tokens under the names that Prometheus' messages use."""

    INVALID = "INVALID"
    EOF = "EOF"
    LINEBREAK = "LINEBREAK"
    WHITESPACE = "WHITESPACE"
    HELP = "HELP"
    TYPE = "TYPE"
    UNIT = "UNIT"
    EOF_WORD = "EOFWORD"
    TEXT = "TEXT"
    COMMENT = "COMMENT"
    METRIC_NAME = "MNAME"
    QUOTED = "QSTRING"
    BRACE_OPEN = "BOPEN"
    BRACE_CLOSE = "BCLOSE"
    LABEL_NAME = "LNAME"
    LABEL_VALUE = "LVALUE"
    EQUAL = "EQUAL"
    TIMESTAMP = "TIMESTAMP"
    VALUE = "VALUE"
    COMMA = "COMMA"


class State(Enum):
    """Where in a line the lexer is."""

    INIT = "init"
    META_NAME = "meta name"
    META_TEXT = "meta text"
    LABELS = "labels"
    LABEL_VALUE = "label value"
    VALUE = "value"
    TIMESTAMP = "timestamp"
    EXEMPLAR = "exemplar"
    EXEMPLAR_VALUE = "exemplar value"
    EXEMPLAR_TIMESTAMP = "exemplar timestamp"


Rule = tuple[re.Pattern[bytes], Token, State | None]
"""Pattern, token, next state (None: stay)."""


class Table:
    """The rules of one format, and per state what a dead end may have read."""

    def __init__(
        self,
        rules: Mapping[State, Sequence[tuple[bytes, Token, State | None]]],
        dead_ends: Mapping[State, bytes],
    ) -> None:
        self.rules: dict[State, tuple[Rule, ...]] = {
            state: tuple((re.compile(pattern), token, after) for pattern, token, after in rows)
            for state, rows in rules.items()
        }
        self.dead_ends = {state: re.compile(pattern) for state, pattern in dead_ends.items()}


class Lexer:
    """A cursor over a page: `next()` sets `start` and `end` to the token that it returns."""

    __slots__ = ("_dead_ends", "_rules", "body", "end", "start", "state")

    def __init__(self, table: Table, body: bytes, position: int = 0) -> None:
        self.body = body
        self.start = self.end = position
        self.state = State.INIT
        self._rules = table.rules
        self._dead_ends = table.dead_ends

    @property
    def text(self) -> bytes:
        """The bytes of the token."""
        return self.body[self.start : self.end]

    def next(self) -> Token:
        """The next token; at the end of the page `start` stays where it was."""
        position = self.end
        if position >= len(self.body):
            return Token.EOF
        self.start = position
        for pattern, token, after in self._rules[self.state]:
            found = pattern.match(self.body, position)
            if found is not None:
                self.end = found.end()
                if after is not None:
                    self.state = after
                return token
        dead_end = self._dead_ends.get(self.state)
        found = dead_end.match(self.body, position) if dead_end is not None else None
        self.end = found.end() if found is not None else position
        return Token.INVALID

    def unexpected(self, expected: str, got: Token, entry_start: int) -> ParseError:
        """The error for a token out of place, in Prometheus' form."""
        end = min(len(self.body), self.end + 1)
        return ParseError(
            f"{expected}, got {go_quoted(self.body[self.start : end])} ({go_quoted(got.value.encode())})"
            f" while parsing: {go_quoted(self.body[entry_start:end])}",
            self.body,
            self.start,
        )

    def wrong(
        self, message: str, entry_start: int | None = None, *, position: int | None = None
    ) -> ParseError:
        """An error about what a token says; with `entry_start` it quotes the entry up to the token."""
        if entry_start is not None:
            message += f" while parsing: {go_quoted(self.body[entry_start : self.end])}"
        return ParseError(message, self.body, self.start if position is None else position)


METRIC = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
LABEL = rb"[a-zA-Z_][a-zA-Z0-9_]*+"
