"""Reading tokens one by one, and noting what is wrong with them: what all grammar rules share."""

from dataclasses import dataclass

from pyscrape.model.duration import DurationError, parse_duration
from pyscrape.promql import ast
from pyscrape.promql import tokens as t
from pyscrape.promql.faults import Fault
from pyscrape.promql.lexer import Lexer
from pyscrape.promql.literals import parse_number
from pyscrape.promql.tokens import Token

MAX_DEPTH = 128
"""How many expressions may stand inside each other. Evaluation and comparison of trees recurse."""


@dataclass(frozen=True, slots=True)
class ParserOptions:
    """Which parts of the language that Prometheus hides behind flags are understood."""

    experimental: bool = False  # promql-experimental-functions
    extended_ranges: bool = False  # promql-extended-range-selectors: anchored, smoothed
    fill: bool = False  # promql-binop-fill-modifiers


class Unexpected(Exception):  # noqa: N818 - a signal between rules, never seen outside
    """The next token fits nowhere; whoever knows best what was expected catches this and says so."""


class Stop(Exception):  # noqa: N818 - a signal between rules, never seen outside
    """There is no use in reading on; the faults are noted."""


class Cursor:
    """The tokens of a query, the next one's place, and the faults found so far."""

    def __init__(self, query: str, options: ParserOptions, lexer: type[Lexer] = Lexer) -> None:
        self.query = query
        self.options = options
        self.tokens = lexer(query).run()
        self.at = 0
        self.faults: list[Fault] = []
        self.depth = 0
        self.lexer_fault_noted = False

    def peek(self) -> Token:
        """The next token. What the lexer could not read becomes a fault when the parser gets there."""
        token = self.tokens[self.at]
        if token.kind == t.ERROR and not self.lexer_fault_noted:
            self.lexer_fault_noted = True
            self.fault(token, token.text)
        return token

    def take(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def accept(self, kind: str) -> Token | None:
        return self.take() if self.peek().kind == kind else None

    def expect(self, kind: str) -> Token:
        if self.peek().kind != kind:
            raise Unexpected
        return self.take()

    @property
    def last_end(self) -> int:
        """Where the token before the next one ended."""
        return self.tokens[self.at - 1].end

    def fault(self, place: Token | ast.Node, message: str) -> None:
        self.fault_at(place.start, place.end, message)

    def fault_at(self, start: int, end: int, message: str) -> None:
        self.faults.append(Fault(start, end, message))

    def unexpected(self, context: str = "", expected: str = "") -> None:
        """Note that nothing fits the next token; a fault of the lexer is there already."""
        token = self.peek()
        if token.kind == t.ERROR:
            return
        where = f" in {context}" if context else ""
        instead = f", expected {expected}" if expected else ""
        self.fault(token, f"unexpected {token.describe()}{where}{instead}")

    def skip_to(self, kinds: frozenset[str] | set[str]) -> None:
        """Leave out tokens until one of these kinds; stop where there is none."""
        while self.peek().kind not in kinds:
            if self.peek().kind in (t.END, t.ERROR):
                raise Stop
            self.at += 1

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            token = self.peek()
            self.faults.append(too_deep(token.start, token.end))
            raise Stop

    # Numbers, which stand in expressions, modifiers and spans alike

    def number_literal(self) -> ast.NumberLiteral:
        token = self.take()
        value = self.number_value(token)
        return ast.NumberLiteral(value, token.kind == t.DURATION, start=token.start, end=token.end)

    def number_value(self, token: Token) -> float:
        try:
            return parse_number(token.text) if token.kind == t.NUMBER else parse_duration(token.text).seconds
        except DurationError as error:
            self.fault(token, str(error))
        except ValueError as error:
            self.fault(token, f"error parsing number: {error}")
        return 0.0

    def signed_number(self) -> float:
        sign = self.accept("-") or self.accept("+")
        if self.peek().kind not in (t.NUMBER, t.DURATION):
            raise Unexpected
        value = self.number_value(self.take())
        return -value if sign is not None and sign.kind == "-" else value


def too_deep(start: int, end: int) -> Fault:
    """The fault of a query that nests more than MAX_DEPTH levels."""
    return Fault(start, end, f"expression is nested too deeply, more than {MAX_DEPTH} levels")
