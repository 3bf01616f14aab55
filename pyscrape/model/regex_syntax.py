"""The RE2 dialect's syntax: a pattern to a tree, or Go's reason for refusing it.

A hand-written parser that follows Go's regexp/syntax step by step, because the texts of its errors, and which of
several errors comes first, are part of what users see. Flags are resolved while parsing: case folding becomes
sets of characters, `(?U)` swaps greed, `^ $ .` become what they mean, so the tree has no flags left.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from pyscrape.model.names import valid_utf8
from pyscrape.model.regex_unicode import (
    ANY,
    ANY_BUT_NEWLINE,
    PERL,
    POSIX,
    Ranges,
    fold,
    negate,
    unicode_class,
    union,
)

MAX_REPEAT = 1000
_MAX_HEIGHT = 1000  # Go's
_MAX_SIZE = (128 << 20) // 40  # Go's: instructions in 128 MB
_FOLD, _ONE_LINE, _DOT_NEWLINE, _LAZY = 1, 2, 4, 8
_FLAG_LETTERS = {"i": (_FOLD, True), "m": (_ONE_LINE, False), "s": (_DOT_NEWLINE, True), "U": (_LAZY, True)}
_CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_OPERATORS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_OCTAL_DIGITS = frozenset("01234567")

AssertKind = Literal["text_start", "text_end", "line_start", "line_end", "word_edge", "no_word_edge"]


class RegexError(ValueError):
    """A pattern that Go refuses; the message is Go's whole text."""

    def __init__(self, reason: str, part: str) -> None:
        super().__init__(f"error parsing regexp: {reason}: `{part}`")
        self.reason = reason
        self.part = part


# Named tuples rather than dataclasses: `check` and `import pyscrape.relabel` may take some tens of milliseconds,
# and the dataclasses module with six classes would be a dozen of them. They compare as tuples: mind the type.


class Chars(NamedTuple):
    """One character out of a set; an empty set matches nothing."""

    ranges: Ranges


class Assert(NamedTuple):
    """A condition on a place in the text; takes no character."""

    kind: AssertKind


class Group(NamedTuple):
    """A capturing group, numbered from 1 by its opening parenthesis."""

    number: int
    body: "Node"


class Concat(NamedTuple):
    """One after the other; no parts match the empty text."""

    parts: tuple["Node", ...]


class Alternate(NamedTuple):
    """The first that leads to a match."""

    options: tuple["Node", ...]


class Repeat(NamedTuple):
    """`low` to `high` times (None: any number), as many as possible where greedy."""

    body: "Node"
    low: int
    high: int | None
    greedy: bool


Node = Chars | Assert | Group | Concat | Alternate | Repeat

EMPTY = Concat(())


class Parsed(NamedTuple):
    """A pattern's tree, and the names of its groups: (name, number), a name possibly more than once."""

    node: Node
    groups: int
    names: tuple[tuple[str, int], ...]


class _Frame:
    """An open parenthesis: what to restore at its end, and what was read inside so far."""

    def __init__(self, flags: int, number: int = 0) -> None:
        self.flags = flags
        self.number = number
        self.options: list[Node] = []
        self.parts: list[Node] = []

    def finish(self) -> Node:
        self.options.append(_concat(self.parts))
        return self.options[0] if len(self.options) == 1 else Alternate(tuple(self.options))


