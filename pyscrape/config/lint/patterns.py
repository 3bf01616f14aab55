"""Questions about a rule's regular expression, answered without compiling it where that is possible."""

import re

from pyscrape.relabel.settings import DEFAULT_REGEX
from pyscrape.relabel.simple_regex import group_count, is_simple

_EVERYTHING = {DEFAULT_REGEX, ".*", "(?:.*)", "(.*)?", "^.*$", "^(.*)$"}
_PLAIN = re.compile(r"[A-Za-z0-9_:;/@=, -]*(?:\|[A-Za-z0-9_:;/@=, -]*)*")
_LITERAL_START = re.compile(r"\^?((?:[A-Za-z0-9_:/;=-]|\\[.\-/])*)(?![*?{|])")


def matches_everything(pattern: str) -> bool:
    """Whether every text matches, as far as can be seen at a glance."""
    return pattern in _EVERYTHING


def groups(pattern: str) -> int:
    """How many groups the pattern captures."""
    if is_simple(pattern):
        return group_count(pattern)
    from pyscrape.model.regex import compile_re2

    return compile_re2(pattern).groups


def finite(pattern: str) -> tuple[str, ...] | None:
    """All texts that match, where the pattern is a list of plain words; None for every other pattern.

    >>> finite("a|b"), finite("(a|b)"), finite("a.*")
    (('a', 'b'), ('a', 'b'), None)
    """
    text = pattern.removeprefix("^").removesuffix("$")
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].removeprefix("?:")
    return tuple(text.split("|")) if _PLAIN.fullmatch(text) else None


def literal_start(pattern: str) -> str:
    """A start that every match has; "" when there is none to be seen.

    >>> literal_start("__meta_kubernetes_node_label_(.+)"), literal_start("a|b")
    ('__meta_kubernetes_node_label_', '')
    """
    if "|" in re.sub(r"\([^()]*\)", "", pattern):
        return ""
    found = _LITERAL_START.match(pattern)
    if found is None:
        return ""
    rest = pattern[found.end() :]
    start = found[1].replace("\\", "")
    return start[:-1] if rest[:1] in {"*", "?", "{"} else start


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches."""
    words = finite(pattern)
    if words is not None:
        return text in words
    from pyscrape.model.regex import RegexTimeout, compile_re2

    try:
        return compile_re2(pattern).matches(text)
    except RegexTimeout:
        return True  # not known: rather no finding than a wrong one


def matches_some_of_family(pattern: str, family: str) -> bool:
    """Whether some label of a family (a prefix with any ending) can match."""
    start = literal_start(pattern)
    if start and not (start.startswith(family) or family.startswith(start)):
        return False
    if len(start) > len(family) or pattern[len(start) :] in {"(.+)", "(.*)", ".+", ".*"}:
        return True  # the pattern names an ending of its own, or takes any
    return any(
        matches(pattern, family + ending) for ending in ("x", "app", "app_kubernetes_io_name", "x1_y2")
    )
