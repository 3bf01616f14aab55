"""Regular expressions as Prometheus has them: Go's dialect (RE2), always against the whole text.

A pattern is parsed by our own parser, which refuses what Go refuses and says so in Go's words, and is then
answered by the cheapest means that is safe for it:

- a literal, a finite set of texts, or literals around one `.*` need no engine;
- most others run on Python's `re`, whose steps are bounded for them by their shape and the length of the text;
- where that bound is too high, the `regex` library runs under a time limit, and where that limit is met, a
  matcher that is linear in the text takes over. What even this cannot answer in time is a RegexTimeout,
  never "no match"; a pattern that timed out three times refuses further long texts at once.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pyscrape.model.names import valid_utf8
from pyscrape.model.regex_emit import FLAGS, emit
from pyscrape.model.regex_factor import factor
from pyscrape.model.regex_shape import (
    common_start,
    finite_set,
    has_empty_loop,
    hazard,
    last_characters,
    prefix,
    wildcard,
)
from pyscrape.model.regex_syntax import Node, RegexError, parse, unwrap

if TYPE_CHECKING:
    from pyscrape.model.regex_linear import LinearMatcher

__all__ = ["Match", "Pattern", "RegexError", "RegexTimeout", "Template", "compile_re2"]

Captures = tuple[str | None, ...]
"""The groups of a match; 0 is the whole match, None a group that took no part."""

_Answer = TypeVar("_Answer")
_UNDECIDED: Captures = ("",)  # told from answers by identity

# Characters that mean themselves, alternatives, and escapes of what is neither letter nor digit (nor a bar, which
# would not part alternatives).
_LISTED = re.compile(r"(?:[^\\.+*?()\[\]{}^$]|\\[!-/:-@\[-`{}~])*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SAFE_LOG2_STEPS = 14.0  # 16,000 steps of `re` are well below a millisecond
_GUARDED_S = 0.005
_LINEAR_NS = 40_000_000
_TIMEOUTS_BEFORE_REFUSAL = 3
_CACHED_PATTERNS = 2048
_LARGE_SET = 1_000


class RegexTimeout(RuntimeError):  # noqa: N818 - the name is part of the public surface
    """A match took longer than it may; whether the text matches is not known."""

    def __init__(self, pattern: str, length: int) -> None:
        super().__init__(
            f"regular expression {pattern!r} needs too long for a text of {length} characters; "
            "nested repetitions like (a+)+ are the usual cause"
        )


class Match:
    """A successful match of the whole text."""

    __slots__ = ("_captures", "_names")

    def __init__(self, captures: Captures, names: Sequence[tuple[str, int]]) -> None:
        self._captures = captures
        self._names = names

    def group(self, number: int = 0) -> str | None:
        """Group `number`; None where it took no part."""
        return self._captures[number]

    def groups(self) -> Captures:
        """Groups 1 and up."""
        return self._captures[1:]

    def expand(self, template: str) -> str:
        """`template` with `$1`, `${1}`, `$name` and `$$` replaced by Go's rules."""
        return Template(template, len(self._captures) - 1, self._names).expand(self._captures)

    def __repr__(self) -> str:
        return f"<Match {self._captures!r}>"


