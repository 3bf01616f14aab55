"""`/api/v1/query`, `query_range`, `query_exemplars`, `format_query`, `parse_query`; and of its own `query_plan`."""

import math
from collections.abc import Callable
from time import thread_time
from typing import Any

from pyscrape.model.labels import Labels
from pyscrape.promql import QueryParseError
from pyscrape.promql.ast import Expr
from pyscrape.promql.engine import MAX_STEPS
from pyscrape.promql.errors import QueryError, QueryTimeout, SpanError, TooManySamples
from pyscrape.promql.explain import PlanNode, plan_of
from pyscrape.promql.format import format_sample
from pyscrape.promql.json import to_json
from pyscrape.promql.printer import extract_selectors, pretty
from pyscrape.promql.result import Result
from pyscrape.promql.signatures import ValueType
from pyscrape.promql.stats import QueryStats
from pyscrape.web.answers import Answer, ApiError, success, success_of
from pyscrape.web.encode import KeptLabels, result_data
from pyscrape.web.params import Params, parse_duration_s
from pyscrape.web.query_log import Span, entry
from pyscrape.web.quick import MOST_S, Question, QuickQueries
from pyscrape.web.routes import Call, Glance, Handler, Mount
from pyscrape.web.services import Services

TOO_MANY_POINTS = (
    "exceeded maximum resolution of 11,000 points per timeseries. "
    "Try decreasing the query resolution (?step=XX)"
)
BAD_STEP = "zero or negative query resolution step widths are not accepted. Try a positive integer"


Ask = Callable[[Expr, dict[str, Any]], Result]


class TakesLonger(Exception):  # noqa: N818  # no error: the query goes to a thread
    """A query would take too long on the loop."""


