"""The test language of PromQL: scripts of `load`, `clear` and `eval` commands with the results they expect.

`parse_script` reads a whole script first, as the reference does: a query that does not parse spoils the script even
where a failure is expected. `run_script` then goes through it and says for every eval what is wrong, if anything.
Each instant eval is asked again with @ on every selector at other times, and as the middle step of a range query.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pyscrape.model.duration import DurationError, parse_duration
from pyscrape.model.labels import format_labels
from pyscrape.model.regex import RegexError
from pyscrape.model.regex_syntax import parse as parse_regex
from pyscrape.model.value import STALE_BITS
from pyscrape.promql import Engine, QueryError, QueryParseError, Result, ast
from pyscrape.promql.literals import parse_number, unquote
from pyscrape.promql.result import ResultType
from pyscrape.promql.series import Histogram, SeriesDescription, Stale, parse_series
from pyscrape.store import Store

_LOAD = re.compile(r"load(?:_(with_nhcb))?\s+(.+?)$")
_INSTANT = re.compile(r"eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$")
_RANGE = re.compile(r"eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$")
_EXPECT = re.compile(r"expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$")
_EXPECT_RANGE = re.compile(r"expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$")
_NOT_IN_RANGES = re.compile(r"\b(start|end|range|step)\(\)")
# What these answer depends on the time of the query, whatever @ their arguments carry.
_TIME_DEPENDENT = frozenset(
    {"days_in_month", "day_of_month", "day_of_week", "day_of_year", "end", "hour", "minute", "month", "year"}
    | {"predict_linear", "range", "start", "step", "time", "timestamp"}
)
_SMALLEST_NORMAL = 2.2250738585072014e-308
# The reference allows 1e-6; here only where the script writes few digits.
_TOLERANCE, _TOLERANCE_OF_SHORT_NUMBERS, _SHORT = 1e-9, 1e-6, 8
_MINUTE_MS = 60_000


class ScriptError(Exception):
    """A script that breaks the rules of its language."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True)
class Message:
    """What an error or annotation must say: all of `text`, or something that the pattern finds, or anything."""

    text: str | None = None
    pattern: re.Pattern[str] | None = None

    def fits(self, said: str) -> bool:
        if self.pattern is not None:
            return self.pattern.search(said) is not None
        return self.text is None or self.text == said.strip()


@dataclass
class Load:
    step_ms: int
    series: list[SeriesDescription]
    histograms: bool = False


@dataclass
class Clear:
    pass


@dataclass
class Eval:
    """`step_ms` is 0 for an instant query."""

    line: int
    query: str
    start_ms: int
    end_ms: int = 0
    step_ms: int = 0
    ordered: bool = False
    fail: Message | None = None
    annotations: dict[str, list[Message]] = field(default_factory=dict)
    scalar: float | None = None
    string: str | None = None
    points: tuple[int, int, int] | None = None  # start, end, step of the values of a range vector
    series: dict[frozenset[tuple[str, str]], SeriesDescription] = field(default_factory=dict)


Command = Load | Clear | Eval


@dataclass(frozen=True)
class Verdict:
    """What came of one eval; `problem` is None when all is as expected."""

    line: int
    query: str
    problem: str | None


# Reading


def parse_script(text: str, parse_query: Callable[[str], object]) -> list[Command]:
    """The commands of a script; ScriptError for what is none. `parse_query` judges the queries."""
    lines = [line.strip() for line in text.split("\n")]
    lines = ["" if line.startswith("#") else line for line in lines]
    commands: list[Command] = []
    at = 0
    while at < len(lines):
        if not lines[at]:
            at += 1
            continue
        single = lines[at].lower() == "clear"
        end = at + 1 if single else next((i for i in range(at, len(lines)) if not lines[i]), len(lines))
        commands.append(_command(lines[at:end], at + 1, parse_query))
        at = end
    return commands


