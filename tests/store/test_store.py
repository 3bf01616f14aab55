"""The store's own interface: writing, choosing series, listing labels, giving back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.value import NAN_BITS, STALE, STALE_BITS, bits_of_float
from pyscrape.store import Store

OPERATORS = {"=": MatchType.EQ, "!=": MatchType.NE, "=~": MatchType.RE, "!~": MatchType.NRE}

SERIES = [
    {"__name__": "up", "job": "a", "instance": "x"},
    {"__name__": "up", "job": "b", "instance": "y"},
    {"__name__": "http_total", "job": "a", "code": "200"},
    {"__name__": "http_total", "job": "a", "code": "503"},
    {"job": "nameless"},
]


def m(name: str, operator: str, value: str) -> Matcher:
    return Matcher(OPERATORS[operator], name, value)


@pytest.fixture
def store() -> Store:
    store = Store()
    table = store.table("one")
    columns = table.add_columns(SERIES)
    for at in (1000, 2000):
        table.append(at, columns, np.arange(5.0) + at)
    return store


@pytest.mark.parametrize(
    ("matchers", "chosen"),
    [
        ([], [0, 1, 2, 3, 4]),
        ([m("__name__", "=", "up")], [0, 1]),
        ([m("__name__", "!=", "up")], [2, 3, 4]),
        ([m("__name__", "=", "")], [4]),
        ([m("__name__", "=~", ".+")], [0, 1, 2, 3]),
        ([m("__name__", "=~", "up|http_total"), m("job", "=", "a")], [0, 2, 3]),
        ([m("__name__", "=~", "a|b|c|d|up|e")], [0, 1]),
        ([m("__name__", "!~", "a|b|c|d|up|e")], [2, 3, 4]),
        ([m("job", "=~", "a|b"), m("code", "=", "")], [0, 1]),
        ([m("code", "!=", "")], [2, 3]),
        ([m("code", "=~", "5..")], [3]),
        ([m("code", "!~", "5..")], [0, 1, 2, 4]),
        ([m("absent", "=", "")], [0, 1, 2, 3, 4]),
        ([m("absent", "=~", ".*")], [0, 1, 2, 3, 4]),
        ([m("absent", "!=", "")], []),
        ([m("job", "=", "nobody")], []),
    ],
)
def test_matchers(store: Store, matchers: list[Matcher], chosen: list[int]) -> None:
    found = {labels.pairs for labels in store.series([matchers], 0, 5000)}
    assert found == {tuple(sorted(SERIES[k].items())) for k in chosen}
    assert len(store.select(matchers, 0, 5000).frame) == len(chosen)


def test_label_names_and_values(store: Store) -> None:
    assert store.label_names([], 0, 5000) == ["__name__", "code", "instance", "job"]
    assert store.label_names([[m("__name__", "=", "up")]], 0, 5000) == ["__name__", "instance", "job"]
    assert store.label_values("job") == ["a", "b", "nameless"]
    assert store.label_values("job", [[m("code", "=", "200")]], 0, 5000) == ["a"]
    assert store.label_values("nothing") == []
    assert store.label_values("job", [], 3000, 5000) == []


def test_series_are_sorted_limited_and_joined(store: Store) -> None:
    sets = [[m("__name__", "=", "up")], [m("job", "=", "b")]]
    found = store.series(sets, 0, 5000)
    assert [dict(labels)["instance"] for labels in found] == ["x", "y"]
    assert store.series(sets, 0, 5000, limit=1) == found[:1]


def test_an_empty_label_is_no_label() -> None:
    table = Store().table("t")
    with_empty, without, other = table.add_columns(
        [{"__name__": "x", "zone": ""}, {"__name__": "x"}, {"__name__": "x", "zone": "z"}]
    ).tolist()
    assert with_empty == without != other


def test_the_order_of_labels_does_not_matter() -> None:
    table = Store().table("t")
    assert len(set(table.add_columns([{"a": "1", "b": "2"}, {"b": "2", "a": "1"}]).tolist())) == 1


def test_library_append_and_bits() -> None:
    store = Store()
    store.append({"__name__": "x"}, range(1000, 4000, 1000), [float("nan"), STALE, 1.5])
    [block] = store.select([m("__name__", "=", "x")], 0, 9000).blocks
    assert block.values.view(np.uint64)[:, 0].tolist() == [NAN_BITS, STALE_BITS, bits_of_float(1.5)]
    assert block.times_ms.tolist() == [1000, 2000, 3000]


def test_times_that_go_back_are_refused_and_counted() -> None:
    store = Store()
    table = store.table("t")
    columns = table.add_columns([{"__name__": "x"}, {"__name__": "y"}])
    assert table.append(2000, columns, np.array([1.0, 2.0])).appended == 2
    assert table.append(1000, columns, np.array([1.0, 2.0])).out_of_order == 2
    again = table.append(2000, columns, np.array([1.0, 3.0]))
    assert (again.appended, again.duplicates) == (0, 1)  # the same value at the same time is no news
    assert (store.stats().out_of_order, store.stats().duplicates) == (2, 1)


def test_two_appends_at_one_time() -> None:
    store = Store()
    table = store.table("t")
    page = table.add_columns([{"__name__": "x"}])
    report = table.add_columns([{"__name__": "up"}])
    for at in (1000, 2000, 3000):
        table.append(at, page, np.array([1.0]))
        table.append(at, report, np.array([1.0]))
    [block] = store.select([], 0, 9000).blocks
    assert block.times_ms.tolist() == [1000, 2000, 3000]
    assert block.values.tolist() == [[1.0, 1.0]] * 3


def test_retention_gives_series_back() -> None:
    store = Store(retention_ms=10_000)
    table = store.table("t")
    both = table.add_columns([{"__name__": "x"}, {"__name__": "y"}])
    table.append(1000, both, np.zeros(2))
    table.retire(both[:1])
    table.append(2000, both[1:].copy(), np.zeros(1))
    table.append(8000, both[1:].copy(), np.zeros(1))
    table.cut_rows()
    store.maintain(11_500)
    assert (store.label_values("__name__"), store.stats().series) == (["x", "y"], 2)
    table.append(16_000, both[1:].copy(), np.zeros(1))
    store.maintain(18_500)
    assert (store.label_values("__name__"), store.stats().series) == (["y"], 1)
    table.close()
    for now in (30_000, 40_000):
        store.maintain(now)
    assert store.stats().series == 0
    assert store.stats().tables == 0


def test_series_with_clocks_of_their_own_share_a_track_until_they_part() -> None:
    store = Store()
    table = store.table("cadvisor")
    columns = table.add_columns([{"__name__": "cpu", "pod": str(k)} for k in range(4)])
    for at in (1000, 2000, 3000):
        table.append_clocked(np.array([at, at, at + 5, at + 5]), columns, np.arange(4.0) + at)
    selection = store.select([], 0, 9000)
    assert [block.times_ms.tolist() for block in selection.blocks] == [[1000, 2000, 3000], [1005, 2005, 3005]]
    assert not store.homes.others  # announced to the page's table, written in the tracks alone
    table.append_clocked(np.array([4000, 4001, 4005, 4005]), columns, np.zeros(4))
    selection = store.select([], 0, 9000)
    lengths = {
        selection.frame.labels(int(block.series[0]))["pod"]: len(block.times_ms) for block in selection.blocks
    }
    assert lengths == {"0": 4, "1": 4, "2": 4}
    table.append_clocked(np.array([4000, 4001, 4005, 4005]), columns, np.array([0.0, 0.0, 1.0, 0.0]))
    assert store.stats().duplicates == 1
    table.retire(columns)
    table.close()
    for now in (10**8, 2 * 10**8, 3 * 10**8):
        store.maintain(now, 1)
    assert (store.stats().series, store.stats().tables) == (0, 0)


def test_cardinality(store: Store) -> None:
    answer = store.cardinality(2)
    assert answer["headStats"] == {
        "numSeries": 5,
        "numLabelPairs": 9,
        "chunkCount": 0,
        "minTime": 1000,
        "maxTime": 2000,
    }
    assert answer["seriesCountByMetricName"] == [
        {"name": "http_total", "value": 2},
        {"name": "up", "value": 2},
    ]
    assert answer["labelValueCountByLabelName"] == [
        {"name": "job", "value": 3},
        {"name": "__name__", "value": 2},
    ]
    assert answer["seriesCountByLabelValuePair"] == [
        {"name": "job=a", "value": 3},
        {"name": "__name__=http_total", "value": 2},
    ]


def test_a_series_that_ends_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the match and the answer a series may go: it is left out, and nothing of it is read as another's."""
    store = Store()
    for name in ("a", "b", "c"):
        store.append({"__name__": "up", "job": name}, [1000, 2000], [1.0, 2.0])
    store.append({"__name__": "other"}, [1000], [1.0])
    match = store.index.match

    def match_and_lose(matchers: object) -> object:
        ids = match(matchers)  # type: ignore[arg-type]
        store.index.remove(ids[1:2])
        monkeypatch.setattr(store.index, "match", match)
        return ids

    every = [Matcher(MatchType.RE, "__name__", ".+")]
    for ask in (
        lambda: [store.select(every, 0, 5000).frame.labels(k) for k in range(2)],
        lambda: store.series([every], 0, 5000),
        lambda: store.label_names([every], 0, 5000),
        lambda: store.label_values("job", [every], 0, 5000),
    ):
        monkeypatch.setattr(store.index, "match", match_and_lose)
        assert ask()


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sets(st.integers(0, 5), min_size=1), st.integers(1, 9)), max_size=12
    ),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_series_of_a_range_are_found_by_their_newest_samples_as_by_their_rows(
    rows: list[tuple[int, set[int], int]], start_ms: int, span_ms: int
) -> None:
    store = Store(seal_rows=4, out_of_order_window_ms=5)
    at_ms = 0
    for number, members, later_ms in rows:
        at_ms += later_ms
        ids = store.index.ids([{"__name__": "m", "i": str(k)} for k in sorted(members)])
        store.table(str(number)).append(at_ms, ids, np.full(len(ids), 0.5))
    every = [[Matcher(MatchType.EQ, "__name__", "m")]]
    found = store.chosen(every, start_ms, start_ms + span_ms).tolist()
    at_once = store.chosen_at_once(every, start_ms, start_ms + span_ms)
    assert at_once is not None
    assert at_once.tolist() == found
    store.latest.doubt(np.arange(store.index.series, dtype=np.int32))
    assert store.chosen(every, start_ms, start_ms + span_ms).tolist() == found


def test_what_a_selector_chose_is_looked_for_again_when_series_come_or_go() -> None:
    store = Store()
    every = [Matcher(MatchType.EQ, "__name__", "m")]

    def found() -> list[list[str]]:
        newest = store.newest(every, -1, 99)
        selected = store.select(every, -1, 99)
        return [
            sorted(frame.labels(k)["i"] for k in range(len(frame)))
            for frame in (newest.frame, selected.frame)
        ]

    ids = store.index.ids([{"__name__": "m", "i": str(k)} for k in range(3)])
    store.table("a").append(1, ids[:2], np.zeros(2))
    for _ in range(2):
        assert found() == [["0", "1"]] * 2
    store.table("a").append(2, ids, np.zeros(3))
    for _ in range(2):
        assert found() == [["0", "1", "2"]] * 2
    store.append({"__name__": "m", "i": "new"}, [5], [1.0])
    assert found() == [["0", "1", "2", "new"]] * 2
    store.delete([[Matcher(MatchType.EQ, "i", "1")]], -1, 99)
    for _ in range(2):
        while store.maintain(100, 1.0):
            pass
        assert found() == [["0", "2", "new"]] * 2
