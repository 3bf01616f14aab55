"""Go's regular expressions (first, thin version: the subset that Python's `re` reads the same way)."""

import re
from functools import lru_cache


class RegexError(ValueError):
    """A pattern that Go refuses; the message is Go's."""


class RegexTimeout(RuntimeError):
    """A match that took longer than it may."""


class Pattern:
    """A compiled pattern that matches whole texts."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        try:
            self._engine = re.compile(f"(?s:{pattern})\\Z", re.ASCII)
        except re.error as error:
            raise RegexError(f"error parsing regexp: {error}") from error
        plain = re.escape(pattern) == pattern
        self.literal = pattern if plain else None
        self.prefix = pattern if plain else ""
        self.alternatives = tuple(sorted(pattern.split("|"))) if re.fullmatch(r"[\w|-]*", pattern) else None

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """The match of the whole text, or None."""
        return self._engine.match(text)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        return self._engine.match(text) is not None


@lru_cache(maxsize=1024)
def compile_re2(pattern: str) -> Pattern:
    """The compiled pattern; raises RegexError."""
    return Pattern(pattern)
