"""Go's file patterns in the words of Python's `glob` module; Prometheus' `files:` and `rule_files:` are Go's.

They differ in two places: Go writes a set of characters that must not stand as `[^ab]`, Python as `[!ab]`; and a
backslash takes the meaning from the character behind it. That `*` matches a leading dot in Go is the caller's to say
(`include_hidden=True`).
"""

import re

_PARTS = re.compile(r"\\(?P<plain>.)|\[(?P<set>\^?[^\]\\]+)\]", re.DOTALL)


def python_pattern(pattern: str) -> str:
    r"""`/sd/[^x]*.json` -> `/sd/[!x]*.json`, `/sd/\*.json` -> `/sd/[*].json`."""
    return _PARTS.sub(_part, pattern)


def _part(found: re.Match[str]) -> str:
    plain, characters = found["plain"], found["set"]
    if plain is not None:
        return f"[{plain}]" if plain in "*?[" else plain
    if characters.startswith("^") and len(characters) > 1:
        return f"[!{characters[1:]}]"
    # A set that begins with an exclamation mark means the mark itself in Go.
    return f"[{characters[1:]}!]" if characters.startswith("!") and len(characters) > 1 else found[0]
