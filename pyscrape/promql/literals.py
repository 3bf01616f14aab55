"""The values behind number and string tokens, by Go's rules."""

import math
import re

from pyscrape.model.names import quoted

_INTEGER = re.compile(
    r"0[xX](?P<hex>(?:_?[0-9a-fA-F])+)|0(?P<octal>(?:_?[0-7])+)|(?P<decimal>0|[1-9](?:_?[0-9])*)", re.ASCII
)
_FLOAT = re.compile(
    r"(?:[0-9](?:_?[0-9])*\.?(?:[0-9](?:_?[0-9])*)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9](?:_?[0-9])*)?"
)
_BASES = {"hex": 16, "octal": 8, "decimal": 10}
_ESCAPE = re.compile(r"\\(?:x(..)|u(....)|U(........)|([0-7]{3})|(.))", re.DOTALL)
_CONTROL = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def parse_number(text: str) -> float:
    """The value of a number token; ValueError with Go's text when it has none.

    A whole number may be hexadecimal or, after a leading 0, octal: `0755` is 493 while `0789` is 789.
    """
    integer = _INTEGER.fullmatch(text)
    if integer is not None and integer.lastgroup is not None:
        value = int(integer[integer.lastgroup].replace("_", ""), _BASES[integer.lastgroup])
        if value < 2**63:
            return float(value)
    word = text.lower()
    if word in ("inf", "nan"):
        return math.inf if word == "inf" else math.nan
    if not _FLOAT.fullmatch(text):
        raise ValueError(f"strconv.ParseFloat: parsing {quoted(text)}: invalid syntax")
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"strconv.ParseFloat: parsing {quoted(text)}: value out of range")
    return number


def unquote(literal: str) -> str:
    r"""The text of a string token that the lexer has let through.

    `\x` and octal escapes give bytes, the others characters; bytes that are no UTF-8 become U+FFFD.
    """
    body = literal[1:-1]
    if literal[0] == "`" or "\\" not in body:
        return body
    out = bytearray()
    at = 0
    for escape in _ESCAPE.finditer(body):
        out += body[at : escape.start()].encode()
        byte, short, long, octal, single = escape.groups()
        if single is not None:
            out += _CONTROL.get(single, single).encode()
        elif short is not None or long is not None:
            out += chr(int(short or long, 16)).encode()
        else:
            out.append(int(byte, 16) if byte is not None else int(octal, 8))
        at = escape.end()
    out += body[at:].encode()
    return out.decode(errors="replace")
