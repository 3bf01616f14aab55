"""`/api/v1/series`, `labels`, `label/<name>/values`: what the store has, by matchers and time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import LabelFrame
from pyscrape.model.matcher import Matcher
from pyscrape.model.names import unescape_name, valid_label_name
from pyscrape.promql import QueryParseError, parse_metric_selector
from pyscrape.store import Store
from pyscrape.store.store import FEW_SERIES, FEW_TABLES
from pyscrape.web.answers import Answer, ApiError, rows, success, success_of
from pyscrape.web.encode import label_data
from pyscrape.web.params import Params
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import Services

Ids = NDArray[np.int32]

TRUNCATED = "results truncated due to limit"
FIRST_MS = -(2**62)
LAST_MS = 2**62
MOST_AT_HAND = 100
MOST_AT_HAND_BYTES = 4 << 20
MOST_SELECTORS_KEPT = 256
LONG_SELECTOR = 1000
"""Longer ones are parsed each time: what is kept of them would be large."""

SERIES, LABELS, VALUES = "series", "labels", "values/"

WorkOut = Callable[[Sequence[Sequence[Matcher]], int, int, int], Answer]
"""Selectors, start and end in ms, limit."""

EMPTY_SELECTOR = "match[] must contain at least one non-empty matcher"


def matcher_sets(params: Params, *, prefixed: bool = False) -> list[tuple[Matcher, ...]]:
    """The selectors of `match[]`; `prefixed` as /series words its refusals, with the parameter's name.

    Raises:
        ApiError: one cannot be parsed, or matches every series.
    """
    found = any_matcher_sets(params, prefixed=prefixed)
    for matchers in found:
        if all(matcher.matches_empty for matcher in matchers):
            raise _refusal(EMPTY_SELECTOR, prefixed=prefixed)
    return found


def any_matcher_sets(params: Params, *, prefixed: bool = False) -> list[tuple[Matcher, ...]]:
    """The selectors of `match[]`, also those that match every series; ApiError where one cannot be parsed."""
    found = []
    for text in params.all("match[]"):
        try:
            found.append(_parsed(text) if len(text) < LONG_SELECTOR else tuple(parse_metric_selector(text)))
        except QueryParseError as error:
            raise _refusal(str(error), prefixed=prefixed) from error
    return found


def _refusal(reason: str, *, prefixed: bool) -> ApiError:
    return ApiError.parameter("match[]", reason) if prefixed else ApiError("bad_data", reason)


@lru_cache(MOST_SELECTORS_KEPT)
def _parsed(text: str) -> tuple[Matcher, ...]:
    return tuple(parse_metric_selector(text))


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


class Asked(NamedTuple):
    """What a call asks for, but for its window."""

    what: str
    matches: tuple[str, ...]
    limit: int


class Proof(NamedTuple):
    """All series of an answer were seen to have samples in (start, end]; or any, where it is about all that there are.
    It holds for every window around that one until samples go.
    """

    start_ms: int
    end_ms: int
    losses: int

    def holds(self, start_ms: int, end_ms: int, losses: int) -> bool:
        """Whether it is one for this window, too."""
        return self.losses == losses and start_ms <= self.start_ms and self.end_ms <= end_ms


@dataclass(slots=True)
class Known:
    """An answer that was given: `ids` are its series (None: all that there are), while there was this version of them.

    `whole`: they are all that the matchers choose, whatever the window.
    """

    version: int
    ids: Ids | None
    whole: bool
    answer: Answer
    proof: Proof | None = None


class AtHand:
    """Answers given before, good for as long as no series comes or goes and the window has the same ones: what
    dashboards and completions ask again and again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._answers: dict[Asked, Known] = {}
        self._bytes = 0
        self._lock = Lock()

    def find(self, asked: Asked, ids: Ids | None) -> Answer | None:
        """The answer for the series `ids` (None: all)."""
        known = self._current(asked)
        return known.answer if known is not None and _same(ids, known.ids) else None

    def glance(self, asked: Asked, start_ms: int, end_ms: int) -> Answer | None:
        """The answer for a window, where it can be seen that all of its series have samples in there: what `find`
        gives for what the store chooses.
        """
        known = self._current(asked)
        if known is None or not known.whole:
            return None
        if known.proof is not None and known.proof.holds(start_ms, end_ms, self._store.losses):
            return known.answer
        proof = Proof(start_ms, end_ms, self._store.losses)
        if known.ids is None:
            there = self._store.has_samples(start_ms, end_ms, FEW_TABLES)
        else:
            there = self._store.newest_are_in(known.ids, start_ms, end_ms)
        if not there:
            return None
        known.proof = proof
        return known.answer

    def _current(self, asked: Asked) -> Known | None:
        known = self._answers.get(asked)
        return known if known is not None and known.version == self._store.series_version else None

    def __contains__(self, asked: Asked) -> bool:
        return asked in self._answers

    def keep(
        self, asked: Asked, sets: Sequence[Sequence[Matcher]], version: int, ids: Ids | None, answer: Answer
    ) -> None:
        """Remember what was worked out for `ids`, of those that `sets` choose, while the series had `version`."""
        size = answer.size + sum(map(len, asked.matches)) + (0 if ids is None else ids.nbytes)
        if size > MOST_AT_HAND_BYTES // 4:
            return
        few = ids is not None and len(ids) <= FEW_SERIES
        # Without selectors no ids mean that no window has a sample, which the next one may have.
        whole = ids is None or (few and bool(sets) and _same(ids, self._store.matching(sets)))
        with self._lock:
            if len(self._answers) >= MOST_AT_HAND or self._bytes + size > MOST_AT_HAND_BYTES:
                self._answers.clear()
                self._bytes = 0
            self._answers[asked] = Known(version, ids, whole, answer)
            self._bytes += size


