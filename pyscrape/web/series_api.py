"""`/api/v1/series`, `labels`, `label/<name>/values`: what the store has, by matchers and time."""

import math
from collections.abc import Sequence

import orjson

from pyscrape.model.matcher import Matcher
from pyscrape.model.names import unescape_name, valid_label_name
from pyscrape.promql import QueryParseError, parse_metric_selector
from pyscrape.store import Store
from pyscrape.web.answers import Answer, ApiError, rows, success
from pyscrape.web.encode import metric_objects
from pyscrape.web.params import Params
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import Services

TRUNCATED = "results truncated due to limit"
FIRST_MS = -(2**62)
LAST_MS = 2**62
MOST_AT_HAND = 100
MOST_AT_HAND_BYTES = 1 << 16

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


class AtHand:
    """Answers about all series, good for as long as none comes or goes: what dashboards and completions ask again
    and again. They are given on the loop; a thread's turn alone would take ten times as long.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._answers: dict[str, tuple[int, Answer]] = {}

    def find(self, call: Call, name: str) -> Answer | None:
        """The answer for label `name` ("" for the list of names), where it is known and the call asks for no less."""
        version, answer = self._answers.get(name, (-1, None))
        if answer is None or version != self._store.series_version or _narrowed(call.params):
            return None
        return answer if self._store.has_samples(*window_ms(call.params)) else None

    def keep(self, call: Call, name: str, version: int, answer: Answer) -> None:
        """Remember what was worked out while the series had `version`."""
        if _narrowed(call.params) or len(answer.body) > MOST_AT_HAND_BYTES:
            return
        if self._store.has_samples(*window_ms(call.params)):
            if len(self._answers) >= MOST_AT_HAND:
                self._answers.clear()
            self._answers[name] = (version, answer)


def _narrowed(params: Params) -> bool:
    return bool(params.all("match[]") or params.first("limit"))


class SeriesApi:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._at_hand = AtHand(services.store)

    def mounts(self) -> list[Mount]:
        both = ("GET", "POST")
        return [
            Mount("/api/v1/series", self.series, both, "thread"),
            Mount("/api/v1/series", self.delete_series, ("DELETE",)),
            Mount("/api/v1/labels", self.labels, both, "thread", glance=self.known_labels),
            Mount("/api/v1/label/{name:path}/values", self.values, place="thread", glance=self.known_values),
        ]

    def series(self, call: Call) -> Answer:
        if not call.params.all("match[]"):
            raise ApiError("bad_data", "no match[] parameter provided")
        limit = call.params.limit()
        start_ms, end_ms = window_ms(call.params)
        found = metric_objects(
            self._store.label_sets(matcher_sets(call.params, prefixed=True), start_ms, end_ms)
        )
        found.sort()
        kept = found[:limit] if limit else found
        data = orjson.Fragment(b"[" + b",".join(kept) + b"]")
        return success(data, warnings=[TRUNCATED] if len(kept) < len(found) else [])

    def delete_series(self, call: Call) -> Answer:
        raise ApiError("internal", "not implemented")

    def known_labels(self, call: Call) -> Answer | None:
        return self._at_hand.find(call, "")

    def labels(self, call: Call) -> Answer:
        limit = call.params.limit()
        start_ms, end_ms = window_ms(call.params)
        version = self._store.series_version
        answer = cut(self._store.label_names(matcher_sets(call.params), start_ms, end_ms), limit)
        self._at_hand.keep(call, "", version, answer)
        return answer

    def known_values(self, call: Call) -> Answer | None:
        return self._at_hand.find(call, call.path["name"])

    def values(self, call: Call) -> Answer:
        name = call.path["name"]
        if name.startswith("U__"):
            name = unescape_name(name, "values")
        if not valid_label_name(name, "utf8"):
            raise ApiError("bad_data", f'invalid label name: "{name}"')
        limit = call.params.limit()
        start_ms, end_ms = window_ms(call.params)
        version = self._store.series_version
        answer = cut(self._store.label_values(name, matcher_sets(call.params), start_ms, end_ms), limit)
        self._at_hand.keep(call, call.path["name"], version, answer)
        return answer
