"""Which texts may name a metric or a label, and how a free name is carried where only a legacy one may stand.

Two validation schemes: `legacy` (letters, digits, underscores; metrics also colons) and `utf8` (any text that is
valid UTF-8 and not empty). Three escaping schemes turn a UTF-8 name into a legacy one: `underscores` and `dots`
lose information, `values` can be read back.

A Python text stands for bytes that were decoded with surrogateescape; a lone surrogate means invalid UTF-8.
"""

import re
from collections.abc import Callable
from typing import Literal

ValidationScheme = Literal["legacy", "utf8"]
EscapingScheme = Literal["allow-utf-8", "underscores", "dots", "values"]

_LEGACY_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_LEGACY_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_MAX_RUNE = 0x10FFFF
_MAX_HEX_DIGITS = 6
_SHORT_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}
_NEEDS_CARE = re.compile(r"[^ !#-\[\]-~]")


def valid_utf8(text: str) -> bool:
    """Whether the bytes behind `text` are UTF-8 (no lone surrogates)."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def valid_label_name(name: str, scheme: ValidationScheme = "utf8") -> bool:
    """Whether `name` may be a label's name under the scheme."""
    if scheme == "legacy":
        return _LEGACY_LABEL.fullmatch(name) is not None
    return name != "" and valid_utf8(name)


def valid_metric_name(name: str, scheme: ValidationScheme = "utf8") -> bool:
    """Whether `name` may be a metric's name under the scheme."""
    if scheme == "legacy":
        return _LEGACY_METRIC.fullmatch(name) is not None
    return name != "" and valid_utf8(name)


def sanitize_label_name(name: str) -> str:
    """Every character that a legacy label name may not hold becomes an underscore; a leading digit stays.

    >>> sanitize_label_name("app.kubernetes.io/name")
    'app_kubernetes_io_name'
    """
    return _NOT_IN_LABEL.sub("_", name)


def escape_name(name: str, scheme: EscapingScheme) -> str:
    """A name as it is sent to a receiver that asked for this escaping scheme.

    >>> escape_name("http.status", "underscores"), escape_name("http.status", "values")
    ('http_status', 'U__http_2e_status')
    """
    return _ESCAPERS[scheme](name) if name else name


def unescape_name(name: str, scheme: EscapingScheme) -> str:
    """The inverse of `escape_name` as far as there is one; a name that is no escaped one comes back as it is."""
    if scheme == "dots":
        return name.replace("_dot_", ".").replace("__", "_")
    if scheme == "values" and name.startswith("U__"):
        text = _unescaped(name[3:])
        return name if text is None else text
    return name


def quoted(text: str) -> str:
    """`text` in double quotes as Go's %q writes it.

    >>> print(quoted('a"b\\n\\x01é'))
    "a\\"b\\n\\x01é"
    """
    return '"' + _NEEDS_CARE.sub(lambda found: _go_escape(found[0]), text) + '"'


def _go_escape(character: str) -> str:
    short = _SHORT_ESCAPES.get(character)
    if short is not None:
        return short
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, kept by surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _legacy_at(character: str, at_start: bool) -> bool:
    if not character.isascii():
        return False
    return character.isalpha() or character in "_:" or (character.isdigit() and not at_start)


def _underscores(name: str) -> str:
    return "".join(c if _legacy_at(c, i == 0) else "_" for i, c in enumerate(name))


def _dots(name: str) -> str:
    # Legacy names are escaped too: their underscores must survive the way back.
    return "".join(
        "_dot_" if c == "." else c if c != "_" and _legacy_at(c, i == 0) else "__" for i, c in enumerate(name)
    )


def _values(name: str) -> str:
    if valid_metric_name(name, "legacy"):
        return name
    parts = ["U__"]
    for i, c in enumerate(name):
        if c == "_":
            parts.append("__")
        elif _legacy_at(c, i == 0):
            parts.append(c)
        else:
            # A byte that is no UTF-8 reaches Go's loop as U+FFFD.
            parts.append("_fffd_" if "\ud800" <= c <= "\udfff" else f"_{ord(c):x}_")
    return "".join(parts)


_ESCAPERS: dict[EscapingScheme, Callable[[str], str]] = {
    "allow-utf-8": lambda name: name,
    "underscores": _underscores,
    "dots": _dots,
    "values": _values,
}


def _unescaped(escaped: str) -> str | None:
    """The text behind the part after `U__`, or None where it is malformed."""
    parts: list[str] = []
    position = 0
    while position < len(escaped):
        if escaped[position] != "_":
            parts.append(escaped[position])
            position += 1
            continue
        if escaped.startswith("__", position):
            parts.append("_")
            position += 2
            continue
        end = escaped.find("_", position + 1)
        digits = escaped[position + 1 : end]
        if end < 0 or len(digits) >= _MAX_HEX_DIGITS or re.fullmatch("[0-9a-fA-F]+", digits) is None:
            return None
        code = int(digits, 16)
        if code > _MAX_RUNE or 0xD800 <= code <= 0xDFFF:
            return None
        parts.append(chr(code))
        position = end + 1
    return "".join(parts)