class Template:
    """A replacement text read once: literal pieces and groups in turn.

    `pieces` are texts and tuples of group numbers, of which the first that took part counts. A reference to
    a group that does not exist stands for nothing; a malformed one stays as text.

    >>> Template("${1}:$2$$", 2).expand(("", "host", "80"))
    'host:80$'
    """

    __slots__ = ("every_group", "expand", "literal", "pieces", "single", "text")

    expand: Callable[[Captures], str]
    """The text for the groups of a match."""

    def __init__(self, text: str, groups: int, names: Iterable[tuple[str, int]] = ()) -> None:
        self.text = text
        self.pieces = _template_pieces(text, groups, tuple(names))
        self.literal: str | None = None
        """The text where no group is in it."""
        self.single: int | None = None
        """The group's number where the template is just one reference."""
        self.every_group: str | None = None
        """A %-format of all groups from 1 on, where the template has each once and in order."""
        if all(isinstance(piece, str) for piece in self.pieces):
            self.literal = "".join(piece for piece in self.pieces if isinstance(piece, str))
        elif len(self.pieces) == 1 and isinstance(self.pieces[0], tuple) and len(self.pieces[0]) == 1:
            self.single = self.pieces[0][0]
        references = [piece for piece in self.pieces if isinstance(piece, tuple)]
        if references == [(number,) for number in range(1, groups + 1)]:
            self.every_group = self._format()
        self.expand = self._expander(references)

    def _format(self) -> str:
        return "".join(piece.replace("%", "%%") if isinstance(piece, str) else "%s" for piece in self.pieces)

    def _expander(self, references: Sequence[tuple[int, ...]]) -> Callable[[Captures], str]:
        if self.literal is not None:
            literal = self.literal
            return lambda _captures: literal
        if self.single is not None:
            single = self.single
            return lambda captures: captures[single] or ""
        shape = self._format()
        if len(references) == 2 and all(len(numbers) == 1 for numbers in references):
            (first,), (second,) = references  # `$1:$2` is in every second configuration
            return lambda captures: shape % (captures[first] or "", captures[second] or "")

        def expand(captures: Captures) -> str:
            return shape % tuple(
                next((found for number in numbers if (found := captures[number]) is not None), "")
                for numbers in references
            )

        return expand


def _template_pieces(
    text: str, groups: int, names: tuple[tuple[str, int], ...]
) -> tuple[str | tuple[int, ...], ...]:
    pieces: list[str | tuple[int, ...]] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        pieces.append(text[at:dollar])
        at = dollar + 1
        if text.startswith("$", at):
            pieces.append("$")
            at += 1
            continue
        name, end = _reference(text, at)
        if not name:
            pieces.append("$")
            continue
        at = end
        number = _group_number(name)
        if number is None:
            pieces.append(tuple(n for other, n in names if other == name))
        elif number <= groups:
            pieces.append((number,))
    pieces.append(text[at:])
    return tuple(piece for piece in pieces if piece)


def _reference(text: str, at: int) -> tuple[str, int]:
    """The name after a dollar sign and the place behind it; an empty name where it is malformed."""
    braced = text.startswith("{", at)
    start = end = at + braced
    while end < len(text) and (text[end].isalpha() or text[end].isdecimal() or text[end] == "_"):
        end += 1
    name = text[start:end]
    if braced:
        if not text.startswith("}", end):
            return "", at
        end += 1
    return name, end


def _group_number(name: str) -> int | None:
    if not (name.isascii() and name.isdigit()) or len(name) > 9 or (name[0] == "0" and len(name) > 1):
        return None
    return int(name)


class _Engine(Protocol):
    """What runs a pattern that is no mere set of texts; `name` and `run` are the pattern's `engine` and `run`."""

    @property
    def name(self) -> str: ...
    @property
    def run(self) -> Callable[[str], re.Match[str] | None] | None: ...
    @property
    def matches(self) -> Callable[[str], bool]: ...
    @property
    def captures(self) -> Callable[[str], Captures | None]: ...


