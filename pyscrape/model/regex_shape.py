"""What a parsed pattern tells without running it: literals, finite sets, starts, wildcards, and its worst case.

The shapes spare most relabel rules and matchers an engine. The worst case (`Hazard`) says how many steps a
backtracking engine may need for a text of n characters, so that only patterns that can go wrong pay for a guard.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import inf, log2
from typing import NamedTuple

from pyscrape.model.regex_syntax import Alternate, Assert, Chars, Concat, Group, Node, Repeat, children
from pyscrape.model.regex_unicode import ANY, Ranges, union

_MAX_SET = 1000
_FEW_TIMES = 4
_MANY_TIMES = 32


class Edge(NamedTuple):
    """A place in a text, counted from its start or from its end."""

    offset: int
    from_end: bool

    def at(self, length: int) -> int:
        return length - self.offset if self.from_end else self.offset


class Wildcard(NamedTuple):
    """A pattern `<head>.*<tail>`: slices of the text are its groups.

    `spans[k]` is group k as (from the start, from the end); a bound that counts from the other side is None.
    """

    head: str
    tail: str
    low: int
    spans: tuple[tuple[Edge, Edge], ...]

    def captures(self, text: str) -> tuple[str, ...] | None:
        """The groups, 0 is the whole text; None where it does not match."""
        length = len(text)
        if length < len(self.head) + self.low + len(self.tail):
            return None
        if not (text.startswith(self.head) and text.endswith(self.tail)):
            return None
        return (text, *(text[start.at(length) : end.at(length)] for start, end in self.spans))


def finite_set(node: Node, limit: int = _MAX_SET) -> tuple[str, ...] | None:
    """All texts that `node` matches, when they are at most `limit`; in order of preference, each once.

    >>> from pyscrape.model.regex_syntax import parse
    >>> finite_set(parse("https?|ft[pz]").node)
    ('https', 'http', 'ftp', 'ftz')
    """
    found = _texts(node, limit)
    return None if found is None else tuple(dict.fromkeys(found))


def _texts(node: Node, limit: int) -> list[str] | None:
    if isinstance(node, Chars):
        if sum(high - low + 1 for low, high in node.ranges) > limit:
            return None
        return [chr(point) for low, high in node.ranges for point in range(low, high + 1)]
    if isinstance(node, Assert):
        return None
    if isinstance(node, Group):
        return _texts(node.body, limit)
    if isinstance(node, Concat):
        return _product(node.parts, limit)
    if isinstance(node, Alternate):
        found: list[str] = []
        for option in node.options:
            more = _texts(option, limit - len(found))
            if more is None or len(found) + len(more) > limit:
                return None
            found += more
        return found
    return _repeated(node, limit)


def _repeated(node: Repeat, limit: int) -> list[str] | None:
    if node.high is None or node.high > _MANY_TIMES:
        return None
    found: list[str] = []
    counts = range(node.low, node.high + 1)
    for count in reversed(counts) if node.greedy else counts:
        more = _product((node.body,) * count, limit - len(found))
        if more is None:
            return None
        found += more
    return found


def _product(parts: tuple[Node, ...], limit: int) -> list[str] | None:
    found = [""]
    for part in parts:
        texts = _texts(part, limit)
        if texts is None or len(found) * len(texts) > limit:
            return None
        found = [start + text for start in found for text in texts]
    return found


def prefix(node: Node) -> str:
    """A start that every text has which `node` matches.

    >>> from pyscrape.model.regex_syntax import parse
    >>> prefix(parse("node_(cpu|cpx).*").node)
    'node_cp'
    """
    return _prefix(node)[0]


def _prefix(node: Node) -> tuple[str, bool]:
    """The start, and whether it is all of the text (so that what follows may prolong it)."""
    if isinstance(node, Chars):
        low, high = node.ranges[0] if node.ranges else (0, 1)
        return (chr(low), True) if low == high and len(node.ranges) == 1 else ("", False)
    if isinstance(node, Group):
        return _prefix(node.body)
    if isinstance(node, Concat):
        start = ""
        for part in node.parts:
            more, whole = _prefix(part)
            start += more
            if not whole:
                return start, False
        return start, True
    if isinstance(node, Alternate):
        starts = [_prefix(option) for option in node.options]
        return common_start([start for start, _ in starts]), starts[0][1] and len(set(starts)) == 1
    if isinstance(node, Repeat) and node.low > 0:
        return _prefix(node.body)[0], False
    return "", False


def common_start(texts: Sequence[str]) -> str:
    """The longest text that all of `texts` (at least one) begin with."""
    first, last = min(texts), max(texts)
    length = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:length]


def wildcard(node: Node) -> Wildcard | None:
    """`node` as a wildcard, if it is one: one `.*` or `.+` that takes newlines, literals around it, any groups."""
    head, tail, low = "", "", -1
    opened: dict[int, Edge] = {}
    spans: dict[int, tuple[Edge, Edge]] = {}
    for item in _steps(node):
        if isinstance(item, Chars):
            if len(item.ranges) != 1 or item.ranges[0][0] != item.ranges[0][1]:
                return None
            character = chr(item.ranges[0][0])
            head, tail = (head + character, tail) if low < 0 else (head, tail + character)
        elif isinstance(item, int):
            edge = Edge(len(head), False) if low < 0 else Edge(len(tail), True)
            if item > 0:
                opened[item] = edge
            else:
                spans[-item] = (opened[-item], edge)
        elif (
            isinstance(item, Repeat) and low < 0 and isinstance(item.body, Chars) and item.body.ranges == ANY
        ):
            if item.high is not None or item.low > 1:
                return None
            low = item.low
        else:
            return None
    if low < 0:
        return None

    def placed(edge: Edge) -> Edge:
        # The tail was still growing when an edge inside it was met.
        return Edge(len(tail) - edge.offset, True) if edge.from_end else edge

    numbered = [spans[number] for number in sorted(spans)]
    return Wildcard(head, tail, low, tuple((placed(start), placed(end)) for start, end in numbered))


def _steps(node: Node) -> list[Node | int]:
    """A sequence without nesting: +n and -n where group n opens and closes."""
    if isinstance(node, Group):
        return [node.number, *_steps(node.body), -node.number]
    if isinstance(node, Concat):
        return [step for part in node.parts for step in _steps(part)]
    return [node]


# -- the worst case of backtracking


class Hazard(NamedTuple):
    """At most about `2**branches * n**degree` steps for a text of n characters; degree inf = exponential."""

    degree: float
    branches: float


class _Walk:
    """How often a place in the pattern may be tried: `arrivals` and `degree` are powers of the text's length."""

    def __init__(self) -> None:
        self.arrivals = 0.0
        self.degree = 0.0
        self.branches = 0.0

    def spread(self, by: float) -> None:
        self.arrivals += by
        self.degree = max(self.degree, self.arrivals)

    def scan(self) -> None:
        """A run over the text at each arrival that ends in one place only."""
        self.degree = max(self.degree, self.arrivals + 1)


