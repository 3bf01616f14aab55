"""What happens behind appends: sealing, merging, limits, giving back; and queries while all of it goes on."""

import logging
import threading

import numpy as np
import pytest

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.value import ABSENT_BITS
from pyscrape.store import Store
from pyscrape.store import upkeep as upkeep_module
from pyscrape.store.upkeep import MERGED

HOUR_MS = 3_600_000


def names(count: int, generation: int = 0) -> list[dict[str, str]]:
    return [{"__name__": "x", "k": str(k), "pod": f"pod-{generation}"} for k in range(count)]


def settle(store: Store, now_ms: int) -> None:
    while store.maintain(now_ms, 1.0):
        pass


def test_chunks_of_one_layout_are_merged() -> None:
    store = Store(seal_rows=4)
    table = store.table("t")
    columns = table.add_columns(names(3))
    for at in range(4 * MERGED * 2 + 6):
        table.append(at, columns, np.full(3, float(at)))
        settle(store, at)
    assert store.stats().chunks <= 4
    [block] = store.select([], -1, 10**6).blocks
    assert block.values[:, 1].tolist() == list(range(4 * MERGED * 2 + 6))


def test_tables_that_begin_together_do_not_seal_together() -> None:
    store = Store()
    assert len({store.first_cut(number) for number in range(1, 200)}) > 20


def test_a_slice_of_upkeep_ends_in_time() -> None:
    store = Store(seal_rows=4)
    for number in range(50):
        table = store.table(str(number))
        columns = table.add_columns(names(10))
        for at in range(12):
            table.append(at, columns, np.zeros(10))
    slices = 1
    while store.maintain(100, 0.0):
        slices += 1
    assert slices > 50


