"""Query strings and forms as Go's net/http reads them, whose ways clients of Prometheus know.

A pair that is wrong (an escape that is none, a semicolon) is left out and the rest is taken; whether anybody is told
depends on the endpoint, so `Fields` has the first thing that was wrong beside what was read. A multipart form is taken
whole or, where anything is wrong with it, not at all; files in it are no fields.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from urllib.parse import unquote

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
MOST_FIELDS = 20_000

_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)

Pairs = list[tuple[str, str]]


class TooManyFieldsError(ValueError):
    """More than MOST_FIELDS names with values."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and values in their order, and what was wrong first, in Go's words; empty where nothing was."""

    pairs: Pairs
    wrong: str = ""


def split_query(encoded: str) -> Fields:
    """A query string or form.

    >>> split_query("a=b+c&d=%2F&e=%zz&f;g")
    Fields(pairs=[('a', 'b c'), ('d', '/')], wrong='invalid URL escape "%zz"')

    Raises:
        TooManyFieldsError: there are more than MOST_FIELDS.
    """
    parts = encoded.split("&")
    if len(parts) > MOST_FIELDS:
        raise TooManyFieldsError(f"more than {MOST_FIELDS} fields")
    pairs: Pairs = []
    wrong = ""
    for part in parts:
        if not part:
            continue
        fault = _fault(part)
        if fault:
            wrong = wrong or fault
            continue
        name, _, value = part.partition("=")
        pairs.append((_plain(name), _plain(value)))
    return Fields(pairs, wrong)


def _fault(part: str) -> str:
    """What Go finds wrong with a pair, empty where nothing is."""
    if ";" in part:
        return "invalid semicolon separator in query"
    found = _ESCAPE.search(part) if "%" in part else None
    return f'invalid URL escape "{found[0]}"' if found else ""


def _plain(text: str) -> str:
    """A name or value without its escapes."""
    if "+" in text:
        text = text.replace("+", " ")
    return unquote(text, errors="replace") if "%" in text else text


def media_type(header: str) -> tuple[str, str]:
    """(type in lower case, boundary) of a Content-Type."""
    kind = header.partition(";")[0].strip().lower()
    return kind, _parameter("content-type", header, "boundary") or ""


def split_multipart(body: bytes, boundary: str) -> Pairs:
    """The fields of a multipart form; none where it is not whole.

    >>> split_multipart(b'--x\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\nb\\r\\n--x--\\r\\n', "x")
    [('a', 'b')]
    """
    pairs: Pairs = []
    try:
        for head, value in _parts(body, boundary.encode("latin-1")):
            name, is_file = _disposition(head)
            if name and not is_file:
                pairs.append((name, value.decode("utf-8", "replace")))
    except ValueError:
        return []
    return pairs


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(head, content) of each part; ValueError where the form is broken."""
    if not boundary:
        raise ValueError("no boundary")
    delimiter = b"\r\n--" + boundary
    pieces = (b"\r\n" + body).split(delimiter, MOST_FIELDS + 1)
    if len(pieces) < 2 or len(pieces) > MOST_FIELDS + 1:
        raise ValueError("no parts, or too many")
    *parts, end = pieces[1:]
    if not end.startswith(b"--"):
        raise ValueError("the last part has no end")
    for part in parts:
        blanks, line_end, rest = part.partition(b"\r\n")
        head, gap, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
        if blanks.strip(b" \t") or not line_end or not gap:
            raise ValueError("a part without a head")
        yield head, content


def _disposition(head: bytes) -> tuple[str, bool]:
    """(name of a part's field, whether it is a file)."""
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-disposition":
            text = value.strip().decode("utf-8", "replace")
            if text.partition(";")[0].strip().lower() == "form-data":
                name = _parameter("content-disposition", text, "name")
                return name or "", _parameter("content-disposition", text, "filename") is not None
    return "", False


def _parameter(header: str, text: str, name: str) -> str | None:
    """A parameter of a header, None where it has none or its parameters contradict each other."""
    message = Message()
    message[header] = text
    try:
        found = message.get_param(name, None, header)
    except (TypeError, ValueError):  # numbered continuations beside one without a number
        return None
    return found[2] if isinstance(found, tuple) else found