class QueryApi:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._engine = services.engine
        self._quick = QuickQueries()
        self._labels = KeptLabels()

    def mounts(self) -> list[Mount]:
        return [
            self._mount("/api/v1/query", self.query, glance=self._quick_query),
            self._mount("/api/v1/query_range", self.query_range, glance=self._quick_range),
            self._mount("/api/v1/query_plan", self.query_plan),
            self._mount("/api/v1/query_exemplars", self.query_exemplars),
            self._mount("/api/v1/format_query", self.format_query),
            self._mount("/api/v1/parse_query", self.parse_query),
        ]

    @staticmethod
    def _mount(path: str, handler: Handler, glance: Glance | None = None) -> Mount:
        return Mount(path, handler, ("GET", "POST"), "query", glance=glance, takes_multipart=True)

    def _quick_query(self, call: Call) -> Answer | None:
        return self._at_once(call, (call.params.first("query"), 0.0, 0.0), self.query)

    def _quick_range(self, call: Call) -> Answer | None:
        return self._at_once(call, _question(call.params, self._span(call.params)), self.query_range)

    def _at_once(
        self, call: Call, question: Question, answer: Callable[[Call, int], Answer]
    ) -> Answer | None:
        """The answer, where it can be had on the loop."""
        room = self._quick.room(question)
        if not room or self._services.query_log.on:
            return None
        try:
            return answer(call, room)
        except TakesLonger:
            self._quick.forget(question)
            return None

    def query(self, call: Call, room: int | None = None) -> Answer:
        params = call.params
        limit = params.limit()
        at_s = params.moment_s("time", self._services.now_s())
        span = Span(at_s, at_s, 0)
        return self._run(
            call, limit, span, lambda tree, options: self._engine.instant(tree, at_s, **options), room
        )

    def query_range(self, call: Call, room: int | None = None) -> Answer:
        limit = call.params.limit()
        span = self._span(call.params)
        return self._run(call, limit, span, lambda tree, options: self._range(tree, span, options), room)

    def query_plan(self, call: Call) -> Answer:
        """What the parts of a query cost; it runs, as a range query where `start` is given. Only pyscrape has this.

        `nodes` are the parts, each before those below it (`depth`); see `promql.explain.PlanNode`. Times in seconds.
        """
        params = call.params
        ranged = bool(params.first("start"))
        at_s = 0.0 if ranged else params.moment_s("time", self._services.now_s())
        span = self._span(params) if ranged else Span(at_s, at_s, 0)

        def ask(tree: Expr, options: dict[str, Any]) -> Result:
            options["detailed"] = True
            return self._range(tree, span, options) if ranged else self._engine.instant(tree, at_s, **options)

        tree, result = self._asked(call, span, ask)
        nodes = plan_of(tree, result.stats, params.first("query"))
        stats = result.stats
        read = {"readTime": stats.read_s, "seriesRead": stats.series_read, "steps": stats.steps}
        data = {"nodes": [_plan_json(node) for node in nodes], "stats": stats.to_prometheus() | read}
        return success(data, result.warnings, result.infos)

    @staticmethod
    def _span(params: Params) -> Span:
        """start, end and step of a range query; ApiError when they make none."""
        start_s, end_s = params.moment_s("start"), params.moment_s("end")
        if end_s < start_s:
            raise ApiError.parameter("end", "end timestamp must not be before start time")
        step_s = params.duration_s("step")
        if step_s <= 0:
            raise ApiError.parameter("step", BAD_STEP)
        # Whole steps, in nanoseconds, as Go divides durations.
        if round((end_s - start_s) * 1e9) // max(1, round(step_s * 1e9)) > MAX_STEPS:
            raise ApiError("bad_data", TOO_MANY_POINTS)
        # The engine knows milliseconds; what is left of one is cut off, and a step of less is none.
        return Span(start_s, end_s, int(step_s * 1e9) // 1_000_000 / 1000)

    def _range(self, tree: Expr, span: Span, options: dict[str, Any]) -> Result:
        if tree.type not in {ValueType.SCALAR, ValueType.VECTOR}:
            found = tree.type.documented
            raise ApiError.parameter(
                "query",
                f'invalid expression type "{found}" for range query, must be Scalar or instant Vector',
            )
        return self._engine.range(tree, *span, **options)

    def format_query(self, call: Call) -> Answer:
        return success(pretty(self._parsed(call.params)))

    def parse_query(self, call: Call) -> Answer:
        return success(to_json(self._parsed(call.params)))

    def query_exemplars(self, call: Call) -> Answer:
        params = call.params
        start_s, end_s = params.time_s("start", -math.inf), params.time_s("end", math.inf)
        if end_s < start_s:
            raise ApiError("bad_data", "end timestamp must not be before start timestamp")
        try:
            selectors = extract_selectors(self._engine.parse(params.first("query")))
        except QueryParseError as error:
            raise ApiError("bad_data", str(error)) from error  # without the parameter's name, here alone
        found: dict[Labels, list[dict[str, object]]] = {}
        for exemplar in self._services.exemplars.all():
            series = exemplar.series
            if not start_s * 1000 <= exemplar.at_ms <= end_s * 1000:
                continue
            if any(all(m.matches(series.get(m.name, "")) for m in matchers) for matchers in selectors):
                found.setdefault(series, []).append(
                    {
                        "labels": dict(exemplar.labels),
                        "value": format_sample(exemplar.value),
                        "timestamp": exemplar.at_ms / 1000,
                    }
                )
        return success(
            [{"seriesLabels": dict(series), "exemplars": found[series]} for series in sorted(found)]
        )

    def _parsed(self, params: Params) -> Expr:
        try:
            return self._engine.parse(params.first("query"))
        except QueryParseError as error:
            raise ApiError.parameter("query", error) from error

    def _run(self, call: Call, limit: int, span: Span, ask: Ask, room: int | None) -> Answer:
        begin = thread_time()
        params = call.params
        _, result = self._asked(call, span, ask, room)
        result = result.limited(limit)
        wanted = params.first("stats")
        times = result.times_ms if wanted == "all" else None
        stats = result.stats.to_prometheus(times) if wanted else None
        answer = success_of(result_data(result, stats, self._labels), result.warnings, result.infos)
        self._quick.note(_question(params, span), thread_time() - begin, result.stats)
        return answer

    def _asked(self, call: Call, span: Span, ask: Ask, room: int | None = None) -> tuple[Expr, Result]:
        """The query's tree and its result, logged; ApiError where it has none, TakesLonger where `room` is small."""
        tree = self._parsed(call.params)
        options = _options(call.params, call, self._services.options.query_timeout_s)
        if room is not None:
            options |= {"max_samples": room, "timeout_s": min(options["timeout_s"], MOST_S)}
        try:
            result = ask(tree, options)
        except QueryError as error:
            if room is not None and isinstance(error, TooManySamples | QueryTimeout):
                raise TakesLonger from error
            stats = error.stats or QueryStats()
            stats.queue_s = call.waited_s
            self._log(call, span, stats, str(error))
            if isinstance(error, SpanError):
                raise ApiError.parameter("query", error) from error
            raise ApiError(error.kind, str(error)) from error
        result.stats.queue_s = call.waited_s
        self._log(call, span, result.stats)
        return tree, result

    def _log(self, call: Call, span: Span, stats: QueryStats, error: str = "") -> None:
        log = self._services.query_log
        if log.on:
            path = "/api/v1/query_range" if span.step_s else "/api/v1/query"
            log.write(entry(call, path, span, stats, error, self._services.now_s()))


def _plan_json(node: PlanNode) -> dict[str, object]:
    return {
        "depth": node.depth,
        "type": node.kind,
        "text": node.text,
        "start": node.expr.start,
        "end": node.expr.end,
        "series": node.series,
        "samples": node.samples,
        "steps": node.steps,
        "time": node.seconds,
        "ownTime": node.own_seconds,
        "labelValues": dict(node.label_values),
        "note": node.note,
    }


def _question(params: Params, span: Span) -> Question:
    return params.first("query"), span.end_s - span.start_s, span.step_s


def _options(params: Params, call: Call, most_s: float) -> dict[str, Any]:
    """The engine's options that a request may set."""
    options: dict[str, Any] = {"cancelled": call.cancelled.is_set, "text": params.first("query")}
    timeout_s = most_s
    if params.first("timeout"):
        timeout_s = min(most_s, params.duration_s("timeout"))
        if timeout_s <= 0:
            raise ApiError("timeout", "query timed out in query execution")
    # What the query waited for its turn is part of its time.
    options["timeout_s"] = timeout_s - call.waited_s
    if options["timeout_s"] <= 0:
        raise ApiError("timeout", "query timed out in query queue")
    if params.first("lookback_delta"):
        try:
            lookback_s = parse_duration_s(params.first("lookback_delta"))
        except ValueError as error:
            raise ApiError("bad_data", f"error parsing lookback delta duration: {error}") from error
        if lookback_s > 0:
            options["lookback_ms"] = round(lookback_s * 1000)
    return options
