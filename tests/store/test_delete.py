"""Deleting in steps: what others do between two of them is neither lost nor deleted."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.store import Store
from pyscrape.store.durable import CHECKPOINT_MS
from tests.store.memory_directory import MemoryDirectory

TABLES, WIDTH = 3, 4
Samples = dict[tuple[str, str], list[int]]


def rows(store: Store, table: int, times: range) -> Iterator[tuple[tuple[str, str], int]]:
    """Append rows to a table; what of them is a sample, one of four cells is none."""
    names = [{"__name__": "m", "t": str(table), "k": str(k)} for k in range(WIDTH)]
    ids = store.index.ids(names)
    for at in times:
        there = [k for k in range(WIDTH) if (at + k) % 4]
        store.table(str(table)).append(at, ids[there], np.array([at + k * 0.5 for k in there]))
        yield from (((str(table), str(k)), at) for k in there)


def samples_of(store: Store) -> Samples:
    return {
        (labels["t"], labels["k"]): times.tolist()
        for labels, times, values in store.samples([])
        if (values == times + int(labels["k"]) * 0.5).all()
    }


@given(
    st.lists(st.integers(0, 9), min_size=TABLES, max_size=TABLES),
    st.sampled_from(["0", "[12]", ".*", "9"]),
    st.integers(0, 12),
    st.integers(0, 12),
    st.lists(st.sampled_from(["append", "maintain", "step", "step"]), max_size=12),
)
def test_steps_among_others(before: list[int], chosen: str, start: int, span: int, acts: list[str]) -> None:
    store = Store(seal_rows=3)
    expected = [
        cell for table, count in enumerate(before) for cell in rows(store, table, range(1, count + 1))
    ]
    store.maintain(100)
    matcher = Matcher(MatchType.RE, "k", chosen)
    gone = [(name, at) for name, at in expected if matcher.matches(name[1]) and start <= at <= start + span]
    expected = [cell for cell in expected if cell not in gone]
    release = store.hold_ids()
    steps = store.deleting(store.matching([[matcher]]), start, start + span)
    end = 10
    for act in acts:
        if act == "append":
            end += 1
            expected += [cell for table in range(TABLES) for cell in rows(store, table, range(end, end + 1))]
        elif act == "maintain":
            store.maintain(100)
        else:
            next(steps, None)
    for _ in steps:
        pass
    release()
    found: Samples = {}
    for name, at in sorted(expected):
        found.setdefault(name, []).append(at)
    for _ in range(2):
        assert samples_of(store) == found
        newest = store.newest([Matcher(MatchType.EQ, "__name__", "m")], 0, 1000)
        series = [newest.frame.labels(k) for k in range(len(newest.frame))]
        last = {(one["t"], one["k"]): at for one, at in zip(series, newest.times_ms.tolist(), strict=True)}
        assert last == {name: times[-1] for name, times in found.items()}
        while store.maintain(100):
            pass


def test_series_that_come_meanwhile_and_are_sealed_with_older_rows_stay() -> None:
    store = Store()
    for table in ("0", "1"):
        store.table(table).append(1, store.index.ids([{"__name__": "m", "t": table}]), np.ones(1))
    steps = store.deleting(store.matching([[Matcher(MatchType.EQ, "__name__", "m")]]), 0, 9)
    next(steps)
    both = [{"__name__": "m", "t": "1"}, {"__name__": "m", "t": "new"}]
    store.table("1").append(2, store.index.ids(both), np.ones(2))
    store.table("1").cut_rows()
    store.maintain(0)
    assert len(store.table("1").parts) == 1
    for _ in steps:
        pass
    assert {labels["t"]: times.tolist() for labels, times, _ in store.samples([])} == {"1": [2], "new": [2]}


def test_what_is_deleted_while_a_checkpoint_is_due_stays_so_after_a_crash() -> None:
    directory = MemoryDirectory()
    store = Store()
    store.open_directory(directory)
    assert store.durability is not None
    matcher = Matcher(MatchType.EQ, "__name__", "m")
    for table in ("0", "1"):
        store.table(table).append(1, store.index.ids([{"__name__": "m", "t": table}]), np.ones(1))
    store.maintain(0)
    steps = store.deleting(store.matching([[matcher]]), 0, 9)
    next(steps)
    store.maintain(CHECKPOINT_MS)
    store.durability.flush()
    for _ in steps:
        pass
    store.durability.flush()
    directory.crash(keep=0)
    again = Store()
    again.open_directory(directory)
    assert not list(again.samples([]))
    before = store.durability.journal.number
    store.maintain(CHECKPOINT_MS)
    assert store.durability.journal.number > before