def _concat(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Concat(tuple(parts))


def parse(pattern: str) -> Parsed:
    """The tree of a pattern as Go's regexp.Compile reads it; raises RegexError.

    >>> parse("a{2}").node
    Repeat(body=Chars(ranges=((97, 97),)), low=2, high=2, greedy=True)
    """
    return _Parser(pattern).parse()


class _Parser:
    """One parse: a stack of open parentheses, the flags of the moment, a place in the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.flags = _ONE_LINE
        self.frames = [_Frame(self.flags)]
        self.groups = 0
        self.names: list[tuple[str, int]] = []

    def parse(self) -> Parsed:
        text, last_repeat = self.text, -1
        while self.at < len(text):
            start, character = self.at, text[self.at]
            repeat = -1
            if character in "*+?":
                self.at += 1
                self.repeat(*_OPERATORS[character], start, last_repeat)
                repeat = start
            elif character == "{" and (counts := self.counts()) is not None:
                self.repeat(*counts, start, last_repeat)
                repeat = start
            else:
                self.piece(character)
            last_repeat = repeat
        if len(self.frames) > 1:
            raise RegexError("missing closing )", text)
        node = self.frames[0].finish()
        _check_limits(node, text)
        return Parsed(node, self.groups, tuple(self.names))

    def piece(self, character: str) -> None:
        """Anything but a repetition."""
        if character == "(":
            self.open()
        elif character == "|":
            frame = self.frames[-1]
            frame.options.append(_concat(frame.parts))
            frame.parts = []
            self.at += 1
        elif character == ")":
            self.close()
        elif character == "[":
            self.push(Chars(self.bracket()))
        elif character == "\\":
            self.backslash()
        elif character in "^$.":
            self.at += 1
            self.push(self.simple(character))
        else:
            self.literal(self.rune())

    def simple(self, character: str) -> Node:
        if character == ".":
            return Chars(ANY if self.flags & _DOT_NEWLINE else ANY_BUT_NEWLINE)
        one_line = self.flags & _ONE_LINE
        if character == "^":
            return Assert("text_start" if one_line else "line_start")
        return Assert("text_end" if one_line else "line_end")

    def push(self, node: Node) -> None:
        self.frames[-1].parts.append(node)

    def literal(self, character: str) -> None:
        one = ((ord(character), ord(character)),)
        self.push(Chars(fold(one) if self.flags & _FOLD else one))

    def rune(self) -> str:
        """The next character; "" at the end (Go reads a U+FFFD of no width there)."""
        character = self.text[self.at : self.at + 1]
        if "\ud800" <= character <= "\udfff":
            raise RegexError("invalid UTF-8", self.text[self.at :])
        self.at += len(character)
        return character

    def require_utf8(self, part: str) -> None:
        if not valid_utf8(part):
            raise RegexError("invalid UTF-8", part)

    # -- repetition

    def repeat(self, low: int, high: int | None, start: int, last_repeat: int) -> None:
        lazy = bool(self.flags & _LAZY)
        if self.text.startswith("?", self.at):
            self.at += 1
            lazy = not lazy
        if last_repeat >= 0:
            raise RegexError("invalid nested repetition operator", self.text[last_repeat : self.at])
        parts = self.frames[-1].parts
        if not parts:
            raise RegexError("missing argument to repetition operator", self.text[start : self.at])
        node = Repeat(parts[-1], low, high, not lazy)
        counted = self.text[start] == "{"
        if counted and max(low, high or 0) >= 2 and not _repeats_fit(node, MAX_REPEAT):
            raise RegexError("invalid repeat count", self.text[start : self.at])
        parts[-1] = node

    def counts(self) -> tuple[int, int | None] | None:
        """`{n}`, `{n,}` or `{n,m}` at this place, which is then passed; None where `{` is a literal."""
        start = self.at
        low, at = self.integer(start + 1)
        if low is None:
            return None
        high: int | None = low
        if self.text.startswith(",", at):
            at += 1
            high = None
            if not self.text.startswith("}", at):
                high, at = self.integer(at)
                if high is None:
                    return None
        if not self.text.startswith("}", at):
            return None
        self.at = at + 1
        if low > MAX_REPEAT or (high is not None and (high > MAX_REPEAT or low > high)):
            raise RegexError("invalid repeat count", self.text[start : self.at])
        return low, high

    def integer(self, at: int) -> tuple[int | None, int]:
        end = at
        while self.text[end : end + 1].isascii() and self.text[end : end + 1].isdigit():
            end += 1
        digits = self.text[at:end]
        if not digits or (len(digits) > 1 and digits[0] == "0"):
            return None, at
        return min(int(digits[:12]), 10**9), end

    # -- groups

    def open(self) -> None:
        if self.text.startswith("(?", self.at):
            self.perl_group()
            return
        self.at += 1
        self.open_capture()

    def open_capture(self, name: str = "") -> None:
        self.groups += 1
        if name:
            self.names.append((name, self.groups))
        self.frames.append(_Frame(self.flags, self.groups))

    def perl_group(self) -> None:
        rest = self.text[self.at :]
        for opening in ("(?P<", "(?<"):
            if rest.startswith(opening) and len(rest) > len(opening):
                self.named_group(rest, opening)
                return
        start, self.at = self.at, self.at + 2
        flags, negated, saw_flag = self.flags, False, False
        while self.at < len(self.text):
            letter = self.rune()
            if letter in _FLAG_LETTERS:
                bit, turns_on = _FLAG_LETTERS[letter]
                flags = flags | bit if turns_on is not negated else flags & ~bit
                saw_flag = True
            elif letter == "-" and not negated:
                negated, saw_flag = True, False
            elif letter in ":)" and (saw_flag or not negated):
                if letter == ":":
                    self.frames.append(_Frame(self.flags))
                self.flags = flags
                return
            else:
                break
        raise RegexError("invalid or unsupported Perl syntax", self.text[start : self.at])

    def named_group(self, rest: str, opening: str) -> None:
        end = rest.find(">")
        if end < 0:
            self.require_utf8(rest)
            raise RegexError("invalid named capture", rest)
        name = rest[len(opening) : end]
        self.require_utf8(name)
        if not name or not all(c == "_" or (c.isascii() and c.isalnum()) for c in name):
            raise RegexError("invalid named capture", rest[: end + 1])
        self.at += end + 1
        self.open_capture(name)

    def close(self) -> None:
        if len(self.frames) == 1:
            raise RegexError("unexpected )", self.text)
        frame = self.frames.pop()
        self.at += 1
        self.flags = frame.flags
        body = frame.finish()
        self.push(Group(frame.number, body) if frame.number else body)

    # -- escapes

    def backslash(self) -> None:
        letter = self.text[self.at + 1 : self.at + 2]
        place = _PLACES.get(letter)
        if place is not None:
            self.at += 2
            self.push(Assert(place))
        elif letter == "C":
            raise RegexError("invalid escape sequence", self.text[self.at : self.at + 2])
        elif letter == "Q":
            self.at += 2
            end = self.text.find("\\E", self.at)
            stop = len(self.text) if end < 0 else end
            while self.at < stop:
                self.literal(self.rune())
            self.at = stop if end < 0 else stop + 2
        elif (ranges := self.class_escape()) is not None:
            self.push(Chars(ranges))
        else:
            self.literal(self.escape())

    def class_escape(self) -> Ranges | None:
        """A Unicode or Perl class at this place, which is then passed."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter and letter in "pP":
            return self.unicode_escape(letter == "P")
        if letter and letter.lower() in PERL and letter.isascii():
            self.at += 2
            return self.signed(PERL[letter.lower()], letter.isupper())
        return None

    def signed(self, ranges: Ranges, negated: bool) -> Ranges:
        if self.flags & _FOLD:
            ranges = fold(ranges)
        return negate(ranges) if negated else ranges

    def unicode_escape(self, negated: bool) -> Ranges | None:
        start = self.at
        self.at += 2
        name = self.rune()
        if name == "{":
            end = self.text.find("}", start)
            if end < 0:
                self.require_utf8(self.text[start:])
                raise RegexError("invalid character class range", self.text[start:])
            name = self.text[self.at : end]
            self.require_utf8(name)
            self.at = end + 1
        if name.startswith("^"):
            negated, name = not negated, name[1:]
        ranges = unicode_class(name, bool(self.flags & _FOLD))
        if ranges is None:
            raise RegexError("invalid character class range", self.text[start : self.at])
        return negate(ranges) if negated else ranges

    def escape(self) -> str:
        """The character that an escape stands for."""
        start = self.at
        self.at += 1
        if self.at >= len(self.text):
            raise RegexError("trailing backslash at end of expression", "")
        letter = self.rune()
        if letter in _OCTAL_DIGITS and (letter == "0" or self.text[self.at : self.at + 1] in _OCTAL_DIGITS):
            # The empty text is in no set, so that `\1` at the end is refused, as a back-reference is.
            digits = letter
            while len(digits) < 3 and self.text[self.at : self.at + 1] in _OCTAL_DIGITS:
                digits += self.text[self.at]
                self.at += 1
            return chr(int(digits, 8))
        if letter == "x":
            return self.hexadecimal(start)
        if letter in _CONTROL:
            return chr(_CONTROL[letter])
        if letter.isascii() and not letter.isalnum():
            return letter
        raise RegexError("invalid escape sequence", self.text[start : self.at])

    def hexadecimal(self, start: int) -> str:
        first = self.rune()
        if first == "{":
            value = digits = 0
            while (digit := self.rune()) in _HEX_DIGITS:
                value, digits = value * 16 + int(digit, 16), digits + 1
                if value > 0x10FFFF:
                    break
            else:
                if digit == "}" and digits:
                    return chr(value)
        elif first:
            second = self.rune()
            if first in _HEX_DIGITS and second in _HEX_DIGITS:
                return chr(int(first + second, 16))
        raise RegexError("invalid escape sequence", self.text[start : self.at])

    # -- classes in brackets

    def bracket(self) -> Ranges:
        start = self.at
        self.at += 1
        negated = self.text.startswith("^", self.at)
        self.at += negated
        found: list[tuple[int, int]] = []
        first = True
        while first or not self.text.startswith("]", self.at):
            first = False
            ranges = self.named_class()
            if ranges is None and self.text.startswith("\\", self.at):
                ranges = self.class_escape()
            found.extend(self.span(start) if ranges is None else ranges)
        self.at += 1
        ranges = union(found)
        return negate(ranges) if negated else ranges

    def named_class(self) -> Ranges | None:
        if not self.text.startswith("[:", self.at):
            return None
        end = self.text.find(":]", self.at + 2)
        if end < 0:
            return None
        whole = self.text[self.at : end + 2]
        name = whole[2:-2]
        negated = name.startswith("^")
        ranges = POSIX.get(name[negated:])
        if ranges is None:
            raise RegexError("invalid character class range", whole)
        self.at = end + 2
        return self.signed(ranges, negated)

    def span(self, start: int) -> Iterator[tuple[int, int]]:
        """A character or `a-z` inside the bracket that opened at `start`."""
        begin = self.at
        low = high = self.class_character(start)
        if self.text.startswith("-", self.at) and self.text[self.at + 1 : self.at + 2] not in ("", "]"):
            self.at += 1
            high = self.class_character(start)
            if high < low:
                raise RegexError("invalid character class range", self.text[begin : self.at])
        span = ((ord(low), ord(high)),)
        return iter(fold(span) if self.flags & _FOLD else span)

    def class_character(self, start: int) -> str:
        if self.at >= len(self.text):
            raise RegexError("missing closing ]", self.text[start:])
        return self.escape() if self.text[self.at] == "\\" else self.rune()


_PLACES: dict[str, AssertKind] = {
    "A": "text_start",
    "z": "text_end",
    "b": "word_edge",
    "B": "no_word_edge",
}


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below one."""
    if isinstance(node, Concat):
        return node.parts
    if isinstance(node, Alternate):
        return node.options
    return (node.body,) if isinstance(node, (Group, Repeat)) else ()


def _repeats_fit(node: Node, limit: int) -> bool:
    """Whether counted repetitions inside each other multiply to `limit` at most."""
    counted = isinstance(node, Repeat) and (node.low, node.high) not in _OPERATORS.values()
    if counted:
        assert isinstance(node, Repeat)
        times = node.low if node.high is None else node.high
        if node.high == 0:
            return True
        if times > limit:
            return False
        limit = limit // times if times > 0 else limit
    return all(_repeats_fit(child, limit) for child in children(node))


def _check_limits(root: Node, text: str) -> None:
    """Refuse what Go refuses for its depth or size (walked without recursion: depth is what is in doubt)."""
    if text.count("(") < _MAX_HEIGHT // 4 and ("{" not in text or len(text) * MAX_REPEAT < _MAX_SIZE):
        return  # neither limit is near
    order: list[tuple[Node, int]] = [(root, 1)]
    for node, depth in order:
        if depth > _MAX_HEIGHT:
            raise RegexError("expression nests too deeply", text)
        order.extend((child, depth + 1) for child in children(node))
    sizes: dict[int, int] = {}
    for node, _ in reversed(order):
        below = sum(sizes[id(child)] for child in children(node))
        if isinstance(node, Repeat):
            times = node.low if node.high is None else node.high
            below = below * max(times, 1) + times + 1
        sizes[id(node)] = max(1, below + isinstance(node, Group) * 2)
    if sizes[id(root)] > _MAX_SIZE:
        raise RegexError("expression too large", text)


def unwrap(node: Node) -> Node | None:
    """What stands between `^` and `$`; None where the pattern broke out of them, like `a)|(b`."""
    start, end = Assert("text_start"), Assert("text_end")
    if not isinstance(node, Concat) or len(node.parts) < 2 or node.parts[0] != start or node.parts[-1] != end:
        return None
    inner = node.parts[1:-1]
    return inner[0] if len(inner) == 1 else Concat(inner)
