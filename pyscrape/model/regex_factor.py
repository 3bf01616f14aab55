"""Common beginnings of alternatives taken out: `node_cpu|node_disk|up` becomes `node_(?:cpu|disk)|up`.

Engines try alternatives one by one, and the estimate of the worst case counts them, so a long list of names gains
much. What matches, and which groups it leaves, stays: a beginning is characters only, alternatives that begin with
it keep their order, and others are passed only where no text could match both.
"""

from collections.abc import Iterable

from pyscrape.model.regex_syntax import Alternate, Chars, Concat, Group, Node, Repeat
from pyscrape.model.regex_unicode import union

_MAX_DEPTH = 40

_Option = list[Node]


def factor(node: Node) -> Node:
    """An equal tree with common beginnings taken out.

    >>> from pyscrape.model.regex_emit import emit
    >>> from pyscrape.model.regex_syntax import parse
    >>> emit(factor(parse("ab.*|cd|ac|a").node))
    '(?:a(?:b[^\\\\x0a]*|c|)|cd)'
    """
    if isinstance(node, Alternate):
        return _alternatives(_options(node), 0)
    if isinstance(node, Concat):
        return Concat(tuple(map(factor, node.parts)))
    if isinstance(node, Group):
        return Group(node.number, factor(node.body))
    if isinstance(node, Repeat):
        return Repeat(factor(node.body), node.low, node.high, node.greedy)
    return node


def _options(node: Alternate) -> list[_Option]:
    """The alternatives as sequences; alternatives of alternatives are alternatives."""
    found: list[_Option] = []
    for option in node.options:
        if isinstance(option, Alternate):
            found += _options(option)
        else:
            found.append(list(option.parts) if isinstance(option, Concat) else [option])
    return found


def _alternatives(options: list[_Option], depth: int) -> Node:
    if depth > _MAX_DEPTH:
        return Alternate(tuple(map(_sequence, options)))
    made = [_bucket(bucket, depth) for bucket in _buckets(options)]
    return made[0] if len(made) == 1 else Alternate(tuple(made))


def _buckets(options: list[_Option]) -> list[list[_Option]]:
    """Alternatives with the same first characters, together where that changes nothing."""
    firsts = {option[0] for option in options if option and isinstance(option[0], Chars)}
    spans = [span for first in firsts if isinstance(first, Chars) for span in first.ranges]
    apart = _size(spans) == _size(union(spans))
    buckets: list[list[_Option]] = []
    known: dict[Node, list[_Option]] = {}
    saw_empty = False
    for option in options:
        if not option or not isinstance(option[0], Chars):
            # Nothing is moved past what may match a text that begins in any way.
            known.clear()
            if option or not saw_empty:  # a second empty alternative is never reached
                buckets.append([option])
            saw_empty = saw_empty or not option
        elif option[0] in known:
            known[option[0]].append(option)
        else:
            if not apart:
                known.clear()  # only neighbours may be joined
            known[option[0]] = [option]
            buckets.append(known[option[0]])
    return buckets


def _size(spans: Iterable[tuple[int, int]]) -> int:
    return sum(high - low + 1 for low, high in spans)


def _bucket(options: list[_Option], depth: int) -> Node:
    if len(options) == 1:
        return _sequence(options[0])
    shared = 0
    shortest = min(map(len, options))
    while shared < shortest:
        first = options[0][shared]
        if not isinstance(first, Chars) or any(option[shared] != first for option in options):
            break
        shared += 1
    rest = _alternatives([option[shared:] for option in options], depth + 1)
    return Concat((*options[0][:shared], rest))


def _sequence(option: _Option) -> Node:
    return factor(option[0]) if len(option) == 1 else Concat(tuple(map(factor, option)))