def _command(block: Sequence[str], line: int, parse_query: Callable[[str], object]) -> Command:
    word = block[0].split()[0].lower()
    if word == "clear":
        return Clear()
    if word.startswith("load"):
        return _load(block, line)
    if word.startswith("eval"):
        command = _eval(block, line)
        try:
            parse_query(command.query)
        except QueryParseError as error:
            raise ScriptError(line, f"parse error in query: {error}") from error
        return command
    raise ScriptError(line, f"invalid command {block[0]!r}")


def _load(block: Sequence[str], line: int) -> Load:
    found = _LOAD.match(block[0])
    if found is None:
        raise ScriptError(line, "invalid load command. (load[_with_nhcb] <step:duration>)")
    series = {}
    for number, text in enumerate(block[1:], line + 1):
        described = _series(text, number)
        series[frozenset(described.labels.items())] = described
    has_histograms = any(isinstance(value, Histogram) for one in series.values() for value in one.values)
    return Load(_duration(found[2], line), list(series.values()), has_histograms or found[1] is not None)


def _eval(block: Sequence[str], line: int) -> Eval:
    if instant := _INSTANT.match(block[0]):
        word, at, query = instant.groups()
        command = Eval(line, query, _duration(at, line) if at else 0)
    elif ranged := _RANGE.match(block[0]):
        word, start, end, step, query = ranged.groups()
        span = (_duration(start, line), _duration(end, line), _duration(step, line))
        if span[1] < span[0]:
            raise ScriptError(line, "invalid test definition, end timestamp is before start timestamp")
        if span[2] <= 0:
            raise ScriptError(line, "invalid test definition, step must be greater than 0")
        command = Eval(line, query, *span)
    else:
        raise ScriptError(line, f"invalid eval command {block[0]!r}")
    old_style_fail = word == "fail"
    if word == "ordered":
        command.ordered = True
    elif old_style_fail:
        command.fail = Message()
    elif word is not None:
        command.annotations[word] = [Message()]
    for number, text in enumerate(block[1:], line + 1):
        if _expectation(command, text, number, old_style_fail):
            break
    _check(command)
    return command


def _expectation(command: Eval, text: str, line: int, old_style_fail: bool) -> bool:
    """Read one line of an eval; True when it is the last one that counts."""
    if old_style_fail and text.startswith(("expected_fail_message", "expected_fail_regexp")):
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        command.fail = (
            Message(text=rest) if word.endswith("message") else Message(pattern=_pattern(rest, line))
        )
        return True
    if text.startswith("expect range vector"):
        found = _EXPECT_RANGE.match(text)
        if found is None:
            raise ScriptError(line, f"invalid range vector definition {text!r}")
        command.points = (_duration(found[1], line), _duration(found[2], line), _duration(found[3], line))
        return False
    if text.startswith("expect string"):
        command.string = _quoted(text.removeprefix("expect string").strip(), line)
        return False
    if text.split()[0] == "expect":
        _expect(command, text, line, old_style_fail)
        return False
    number = _number(text)
    if number is not None:
        command.scalar = number
        return True
    described = _series(text, line)
    if command.step_ms and len(described.values) > (command.end_ms - command.start_ms) // command.step_ms + 1:
        raise ScriptError(
            line,
            f"expected {len(described.values)} points, but query time range cannot return this many points",
        )
    command.series[frozenset(described.labels.items())] = described
    return False


def _expect(command: Eval, text: str, line: int, old_style_fail: bool) -> None:
    found = _EXPECT.match(text)
    if found is None:
        raise ScriptError(line, f"invalid expect statement {text!r}")
    kind, how, said = found.groups()
    message = Message()
    if how == "msg":
        message = Message(text=said.strip())
    elif how == "regex":
        message = Message(pattern=_pattern(said.strip(), line))
    if kind == "ordered":
        if command.step_ms:
            raise ScriptError(line, "expecting ordered results from a range query is not supported")
        command.ordered = True
    elif kind == "fail":
        if command.fail is not None and not old_style_fail:
            raise ScriptError(line, "invalid expect lines, multiple expect fail lines are not allowed")
        command.fail = message
    else:
        command.annotations.setdefault(kind, []).append(message)


