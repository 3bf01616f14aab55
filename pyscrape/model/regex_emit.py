"""A parsed pattern as source text for Python's backtracking engines.

The text means the same to `re` and to `regex`: every set is written out, no flag but DOTALL and ASCII is assumed
(`FLAGS`), nothing but a backslash escape is left to a dialect.
"""

import re
from collections.abc import Sequence

from pyscrape.model.regex_shape import first_of
from pyscrape.model.regex_syntax import Alternate, Assert, AssertKind, Chars, Concat, Group, Node, Repeat
from pyscrape.model.regex_unicode import ANY, MAX_RUNE, Ranges, negate

FLAGS = re.DOTALL | re.ASCII  # ASCII is for \b alone

_ASSERTS: dict[AssertKind, str] = {
    "text_start": r"\A",
    "text_end": r"\Z",
    "line_start": "(?m:^)",
    "line_end": "(?m:$)",
    "word_edge": r"\b",
    "no_word_edge": r"(?!\b)",  # \B does not hold in an empty text before Python 3.14
}
_FEW_SPANS = 4
_OPERATORS = {(0, None): "*", (1, None): "+", (0, 1): "?"}


def emit(node: Node) -> str:
    """Source text of `node`.

    >>> from pyscrape.model.regex_syntax import parse
    >>> emit(parse("(?i)k+|[^a]").node)
    '(?:[Kk\\\\u212a]+|[^Aa])'
    """
    if isinstance(node, Chars):
        return _emit_set(node.ranges)
    if isinstance(node, Assert):
        return _ASSERTS[node.kind]
    if isinstance(node, Group):
        return f"({emit(node.body)})"
    if isinstance(node, Concat):
        return "".join(
            _emit_lazy_any(part, node.parts[index:]) or emit(part) for index, part in enumerate(node.parts, 1)
        )
    if isinstance(node, Alternate):
        return f"(?:{'|'.join(map(emit, node.options))})"
    return _emit_repeat(node)


def _emit_lazy_any(part: Node, rest: Sequence[Node]) -> str:
    """`part` where it is `.+?`, `.*?` or a group of one, before a `rest` that begins with certain characters; else "".

    Before `[:;]` it is `.[^:;]*` and then, as often as need be, `[:;][^:;]*`: the same ends of the run are tried in
    the same order, but engines pass the characters in between in one go (`python -m benchmarks relabel`: the rule
    that joins address and port).

    >>> from pyscrape.model.regex_syntax import parse
    >>> emit(parse("(?s)(.+?):").node)
    '(.[^\\\\:]*+(?:\\\\:[^\\\\:]*+)*?)\\\\:'
    """
    run = part.body if isinstance(part, Group) else part
    if not isinstance(run, Repeat) or run.greedy or run.high is not None or run.low > 1:
        return ""
    stops, may_end = first_of(rest)
    if run.body != Chars(ANY) or may_end or not 0 < len(stops) <= _FEW_SPANS or stops == ANY:
        return ""
    stop, others = _emit_set(stops), _emit_set(negate(stops))
    text = f"{'.' * run.low}{others}*+(?:{stop}{others}*+)*?"
    return f"({text})" if isinstance(part, Group) else text


def _emit_repeat(node: Repeat) -> str:
    body = emit(node.body)
    if not isinstance(node.body, (Chars, Group, Alternate)):
        body = f"(?:{body})"
    high = "" if node.high is None else str(node.high)
    operator = _OPERATORS.get((node.low, node.high)) or f"{{{node.low},{high}}}"
    return body + operator + ("" if node.greedy else "?")


def _emit_set(ranges: Ranges) -> str:
    if ranges == ANY:
        return "."
    if not ranges:
        return "(?!)"
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _escape(ranges[0][0])
    if ranges[0][0] == 0 and ranges[-1][1] == MAX_RUNE:
        return f"[^{_spans(negate(ranges))}]"
    return f"[{_spans(ranges)}]"


def _spans(ranges: Ranges) -> str:
    return "".join(
        _escape(low) if low == high else _escape(low) + ("-" if high > low + 1 else "") + _escape(high)
        for low, high in ranges
    )


def _escape(point: int) -> str:
    character = chr(point)
    if character.isascii() and character.isprintable():
        return character if character.isalnum() or character == "_" else "\\" + character
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
