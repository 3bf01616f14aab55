"""From a query's text to its tokens.

The lexer changes its rules at brackets: inside `{...}` every word is an identifier, inside `[...]` only what makes
up a span of time is allowed. It never raises: the first thing that it cannot read becomes a last token of kind
`error` whose text is the message, so that the parser may complain about something earlier first.
"""

import re
from collections.abc import Callable, Mapping

from pyscrape.model.names import quoted
from pyscrape.promql import tokens as t
from pyscrape.promql.tokens import Token, rune

_SPACES = re.compile(r"[ \t\n\r]+")
_BLANK = re.compile(r"(?:[ \t\n\r]+|#[^\r\n]*)+")
_WORD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LETTERS = re.compile(r"[A-Za-z_]+")
_OPENS = re.compile(r"[ \t\n\r]*\(")
_DECIMAL = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")
_ALPHA = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_ALPHANUMERIC = _ALPHA | _DECIMAL
_SINGLE = frozenset(",*/%+-^@")
_SPAN_SINGLE = frozenset(",*/%+-^")
_SPAN_WORDS = frozenset({"step", "range", "min_of", "max_of"})
_SPAN_WORD_STARTS = frozenset("sSmMrR")
# U+FFFD and lone surrogates stand for bytes that were no UTF-8.
_PLAIN = {quote: re.compile(f"[^\\\\\n\ufffd\ud800-\udfff{quote}]*") for quote in "\"'"}
_PLAIN["`"] = re.compile("[^`\ufffd\ud800-\udfff]*")
_SIMPLE_ESCAPES = frozenset("abfnrtv\\")
# By the character after the backslash: how many digits, their base, the largest value.
_NUMERIC_ESCAPES = {"x": (2, 16, 0xFF), "u": (4, 16, 0x10FFFF), "U": (8, 16, 0x10FFFF)}
_OCTAL = frozenset("01234567")
_OCTAL_ESCAPE = (3, 8, 0xFF)


def tokenize(query: str) -> list[Token]:
    """All tokens of a query, without comments; the last is of kind END or ERROR.

    >>> [token.kind for token in tokenize("sum(up)")]
    ['sum', '(', 'identifier', ')', 'end of input']
    """
    return Lexer(query).run()


