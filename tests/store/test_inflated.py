"""What queries have read stays true whatever happens to the store behind it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.value import ABSENT_BITS
from pyscrape.store import Store, entry, inflated, read, selection, upkeep
from pyscrape.store import store as store_module
from pyscrape.store.inflated import Inflated
from tests.helpers.examples import examples

NAMES = [{"__name__": "m", "i": str(k)} for k in range(4)]
COLUMNS = st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True)
TIMES = st.integers(1, 60)
STEPS = st.one_of(
    st.tuples(st.just("row"), st.sampled_from("ab"), TIMES, COLUMNS),
    st.tuples(st.just("rows"), st.sampled_from("ab"), TIMES, COLUMNS),
    st.tuples(st.just("next"), st.sampled_from("ab"), st.integers(1, 3), st.just([0, 1, 2, 3])),
    st.tuples(
        st.just("select"), st.sampled_from(["[0-3]", "[12]", "0"]), st.integers(-1, 60), st.integers(0, 80)
    ),
    st.tuples(st.just("select"), st.just("[0-3]"), st.integers(-1, 20), st.just(80)),
    st.tuples(st.just("seal")),
    st.tuples(st.just("delete"), st.integers(0, 3), TIMES, st.integers(0, 9)),
    st.tuples(st.just("retire"), st.sampled_from("ab"), COLUMNS),
)
OWN_STEPS = st.one_of(
    st.tuples(st.just("own"), st.just(""), st.integers(1, 3), COLUMNS),
    st.tuples(st.just("own"), st.just(""), st.integers(1, 3), st.just([0, 1, 2, 3])),
    st.tuples(st.just("own rows"), st.just(""), TIMES, COLUMNS),
    st.tuples(st.just("select"), st.sampled_from(["[0-3]", "[12]"]), st.integers(-1, 60), st.integers(0, 80)),
    st.tuples(st.just("select"), st.just("[0-3]"), st.integers(-1, 20), st.just(80)),
    st.tuples(st.just("seal")),
    st.tuples(st.just("delete"), st.integers(0, 3), TIMES, st.integers(0, 9)),
)
"""Every series in a table of its own, at equal times as a rule."""


@pytest.fixture(autouse=True)
def everything_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflated, "FEWEST_CELLS", 0)
    monkeypatch.setattr(upkeep, "MERGED", 3)
    monkeypatch.setattr(selection, "FEWEST_TABLES", 2)
    monkeypatch.setattr(selection, "FEWEST_ROWS", 1)
    for module in (inflated, store_module):
        monkeypatch.setattr(module, "FEWEST_GROUPS", 1)


def samples(
    store: Store, which: str, start: int, end: int, *, ragged: bool = False
) -> dict[Any, dict[int, int]]:
    selection = store.select([Matcher(MatchType.RE, "i", which)], start, end, ragged=ragged)
    out: dict[Any, dict[int, int]] = {}
    for block in selection.plain():
        facts, rows = block.facts, block.values
        assert not facts.whole or not np.isnan(rows).any()
        assert not facts.rising or (facts.whole and (rows[1:] >= rows[:-1]).all())
        for k, series in enumerate(block.series.tolist()):
            words = zip(block.times_ms.tolist(), block.values[:, k].view(np.uint64).tolist(), strict=True)
            found = {at: word for at, word in words if word != ABSENT_BITS}
            if found:
                out[selection.frame.labels(series).pairs] = found
    return out


class Both:
    """One store that keeps what was read beside one that does not, told the same."""

    def __init__(self) -> None:
        self.stores = [
            Store(seal_rows=4, out_of_order_window_ms=30),
            Store(seal_rows=4, out_of_order_window_ms=30, inflated_max_bytes=0),
        ]
        self.columns = [store.index.ids(NAMES) for store in self.stores]
        self.value = 0.0

    def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case "select", which, start, end:
                kept, plain = (samples(store, which, start, end) for store in self.stores)
                assert kept == plain
                assert samples(self.stores[0], which, start, end, ragged=True) == plain
                assert samples(self.stores[0], which, start, end, ragged=True) == plain
            case ("seal",):
                for store in self.stores:
                    for table in store.tables():
                        table.cut_rows()
                    store.seal_waiting()
                    while store.maintain(100):
                        pass
            case "delete", k, start, length:
                for store in self.stores:
                    store.delete([[Matcher(MatchType.EQ, "i", str(k))]], start, start + length)
            case "retire", name, places:
                for store, columns in zip(self.stores, self.columns, strict=True):
                    store.table(name).retire(columns[places])
            case kind, name, at, places:
                self._append(kind, name, at, places)

    def _append(self, kind: str, name: str, at: int, places: list[int]) -> None:
        self.value += 1
        rows = 3 if kind.endswith("rows") else 1
        values = self.value + np.arange(rows * len(places), dtype=np.float64).reshape(rows, -1)
        for store, columns in zip(self.stores, self.columns, strict=True):
            if kind.startswith("own"):
                after = [max(store.table(str(k)).last_ms, 0) for k in places]
                first = at + (max(after) if kind == "own" else 0)
                for k, column in zip(places, values.T[:, :, None], strict=True):
                    own = store.table(str(k))
                    own.append_rows(first + np.arange(rows), columns[[k]], column.copy())
            elif kind == "next":  # the same array again, as a scrape has it: the open rows grow
                table = store.table(name)
                table.append(max(table.last_ms, 0) + at, columns, values[0].copy())
            else:
                store.table(name).append_rows(at + np.arange(rows), columns[places], values.copy())


@examples(150)
@given(st.lists(STEPS, max_size=25))
def test_what_is_kept_is_what_would_be_read(steps: list[tuple[Any, ...]]) -> None:
    both = Both()
    for step in steps:
        both.do(step)
    for window in ((-1, 100), (5, 40), (-1, 30), (20, 100)):
        both.do(("select", "[0-3]", *window))


@examples(150)
@given(st.lists(OWN_STEPS, max_size=25))
def test_tables_that_go_together_are_read_as_one_and_alone_alike(steps: list[tuple[Any, ...]]) -> None:
    both = Both()
    for step in steps:
        both.do(step)
    for window in ((-1, 100), (5, 40), (-1, 30), (20, 100)):
        both.do(("select", "[0-3]", *window))


def test_tables_with_times_of_their_own_are_laid_side_by_side() -> None:
    store = Store(seal_rows=8)
    ids = store.index.ids([{"__name__": "m", "i": str(k)} for k in range(3)])
    every = [Matcher(MatchType.EQ, "__name__", "m")]

    def scrape(row: int) -> None:
        for k in range(3):
            store.table(str(k)).append(row * 10 + k, ids[[k]], np.array([row * 10.0 + k]))

    def seen(start: int, end: int) -> tuple[int, list[list[int]]]:
        """How many blocks, and the times of each series; values are the times."""
        selection = store.select(every, start, end, ragged=True)
        for block in selection.plain():
            assert block.values[:, 0].tolist() == block.times_ms.tolist()
        return len(selection.blocks), [block.times_ms.tolist() for block in selection.plain()]

    for row in range(5):
        scrape(row)
    assert seen(-1, 99) == (3, [[0, 10, 20, 30, 40], [1, 11, 21, 31, 41], [2, 12, 22, 32, 42]]), (
        "blocks first"
    )
    assert seen(10, 31) == (0, [[20, 30], [11, 21, 31], [12, 22]])
    for row in range(5, 40):
        scrape(row)
        expected = [[k * 10 + late for k in range(row - 3, row + 1)] for late in range(3)]
        assert seen(row * 10 - 31, 9999) == (0, expected)
    store.delete([[Matcher(MatchType.EQ, "i", "1")]], 391, 391)
    assert seen(360, 9999) == (0, [[370, 380, 390], [361, 371, 381], [362, 372, 382, 392]])
    store.inflated.tidy(0, store.parts_of)
    store.inflated.tidy(600_001, store.parts_of)
    assert store.inflated.nbytes == 0


def test_small_tables_with_equal_times_are_read_as_one_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(seal_rows=8)
    ids = store.index.ids([{"__name__": "m", "i": str(k)} for k in range(6)])
    asked: list[tuple[int, ...]] = []
    plain = store.inflated.read

    def noting(tables: tuple[int, ...], *rest: Any, **more: Any) -> Any:
        asked.append(tables)
        return plain(tables, *rest, **more)

    monkeypatch.setattr(store.inflated, "read", noting)
    for row in range(5):
        for k in range(6):
            late = 7 if k == 5 else 0
            store.table(str(k)).append(row * 10 + late, ids[[k]], np.full(1, float(k)))
    every = [Matcher(MatchType.EQ, "__name__", "m")]
    numbers = [store.table(str(k)).number for k in range(6)]
    for expected in ([(one,) for one in numbers], [tuple(numbers[:5]), tuple(numbers[5:])]):
        asked.clear()
        blocks = store.select(every, -1, 99).blocks
        assert sorted(asked) == expected
        assert [block.values.shape for block in blocks] == [(5, 5), (5, 1)]
    store.companions.tidy(0)
    asked.clear()
    store.select(every, -1, 99)
    assert len(asked) == 6, "begun anew"


def test_tables_that_go_together_may_be_forgotten_while_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store()
    ids = store.index.ids([{"__name__": "m", "i": str(k)} for k in range(5)])
    for row in range(10):
        for k in range(5):
            store.table(str(k)).append(row, ids[[k]], np.full(1, float(k)))
    store.select([], -1, 99)
    plain = selection.Companions.of

    def of(self: selection.Companions, tables: Any) -> Any:
        together = plain(self, tables)
        self._first.clear()  # as upkeep does in another thread
        return together

    monkeypatch.setattr(selection.Companions, "of", of)
    assert [block.values.shape for block in store.select([], -1, 99).blocks] == [(10, 5)]


def scraped(rows: int, columns: int, store: Store | None = None) -> Store:
    store = store or Store(seal_rows=8)
    table = store.table("t")
    ids = store.index.ids([{"__name__": "m", "i": str(k)} for k in range(columns)])
    for row in range(rows):
        table.append(table.last_ms + 1 if table.samples else 0, ids, np.arange(columns) + float(row))
    return store


def test_a_moving_window_reads_only_new_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    store = scraped(5, 3)
    every = [Matcher(MatchType.EQ, "__name__", "m")]
    store.select(every, -1, 4)
    asked: list[tuple[int, int]] = []
    plain = read.reads_of

    def noting(parts: Any, ids: Any, start: int, end: int) -> Any:
        asked.append((start, end))
        return plain(parts, ids, start, end)

    monkeypatch.setattr(
        entry,
        "reads_of",
        noting,
    )
    for row in range(5, 20):
        scraped(1, 3, store)
        selection = store.select(every, row - 5, row)
        assert selection.blocks[0].times_ms.tolist() == list(range(row - 4, row + 1))
        assert selection.blocks[0].values[:, 2].tolist() == [
            2.0 + at if at < 5 else 2.0 for at in range(row - 4, row + 1)
        ]
    assert asked == [(row - 1, row) for row in range(5, 20)]


@pytest.mark.parametrize("tables", [1, 7])
def test_an_earlier_span_is_kept_beside_the_latest(tables: int, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    for name in range(tables):
        columns = store.index.ids([{"__name__": "m", "t": str(name), "i": str(k)} for k in range(2)])
        times = np.arange(1, 101) * 10 + name
        store.table(str(name)).append_rows(times, columns, np.arange(200, dtype=np.float64).reshape(100, 2))
    monkeypatch.setattr(inflated, "FEWEST_GROUPS", 6)
    monkeypatch.setattr(store_module, "FEWEST_GROUPS", 6)
    every = [Matcher(MatchType.EQ, "__name__", "m")]
    spans = [(800, 1000), (400, 500), (100, 200)]
    made: list[tuple[int, int]] = []
    make = entry.Entry.make

    def noting(self: entry.Entry, parts: Any, asked: Any, start_ms: int, end_ms: int, room: Any) -> None:
        made.append((start_ms, end_ms))
        make(self, parts, asked, start_ms, end_ms, room)

    monkeypatch.setattr(entry.Entry, "make", noting)
    for _ in range(4):
        for start, end in spans:
            blocks = store.select(every, start, end, ragged=True).plain()
            rows = sum(len(block.times_ms) * len(block.series) for block in blocks)
            assert rows == 2 * sum(
                ((at > start) & (at <= end)).sum()
                for name in range(tables)
                for at in [np.arange(1, 101) * 10 + name]
            )
    assert made == [span for span in spans for _ in range(tables)]


def test_views_cannot_be_written_and_do_not_change() -> None:
    store = scraped(4, 2)
    every = [Matcher(MatchType.EQ, "__name__", "m")]
    (before,) = store.select(every, -1, 3).blocks
    with pytest.raises(ValueError, match="read-only"):
        before.values[0, 0] = 7.0
    copy = before.values.copy()
    scraped(3, 2, store)
    store.select(every, -1, 9)
    assert (before.values == copy).all()


def test_bytes_are_bounded_and_the_one_used_last_stays() -> None:
    cache = Inflated(max_bytes=60_000)
    store = scraped(20, 50)
    table = next(iter(store.tables()))
    ids = store.index.ids([{"__name__": "m", "i": str(k)} for k in range(50)])
    for k in range(20):
        cache.read((table.number,), table.parts, ids[k:], -1, 99)
        assert cache.nbytes <= 60_000
    assert cache.nbytes > 20_000
    cache.tidy(0, store.parts_of)
    cache.read((table.number,), table.parts, ids[19:], -1, 99)
    cache.tidy(700_000, store.parts_of)
    assert 0 < cache.nbytes < 10_000
    cache.tidy(700_001, store.parts_of)
    cache.tidy(1_400_002, store.parts_of)
    assert cache.nbytes == 0


def test_what_was_packed_since_is_not_kept_alive() -> None:
    store = scraped(20, 50)
    store.select([Matcher(MatchType.EQ, "__name__", "m")], -1, 99)
    store.inflated.tidy(0, store.parts_of)
    assert store.inflated.nbytes > 8000
    for table in store.tables():
        table.cut_rows()
    while store.maintain(1, 1.0):
        pass
    store.inflated.tidy(2, store.parts_of)
    assert store.inflated.nbytes == 0


def test_nothing_is_kept_of_what_is_too_large_or_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflated, "FEWEST_CELLS", 64)
    store = scraped(20, 50, Store(inflated_max_bytes=10_000))
    store.select([Matcher(MatchType.EQ, "__name__", "m")], -1, 99)
    assert store.inflated.nbytes == 0
    store = scraped(1, 1)
    store.select([Matcher(MatchType.EQ, "__name__", "m")], -1, 99)
    assert store.inflated.nbytes == 0


def test_room_is_asked_for_before_memory_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    store = scraped(20, 5)
    every = [Matcher(MatchType.EQ, "__name__", "m")]
    asked: list[int] = []
    store.select(every, -1, 9, asked.append)
    store.select(every, 3, 9, asked.append)  # from what is kept
    assert asked == [50, 30]

    class NoRoom(Exception):  # noqa: N818
        pass

    def refuse(samples: int) -> None:
        raise NoRoom

    monkeypatch.setattr(read._Found, "values", None)  # nothing is read
    for window in ((-1, 9), (-1, 19)):
        with pytest.raises(NoRoom):
            store.select(every, *window, refuse)
    monkeypatch.undo()
    assert store.select(every, -1, 19).blocks[0].values.shape == (20, 5)


def test_rows_of_the_same_time_take_room_once() -> None:
    store = Store()
    for k in range(50):  # each in a part of its own
        store.append({"__name__": "m", "k": str(k)}, [0, 1, 2], [1.0, 2.0, 3.0])
    asked: list[int] = []
    store.select([Matcher(MatchType.EQ, "__name__", "m")], -1, 9, asked.append)
    assert sum(asked) == 150


def test_a_shelf_that_a_limit_stopped_halfway_answers_nothing_false() -> None:
    """All are read anew for a longer range; a limit that ends this after the first must not leave its old rows."""
    store = Store()
    ids = store.index.ids([{"__name__": "m", "i": str(k)} for k in range(3)])
    every = [Matcher(MatchType.EQ, "__name__", "m")]

    def scrape(row: int) -> None:
        for k in range(3):
            store.table(str(k)).append(row * 10 + k, ids[[k]], np.array([row * 10.0 + k]))

    for row in range(20):
        scrape(row)
    for _ in range(2):
        assert len(list(store.select(every, 15, 999, ragged=True).plain())) == 3
    for row in range(20, 22):
        scrape(row)
    told = 0

    def room(cells: int) -> None:
        nonlocal told
        told += cells
        if told > 30:
            raise MemoryError

    with pytest.raises(MemoryError):
        store.select(every, -1, 9999, room, ragged=True)
    for k, block in enumerate(store.select(every, 15, 9999, ragged=True).plain()):
        assert (
            block.values[:, 0].tolist() == block.times_ms.tolist() == [k + 10 * row for row in range(2, 22)]
        )


def test_a_gap_that_comes_while_old_rows_go_is_seen_on_a_shelf() -> None:
    store = Store()
    ids = store.index.ids([{"__name__": "m", "i": str(k)} for k in range(6)])
    every = [Matcher(MatchType.EQ, "__name__", "m")]
    for row in range(40):
        for k in range(3):
            pair = ids[[k, k + 3]] if row != 24 else ids[[k]]
            store.table(str(k)).append(row * 10 + k, pair, np.full(len(pair), 1.0))
    for window in ((-1, 205), (-1, 205), (155, 395)):
        chosen = store.select(every, *window, ragged=True)
    blocks = list(chosen.plain())
    assert sum(int((~np.isnan(block.values)).sum()) for block in blocks) == 3 * (24 + 23)
    assert chosen.ragged is None  # what is read so has no gap
    assert not any(block.facts.whole and np.isnan(block.values).any() for block in blocks)


def test_two_that_lay_out_the_same_count_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(seal_rows=8)
    ids = store.index.ids([{"__name__": "m", "i": str(k)} for k in range(3)])
    for row in range(5):
        for k in range(3):
            store.table(str(k)).append(row * 10 + k, ids[[k]], np.array([1.0]))
    every = [Matcher(MatchType.EQ, "__name__", "m")]
    lay = store.inflated.lay_on_shelf
    laid: list[Any] = []

    def twice(*args: Any) -> None:
        """As where another thread has read the same and comes second."""
        before = dict(store.inflated._entries)
        lay(*args)
        for key, (kept, _) in before.items():
            store.inflated._keep(key, kept)
        lay(*args)
        laid.append(args)

    monkeypatch.setattr(store.inflated, "lay_on_shelf", twice)
    store.select(every, -1, 99, ragged=True)
    assert len(laid) == 1
    [(_, size)] = store.inflated._shelves.values()
    assert store.inflated.nbytes == size