def _check(command: Eval) -> None:
    for kind in ("warn", "info"):
        if kind in command.annotations and f"no_{kind}" in command.annotations:
            raise ScriptError(
                command.line, f"invalid expect lines, {kind} and no_{kind} cannot be used together"
            )


def _duration(text: str, line: int) -> int:
    try:
        return int(parse_duration(text.strip()))
    except DurationError as error:
        raise ScriptError(line, f"invalid duration {text!r}: {error}") from error


def _pattern(text: str, line: int) -> re.Pattern[str]:
    try:
        parse_regex(text)
        return re.compile(text)
    except (RegexError, re.error) as error:
        raise ScriptError(line, f"invalid regexp {text!r}: {error}") from error


def _quoted(text: str, line: int) -> str:
    if len(text) < 2 or text[0] not in "\"'`" or text[-1] != text[0]:
        raise ScriptError(
            line, "expected string literal not valid - check that the string is correctly quoted"
        )
    return unquote(text)


def _number(text: str) -> float | None:
    sign = -1.0 if text.startswith("-") else 1.0
    try:
        return sign * parse_number(text.lstrip("+-") if text[:1] in "+-" else text)
    except ValueError:
        return None


def _series(text: str, line: int) -> SeriesDescription:
    try:
        return parse_series(text)
    except QueryParseError as error:
        raise ScriptError(line, f"invalid series {text!r}: {error}") from error


# Running


def new_engine(store: Store) -> Engine:
    """An engine with all that the scripts assume."""
    return Engine(
        store,
        experimental=True,
        max_samples=10_000,
        delayed_names=True,
        extended_ranges=True,
        fill_modifiers=True,
    )


def run_script(text: str) -> Iterator[Verdict]:
    """The verdict of every eval, in order; ScriptError before the first when the script itself is wrong."""
    commands = parse_script(text, new_engine(Store()).parse)
    store = Store()
    for command in commands:
        if isinstance(command, Clear):
            store = Store()
        elif isinstance(command, Load):
            _append(store, command)
        else:
            yield Verdict(command.line, command.query, _judge(new_engine(store), command))


def _append(store: Store, load: Load) -> None:
    for described in load.series:
        steps = [k for k, value in enumerate(described.values) if isinstance(value, float | int | Stale)]
        values = np.array([_as_float(described.values[k]) for k in steps], dtype=np.float64)
        stale = np.array([isinstance(described.values[k], Stale) for k in steps], dtype=bool)
        values.view(np.uint64)[stale] = STALE_BITS
        if steps:
            store.append(described.labels, np.array(steps, dtype=np.int64) * load.step_ms, values)


def _as_float(value: object) -> float:
    return float(value) if isinstance(value, float | int) else math.nan


def _judge(engine: Engine, command: Eval) -> str | None:
    if command.step_ms:
        times = (command.start_ms / 1000, command.end_ms / 1000, command.step_ms / 1000)
        return _outcome(command, lambda: engine.range(command.query, *times), compare_range)
    for query, at_ms in [(command.query, command.start_ms), *_pinned(engine, command)]:
        problem = _judge_instant(engine, command, query, at_ms)
        if problem is not None:
            return problem if query is command.query else f"pinned by @ and asked at {at_ms} ms: {problem}"
    return None