class Lexer:
    """The state of reading: `rules` reads one token (or some blanks) at `at`, and may replace itself."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.start = 0  # where the token that is being read began
        self.tokens: list[Token] = []
        self.finished = False
        self.rules: Callable[[], None] = self.statement
        self.open_parens = 0
        self.in_brackets = False
        self.seen_colon = False
        self.seen_span = False

    def run(self) -> list[Token]:
        """All tokens of the text."""
        while not self.finished:
            self.start = self.at
            self.rules()
        return self.tokens

    # Moving over the text

    def peek(self) -> str:
        """The next character; '' at the end."""
        return self.text[self.at : self.at + 1]

    def next(self) -> str:
        character = self.text[self.at : self.at + 1]
        self.at += len(character)
        return character

    def accept(self, allowed: frozenset[str]) -> bool:
        if self.text[self.at : self.at + 1] in allowed:
            self.at += 1
            return True
        return False

    def skip(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found is not None

    @property
    def read(self) -> str:
        """The token so far."""
        return self.text[self.start : self.at]

    def emit(self, kind: str) -> None:
        self.tokens.append(Token(kind, self.read, self.start, self.at))
        self.start = self.at

    def fail(self, message: str) -> None:
        self.tokens.append(Token(t.ERROR, message, self.start, len(self.text)))
        self.finished = True

    # Rules outside of braces; inside brackets they hold after the first number

    def statement(self) -> None:
        if self.skip(_BLANK):
            return
        character = self.next()
        if character in _SINGLE:
            self.emit(character)
        elif character in _DECIMAL or (character == "." and self.peek() in _DECIMAL):
            self.number_or_duration()
        elif character in _ALPHA or character == ":":
            if self.in_brackets:
                self.word_in_brackets(character)
            else:
                self.word()
        elif character in _STATEMENT:
            _STATEMENT[character](self)
        else:
            self.fail(f"unexpected character: {rune(character)}")

    def end(self) -> None:
        if self.open_parens:
            self.fail("unclosed left parenthesis")
        elif self.in_brackets:
            self.fail("unclosed left bracket")
        else:
            self.emit(t.END)
            self.finished = True

    def word(self) -> None:
        self.at = self.start
        self.skip(_WORD)
        kind = self.read.lower()
        if kind in t.SPECIAL_NUMBERS:
            kind = t.NUMBER
        elif kind not in t.KEYWORDS or (kind in t.CONTEXTUAL and not _OPENS.match(self.text, self.at)):
            kind = t.METRIC_IDENTIFIER if ":" in self.read else t.IDENTIFIER
        self.emit(kind)

    def equals(self) -> None:
        if self.peek() == "~":
            self.fail("unexpected character after '=': '~'")
        else:
            self.accept(_EQUALS)
            self.emit(self.read)

    def bang(self) -> None:
        following = self.next()
        if following == "=":
            self.emit("!=")
        else:
            self.fail(f"unexpected character after '!': {rune(following)}")

    def comparison(self) -> None:
        self.accept(_EQUALS)
        self.emit(self.read)

    def open_paren(self) -> None:
        self.emit("(")
        self.open_parens += 1

    def close_paren(self) -> None:
        self.open_parens -= 1
        if self.open_parens >= 0:
            self.emit(")")
        else:
            self.start = self.at  # Prometheus shows the place behind it
            self.fail("unexpected right parenthesis ')'")

    def open_brace(self) -> None:
        self.emit("{")
        self.rules = self.braces

    def open_bracket(self) -> None:
        if self.in_brackets:
            self.fail("unexpected left bracket '['")
            return
        self.emit("[")
        self.in_brackets, self.seen_colon = True, False
        self.rules = self.span

    def close_bracket(self) -> None:
        if not self.in_brackets:
            self.fail("unexpected right bracket ']'")
            return
        self.emit("]")
        self.in_brackets = False
        self.rules = self.statement

    # Rules inside braces: every word is an identifier

    def braces(self) -> None:
        if self.skip(_BLANK):
            return
        character = self.next()
        if character in _ALPHA:
            self.at = self.start
            self.skip(_LABEL)
            self.emit(t.IDENTIFIER)
        elif character in _IN_BRACES:
            _IN_BRACES[character](self)
        else:
            self.fail(f"unexpected character inside braces: {rune(character)}")

    def close_brace(self) -> None:
        self.emit("}")
        self.rules = self.statement

    def equals_in_braces(self) -> None:
        self.accept(_TILDE)
        self.emit(self.read)

    def bang_in_braces(self) -> None:
        following = self.next()
        if following in ("~", "="):
            self.emit("!" + following)
        else:
            self.fail(f"unexpected character after '!' inside braces: {rune(following)}")

    # Rules inside brackets: spans of time

    def span(self) -> None:
        if self.skip(_SPACES):
            return
        character = self.next()
        if character in _SPAN_SINGLE:
            self.emit(character)
        elif character in _DECIMAL or (character == "." and self.peek() in _DECIMAL):
            self.seen_span = True
            self.rules = self.statement
            self.number_or_duration()
        elif character in _IN_SPAN:
            _IN_SPAN[character](self)
        elif not (character in _SPAN_WORD_STARTS and self.span_word()):
            self.fail(f"unexpected character in duration expression: {rune(character)}")

    def span_word(self) -> bool:
        self.skip(_LETTERS)
        kind = self.read.lower()
        if kind not in _SPAN_WORDS:
            return False
        self.emit(kind if kind in t.PREPROCESSORS else t.IDENTIFIER)
        self.seen_span = True
        return True

    def colon_in_span(self) -> None:
        if self.seen_span and not self.seen_colon:
            self.emit(":")
            self.seen_colon = True
            return
        self.start = self.at  # Prometheus shows the place behind it
        why = "repeated colon" if self.seen_span else "colon before duration"
        self.fail(f"unexpected {why} in duration expression")

    def word_in_brackets(self, character: str) -> None:
        if character == ":" and self.seen_colon:
            self.fail("unexpected colon ':'")
        elif character == ":":
            self.emit(":")
            self.seen_colon = True
        elif not (character in _SPAN_WORD_STARTS and self.span_word()):
            self.fail(f"unexpected character: {rune(character)}, expected ':'")

    # Strings

    def string(self) -> None:
        quote = self.text[self.start]
        raw = quote == "`"
        while True:
            self.skip(_PLAIN[quote])
            character = self.next()
            if character == quote:
                self.emit(t.STRING)
                return
            if character == "\\":
                if not self.escape(quote):
                    return
                continue
            if character == "\ufffd" or "\ud800" <= character <= "\udfff":
                self.fail("invalid UTF-8 rune")
            else:
                self.fail("unterminated raw string" if raw else "unterminated quoted string")
            return

    def escape(self, quote: str) -> bool:
        character = self.next()
        if character in _SIMPLE_ESCAPES or character == quote:
            return True
        if character in _OCTAL:
            self.at -= 1
            digits, base, largest = _OCTAL_ESCAPE
        elif character in _NUMERIC_ESCAPES:
            digits, base, largest = _NUMERIC_ESCAPES[character]
        else:
            unknown = f"unknown escape sequence {_code_point(character)}"
            self.fail(unknown if character else "escape sequence not terminated")
            return False
        value = 0
        for _ in range(digits):
            digit = self.next()
            if digit not in _HEX or int(digit, 16) >= base:
                illegal = f"illegal character {_code_point(digit)} in escape sequence"
                self.fail(illegal if digit else "escape sequence not terminated")
                return False
            value = value * base + int(digit, 16)
        if value > largest or 0xD800 <= value < 0xE000:
            self.fail("escape sequence is an invalid Unicode code point")
            return False
        return True

    # Numbers

    def number_or_duration(self) -> None:
        self.at = self.start
        if self.scan_number():
            self.emit(t.NUMBER)
        elif self.scan_units():
            self.emit(t.DURATION)
        else:
            self.fail(f"bad number or duration syntax: {quoted(self.read)}")

    def scan_number(self, hexadecimal: bool = True) -> bool:
        """Move over a number; False where it stopped at something that numbers do not have."""
        digits = _DECIMAL
        if hexadecimal and self.accept(_ZERO) and self.accept(_X):
            self.accept(_UNDERSCORE)
            digits = _HEX
        self.accept(_DOT)
        self.accept(digits)
        seen = set()
        while (character := self.peek()) in digits or character in _INSIDE_NUMBERS:
            self.at += 1
            if character == ".":
                if "." in seen or self.accept(_NOT_AFTER_DOT) or digits is _HEX:
                    return False
                seen.add(".")
            elif character in _EXPONENT:
                if "e" in seen:
                    return False
                self.accept(_SIGNS)
                if self.accept(_NOT_AFTER_OTHERS) or not self.peek():
                    return False
                seen.add("e")
            elif character == "_":
                if self.accept(_NOT_AFTER_OTHERS) or not self.peek():
                    return False
            else:
                while self.accept(digits):
                    pass
        return self.at > self.start and self.peek() not in _ALPHANUMERIC

    def scan_units(self) -> bool:
        """Move over the rest of a duration, from its first unit on; an impossible unit may slip through."""
        if not self.accept(_UNITS):
            return False
        self.accept(_SECOND)
        while self.accept(_DECIMAL):
            while self.accept(_DECIMAL):
                pass
            if not self.accept(_LATER_UNITS):
                return False
            self.accept(_SECOND)
        if self.peek() in _ALPHANUMERIC:
            self.at += 1  # the message shows what stood in the way
            return False
        return True


def _code_point(character: str) -> str:
    """As Go's %#U: `U+002E '.'`."""
    shown = f" '{character}'" if character.isprintable() else ""
    return f"U+{ord(character):04X}{shown}" if character else ""