def hazard(node: Node) -> Hazard:
    """The worst case of matching `node` against a whole text."""
    walk = _Walk()
    _walk(_flat(node), (), walk)
    return Hazard(walk.degree, walk.branches)


def has_empty_loop(node: Node) -> bool:
    """Whether some repetition's body may be empty: there engines differ in what they leave to the groups."""
    if isinstance(node, Repeat) and (node.high is None or node.high > 1) and _first(node.body)[1]:
        return True
    return any(map(has_empty_loop, children(node)))


def _flat(node: Node) -> list[Node]:
    """The parts of a sequence; a group that is not repeated is only a pair of marks."""
    return [step for step in _steps(node) if not isinstance(step, (int, Assert))]


def _first(node: Node) -> tuple[Ranges, bool]:
    """The characters that may come first, and whether the text may be empty."""
    if isinstance(node, Chars):
        return node.ranges, False
    if isinstance(node, Assert):
        return (), True
    if isinstance(node, Group):
        return _first(node.body)
    if isinstance(node, Concat):
        return first_of(node.parts)
    if isinstance(node, Alternate):
        firsts = [_first(option) for option in node.options]
        return union(r for ranges, _ in firsts for r in ranges), any(empty for _, empty in firsts)
    ranges, empty = _first(node.body)
    return ranges, empty or node.low == 0


