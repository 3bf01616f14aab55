"""Ragged panels give what the plain ones give, to the bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.blocks import Selection
from pyscrape.promql import Engine
from pyscrape.promql.result import Result
from pyscrape.store import Store
from tests.helpers.examples import examples

STEP_MS = 1_000
TARGETS = 7
QUERIES = [
    *(
        "rate(x[20s])",
        "increase(x[7s])",
        "delta(x[13s])",
        "irate(x[20s])",
        "x",
        "x offset 9s",
        "timestamp(x)",
    ),
    *("last_over_time(x[9s])", "first_over_time(x[9s])", "sum_over_time(x[20s])", "avg_over_time(x[8s])"),
    *("count_over_time(x[9s])", "present_over_time(x[2s])", "sum_over_time(x[7s])"),
    *("max_over_time(x[20s])", "quantile_over_time(0.3, x[20s])", "changes(x[30s])", "deriv(x[20s])"),
    *(
        "sum by (c) (rate(x[20s]))",
        "rate(x[2m])",
        "absent_over_time(x[3s])",
        "max_over_time(rate(x[9s])[30s:7s])",
    ),
    *("rate(x[20s] anchored)", "increase(x[20s] smoothed)", "x @ end()"),
]


class Plain:
    """The same store without the ragged form."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.newest = store.newest

    def select(self, *asked: Any, ragged: bool = False) -> Selection:
        return self.store.select(*asked)


def filled(seed: int, *, resets: bool) -> Store:
    """Seven targets of one to four series, each with a clock of its own, some scrapes missing, counters that fall."""
    random = np.random.default_rng(seed)
    store = Store()
    for target in range(TARGETS):
        columns = store.index.ids(
            [{"__name__": "x", "i": str(target), "c": str(k)} for k in range(1 + target % 4)]
        )
        times = STEP_MS * np.arange(1, 121) + 131 * target
        times = times[random.random(len(times)) > 0.05]
        values = np.cumsum(random.integers(0, 9, (len(times), len(columns))) * 0.1, axis=0)
        if resets:
            values[random.random(values.shape) < 0.02] = 0.25
        store.table(f"t{target}").append_rows(times, columns, values)
    return store


@examples(6)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([1.0, 4.0, 5.0, 0.7]), st.integers(0, 60))
def test_the_same_to_the_bit(seed: int, resets: bool, step_s: float, start_s: int) -> None:
    store = filled(seed, resets=resets)
    fast, plain = Engine(store, experimental=True), Engine(Plain(store), experimental=True)
    for query in QUERIES:
        for end in (start_s + 60.0, start_s + 45.0):
            fast.range(query, start_s, end, step_s)  # lays the tables side by side
            found, expected = (engine.range(query, start_s, end, step_s) for engine in (fast, plain))
            assert found.to_prometheus() == expected.to_prometheus(), query
    for query in ("x[20s]", "rate(x[20s])"):
        fast.instant(query, start_s + 30.0)
        found, expected = (engine.instant(query, start_s + 30.0) for engine in (fast, plain))
        assert in_any_order(found) == in_any_order(expected), query


def in_any_order(result: Result) -> list[Any]:
    """The series of an instant vector, whose order nobody promises."""
    series: Any = result.to_prometheus()["result"]
    return sorted(series, key=lambda one: sorted(one["metric"].items()))


@pytest.mark.parametrize("wild", [1e308, float("inf"), float("-inf"), -1e17])
def test_sums_that_plain_additions_do_not_prove(wild: float) -> None:
    """Sums and means of ragged windows are those of flat ones where numbers overflow or all but cancel."""
    store = filled(3, resets=False)
    columns = store.index.ids([{"__name__": "x", "i": "wild", "c": "0"}])
    values = np.resize([wild, 1.5, wild if np.isinf(wild) or wild > 0 else -wild, 0.25], (120, 1))
    store.table("wild").append_rows(STEP_MS * np.arange(1, 121) + 17, columns, values)
    fast, plain = Engine(store), Engine(Plain(store))
    for query in ("sum_over_time(x[20s])", "avg_over_time(x[8s])", "avg_over_time(x[3s])"):
        fast.range(query, 20.0, 80.0, 4.0)
        found, expected = (engine.range(query, 20.0, 80.0, 4.0) for engine in (fast, plain))
        assert found.to_prometheus() == expected.to_prometheus(), query


def test_the_ragged_form_is_what_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(1, resets=False)
    forms: list[bool] = []
    select = store.select

    def noting(*asked: Any, ragged: bool = False) -> Selection:
        selection = select(*asked, ragged=ragged)
        forms.append(selection.ragged is not None and not selection.blocks)
        return selection

    monkeypatch.setattr(store, "select", noting)
    for _ in range(2):
        Engine(store).range("rate(x[20s])", 30.0, 100.0, 5.0)
    assert forms == [False, True]


def test_a_range_as_long_as_numbers_go() -> None:
    """Times of group after group stand one behind the other in the search: not where that leaves 64 bits."""
    store = filled(2, resets=False)
    fast, plain = Engine(store), Engine(Plain(store))
    asked = ("count_over_time(x[20s])", 60.0, 4e15, 2e15)
    for _ in range(2):
        found, expected = (engine.range(*asked) for engine in (fast, plain))
        assert found.to_prometheus() == expected.to_prometheus()
