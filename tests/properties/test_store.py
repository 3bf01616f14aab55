"""The store answers like a dictionary of lists, whatever was done to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.value import ABSENT_BITS, NAN_BITS, STALE_BITS
from pyscrape.store import Store, upkeep
from tests.helpers.examples import examples
from tests.store.memory_directory import MemoryDirectory

END = 10**9
NAMES = [{"__name__": f"m{k % 3}", "job": f"j{k % 2}", "i": str(k)} for k in range(8)]
BITS = st.sampled_from([0, 0x3FF0000000000000, NAN_BITS, STALE_BITS, 0x7FF0000000000000, 0x4059000000000000])

Answer = dict[Any, dict[int, int]]


@pytest.fixture(autouse=True)
def small_merges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "MERGED", 3)
    monkeypatch.setattr(upkeep, "GROUP", 4)
    monkeypatch.setattr("pyscrape.store.chunk.Chunk.__init__.__defaults__", (4,))


def answers(store: Store, matchers: list[Matcher], start: int = -1, end: int = END) -> Answer:
    """Every series with samples: labels -> time -> bits."""
    selection = store.select(matchers, start, end)
    out: Answer = {}
    seen: set[int] = set()
    for block in selection.blocks:
        assert (np.diff(block.times_ms) > 0).all()
        assert block.values.shape == (len(block.times_ms), len(block.series))
        bits = block.values.view(np.uint64)
        for k, series in enumerate(block.series.tolist()):
            assert series not in seen
            seen.add(series)
            cells = zip(block.times_ms.tolist(), bits[:, k].tolist(), strict=True)
            samples = {at: int(word) for at, word in cells if word != ABSENT_BITS}
            if samples:
                out[selection.frame.labels(series).pairs] = samples
    assert seen == set(range(len(selection.frame)))
    return out


def newest(store: Store, matchers: list[Matcher], start: int, end: int) -> dict[Any, tuple[int, int]]:
    """Every series with samples: labels -> (time, bits) of the newest, by the way that need not look into tables."""
    found = store.newest(matchers, start, end)
    cells = zip(found.times_ms.tolist(), found.values.view(np.uint64).tolist(), strict=True)
    return {found.frame.labels(k).pairs: cell for k, cell in enumerate(cells)}


@dataclass
class Pair:
    """A store and the dictionary of what it was told and took."""

    store: Store
    directory: MemoryDirectory = field(default_factory=MemoryDirectory)
    restarts: int = 0
    told: dict[tuple[int, str], dict[int, int]] = field(default_factory=dict)
    appended: int = 0

    def expect(self, k: int, table: str, at: int, word: int, window: int = 0) -> None:
        samples = self.told.setdefault((k, table), {})
        newest = max(samples, default=-(2**60))
        if at not in samples and at > newest - window - (0 if window == 0 else 1):
            if window == 0 and at <= newest:
                return
            samples[at] = word
            self.appended += 1

    def check(self) -> None:
        wanted: dict[Any, dict[int, set[int]]] = {}
        for (k, _), samples in self.told.items():
            name = tuple(sorted(NAMES[k].items()))
            for at, word in samples.items():
                wanted.setdefault(name, {}).setdefault(at, set()).add(word)
        found = answers(self.store, [])
        assert {name: sorted(samples) for name, samples in found.items()} == {
            name: sorted(samples) for name, samples in wanted.items()
        }
        assert all(
            word in wanted[name][at] for name, samples in found.items() for at, word in samples.items()
        )
        assert self.restarts or self.store.stats().samples_appended == self.appended
        for start, end in ((-1, END), (-1, 20), (15, 30), (30, END)):
            assert newest(self.store, [], start, end) == {
                name: max(kept)
                for name, samples in found.items()
                if (kept := [cell for cell in samples.items() if start < cell[0] <= end])
            }
        some = [Matcher(MatchType.EQ, "job", "j1")]
        assert answers(self.store, some, 10, 30) == {
            name: kept
            for name, samples in found.items()
            if dict(name)["job"] == "j1"
            and (kept := {at: word for at, word in samples.items() if 10 < at <= 30})
        }


def values_of(words: list[int]) -> Any:
    return np.array(words, np.uint64).view(np.float64)


def page(pair: Pair, number: int, at: int, cells: list[tuple[int, int]]) -> None:
    table = pair.store.table(f"t{number}")
    columns = table.add_columns([NAMES[k] for k, _ in cells])
    table.append(at, columns, values_of([word for _, word in cells]))
    done = set()
    for k, word in cells:
        if k not in done:
            done.add(k)
            pair.expect(k, f"t{number}", at, word, pair.store.out_of_order_window_ms)


def run_of_pages(pair: Pair, number: int, at: int, cells: list[tuple[int, int]]) -> None:
    """The same columns again and again, as a target that does not change."""
    table = pair.store.table(f"t{number}")
    one_each = list(dict(cells).items())
    columns = table.add_columns([NAMES[k] for k, _ in one_each])
    for step in range(6):
        table.append(at + step, columns, values_of([word for _, word in one_each]))
        for k, word in one_each:
            pair.expect(k, f"t{number}", at + step, word, pair.store.out_of_order_window_ms)


def clocked(pair: Pair, number: int, at: int, cells: list[tuple[int, int]]) -> None:
    table = pair.store.table(f"c{number}")
    one_each = list(dict(cells).items())
    columns = table.add_columns([NAMES[k] for k, _ in one_each])
    times = np.array([at + 2 * (word % 3) for _, word in one_each], np.int64)
    table.append_clocked(times, columns, values_of([word for _, word in one_each]))
    for (k, word), time in zip(one_each, times.tolist(), strict=True):
        pair.expect(k, f"c{number}", time, word, pair.store.out_of_order_window_ms)


def library(pair: Pair, number: int, at: int, cells: list[tuple[int, int]]) -> None:
    k = cells[0][0]
    times = [at + step for step in range(number + 1)]
    words = [cells[step % len(cells)][1] for step in range(number + 1)]
    pair.store.append(NAMES[k], times, values_of(words))
    for time, word in zip(times, words, strict=True):
        pair.expect(k, "library", time, word, pair.store.out_of_order_window_ms)


def seal(pair: Pair, *_: object) -> None:
    for table in pair.store.tables():
        table.cut_rows()
    while pair.store.maintain(0, 0):
        pass


def some_upkeep(pair: Pair, number: int, *_: object) -> None:
    """A few steps of upkeep, which stops in the middle of something."""
    for _step in range(number + 1):
        pair.store.maintain(0, 0)


def retire(pair: Pair, number: int, _: int, cells: list[tuple[int, int]]) -> None:
    table = pair.store.table(f"t{number}")
    table.retire(table.add_columns([NAMES[k] for k, _ in cells]))


def flush(pair: Pair, *_: object) -> None:
    assert pair.store.durability is not None
    pair.store.durability.flush()


def checkpoint(pair: Pair, *_: object) -> None:
    assert pair.store.durability is not None
    pair.store.durability.checkpoint(0)


def restart(pair: Pair, number: int, at: int, _: object) -> None:
    """A crash after a commit; of what was appended later nothing is on disk, or a torn piece."""
    (flush if number else checkpoint)(pair)
    pair.directory.append(
        f"log-{pair.store.journal.number:08d}" if pair.store.journal else "", b"PSF1" + bytes(at)
    )
    pair.directory.crash(keep=at)
    window = pair.store.out_of_order_window_ms
    pair.store = Store(seal_rows=4, out_of_order_window_ms=window)
    pair.store.open_directory(pair.directory)
    assert pair.store.durability is not None
    assert pair.store.durability.records_left_out == 0
    pair.restarts += 1


def delete(pair: Pair, number: int, at: int, cells: list[tuple[int, int]]) -> None:
    k = cells[0][0]
    matchers = [Matcher(MatchType.EQ, "i", str(k))]
    pair.store.delete([matchers], at, at + 5)
    for (one, _), samples in pair.told.items():
        if one == k:
            for time in [time for time in samples if at <= time <= at + 5]:
                del samples[time]


ACTS: list[Callable[..., None]] = [page, page, run_of_pages, clocked, library, seal, some_upkeep, retire]
DURABLE_ACTS: list[Callable[..., None]] = [*ACTS, run_of_pages, flush, checkpoint, restart, restart, delete]


def scripts(acts: list[Callable[..., None]]) -> st.SearchStrategy[list[Any]]:
    return st.lists(
        st.tuples(
            st.sampled_from(acts),
            st.integers(0, 2),
            st.integers(0, 40),
            st.lists(st.tuples(st.integers(0, 7), BITS), min_size=1, max_size=8),
        ),
        max_size=25,
    )


@examples(60)
@given(scripts(DURABLE_ACTS), st.sampled_from([0, 0, 7]))
def test_restarts_lose_nothing(script: list[Any], window: int) -> None:
    pair = Pair(Store(seal_rows=4, out_of_order_window_ms=window))
    pair.store.open_directory(pair.directory)
    for act, number, at, cells in script:
        act(pair, number, at, cells)
    restart(pair, 1, 3, [])
    pair.check()


@examples(80)
@given(scripts(ACTS), st.sampled_from([0, 0, 7]))
def test_answers_like_a_dictionary(script: list[Any], window: int) -> None:
    pair = Pair(Store(seal_rows=4, out_of_order_window_ms=window))
    for act, number, at, cells in script:
        act(pair, number, at, cells)
    pair.check()
    seal(pair)
    pair.check()
