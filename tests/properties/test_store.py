"""The store answers like a dictionary of lists, whatever was done to it."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.value import ABSENT_BITS, NAN_BITS, STALE_BITS
from pyscrape.store import Store

END = 10**9
EVERYTHING: list[Matcher] = []

NAMES = [{"__name__": f"m{k % 3}", "job": f"j{k % 2}", "i": str(k)} for k in range(8)]
BITS = st.sampled_from([0, 0x3FF0000000000000, NAN_BITS, STALE_BITS, 0x7FF0000000000000, 0x4059000000000000])


def answers(store: Store, matchers: list[Matcher], start: int = -1, end: int = END) -> dict[Any, list[Any]]:
    """Every series with samples: labels -> [(time, bits)]."""
    selection = store.select(matchers, start, end)
    out: dict[Any, list[Any]] = {}
    seen: set[int] = set()
    for block in selection.blocks:
        assert (np.diff(block.times_ms) > 0).all()
        assert block.values.shape == (len(block.times_ms), len(block.series))
        bits = block.values.view(np.uint64)
        for k, series in enumerate(block.series.tolist()):
            assert series not in seen
            seen.add(series)
            samples = [
                (at, int(word))
                for at, word in zip(block.times_ms.tolist(), bits[:, k].tolist(), strict=True)
                if word != ABSENT_BITS
            ]
            if samples:
                out[selection.frame.labels(series).pairs] = samples
    return out


def key(labels: dict[str, str]) -> Any:
    return tuple(sorted(labels.items()))


rows = st.tuples(
    st.integers(0, 2),
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 7), BITS), min_size=1, max_size=8),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(rows, max_size=30))
def test_tables_answer_like_a_dictionary(script: list[Any]) -> None:
    store = Store(seal_rows=4)
    model: dict[Any, dict[int, int]] = {}
    newest: dict[Any, int] = {}
    appended = 0
    for number, at, cells in script:
        table = store.table(f"t{number}")
        columns = table.add_columns([NAMES[k] for k, _ in cells])
        values = np.array([word for _, word in cells], np.uint64).view(np.float64)
        result = table.append(at, columns, values)
        appended += result.appended
        done = set()
        for k, word in cells:
            if k in done or newest.get((number, k), -1) >= at:
                continue
            done.add(k)
            newest[number, k] = at
            model.setdefault((key(NAMES[k]), number), {})[at] = word
    assert store.stats().samples_appended == appended
    merged: dict[Any, set[int]] = {}
    for (name, _), samples in model.items():
        merged.setdefault(name, set()).update(samples)
    found = answers(store, EVERYTHING)
    assert {name: {at for at, _ in samples} for name, samples in found.items()} == merged
    for name, samples in found.items():
        for at, word in samples:
            assert word in {table[at] for (one, _), table in model.items() if one == name and at in table}
    only = answers(store, [Matcher(MatchType.EQ, "job", "j1")], 10, 30)
    assert only == {
        name: kept
        for name, samples in found.items()
        if dict(name)["job"] == "j1" and (kept := [(at, word) for at, word in samples if 10 < at <= 30])
    }
