"""A small language of regular expressions that are good for certain, told without the parser of all of RE2.

Nine of ten patterns in configurations are literals, `.*`, simple classes and groups. Accepting those here spares a
check of a configuration the import and the run of the whole parser; everything else goes to it. The law: what
`is_simple` accepts, `compile_re2` accepts, with `group_count` groups.
"""

import re

_CLASS = re.compile(r"\[\^?[A-Za-z0-9_:;/,. =@]+\]")
_GROUP_STAND_IN = "\x00"
_ATOM = r"(?:[A-Za-z0-9_ ;:/,=@%&~<>!#'\"-]|\\[.\\/dwsDWS+*?()|\[\]{}$^-]|\.|\x00)"
_ALTERNATIVES = re.compile(rf"(?:{_ATOM}(?:[*+?]\??)?|\|)*")
_INNERMOST = re.compile(r"(?<!\\)\((?:\?:)?((?:[^()\\]|\\.)*)\)")
_CAPTURE = re.compile(r"(?<!\\)(?:\\\\)*\((?!\?)")
_MOST_GROUPS = 50


def is_simple(pattern: str) -> bool:
    """Whether the pattern is in the small language (and therefore valid).

    >>> is_simple(r"([^:]+)(?::\\d+)?;(\\d+)"), is_simple("a++")
    (True, False)
    """
    if pattern.count("(") > _MOST_GROUPS or _GROUP_STAND_IN in pattern:
        return False
    text = _CLASS.sub("a", pattern)
    while (group := _INNERMOST.search(text)) is not None:
        if not _ALTERNATIVES.fullmatch(group[1]):
            return False
        text = f"{text[: group.start()]}{_GROUP_STAND_IN}{text[group.end() :]}"
    return _ALTERNATIVES.fullmatch(text) is not None


def group_count(pattern: str) -> int:
    """How many groups a simple pattern captures."""
    return len(_CAPTURE.findall(pattern))
