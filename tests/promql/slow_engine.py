"""PromQL the slow, obvious way: a loop over steps, a loop over series, a list of samples. The oracle of the engine.

It knows enough of the language for random expressions (`test_against_slow.py`) and shares nothing with the engine
but the parser: no arrays, no planning, no windows found in advance.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from pyscrape.model.labels import METRIC_NAME, Labels
from pyscrape.model.value import is_stale
from pyscrape.promql.ast import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Cardinality,
    Expr,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorMatching,
    VectorSelector,
)

Samples = list[tuple[int, float]]
Vector = dict[Labels, float]


class Refused(Exception):  # noqa: N818 - what the oracle says, not an error of its own
    """The query is an error."""


def put(vector: Vector, labels: Labels, value: float) -> None:
    if labels in vector:
        raise Refused("same labelset")
    vector[labels] = value


def without_name(labels: Mapping[str, str]) -> Labels:
    return Labels({name: value for name, value in labels.items() if name != METRIC_NAME})


class SlowEngine:
    def __init__(self, series: Mapping[Labels, Mapping[int, float]], lookback_ms: int = 300_000) -> None:
        self._series = {labels: sorted(samples.items()) for labels, samples in series.items()}
        self._lookback_ms = lookback_ms
        self._start_ms = self._end_ms = 0

    def range(self, expr: Expr, start_ms: int, end_ms: int, step_ms: int) -> dict[Labels, dict[int, float]]:
        """Series -> time -> value; Refused for errors."""
        self._start_ms, self._end_ms = start_ms, end_ms
        found: dict[Labels, dict[int, float]] = {}
        for at_ms in range(start_ms, end_ms + 1, step_ms):
            value = self.value(expr, at_ms)
            for labels, number in (value if isinstance(value, dict) else {Labels(): value}).items():
                found.setdefault(labels, {})[at_ms] = number
        return found

    def value(self, expr: Expr, at_ms: int) -> Vector | float:
        match expr:
            case NumberLiteral():
                return expr.value
            case ParenExpr():
                return self.value(expr.expr, at_ms)
            case UnaryExpr():
                value = self.value(expr.expr, at_ms)
                if expr.op == "+":
                    return value
                return {without_name(k): -v for k, v in value.items()} if isinstance(value, dict) else -value
            case VectorSelector():
                return self.select(expr, at_ms)
            case Call():
                return self.call(expr, at_ms)
            case AggregateExpr():
                return self.aggregate(expr, at_ms)
            case BinaryExpr():
                return binary(expr, self.value(expr.lhs, at_ms), self.value(expr.rhs, at_ms))
        raise NotImplementedError(expr)

    def moved(self, node: VectorSelector | SubqueryExpr, at_ms: int) -> int:
        if node.at_edge is not None:
            at_ms = self._start_ms if node.at_edge == "start" else self._end_ms
        if node.at_ms is not None:
            at_ms = node.at_ms
        return at_ms - node.offset_ms

    def chosen(self, node: VectorSelector) -> list[tuple[Labels, Samples]]:
        return [
            (labels, samples)
            for labels, samples in self._series.items()
            if all(matcher.matches(labels.get(matcher.name, "")) for matcher in node.matchers)
        ]

    def select(self, node: VectorSelector, at_ms: int) -> Vector:
        at_ms = self.moved(node, at_ms)
        vector: Vector = {}
        for labels, samples in self.chosen(node):
            recent = [(t, v) for t, v in samples if at_ms - self._lookback_ms < t <= at_ms]
            if recent and not is_stale(recent[-1][1]):
                vector[labels] = recent[-1][1]
        return vector

    def windows(self, node: Expr, at_ms: int) -> tuple[list[tuple[Labels, Samples]], int, int]:
        """Series with the samples of their window; the window's start and end."""
        if isinstance(node, ParenExpr):
            return self.windows(node.expr, at_ms)
        if isinstance(node, MatrixSelector):
            end = self.moved(node.selector, at_ms)
            start = end - node.range_ms
            found = [
                (labels, [(t, v) for t, v in samples if start < t <= end and not is_stale(v)])
                for labels, samples in self.chosen(node.selector)
            ]
            return [(labels, samples) for labels, samples in found if samples], start, end
        assert isinstance(node, SubqueryExpr)
        end = self.moved(node, at_ms)
        start = end - node.range_ms
        step = node.step_ms or 60_000
        series: dict[Labels, Samples] = {}
        for t in range(start // step * step, end + 1, step):
            if t <= start:
                continue
            value = self.value(node.expr, t)
            for labels, number in (value if isinstance(value, dict) else {Labels(): value}).items():
                series.setdefault(labels, []).append((t, number))
        return list(series.items()), start, end

    def call(self, node: Call, at_ms: int) -> Vector | float:
        name, args = node.function.name, node.args
        if name == "time":
            return at_ms / 1000
        if name == "vector":
            return {Labels(): self.value(args[0], at_ms)}  # type: ignore[dict-item]
        if name == "scalar":
            vector = self.value(args[0], at_ms)
            assert isinstance(vector, dict)
            return next(iter(vector.values())) if len(vector) == 1 else math.nan
        answer: Vector = {}
        if name in ELEMENTWISE:
            vector = self.value(args[0], at_ms)
            assert isinstance(vector, dict)
            for labels, value in vector.items():
                put(answer, without_name(labels), ELEMENTWISE[name](value))
            return answer
        scalars = [self.value(arg, at_ms) for arg in args if arg.type.value == "scalar"]
        matrix = next(arg for arg in args if arg.type.value == "matrix")
        series, start, end = self.windows(matrix, at_ms)
        for labels, samples in series:
            number = OVER_TIME[name](samples, start, end, *scalars)
            if number is not None:
                put(answer, labels if name == "last_over_time" else without_name(labels), number)
        return answer

    def aggregate(self, node: AggregateExpr, at_ms: int) -> Vector:
        vector = self.value(node.expr, at_ms)
        assert isinstance(vector, dict)
        groups: dict[Labels, list[tuple[Labels, float]]] = {}
        for labels, value in vector.items():
            hidden = {*node.grouping, METRIC_NAME}
            key = {
                n: v for n, v in labels.items() if (n not in hidden if node.without else n in node.grouping)
            }
            groups.setdefault(Labels(key), []).append((labels, value))
        param = self.value(node.param, at_ms) if node.param is not None else 0.0
        assert isinstance(param, float | int)
        if node.op in ("topk", "bottomk"):
            sign = -1 if node.op == "topk" else 1
            answer: Vector = {}
            for members in groups.values():
                ranked = sorted(members, key=lambda m: (math.isnan(m[1]), sign * m[1]))
                answer.update(ranked[: max(0, int(param))])
            return answer
        if node.op == "quantile":
            return {key: quantile([v for _, v in members], param) for key, members in groups.items()}
        return {key: AGGREGATIONS[node.op]([v for _, v in members]) for key, members in groups.items()}


# --- numbers


def total(values: Sequence[float]) -> float:
    if all(math.isfinite(v) for v in values):
        return math.fsum(values)
    return sum(values)


def variance(values: Sequence[float]) -> float:
    if not all(math.isfinite(v) for v in values):
        return math.nan
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / len(values)


def extreme(better: Callable[[Sequence[float]], float]) -> Callable[[Sequence[float]], float]:
    def of(values: Sequence[float]) -> float:
        numbers = [v for v in values if not math.isnan(v)]
        return better(numbers) if numbers else math.nan

    return of


def quantile(values: Sequence[float], q: float) -> float:
    if math.isnan(q):
        return math.nan
    if q < 0 or q > 1:
        return -math.inf if q < 0 else math.inf
    ordered = sorted(values, key=lambda v: -math.inf if math.isnan(v) else v)
    ordered = [v for v in ordered if math.isnan(v)] + [v for v in ordered if not math.isnan(v)]
    rank = q * (len(ordered) - 1)
    low, high = math.floor(rank), min(math.floor(rank) + 1, len(ordered) - 1)
    weight = rank - low
    return ordered[low] * (1 - weight) + ordered[high] * weight


AGGREGATIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": total,
    "avg": lambda values: total(values) / len(values),
    "min": extreme(min),
    "max": extreme(max),
    "count": lambda values: float(len(values)),
    "group": lambda values: 1.0,
    "stdvar": variance,
    "stddev": lambda values: math.sqrt(variance(values)),
}