def test_memory_is_bounded_by_dropping_the_oldest(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    store = Store(memory_max_bytes=600_000, retention_ms=10**12)
    table = store.table("t")
    columns = table.add_columns(names(500))
    random = np.random.default_rng(1)
    for at in range(0, 600 * 1000, 1000):
        table.append(at, columns, random.normal(size=500))
        settle(store, at)
    settle(store, 10**7)
    stats = store.stats()
    assert stats.evicted > 0
    assert store.used_bytes() <= 600_000
    assert stats.min_ms is not None
    assert stats.min_ms > 0
    [block] = store.select([], -1, 10**9).blocks
    assert block.times_ms[-1] == 599_000  # the newest stay
    assert "Memory limit reached: dropped the oldest samples, limit_bytes=600000" in caplog.text


def test_a_limit_that_the_series_alone_reach_is_said(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(memory_max_bytes=1000)
    table = store.table("t")
    table.append(0, table.add_columns(names(50)), np.zeros(50))
    settle(store, 100_000)
    assert "Memory limit reached by what cannot be dropped" in caplog.text
    assert "series=50" in caplog.text


def level_after(churn: bool) -> tuple[int, int, int]:
    """(bytes, series, most series) after 75 minutes of 15 s scrapes, of which 30 replace a fifth each minute."""
    store = Store(retention_ms=5 * 60_000)
    table = store.table("t")
    generations = [0] * 10
    columns = [table.add_columns(names(300, k)) for k in range(10)]
    row = np.concatenate(columns)
    most = 0
    for scrape in range(75 * 4):
        at = scrape * 15_000
        if churn and scrape % 4 == 0 and 5 <= scrape // 4 < 35:
            for k in (scrape // 4 * 2 % 10, scrape // 4 * 2 % 10 + 1):
                generations[k] += 1
                ended = columns[k]
                table.append(at, ended, np.zeros(len(ended)))
                table.retire(ended)
                columns[k] = table.add_columns(names(300, generations[k] * 100 + k))
            row = np.concatenate(columns)
        table.append(at + 1, row, np.full(len(row), float(scrape)))
        settle(store, at)
        most = max(most, store.stats().series)
    return store.used_bytes(), store.stats().series, most


def test_churn_gives_memory_back() -> None:
    plain, churned = level_after(False), level_after(True)
    assert churned[1] == plain[1] == 3000
    assert plain[2] == 3000 < churned[2] < 12_000
    # ids are not renumbered, so that some 40 bytes for each series of the peak stay; everything else comes back
    assert churned[0] - plain[0] < 45 * churned[2] + 20_000


def test_symbols_of_vanished_series_are_given_back() -> None:
    store = Store(retention_ms=HOUR_MS)
    table = store.table("t")
    kept = table.add_columns(names(1, 1))
    gone = table.add_columns([{"__name__": "y", "gone": "value"}])
    table.append(0, np.concatenate([kept, gone]), np.zeros(2))
    table.retire(gone)
    code = store.symbols.find("value")
    assert code is not None
    for minute in range(1, 200):
        table.append(minute * 60_000, kept, np.zeros(1))
        settle(store, minute * 60_000)
    assert store.symbols.find("value") is None
    assert store.symbols.known(code) is None
    again = table.add_columns([{"__name__": "y", "gone": "value"}])
    assert store.symbols.find("value") != code
    assert store.series([[Matcher(MatchType.EQ, "pod", "pod-1")]], 0, 10**9)
    assert len(again) == 1


def test_symbols_that_are_many_go_in_rounds_and_those_in_use_again_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upkeep_module, "_MOST_RETIRED", 3)
    store = Store(retention_ms=HOUR_MS)
    table = store.table("t")
    gone = table.add_columns([{"gone": f"v-{k}"} for k in range(10)])
    codes = store.symbols.codes([f"v-{k}" for k in range(10)])
    table.append(0, gone, np.zeros(10))
    table.retire(gone)
    minute = 0
    while store.symbols.find("v-0") is not None:  # the name goes first
        minute += 1
        settle(store, minute * 60_000)
    assert [store.symbols.find(f"v-{k}") for k in (1, 2, 9)] == [None, codes[2], codes[9]]
    again = table.add_columns([{"back": "v-9"}])
    for later in range(minute + 1, minute + 30):
        table.append(later * 60_000, again, np.zeros(1))
        settle(store, later * 60_000)
    assert [store.symbols.known(code) for code in codes] == [None] * 9 + ["v-9"]
    assert store.series([[Matcher(MatchType.EQ, "back", "v-9")]], 0, 10**9)


def test_queries_beside_appends_and_upkeep() -> None:
    """Whatever moment a query catches, each series is a counter without holes."""
    store = Store(seal_rows=8, retention_ms=10**9)
    table = store.table("t")
    problems: list[str] = []
    ended = threading.Event()
    bits = np.uint64(ABSENT_BITS)

    def query() -> None:
        while not ended.is_set():
            seen = 0
            for block in store.select([Matcher(MatchType.EQ, "__name__", "x")], -1, 10**9).blocks:
                for k in range(len(block.series)):
                    there = block.values[:, k].view(np.uint64) != bits
                    if (block.values[there, k] != block.times_ms[there]).any():
                        problems.append("a wrong value")
                    if (np.diff(block.times_ms[there]) != 1).any():
                        problems.append("a hole")
                    seen = max(seen, int(there.sum()))
            store.label_values("pod")
            store.series([[Matcher(MatchType.RE, "k", "[0-4]")]], 0, 10**9)

    readers = [threading.Thread(target=query) for _ in range(2)]
    for reader in readers:
        reader.start()
    columns = table.add_columns(names(20))
    try:
        for at in range(1200):
            if at % 100 == 99:
                columns = np.concatenate([columns, table.add_columns(names(20, at))])
            table.append(at, columns, np.full(len(columns), float(at)))
            store.maintain(at, 0.001)
    finally:
        ended.set()
        for reader in readers:
            reader.join()
    assert not problems


def test_library_appends_between_slices_of_upkeep() -> None:
    store = Store(seal_rows=2)
    for step in range(0, 400, 4):
        for k in range(3):
            store.append({"__name__": "x", "k": str(k)}, range(step, step + 4), [float(step)] * 4)
        for table in store.tables():
            table.cut_rows()
        store.maintain(step, 0.0)
    settle(store, 400)
    assert [len(times) for _, times, _ in store.samples([])] == [400] * 3


def test_series_of_a_track_that_was_quiet_for_long_stay_those_of_their_columns() -> None:
    store = Store(retention_ms=HOUR_MS)
    table = store.table("t")
    columns = table.add_columns(names(2))
    table.append_clocked(np.array([0, 5]), columns, np.array([1.0, 2.0]))
    for at in range(0, 3 * HOUR_MS, HOUR_MS // 4):
        settle(store, at)
    assert store.stats().chunks == 0
    store.append({"__name__": "other"}, [3 * HOUR_MS], [9.0])
    table.append_clocked(np.array([3 * HOUR_MS, 3 * HOUR_MS]), columns, np.array([3.0, 4.0]))
    found = {labels.get("k"): values.tolist() for labels, _, values in store.samples([])}
    assert found == {"0": [3.0], "1": [4.0], None: [9.0]}
    table.close()
    for at in range(3 * HOUR_MS, 6 * HOUR_MS, HOUR_MS // 4):
        settle(store, at)
    assert store.index.series == 0


def test_ids_whose_memory_was_given_back_serve_new_series() -> None:
    """Thousands of series in a row end: pages of the vectors by id go back, and what comes there next is all new."""
    store = Store(retention_ms=60_000)
    old = store.table("old")
    lasting = old.add_columns([{"__name__": "x", "k": "lasting"}])
    ended = old.add_columns(names(30_000))
    last = old.add_columns([{"__name__": "x", "k": "last"}])
    old.append(0, np.concatenate((lasting, ended, last)), np.full(30_002, 7.0))
    old.retire(ended)
    for at_ms in range(30_000, 30_000 + HOUR_MS, 30_000):
        old.append(at_ms, np.concatenate((lasting, last)), np.full(2, float(at_ms)))
        settle(store, at_ms)
    assert store.stats().series == 2
    assert store.index.capacity > 30_000
    new = store.table("new")
    columns = new.add_columns(names(20_000, 1))
    assert np.isin(columns, ended).all()
    everything = [Matcher(MatchType.EQ, "__name__", "x")]
    assert len(store.newest(everything, -1, at_ms).frame) == 2
    new.append(at_ms, columns[:5000], np.full(5000, 1.0))
    newest = store.newest(everything, -1, at_ms)
    assert len(newest.frame) == 5002
    assert sorted(set(newest.values.tolist())) == [1.0, float(at_ms)]
    assert {labels["k"] for labels in store.series([everything], -1, at_ms)} == {
        "lasting",
        "last",
        *map(str, range(5000)),
    }
