"""PromQL, slow and obvious: one step, one series, one sample at a time, in plain Python.

Written from the description of the language, to be compared with the engine. It knows floats and classic rules
only, removes metric names operator by operator, and keeps everything in dicts. Where the real thing would fail, it
raises `Failure`.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pyscrape.promql import ast, parse_expr
from pyscrape.promql.format import format_float
from pyscrape.promql.signatures import ValueType
from tests.helpers.values import is_stale

NAME = "__name__"
Labels = tuple[tuple[str, str], ...]
Point = tuple[int, float]
Vector = list[tuple[dict[str, str], float]]
Matrix = list[tuple[dict[str, str], list[Point]]]


class Failure(Exception):  # noqa: N818 - the failure is the query's, not ours
    """The query fails."""


@dataclass
class SlowEngine:
    """Answers queries over `series`: labels to samples (time in ms, value), staleness markers among them."""

    series: Sequence[tuple[Mapping[str, str], Sequence[Point]]]
    lookback_ms: int = 300_000
    default_step_ms: int = 60_000
    start_ms: int = field(default=0, init=False)
    end_ms: int = field(default=0, init=False)

    def range(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> dict[Labels, dict[int, float]]:
        """The value of every series at every step at which it has one; a scalar is a series without labels."""
        self.start_ms, self.end_ms = start_ms, end_ms
        tree = parse_expr(query, experimental=True)
        answer: dict[Labels, dict[int, float]] = {}
        for at in range(start_ms, end_ms + 1, step_ms):
            if tree.type is ValueType.SCALAR:
                answer.setdefault((), {})[at] = self.scalar(tree, at)
                continue
            for labels, value in self.vector(tree, at):
                answer.setdefault(tuple(sorted(labels.items())), {})[at] = value
        return answer

    # Values at one time

    def scalar(self, node: ast.Expr, at: int) -> float:
        match node:
            case ast.NumberLiteral():
                return node.value
            case ast.ParenExpr():
                return self.scalar(node.expr, at)
            case ast.UnaryExpr():
                value = self.scalar(node.expr, at)
                return -value if node.op == "-" else value
            case ast.BinaryExpr():
                left, right = self.scalar(node.lhs, at), self.scalar(node.rhs, at)
                if node.op in COMPARE:
                    return float(COMPARE[node.op](left, right))
                return ARITHMETIC[node.op](left, right)
            case ast.Call() if node.function.name == "time":
                return at / 1000
            case ast.Call() if node.function.name == "pi":
                return math.pi
            case ast.Call() if node.function.name == "scalar":
                found = self.vector(node.args[0], at)
                return found[0][1] if len(found) == 1 else math.nan
        raise NotImplementedError(node)

    def vector(self, node: ast.Expr, at: int) -> Vector:
        match node:
            case ast.ParenExpr():
                return self.vector(node.expr, at)
            case ast.UnaryExpr():
                found = self.vector(node.expr, at)
                return found if node.op == "+" else unnamed([(labels, -value) for labels, value in found])
            case ast.VectorSelector():
                return [(labels, value) for labels, _, value in self.selected(node, at)]
            case ast.AggregateExpr():
                return self.aggregated(node, at)
            case ast.BinaryExpr():
                return distinct(self.combined(node, at))
            case ast.Call():
                return self.called(node, at)
        raise NotImplementedError(node)

    def matrix(self, node: ast.Expr, at: int) -> tuple[Matrix, int, int]:
        """The points of each series in a window, and the window's edges."""
        match node:
            case ast.ParenExpr():
                return self.matrix(node.expr, at)
            case ast.MatrixSelector():
                end = self.moved(node.selector, at)
                begin = end - node.range_ms
                windows: Matrix = []
                for labels, samples in self.series:
                    if matches(node.selector, labels):
                        inside = [(t, v) for t, v in samples if begin < t <= end and not is_stale(v)]
                        windows.append((dict(labels), inside))
                return [(labels, points) for labels, points in windows if points], begin, end
            case ast.SubqueryExpr():
                end = self.moved(node, at)
                begin = end - node.range_ms
                step = node.step_ms or self.default_step_ms
                found: dict[Labels, list[Point]] = {}
                for moment in range((begin // step + 1) * step, end + 1, step):
                    for labels, value in self.vector(node.expr, moment):
                        found.setdefault(tuple(sorted(labels.items())), []).append((moment, value))
                return [(dict(labels), points) for labels, points in found.items()], begin, end
        raise NotImplementedError(node)

    def moved(self, node: ast.VectorSelector | ast.SubqueryExpr, at: int) -> int:
        """The time that @ and offset make of the time of evaluation."""
        if node.at_ms is not None:
            at = node.at_ms
        elif node.at_edge is not None:
            at = self.start_ms if node.at_edge == "start" else self.end_ms
        return at - node.offset_ms

    def selected(self, node: ast.VectorSelector, at: int) -> list[tuple[dict[str, str], int, float]]:
        """The newest sample of each series within the lookback, unless it is a marker."""
        moment = self.moved(node, at)
        found = []
        for labels, samples in self.series:
            if not matches(node, labels):
                continue
            seen = [(t, v) for t, v in samples if moment - self.lookback_ms < t <= moment]
            if seen and not is_stale(seen[-1][1]):
                found.append((dict(labels), *seen[-1]))
        return found

    # Aggregations

    def aggregated(self, node: ast.AggregateExpr, at: int) -> Vector:
        rows, grouping = self.vector(node.expr, at), set(node.grouping)
        if node.op == "count_values":  # as count, of series that have their value as a label
            assert isinstance(node.param, ast.StringLiteral)
            rows = [(labels | {node.param.value: format_float(value)}, value) for labels, value in rows]
            grouping |= set() if node.without else {node.param.value}
        groups: dict[Labels, Vector] = {}
        for labels, value in rows:
            if node.without:
                kept = {k: v for k, v in labels.items() if k not in grouping and k != NAME}
            else:
                kept = {k: v for k, v in labels.items() if k in grouping}
            groups.setdefault(tuple(sorted(kept.items())), []).append((labels, value))
        if node.op == "count_values":
            return [(dict(key), float(len(members))) for key, members in groups.items()]
        param = 0.0 if node.param is None else self.scalar(node.param, at)
        if node.op in ("topk", "bottomk"):
            return [
                row for members in groups.values() for row in ranked(members, int(param), node.op == "topk")
            ]
        reduce = AGGREGATIONS.get(node.op)
        if reduce is None:
            return [(dict(key), quantile(param, [v for _, v in members])) for key, members in groups.items()]
        return [(dict(key), reduce([value for _, value in members])) for key, members in groups.items()]

    # Operators

    def combined(self, node: ast.BinaryExpr, at: int) -> Vector:
        left_scalar, right_scalar = (side.type is ValueType.SCALAR for side in (node.lhs, node.rhs))
        if left_scalar or right_scalar:
            number = self.scalar(node.lhs if left_scalar else node.rhs, at)
            vector = self.vector(node.rhs if left_scalar else node.lhs, at)
            rows = [(labels, *((number, v) if left_scalar else (v, number)), v) for labels, v in vector]
            return with_scalar(node, rows)
        left, right = self.vector(node.lhs, at), self.vector(node.rhs, at)
        assert node.matching is not None
        if node.op in ast.SET_OPERATORS:
            return set_operation(node, node.matching, left, right)
        return matched(node, node.matching, left, right)

    # Functions

    def called(self, node: ast.Call, at: int) -> Vector:
        name = node.function.name
        if name in OVER_TIME or name in RATES:
            return self.over_window(node, at)
        if name == "vector":
            return [({}, self.scalar(node.args[0], at))]
        if name == "timestamp":
            arg = node.args[0]
            while isinstance(arg, ast.ParenExpr):
                arg = arg.expr
            if isinstance(arg, ast.VectorSelector):
                return unnamed([(labels, t / 1000) for labels, t, _ in self.selected(arg, at)])
            return unnamed([(labels, at / 1000) for labels, _ in self.vector(arg, at)])
        if name == "absent":
            return [] if self.vector(node.args[0], at) else [(absent_labels(node.args[0]), 1.0)]
        if name == "label_replace":
            return self.relabeled(node, at)
        if name == "sort":
            return self.vector(node.args[0], at)
        found = self.vector(node.args[0], at)
        rest = [self.scalar(arg, at) for arg in node.args[1:]]
        if name == "clamp" and rest[0] > rest[1]:
            return []
        return unnamed([(labels, MATH[name](value, *rest)) for labels, value in found])

    def over_window(self, node: ast.Call, at: int) -> Vector:
        name = node.function.name
        place = next(i for i, arg in enumerate(node.args) if arg.type is ValueType.MATRIX)
        windows, begin, end = self.matrix(node.args[place], at)
        params = [self.scalar(arg, at) for i, arg in enumerate(node.args) if i != place]
        answer: Vector = []
        for labels, points in windows:
            if name in RATES:
                value = RATES[name](points, begin, end)
            elif name == "predict_linear":
                value = predicted(points, at, params[0])
            else:
                value = OVER_TIME[name](points, *params)
            if value is not None:
                answer.append((labels, value))
        return answer if name in ("last_over_time", "first_over_time") else unnamed(answer)

    def relabeled(self, node: ast.Call, at: int) -> Vector:
        texts = [arg.value for arg in node.args[1:] if isinstance(arg, ast.StringLiteral)]
        target, replacement, source, pattern = texts
        answer: Vector = []
        for labels, value in self.vector(node.args[0], at):
            found = re.fullmatch(pattern, labels.get(source, ""))
            if found is not None:
                text = re.sub(r"\$(\d)", lambda ref, found=found: found[int(ref[1])] or "", replacement)
                labels = {k: v for k, v in (labels | {target: text}).items() if v}
            answer.append((labels, value))
        return distinct(answer)


# Vectors


def matches(node: ast.VectorSelector, labels: Mapping[str, str]) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in node.matchers)


def distinct(vector: Vector) -> Vector:
    """The vector, unless two of its series have the same labels."""
    if len({tuple(sorted(labels.items())) for labels, _ in vector}) != len(vector):
        raise Failure("vector cannot contain metrics with the same labelset")
    return vector


def unnamed(vector: Vector) -> Vector:
    return distinct([({k: v for k, v in labels.items() if k != NAME}, value) for labels, value in vector])


def signature(matching: ast.VectorMatching, labels: Mapping[str, str]) -> Labels:
    """What two series must share to match."""
    if matching.on:
        return tuple((k, labels.get(k, "")) for k in sorted(matching.labels))
    return tuple(sorted((k, v) for k, v in labels.items() if k not in matching.labels and k != NAME))


def set_operation(node: ast.BinaryExpr, matching: ast.VectorMatching, left: Vector, right: Vector) -> Vector:
    of_left = {signature(matching, labels) for labels, _ in left}
    of_right = {signature(matching, labels) for labels, _ in right}
    if node.op == "and":
        return [row for row in left if signature(matching, row[0]) in of_right]
    if node.op == "unless":
        return [row for row in left if signature(matching, row[0]) not in of_right]
    return left + [row for row in right if signature(matching, row[0]) not in of_left]


def with_scalar(node: ast.BinaryExpr, rows: "list[tuple[dict[str, str], float, float, float]]") -> Vector:
    """Rows of labels, left value, right value and the vector's own value."""
    if node.op not in COMPARE:
        return unnamed([(labels, ARITHMETIC[node.op](a, b)) for labels, a, b, _ in rows])
    if node.return_bool:
        return unnamed([(labels, float(COMPARE[node.op](a, b))) for labels, a, b, _ in rows])
    return [(labels, own) for labels, a, b, own in rows if COMPARE[node.op](a, b)]


def matched(node: ast.BinaryExpr, matching: ast.VectorMatching, left: Vector, right: Vector) -> Vector:
    """Arithmetic or comparison of series that find each other."""
    if not left or not right:
        return []
    swapped = matching.card is ast.Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    ones: dict[Labels, tuple[dict[str, str], float]] = {}
    for labels, value in one:
        key = signature(matching, labels)
        if key in ones:
            raise Failure("many-to-many matching not allowed: matching labels must be unique on one side")
        ones[key] = labels, value
    answer: Vector = []
    seen: set[object] = set()
    for labels, value in many:
        key = signature(matching, labels)
        if key not in ones:
            continue
        other_labels, other = ones[key]
        a, b = (other, value) if swapped else (value, other)
        result = result_labels(node, matching, labels, other_labels)
        taken: object = (
            key if matching.card is ast.Cardinality.ONE_TO_ONE else (key, tuple(sorted(result.items())))
        )
        if taken in seen:
            raise Failure("multiple matches for labels")
        seen.add(taken)
        if node.op not in COMPARE:
            answer.append((result, ARITHMETIC[node.op](a, b)))
        elif node.return_bool:
            answer.append((result, float(COMPARE[node.op](a, b))))
        elif COMPARE[node.op](a, b):
            answer.append((result, a))
    return answer


def result_labels(
    node: ast.BinaryExpr, matching: ast.VectorMatching, many: Mapping[str, str], one: Mapping[str, str]
) -> dict[str, str]:
    result = dict(many)
    if node.op not in COMPARE or node.return_bool:
        result.pop(NAME, None)
    if matching.card is ast.Cardinality.ONE_TO_ONE:
        result = {k: v for k, v in result.items() if (k in matching.labels) == matching.on}
    for name in matching.include:
        result.pop(name, None)
        if one.get(name):
            result[name] = one[name]
    return result


def ranked(members: Vector, k: int, largest: bool) -> Vector:
    """The k best; which of several equal ones, nobody promises."""

    def order(row: tuple[dict[str, str], float]) -> tuple[bool, float]:
        value = row[1]
        return (True, 0.0) if math.isnan(value) else (False, -value if largest else value)

    return sorted(members, key=order)[: max(k, 0)]


def absent_labels(node: ast.Expr) -> dict[str, str]:
    """The labels that `absent` invents: from equalities of a selector, each label given once."""
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    if not isinstance(node, ast.VectorSelector):
        return {}
    names = [matcher.name for matcher in node.matchers]
    return {
        matcher.name: matcher.value
        for matcher in node.matchers
        if matcher.type.value == "=" and names.count(matcher.name) == 1 and matcher.name != NAME
    }


# Numbers


def total(values: Iterable[float]) -> float:
    """The sum as exact as can be."""
    numbers = list(values)
    if all(map(math.isfinite, numbers)):
        return math.fsum(numbers)
    return sum(number for number in numbers if not math.isfinite(number))


def mean(values: Sequence[float]) -> float:
    return total(values) / len(values)


def variance(values: Sequence[float]) -> float:
    if not all(map(math.isfinite, values)):
        return math.nan
    middle = mean(values)
    return total((value - middle) ** 2 for value in values) / len(values)


def least(values: Sequence[float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return min(numbers) if numbers else math.nan


def greatest(values: Sequence[float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return max(numbers) if numbers else math.nan


def quantile(q: float, values: Sequence[float]) -> float:
    if not values or math.isnan(q):
        return math.nan
    if not 0 <= q <= 1:
        return math.copysign(math.inf, q)
    ordered = sorted(values, key=lambda value: (0, 0.0) if math.isnan(value) else (1, value))
    rank = q * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    weight = rank - low
    return ordered[low] * (1 - weight) + ordered[high] * weight


def divided(a: float, b: float) -> float:
    if b != 0:
        return a / b
    return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)


def modulo(a: float, b: float) -> float:
    try:
        return math.fmod(a, b)
    except ValueError:
        return math.nan


def power(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        if a == 0:  # a negative power of zero
            return math.copysign(math.inf, a) if b % 2 == 1 else math.inf
        return math.nan


def guarded(function: Callable[[float], float], below: float = math.nan) -> Callable[[float], float]:
    """A logarithm or root that answers `below` or NaN where Python raises."""

    def answer(value: float) -> float:
        if math.isnan(value) or value < 0:
            return math.nan
        return below if value == 0 else function(value)

    return answer


def exponential(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def whole(function: Callable[[float], int]) -> Callable[[float], float]:
    """Rounding as floats do it: infinities stay, and a zero keeps its sign."""
    return lambda value: math.copysign(function(value), value) if math.isfinite(value) else value


def rounded(value: float, to: float = 1.0) -> float:
    inverse = 1 / to
    scaled = value * inverse + 0.5
    return (math.floor(scaled) if math.isfinite(scaled) else scaled) / inverse


def sign(value: float) -> float:
    return value if math.isnan(value) else float((value > 0) - (value < 0))


def at_least(value: float, low: float) -> float:
    return value if math.isnan(value) else max(value, low)


def at_most(value: float, high: float) -> float:
    return value if math.isnan(value) else min(value, high)


COMPARE: dict[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": divided,
    "%": modulo,
    "^": power,
    "atan2": math.atan2,
}
AGGREGATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": total,
    "avg": mean,
    "min": least,
    "max": greatest,
    "count": lambda values: float(len(values)),
    "group": lambda values: 1.0,
    "stdvar": variance,
    "stddev": lambda values: math.sqrt(variance(values)),
}
MATH: dict[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": whole(math.ceil),
    "floor": whole(math.floor),
    "exp": exponential,
    "ln": guarded(math.log, -math.inf),
    "log2": guarded(math.log2, -math.inf),
    "log10": guarded(math.log10, -math.inf),
    "sqrt": guarded(math.sqrt, 0.0),
    "sgn": sign,
    "round": rounded,
    "clamp": lambda value, low, high: at_most(at_least(value, low), high),
    "clamp_min": at_least,
    "clamp_max": at_most,
    "deg": math.degrees,
    "rad": math.radians,
    "atan": math.atan,
    "tanh": math.tanh,
}


# Windows


def values_of(points: Sequence[Point]) -> list[float]:
    return [value for _, value in points]


def grown(points: Sequence[Point], counter: bool) -> float:
    """Last minus first, plus what a counter had before each of its falls."""
    raw = points[-1][1] - points[0][1]
    if counter:
        for (_, before), (_, after) in pairwise(points):
            if after < before:
                raw += before
    return raw


def extrapolated(
    points: Sequence[Point], begin: int, end: int, *, counter: bool, per_second: bool
) -> float | None:
    if len(points) < 2:
        return None
    raw = grown(points, counter)
    sampled = (points[-1][0] - points[0][0]) / 1000
    average = sampled / (len(points) - 1)
    to_start, to_end = (points[0][0] - begin) / 1000, (end - points[-1][0]) / 1000
    if to_start >= 1.1 * average:
        to_start = average / 2
    if counter and raw > 0 and points[0][1] >= 0:
        to_start = min(to_start, sampled * (points[0][1] / raw))
    if to_end >= 1.1 * average:
        to_end = average / 2
    factor = (sampled + to_start + to_end) / sampled
    if per_second:
        factor /= (end - begin) / 1000
    return raw * factor


def instant(points: Sequence[Point], *, counter: bool) -> float | None:
    """The change between the last two points; per second for a counter."""
    if len(points) < 2:
        return None
    (before_ms, before), (after_ms, after) = points[-2:]
    change = after if counter and after < before else after - before
    return change / ((after_ms - before_ms) / 1000) if counter else change


def fitted(points: Sequence[Point], origin_ms: int) -> tuple[float, float] | None:
    """Slope per second, and height at `origin_ms`, of the straight line nearest to the points."""
    if len(points) < 2:
        return None
    ys = values_of(points)
    if all(y == ys[0] for y in ys):
        return (math.nan, math.nan) if math.isinf(ys[0]) else (0.0, ys[0])
    xs = [(at - origin_ms) / 1000 for at, _ in points]
    n = len(points)
    covariance = total(x * y for x, y in zip(xs, ys, strict=True)) - total(xs) * total(ys) / n
    slope = covariance / (total(x * x for x in xs) - total(xs) ** 2 / n)
    return slope, total(ys) / n - slope * total(xs) / n


def derived(points: Sequence[Point]) -> float | None:
    line = fitted(points, points[0][0])
    return None if line is None else line[0]


def predicted(points: Sequence[Point], at: int, ahead_s: float) -> float | None:
    line = fitted(points, at)
    return None if line is None else line[0] * ahead_s + line[1]


def smoothed(points: Sequence[Point], data: float, trend: float) -> float | None:
    if not 0 < data < 1 or not 0 < trend < 1:
        raise Failure("invalid smoothing factor")
    if len(points) < 2:
        return None
    values = values_of(points)
    before, level, slope = 0.0, values[0], values[1] - values[0]
    for index, value in enumerate(values[1:]):
        if index:
            slope = trend * (level - before) + (1 - trend) * slope
        before, level = level, data * value + (1 - data) * (level + slope)
    return level


def changed(points: Sequence[Point]) -> float:
    pairs = pairwise(points)
    return float(sum(a != b and not (math.isnan(a) and math.isnan(b)) for (_, a), (_, b) in pairs))


def deviation(points: Sequence[Point]) -> float:
    if any(math.isnan(value) for value in values_of(points)):
        return math.nan
    middle = quantile(0.5, values_of(points))
    return quantile(0.5, [abs(value - middle) for _, value in points])


OVER_TIME: dict[str, Callable[..., float | None]] = {
    "sum_over_time": lambda points: total(values_of(points)),
    "avg_over_time": lambda points: mean(values_of(points)),
    "min_over_time": lambda points: least(values_of(points)),
    "max_over_time": lambda points: greatest(values_of(points)),
    "count_over_time": lambda points: float(len(points)),
    "present_over_time": lambda points: 1.0,
    "last_over_time": lambda points: points[-1][1],
    "first_over_time": lambda points: points[0][1],
    "stdvar_over_time": lambda points: variance(values_of(points)),
    "stddev_over_time": lambda points: math.sqrt(variance(values_of(points))),
    "quantile_over_time": lambda points, q: quantile(q, values_of(points)),
    "mad_over_time": deviation,
    "changes": changed,
    "resets": lambda points: float(sum(b < a for (_, a), (_, b) in pairwise(points))),
    "deriv": derived,
    "predict_linear": predicted,
    "double_exponential_smoothing": smoothed,
}
RATES: dict[str, Callable[[Sequence[Point], int, int], float | None]] = {
    "rate": lambda points, begin, end: extrapolated(points, begin, end, counter=True, per_second=True),
    "increase": lambda points, begin, end: extrapolated(points, begin, end, counter=True, per_second=False),
    "delta": lambda points, begin, end: extrapolated(points, begin, end, counter=False, per_second=False),
    "irate": lambda points, begin, end: instant(points, counter=True),
    "idelta": lambda points, begin, end: instant(points, counter=False),
}