def growth(samples: Samples, start: int, end: int, counter: bool) -> float | None:
    if len(samples) < 2:
        return None
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    result = last - first
    if counter:
        for (_, before), (_, after) in pairwise(samples):
            if after < before:
                result += before
    sampled = (last_at - first_at) / 1000
    mean = sampled / (len(samples) - 1)
    to_start, to_end = (first_at - start) / 1000, (end - last_at) / 1000
    if to_start >= mean * 1.1:
        to_start = mean / 2
    if counter and result > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / result))
    if to_end >= mean * 1.1:
        to_end = mean / 2
    return result * ((sampled + to_start + to_end) / sampled)


def rate(samples: Samples, start: int, end: int) -> float | None:
    raw = growth(samples, start, end, True)
    return None if raw is None else raw / ((end - start) / 1000)


def last_change(samples: Samples, counter: bool) -> float | None:
    if len(samples) < 2:
        return None
    (before_at, before), (at, now) = samples[-2:]
    if counter:
        return (now if now < before else now - before) / ((at - before_at) / 1000)
    return now - before


def over(function: Callable[[Sequence[float]], float]) -> Callable[..., float]:
    return lambda samples, start, end: function([v for _, v in samples])


def slope(samples: Samples) -> float | None:
    if len(samples) < 2:
        return None
    if all(v == samples[0][1] for _, v in samples):
        return math.nan if math.isinf(samples[0][1]) else 0.0
    xs = [(t - samples[0][0]) / 1000 for t, _ in samples]
    ys = [v for _, v in samples]
    n = len(xs)
    covariance = total([x * y for x, y in zip(xs, ys, strict=True)]) - total(xs) * total(ys) / n
    return covariance / (total([x * x for x in xs]) - total(xs) ** 2 / n)