def _judge_instant(engine: Engine, command: Eval, query: "str | ast.Expr", at_ms: int) -> str | None:
    if not isinstance(query, str):  # a printed query has its annotations elsewhere
        command = replace(command, annotations={})
    problem = _outcome(command, lambda: engine.instant(query, at_ms / 1000), compare_instant)
    only_instant = command.ordered or command.string is not None or command.points is not None
    if (
        problem is not None
        or command.fail is not None
        or only_instant
        or _NOT_IN_RANGES.search(command.query)
    ):
        return problem
    minute = _MINUTE_MS / 1000
    try:
        result = engine.range(query, at_ms / 1000 - minute, at_ms / 1000 + minute, minute)
    except QueryError as error:
        return f"fails as a range query: {error}"
    problem = _unsorted(result) or compare_step(command, result, at_ms)
    return None if problem is None else f"as the middle step of a range query: {problem}"


def _outcome(
    command: Eval, ask: Callable[[], Result], compare: Callable[[Eval, Result], str | None]
) -> str | None:
    try:
        result = ask()
    except QueryError as error:
        if command.fail is None:
            return f"error evaluating query: {error}"
        return None if command.fail.fits(str(error)) else f"expected another error than: {error}"
    if command.fail is not None:
        return "expected error evaluating query but got none"
    return compare(command, result) or _annotations(command, result)


def _pinned(engine: Engine, command: Eval) -> "list[tuple[ast.Expr, int]]":
    """The query with @ everywhere, and the times at which it must answer the same."""
    tree = engine.parse(command.query)
    if any(isinstance(node, ast.Call) and node.function.name in _TIME_DEPENDENT for node in ast.walk(tree)):
        return []
    at = command.start_ms
    times = [-10 * at, 0, int(at / 5), at, 10 * at] if at else [-1000, 0, 1000]
    return [(_pin(tree, at), time) for time in times]


def _pin(node: ast.Expr, at_ms: int) -> ast.Expr:
    match node:
        case ast.VectorSelector() | ast.SubqueryExpr():
            return node if node.at_ms is not None or node.at_edge else replace(node, at_ms=at_ms)
        case ast.MatrixSelector():
            selector = _pin(node.selector, at_ms)
            assert isinstance(selector, ast.VectorSelector)
            return replace(node, selector=selector)
        case ast.Call():
            return replace(node, args=tuple(_pin(arg, at_ms) for arg in node.args))
        case ast.AggregateExpr():
            param = None if node.param is None else _pin(node.param, at_ms)
            return replace(node, expr=_pin(node.expr, at_ms), param=param)
        case ast.BinaryExpr():
            return replace(node, lhs=_pin(node.lhs, at_ms), rhs=_pin(node.rhs, at_ms))
        case ast.UnaryExpr() | ast.ParenExpr():
            return replace(node, expr=_pin(node.expr, at_ms))
        case _:
            return node


# Comparing


def _annotations(command: Eval, result: Result) -> str | None:
    for kind, said in (("warn", result.warnings), ("info", result.infos)):
        wanted = command.annotations.get(kind)
        if f"no_{kind}" in command.annotations and said:
            return f"unexpected {kind} annotations: {said}"
        if wanted is None:
            continue
        if not said:
            return f"expected {kind} annotations but none were found"
        for message in wanted:
            if not any(message.fits(text) for text in said):
                return f"no {kind} annotation is as expected, found: {said}"
        for text in said:
            if not any(message.fits(text) for message in wanted):
                return f"unexpected {kind} annotation: {text}"
    return None


def compare_instant(command: Eval, result: Result) -> str | None:
    if command.string is not None:
        if result.type is not ResultType.STRING or result.text != command.string:
            return f"expected string {command.string!r} but got {result.to_prometheus()}"
        return None
    if command.points is not None:
        return _compare_points(command, result, *command.points)
    if result.type is ResultType.SCALAR:
        value = float(result.values[0, 0])
        if command.scalar is None:
            return f"expected vector result, but got scalar {value}"
        return None if same(command.scalar, value) else f"expected scalar {command.scalar} but got {value}"
    if command.scalar is not None or result.type is not ResultType.VECTOR:
        return f"expected {'a scalar' if command.scalar is not None else 'a vector'}, but got {result.to_prometheus()}"
    row = result.values[0] if len(result) else np.empty(0)
    return _compare_vector(command, [(dict(result.frame.labels(k)), row[k]) for k in range(len(result))])