class Pattern:
    """A compiled pattern; made by `compile_re2`.

    `matches(text)` says whether the whole text matches, `captures(text)` with which groups; both may raise
    RegexTimeout.
    """

    __slots__ = (
        "alternatives",
        "captures",
        "engine",
        "groups",
        "literal",
        "matches",
        "names",
        "pattern",
        "prefix",
        "run",
    )

    matches: Callable[[str], bool]
    captures: Callable[[str], Captures | None]

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.groups = 0
        self.names: tuple[tuple[str, int], ...] = ()
        self.engine = "none"
        """What answers: "none", "re", or "guarded" (`regex` under a time limit, then the linear matcher)."""
        self.run: Callable[[str], re.Match[str] | None] | None = None
        """Python's `re` for the whole text, where that is what answers."""
        self.prefix = ""
        """A start that every matching text has."""
        self.alternatives = _listed(pattern)
        """All texts that match, where they are finitely many: 1,000, or as many as the pattern is long."""
        if self.alternatives is None:
            self._parse()
        else:
            self._take_set(self.alternatives, lambda text: (text,))
            self.prefix = common_start(self.alternatives)
        self.literal = self.alternatives[0] if self.alternatives and len(self.alternatives) == 1 else None
        """The one text that matches, where there is one."""

    def _parse(self) -> None:
        parsed = parse(f"^(?s:{self.pattern})$")
        self.groups, self.names = parsed.groups, parsed.names
        inner = unwrap(parsed.node)
        if inner is None:
            self._take(self._choose(parsed.node, False))
            return
        self.prefix = prefix(inner)
        self.alternatives = finite_set(inner, max(_LARGE_SET, len(self.pattern)))
        shape = wildcard(inner)
        if self.alternatives is not None:
            self._take_set(self.alternatives, self._captures_of_one(inner))
        elif shape is not None:
            self.captures = shape.captures
            self.matches = lambda text: shape.captures(text) is not None
        else:
            self._take(self._choose(factor(inner), True))

    def _take(self, engine: _Engine) -> None:
        self.engine, self.run = engine.name, engine.run
        self.matches, self.captures = engine.matches, engine.captures

    def _take_set(self, texts: Iterable[str], captures: Callable[[str], Captures | None]) -> None:
        members = frozenset(texts)
        self.matches = members.__contains__
        self.captures = lambda text: captures(text) if text in members else None

    def _captures_of_one(self, inner: Node) -> Callable[[str], Captures | None]:
        """The groups of a text that is known to match, by an engine that is made when it is first needed."""
        if not self.groups:
            return lambda text: (text,)
        engine: list[_Engine] = []

        @lru_cache(maxsize=_LARGE_SET)
        def captures(text: str) -> Captures | None:
            if not engine:
                engine.append(self._choose(factor(inner), True))
            return engine[0].captures(text)

        return captures

    def _choose(self, node: Node, anchored: bool) -> _Engine:
        danger = hazard(node)
        if not anchored or (self.groups and has_empty_loop(node)):
            return _Guarded(self.pattern, node, self.groups, anchored, None)
        engine = re.compile(emit(node), FLAGS)
        if danger.degree <= 1 and danger.branches <= _SAFE_LOG2_STEPS / 2:
            return _Plain(engine)
        safe_length = int(2 ** ((_SAFE_LOG2_STEPS - danger.branches) / danger.degree)) if danger.degree else 0
        return _Guarded(self.pattern, node, self.groups, True, (engine, safe_length))

    def fullmatch(self, text: str) -> Match | None:
        """The match of the whole text, or None; raises RegexTimeout."""
        captures = self.captures(text)
        return None if captures is None else Match(captures, self.names)

    def replacer(self, template: Template) -> Callable[[str], str | None]:
        """A function from texts to `template` with what they captured, None where they do not match.

        It may raise RegexTimeout, unless `run` is there.

        >>> pattern = compile_re2("(.+?)(?::[0-9]+)?;([0-9]+)")
        >>> pattern.replacer(pattern.template("$1:$2"))("db:80;9100")
        'db:9100'
        """
        literal, shape, run = template.literal, template.every_group, self.run
        matches, captures, expand = self.matches, self.captures, template.expand
        if literal is not None:
            return lambda text: literal if matches(text) else None
        if run is None or shape is None:

            def expanded(text: str) -> str | None:
                found = captures(text)
                return None if found is None else expand(found)

            return expanded

        def formatted(text: str) -> str | None:
            match = run(text)
            return None if match is None else shape % match.groups("")

        return formatted

    def template(self, text: str) -> Template:
        """A replacement text for matches of this pattern."""
        return Template(text, self.groups, self.names)

    def __repr__(self) -> str:
        return f"compile_re2({self.pattern!r})"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return compile_re2, (self.pattern,)


def _listed(pattern: str) -> tuple[str, ...] | None:
    """The texts of a pattern that is nothing but `one|two|three`, which needs no parser; None for any other."""
    if _LISTED.fullmatch(pattern) is None or not valid_utf8(pattern):
        return None
    return tuple(dict.fromkeys(_ESCAPED.sub(r"\1", part) for part in pattern.split("|")))