def changes(values: Sequence[float]) -> float:
    pairs = list(pairwise(values))
    return float(sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in pairs))


OVER_TIME: dict[str, Callable[..., float | None]] = {
    "rate": rate,
    "increase": lambda samples, start, end: growth(samples, start, end, True),
    "delta": lambda samples, start, end: growth(samples, start, end, False),
    "irate": lambda samples, start, end: last_change(samples, True),
    "idelta": lambda samples, start, end: last_change(samples, False),
    "deriv": lambda samples, start, end: slope(samples),
    "changes": over(changes),
    "resets": over(lambda values: float(sum(b < a for a, b in pairwise(values)))),
    "last_over_time": over(lambda values: values[-1]),
    "present_over_time": over(lambda values: 1.0),
    "quantile_over_time": lambda samples, start, end, q: quantile([v for _, v in samples], q),
    **{f"{name}_over_time": over(function) for name, function in AGGREGATIONS.items() if name != "group"},
}

ELEMENTWISE: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "ceil": lambda v: float(math.ceil(v)) if math.isfinite(v) else v,
    "floor": lambda v: float(math.floor(v)) if math.isfinite(v) else v,
    "sgn": lambda v: v if math.isnan(v) else float((v > 0) - (v < 0)),
    "sqrt": lambda v: math.sqrt(v) if v >= 0 else math.nan,
}


# --- operators


def divide(a: float, b: float) -> float:
    if b != 0:
        return a / b
    return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)


def modulo(a: float, b: float) -> float:
    return math.nan if b == 0 or math.isinf(a) or math.isnan(a) or math.isnan(b) else math.fmod(a, b)


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": divide,
    "%": modulo,
}
COMPARISON: dict[str, Callable[[float, float], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


def binary(node: BinaryExpr, left: Vector | float, right: Vector | float) -> Vector | float:
    if isinstance(left, dict) and isinstance(right, dict):
        rule = node.matching or VectorMatching()
        if node.op in ("and", "or", "unless"):
            return of_sets(node.op, rule, left, right)
        return matched(node, rule, left, right)
    if not isinstance(left, dict) and not isinstance(right, dict):
        return (
            float(COMPARISON[node.op](left, right))
            if node.op in COMPARISON
            else ARITHMETIC[node.op](left, right)
        )
    answer: Vector = {}
    for labels, value in (left if isinstance(left, dict) else right).items():  # type: ignore[union-attr]
        a = value if isinstance(left, dict) else left
        b = right if isinstance(left, dict) else value
        operate(node, labels, a, b, value, answer)  # type: ignore[arg-type]
    return answer


def operate(node: BinaryExpr, labels: Labels, a: float, b: float, kept: float, answer: Vector) -> None:
    if node.op in ARITHMETIC:
        put(answer, without_name(labels), ARITHMETIC[node.op](a, b))
    elif node.return_bool:
        put(answer, without_name(labels), float(COMPARISON[node.op](a, b)))
    elif COMPARISON[node.op](a, b):
        put(answer, labels, kept)


def signature(rule: VectorMatching, labels: Labels) -> Labels:
    if rule.on:
        return Labels({n: v for n, v in labels.items() if n in rule.labels})
    return Labels({n: v for n, v in labels.items() if n not in rule.labels and n != METRIC_NAME})


def of_sets(op: str, rule: VectorMatching, left: Vector, right: Vector) -> Vector:
    lefts, rights = ({signature(rule, labels) for labels in side} for side in (left, right))
    if op == "or":
        answer = dict(left)
        for labels, value in right.items():
            if signature(rule, labels) not in lefts:
                put(answer, labels, value)
        return answer
    return {labels: v for labels, v in left.items() if (signature(rule, labels) in rights) == (op == "and")}


def matched(node: BinaryExpr, rule: VectorMatching, left: Vector, right: Vector) -> Vector:
    if not left or not right:
        return {}
    swapped = rule.card is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    partners: dict[Labels, tuple[Labels, float]] = {}
    for labels, value in one.items():
        if signature(rule, labels) in partners:
            raise Refused("many-to-many")
        partners[signature(rule, labels)] = labels, value
    answer: Vector = {}
    seen: set[object] = set()
    for labels, value in many.items():
        key = signature(rule, labels)
        if key not in partners:
            continue
        other_labels, other = partners[key]
        a, b = (other, value) if swapped else (value, other)
        keeps_name = node.op in COMPARISON and not node.return_bool
        result = dict(labels if keeps_name else without_name(labels))
        if rule.card is Cardinality.ONE_TO_ONE:
            if key in seen:
                raise Refused("many-to-one")
            seen.add(key)
            result = {n: v for n, v in result.items() if (n in rule.labels) == rule.on}
        for name in rule.include:
            result[name] = other_labels.get(name, "")
        if rule.card is not Cardinality.ONE_TO_ONE:
            if (key, Labels(result)) in seen:
                raise Refused("grouping labels")
            seen.add((key, Labels(result)))
        operate(node, Labels(result), a, b, a, answer)
    return answer
