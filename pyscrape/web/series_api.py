"""`/api/v1/series`, `labels`, `label/<name>/values`: what the store has, by matchers and time."""

import math
from collections.abc import Sequence

from pyscrape.model.matcher import Matcher
from pyscrape.model.names import unescape_name, valid_label_name
from pyscrape.promql import QueryParseError, parse_metric_selector
from pyscrape.web.answers import Answer, ApiError, rows, success
from pyscrape.web.params import Params
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import Services

TRUNCATED = "results truncated due to limit"
FIRST_MS = -(2**62)
LAST_MS = 2**62


EMPTY_SELECTOR = "match[] must contain at least one non-empty matcher"


def matcher_sets(params: Params, *, prefixed: bool = False) -> list[tuple[Matcher, ...]]:
    """The selectors of `match[]`; `prefixed` as /series words its refusal of one that matches everything.

    Raises:
        ApiError: one cannot be parsed, or matches every series.
    """
    found = []
    for text in params.all("match[]"):
        try:
            matchers = tuple(parse_metric_selector(text))
        except QueryParseError as error:
            raise ApiError.parameter("match[]", error) from error
        if all(matcher.matches_empty for matcher in matchers):
            raise (
                ApiError.parameter("match[]", EMPTY_SELECTOR)
                if prefixed
                else ApiError("bad_data", EMPTY_SELECTOR)
            )
        found.append(matchers)
    return found


def window_ms(params: Params) -> tuple[int, int]:
    """start and end in milliseconds; by default all time.

    Raises:
        ApiError: one is no time.
    """
    start_s = params.time_s("start", -math.inf)
    end_s = params.time_s("end", math.inf)
    return _clamp_ms(start_s), _clamp_ms(end_s)


def _clamp_ms(at_s: float) -> int:
    return int(min(max(at_s * 1000, FIRST_MS), LAST_MS))


def cut(items: Sequence[object], limit: int) -> Answer:
    """The first `limit` items (0 = all), with a warning where some were left out."""
    if limit and len(items) > limit:
        return success(rows(items[:limit]), warnings=[TRUNCATED])
    return success(rows(items))


class SeriesApi:
    def __init__(self, services: Services) -> None:
        self._store = services.store

    def mounts(self) -> list[Mount]:
        both = ("GET", "POST")
        return [
            Mount("/api/v1/series", self.series, both, "thread"),
            Mount("/api/v1/series", self.delete_series, ("DELETE",)),
            Mount("/api/v1/labels", self.labels, both, "thread"),
            Mount("/api/v1/label/{name:path}/values", self.values, place="thread"),
        ]

    def series(self, call: Call) -> Answer:
        if not call.params.all("match[]"):
            raise ApiError("bad_data", "no match[] parameter provided")
        limit = call.params.limit()
        start_ms, end_ms = window_ms(call.params)
        found = self._store.series(
            matcher_sets(call.params, prefixed=True), start_ms, end_ms, limit + 1 if limit else 0
        )
        return cut([dict(labels) for labels in found], limit)

    def delete_series(self, call: Call) -> Answer:
        raise ApiError("internal", "not implemented")

    def labels(self, call: Call) -> Answer:
        limit = call.params.limit()
        start_ms, end_ms = window_ms(call.params)
        return cut(self._store.label_names(matcher_sets(call.params), start_ms, end_ms), limit)

    def values(self, call: Call) -> Answer:
        name = call.path["name"]
        if name.startswith("U__"):
            name = unescape_name(name, "values")
        if not valid_label_name(name, "utf8"):
            raise ApiError("bad_data", f'invalid label name: "{name}"')
        limit = call.params.limit()
        start_ms, end_ms = window_ms(call.params)
        return cut(self._store.label_values(name, matcher_sets(call.params), start_ms, end_ms), limit)