def compare_step(command: Eval, result: Result, at_ms: int) -> str | None:
    """One step of a range query against what an instant one is expected to answer."""
    found = []
    for k in range(len(result)):
        samples = result.series(k)
        here = np.flatnonzero(samples.times_ms == at_ms)
        if len(here):
            found.append((dict(result.frame.labels(k)), samples.values[here[0]]))
    if command.scalar is not None:
        value = float(found[0][1]) if found else math.nan
        return None if same(command.scalar, value) else f"expected {command.scalar} but got {value}"
    return _compare_vector(command, found)


def compare_range(command: Eval, result: Result) -> str | None:
    if result.type is not ResultType.MATRIX:
        return f"expected a matrix, but got {result.to_prometheus()}"
    return _unsorted(result) or _compare_points(
        command, result, command.start_ms, command.end_ms, command.step_ms
    )


def _unsorted(result: Result) -> str | None:
    found = [
        [part.encode() for pair in sorted(result.frame.labels(k).items()) for part in pair]
        for k in range(len(result))
    ]
    return None if found == sorted(found) else "matrix results should always be sorted by labels"


def _compare_vector(command: Eval, found: "list[tuple[dict[str, str], float]]") -> str | None:
    left = dict(command.series)
    order = list(command.series)
    for position, (labels, value) in enumerate(found):
        key = frozenset(labels.items())
        expected = left.pop(key, None)
        if expected is None:
            return f"unexpected metric {format_labels(labels)} in result, has value {value}"
        if command.ordered and order[position] != key:
            return f"metric {format_labels(labels)} is at position {position + 1}"
        wanted = expected.values[0] if expected.values else None
        if not _same_value(wanted, value):
            return f"expected {wanted} for {format_labels(labels)} but got {value}"
    missing = next(iter(left.values()), None)
    return None if missing is None else f"expected metric {format_labels(missing.labels)} not found"


def _compare_points(command: Eval, result: Result, start_ms: int, end_ms: int, step_ms: int) -> str | None:
    left = dict(command.series)
    for k in range(len(result)):
        labels = dict(result.frame.labels(k))
        expected = left.pop(frozenset(labels.items()), None)
        samples = result.series(k)
        got = dict(zip(samples.times_ms.tolist(), samples.values, strict=True))
        if expected is None:
            return f"unexpected metric {format_labels(labels)} in result: {got}"
        wanted = {start_ms + i * step_ms: v for i, v in enumerate(expected.values) if v is not None}
        if set(wanted) != set(got):
            return f"{format_labels(labels)} has points at {sorted(got)}, expected {sorted(wanted)}"
        for at, value in wanted.items():
            if not _same_value(value, got[at]):
                return f"expected {value} at {at} ms for {format_labels(labels)} but got {got[at]}"
    missing = next(iter(left.values()), None)
    return None if missing is None else f"expected metric {format_labels(missing.labels)} not found"


def _same_value(wanted: object, got: float) -> bool:
    if isinstance(wanted, Stale):
        return bool(np.float64(got).view(np.uint64) == STALE_BITS)
    return isinstance(wanted, float | int) and same(float(wanted), float(got))


def same(wanted: float, got: float) -> bool:
    """Whether two values are equal as far as the wanted one was written down."""
    if math.isnan(wanted) and math.isnan(got):
        return True
    if wanted == got:
        return True
    difference, size = abs(wanted - got), abs(wanted) + abs(got)
    if wanted == 0 or got == 0 or size < _SMALLEST_NORMAL:
        return difference < _TOLERANCE * _SMALLEST_NORMAL
    short = len(f"{wanted!r}".strip("-0").replace(".", "")) <= _SHORT
    return difference / size < (_TOLERANCE_OF_SHORT_NUMBERS if short else _TOLERANCE)