class _Plain:
    """Python's `re`, for patterns that cannot go wrong on it."""

    name = "re"

    def __init__(self, engine: re.Pattern[str]) -> None:
        self.run = run = engine.fullmatch

        def captures(text: str) -> Captures | None:
            found = run(text)
            return None if found is None else (text, *found.groups())

        self.captures = captures
        self.matches: Callable[[str], bool] = lambda text: run(text) is not None


class _Guarded:
    """A pattern that could backtrack badly, or that other engines capture differently.

    `short`: Python's `re` and the length of text up to which it is safe; None where only the linear matcher
    answers as Go does.
    """

    name = "guarded"
    run = None

    def __init__(
        self,
        pattern: str,
        node: Node,
        groups: int,
        anchored: bool,
        short: tuple[re.Pattern[str], int] | None,
    ) -> None:
        self.pattern = pattern
        self.node = node
        self.groups = groups
        self.anchored = anchored
        self.short = short
        self.last = last_characters(node) if anchored else None
        self.linear: LinearMatcher | None = None
        self.lock = Lock()  # the automaton grows while it runs; PromQL may run in threads
        self.slow = 0
        self.timeouts = 0
        self.refused_length = 0

    def matches(self, text: str) -> bool:
        found = self.backtrack(text)
        if found is _UNDECIDED:
            return self.within_time(text, lambda linear: linear.matches(text, _LINEAR_NS))
        return found is not None

    def captures(self, text: str) -> Captures | None:
        found = self.backtrack(text)
        if found is _UNDECIDED:
            return self.within_time(text, lambda linear: linear.captures(text, _LINEAR_NS))
        return found

    def backtrack(self, text: str) -> Captures | None:
        """The answer of a backtracking engine, or `_UNDECIDED`."""
        if self.short is None:
            return _UNDECIDED
        engine, safe_length = self.short
        if len(text) <= safe_length:
            found = engine.fullmatch(text)
        elif self.last is not None and not any(low <= ord(text[-1]) <= high for low, high in self.last):
            return None
        elif self.slow < _TIMEOUTS_BEFORE_REFUSAL:
            try:
                found = _guarded_engine(engine.pattern).fullmatch(text, timeout=_GUARDED_S)
            except TimeoutError:
                self.slow += 1
                return _UNDECIDED
        else:
            return _UNDECIDED
        return None if found is None else (found[0], *found.groups())

    def within_time(self, text: str, run: Callable[["LinearMatcher"], _Answer]) -> _Answer:
        """`run` on the linear matcher; raises RegexTimeout."""
        from pyscrape.model.regex_linear import LinearMatcher, OutOfTime  # few patterns need it

        if self.timeouts >= _TIMEOUTS_BEFORE_REFUSAL and len(text) >= self.refused_length:
            raise RegexTimeout(self.pattern, len(text))
        with self.lock:
            try:
                if self.linear is None:
                    self.linear = LinearMatcher(self.node, self.groups, self.anchored)
                return run(self.linear)
            except OutOfTime:
                self.timeouts += 1
                # Half as long a text would time out too, or nearly; each further time-out halves it again.
                self.refused_length = min(self.refused_length or len(text), len(text)) // 2
                raise RegexTimeout(self.pattern, len(text)) from None


@lru_cache(maxsize=_CACHED_PATTERNS)  # queries bring patterns of their own: it must not grow for ever
def _guarded_engine(source: str) -> Any:
    import regex  # 30 ms that only patterns which could go wrong pay

    return regex.compile(source, regex.V0 | regex.DOTALL | regex.ASCII)


@lru_cache(maxsize=_CACHED_PATTERNS)
def compile_re2(pattern: str) -> Pattern:
    """The compiled pattern; raises RegexError with Go's text.

    >>> compile_re2("([^:]+):(?P<port>[0-9]+)").fullmatch("db:5432").expand("$port on ${1}")
    '5432 on db'
    """
    try:
        return Pattern(pattern)
    except RecursionError:
        raise RegexError("expression nests too deeply", pattern) from None