def _same(ids: Ids | None, known: Ids | None) -> bool:
    if ids is None or known is None:
        return ids is known
    return len(ids) == len(known) and bool((ids == known).all())


class SeriesApi:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._at_hand = AtHand(services.store)

    def mounts(self) -> list[Mount]:
        both = ("GET", "POST")
        return [
            Mount("/api/v1/series", self.series, both, "thread", glance=partial(self.glance, SERIES)),
            Mount("/api/v1/series", self.delete_series, ("DELETE",)),
            Mount(
                "/api/v1/labels",
                self.labels,
                both,
                "thread",
                glance=partial(self.glance, LABELS),
                takes_multipart=True,
            ),
            Mount(
                "/api/v1/label/{name}/values",
                self.values,
                place="thread",
                glance=partial(self.glance, VALUES),
            ),
        ]

    def glance(self, what: str, call: Call) -> Answer | None:
        """An answer that is at hand and can be known to be right in a fraction of a millisecond: on the loop, since a
        thread's turn alone would take longer.
        """
        asked = _asked(what, call)
        if asked not in self._at_hand or (what == SERIES and call.wrong_form):
            return None
        window = window_ms(call.params)
        answer = self._at_hand.glance(asked, *window)
        if answer is not None or not asked.matches:
            return answer
        ids = self._store.chosen_at_once(matcher_sets(call.params, prefixed=what == SERIES), *window)
        return None if ids is None else self._at_hand.find(asked, ids)

    def _ids(self, window: tuple[int, int], sets: Sequence[Sequence[Matcher]]) -> Ids | None:
        """The series that a call is about; None: all of them, as long as its window, start and end, has a sample."""
        if sets:
            return self._store.chosen(sets, *window)
        return None if self._store.has_samples(*window) else np.zeros(0, np.int32)

    def _answer(self, what: str, call: Call, work_out: WorkOut) -> Answer:
        """The answer at hand, or what `work_out` makes of selectors, window and limit."""
        limit = call.params.limit()
        window = window_ms(call.params)
        sets = matcher_sets(call.params, prefixed=what == SERIES)
        asked = _asked(what, call)
        version, ids = self._store.series_version, self._ids(window, sets)
        known = self._at_hand.find(asked, ids)
        if known is not None:
            return known
        answer = work_out(sets, *window, limit)
        if _same(self._ids(window, sets), ids):  # no sample came into the window meanwhile
            self._at_hand.keep(asked, sets, version, ids, answer)
        return answer

    def series(self, call: Call) -> Answer:
        call.require_form()
        if not call.params.all("match[]"):
            raise ApiError("bad_data", "no match[] parameter provided")

        def work_out(sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int) -> Answer:
            found = self._store.label_sets(sets, start_ms, end_ms)
            kept = LabelFrame(found.names, found.codes[:limit], found.symbols) if limit else found
            return success_of(label_data(kept), [TRUNCATED] if len(kept) < len(found) else [])

        return self._answer(SERIES, call, work_out)

    def delete_series(self, call: Call) -> Answer:
        raise ApiError("internal", "not implemented")

    def labels(self, call: Call) -> Answer:
        def work_out(sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int) -> Answer:
            return cut(self._store.label_names(sets, start_ms, end_ms), limit)

        return self._answer(LABELS, call, work_out)

    def values(self, call: Call) -> Answer:
        name = call.path["name"]
        if name.startswith("U__"):
            name = unescape_name(name, "values")
        if not valid_label_name(name, "utf8"):
            raise ApiError("bad_data", f'invalid label name: "{name}"')

        def work_out(sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int) -> Answer:
            return cut(self._store.label_values(name, sets, start_ms, end_ms), limit)

        return self._answer(VALUES, call, work_out)


def _asked(what: str, call: Call) -> Asked:
    return Asked(what + call.path.get("name", ""), tuple(call.params.all("match[]")), call.params.limit())