_EQUALS, _TILDE, _DOT, _UNDERSCORE = frozenset("="), frozenset("~"), frozenset("."), frozenset("_")
_ZERO, _X, _SIGNS, _EXPONENT = frozenset("0"), frozenset("xX"), frozenset("+-"), frozenset("eE")
_INSIDE_NUMBERS = frozenset("._eE")
_NOT_AFTER_DOT, _NOT_AFTER_OTHERS = frozenset("_."), frozenset("._eE")
# Years only come first.
_UNITS, _LATER_UNITS, _SECOND = frozenset("smhdwy"), frozenset("smhdw"), frozenset("s")

_STATEMENT: Mapping[str, Callable[[Lexer], None]] = {
    "": Lexer.end,
    "=": Lexer.equals,
    "!": Lexer.bang,
    "<": Lexer.comparison,
    ">": Lexer.comparison,
    '"': Lexer.string,
    "'": Lexer.string,
    "`": Lexer.string,
    "(": Lexer.open_paren,
    ")": Lexer.close_paren,
    "{": Lexer.open_brace,
    "[": Lexer.open_bracket,
    "]": Lexer.close_bracket,
}
_IN_BRACES: Mapping[str, Callable[[Lexer], None]] = {
    "": lambda lexer: lexer.fail("unexpected end of input inside braces"),
    ",": lambda lexer: lexer.emit(","),
    '"': Lexer.string,
    "'": Lexer.string,
    "`": Lexer.string,
    "=": Lexer.equals_in_braces,
    "!": Lexer.bang_in_braces,
    "{": lambda lexer: lexer.fail("unexpected left brace '{'"),
    "}": lambda lexer: lexer.close_brace(),
}
_IN_SPAN: Mapping[str, Callable[[Lexer], None]] = {
    "": lambda lexer: lexer.fail("unexpected end of input in duration expression"),
    "(": Lexer.open_paren,
    ")": Lexer.close_paren,
    "]": Lexer.close_bracket,
    ":": Lexer.colon_in_span,
}
