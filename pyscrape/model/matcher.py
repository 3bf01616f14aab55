"""Label matchers of PromQL and of the APIs: one label name, one operator, one value.

A matcher answers for a value at a time; who has many series runs it once per distinct value. Where the answer is
a finite set of values (`set_values`) or all values share a start (`prefix`), an index need not run it at all.
"""

from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from pyscrape.model.names import quoted, valid_label_name
from pyscrape.model.regex import Pattern, compile_re2
from pyscrape.model.regex_syntax import parse


class MatchType(Enum):
    """The four operators, by their text in PromQL."""

    EQ = "="
    NE = "!="
    RE = "=~"
    NRE = "!~"

    @property
    def negative(self) -> bool:
        """Whether the operator chooses what its value does *not* describe."""
        return self in _NEGATIVE

    @property
    def regex(self) -> bool:
        """Whether the value is a regular expression."""
        return self in _REGEX


_NEGATIVE = frozenset({MatchType.NE, MatchType.NRE})
_REGEX = frozenset({MatchType.RE, MatchType.NRE})


@lru_cache(maxsize=1024)
def _compile(value: str) -> Pattern:
    """A matcher's pattern must stand by itself: `a)(b` is none, though anchored it would be one."""
    parse(value)
    return compile_re2(value)


@dataclass(frozen=True, slots=True)
class Matcher:
    """`name <type> "value"`; an absent label counts as one with an empty value.

    Raises RegexError when `value` should be a regular expression and is none.

    >>> Matcher(MatchType.RE, "code", "4..|5..").matches("503")
    True
    """

    type: MatchType
    name: str
    value: str
    _pattern: Pattern | None = field(init=False, repr=False, compare=False, default=None)
    _hash: int = field(init=False, repr=False, compare=False, default=0)
    """Matchers are keys of what a store and a query remember, and asked for it several times a query."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.type.value, self.name, self.value)))
        if self.type.regex:
            object.__setattr__(self, "_pattern", _compile(self.value))

    def __hash__(self) -> int:
        return self._hash

    def matches(self, text: str) -> bool:
        """Whether a label of this value is chosen; RegexTimeout when the expression takes too long."""
        found = text == self.value if self._pattern is None else self._pattern.matches(text)
        return found is not self.type.negative

    @property
    def matches_empty(self) -> bool:
        """Whether a series without the label is chosen."""
        return self.matches("")

    @property
    def set_values(self) -> tuple[str, ...] | None:
        """All values that the positive form chooses, when they are finitely many; for NE and NRE what is left out."""
        return (self.value,) if self._pattern is None else self._pattern.alternatives

    @property
    def prefix(self) -> str:
        """A start that all values of the positive form have (for NE and NRE: all that are left out)."""
        return self.value if self._pattern is None else self._pattern.prefix

    def __str__(self) -> str:
        name = self.name if valid_label_name(self.name, "legacy") else quoted(self.name)
        return f"{name}{self.type.value}{quoted(self.value)}"