def first_of(parts: Sequence[Node], start: int = 0) -> tuple[Ranges, bool]:
    """As `_first`, for the parts of a sequence from `start` on."""
    found: list[tuple[int, int]] = []
    for index in range(start, len(parts)):
        ranges, empty = _first(parts[index])
        found.extend(ranges)
        if not empty:
            return union(found), False
    return union(found), True


def last_characters(node: Node) -> Ranges | None:
    """The characters with which a matching text may end; None where it may be empty.

    >>> from pyscrape.model.regex_syntax import parse
    >>> last_characters(parse("(a+)+(b|c?d)").node)
    ((98, 98), (100, 100))
    """
    ranges, empty = _last(node)
    return None if empty else ranges


def _last(node: Node) -> tuple[Ranges, bool]:
    if isinstance(node, Group):
        return _last(node.body)
    if isinstance(node, Repeat):
        ranges, empty = _last(node.body)
        return ranges, empty or node.low == 0
    if isinstance(node, Alternate):
        lasts = [_last(option) for option in node.options]
        return union(r for ranges, _ in lasts for r in ranges), any(empty for _, empty in lasts)
    if isinstance(node, Concat):
        found: list[tuple[int, int]] = []
        for part in reversed(node.parts):
            ranges, empty = _last(part)
            found.extend(ranges)
            if not empty:
                return union(found), False
        return union(found), True
    return _first(node)


def _overlap(left: Ranges, right: Ranges) -> bool:
    return any(
        low <= other_high and other_low <= high for low, high in left for other_low, other_high in right
    )


def _any_overlap(sets: list[Ranges]) -> bool:
    """Whether any two of the sets share a character."""
    ordered = sorted(span for ranges in sets for span in ranges)
    return any(high >= low for (_, high), (low, _) in pairwise(ordered))


def _walk(parts: list[Node], follow: Ranges, walk: _Walk) -> None:
    """Add the cost of `parts` in a row, after which one of `follow` or the end of the text comes."""
    before: Ranges | None = None
    for index, part in enumerate(parts):
        if isinstance(part, Chars):
            before = part.ranges
            continue
        after, may_end = first_of(parts, index + 1)
        if may_end:
            after = union((*after, *follow))
        if isinstance(part, Alternate):
            _walk_options(part, after, walk)
        elif isinstance(part, Repeat):
            _walk_repeat(part, before, after, walk)
        before = None


def _walk_options(node: Alternate, after: Ranges, walk: _Walk) -> None:
    firsts: list[Ranges] = []
    empties = 0
    for option in node.options:
        ranges, empty = _first(option)
        empties += empty
        firsts.append(union((*ranges, *after)) if empty else ranges)
    if empties > 1 or _any_overlap(firsts):
        walk.branches += log2(len(node.options))
    start = walk.arrivals
    most = start
    for option in node.options:
        walk.arrivals = start
        _walk(_flat(option), after, walk)
        most = max(most, walk.arrivals)
    walk.arrivals = most


def _walk_repeat(node: Repeat, before: Ranges | None, after: Ranges, walk: _Walk) -> None:
    if isinstance(node.body, Chars) and node.low == node.high:
        return
    if node.high is not None and node.high <= _FEW_TIMES:
        first, empty = _first(node.body)
        if empty or _overlap(first, after):
            walk.branches += log2(node.high - node.low + 1)
        _walk(_flat(node.body) * node.high, after, walk)
    elif isinstance(node.body, Chars):
        _walk_run(node.body.ranges, before, after, walk)
    else:
        first, empty = _first(node.body)
        inner = _Walk()
        _walk(_flat(node.body), union((*first, *after)), inner)
        if empty or inner.arrivals or inner.branches:
            walk.spread(inf)  # an iteration has several ways through: exponential
        elif _overlap(first, after):
            walk.spread(1)
        else:
            walk.scan()


def _walk_run(ranges: Ranges, before: Ranges | None, after: Ranges, walk: _Walk) -> None:
    """A run of characters of one set: `[a-z]*`."""
    one_exit = not _overlap(ranges, after)
    if before is not None and not _overlap(before, ranges):
        # Runs that start behind a delimiter do not overlap, so all of them together are one pass over the text.
        walk.degree = max(walk.degree, walk.arrivals, 1)
        walk.arrivals = walk.arrivals if one_exit else max(walk.arrivals, 1)
    elif one_exit:
        walk.scan()
    else:
        walk.spread(1)
