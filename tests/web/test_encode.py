"""Labels as JSON objects, made a column at a time: equal to what json makes of each series alone."""

import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyscrape.model.blocks import LabelFrame
from pyscrape.promql.engine import Engine
from pyscrape.store import Store
from pyscrape.web.answers import compressed, success_of
from pyscrape.web.encode import KeptLabels, label_data, metric_objects, result_data
from tests.helpers.web_client import NOW_S, client_of, make_services, store_with

NAMES = st.sampled_from(["job", "a%s", 'q"uote', "\\", '","', "ü"])
VALUES = st.text(st.sampled_from(list('a",\\%s\n\x00\u2028ü😀')), min_size=1, max_size=6) | st.sampled_from(
    ['","', '\\"']
)
LABEL_SETS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=8)


@given(LABEL_SETS)
@example([{"job": '",'}, {"job": "\\"}])
def test_objects_are_what_json_makes_of_each_series(label_sets: list[dict[str, str]]) -> None:
    store = Store()
    for labels in label_sets:
        store.append({"__name__": "m", **labels}, [1000], [1.0])
    frame = store.label_sets([()], 0, 2000)
    expected = [dict(frame.labels(row)) for row in range(len(frame))]
    found = [json.loads(text) for text in metric_objects(frame)]
    assert found == expected
    assert [list(one) for one in found] == [sorted(one) for one in expected]
    assert len(found) == len({tuple(sorted(one.items())) for one in label_sets})


@given(st.integers(0, 9), st.sampled_from(["m", "m[1m]", "-m > 2", "1", "'text'"]), st.booleans())
def test_an_answer_in_pieces_is_the_plain_answer(series: int, query: str, ranged: bool) -> None:
    store = Store()
    for k in range(series):
        store.append(
            {"__name__": "m", "k": str(k)}, [1000, 2000, 3000][: 1 + k % 3], [k, 0.5, 1e20][: 1 + k % 3]
        )
    engine = Engine(store)
    ranged = ranged and query in {"m", "-m > 2", "1"}
    result = engine.range(query, 1, 4, 1) if ranged else engine.instant(query, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pyscrape.web.encode.NUMBERS_OF_PIECE", 3)
        patch.setattr("pyscrape.web.answers.BYTES_OF_PIECE", 50)
        answer = success_of(result_data(result), ["w"])
        packed = compressed(replace(answer, body=answer.body + b" " * 2000), "gzip")
    text = b"".join(answer.pieces) + answer.body
    assert json.loads(text) == {"status": "success", "data": result.to_prometheus(), "warnings": ["w"]}
    assert answer.size == len(text)
    body = b"".join(packed.pieces) + packed.body
    assert zlib.decompress(body, 31).strip(b" ") == b"".join(answer.pieces) + answer.body or not answer.pieces
    assert dict(packed.raw_headers())[b"content-length"] == b"%d" % len(body)


@given(LABEL_SETS)
def test_a_long_list_of_label_sets_comes_in_pieces(label_sets: list[dict[str, str]]) -> None:
    store = Store()
    for labels in label_sets:
        store.append({"__name__": "m", **labels}, [1000], [1.0])
    frame = store.label_sets([()], 0, 2000)
    short = b"".join(label_data(frame))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pyscrape.web.encode.MOST_SORTED", 0)
        patch.setattr("pyscrape.web.encode.NUMBERS_OF_PIECE", 2)
        long = b"".join(label_data(frame))
    order = lambda one: json.dumps(one, sort_keys=True)  # noqa: E731
    assert sorted(json.loads(long), key=order) == sorted(json.loads(short), key=order)


async def test_pieces_reach_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyscrape.web.answers.BYTES_OF_PIECE", 100)
    series = {f"up job=j{k}": lambda _: 1.0 for k in range(100)}
    async with client_of(make_services(store_with(series))) as client:
        for path in ("/api/v1/series?match[]=up", "/api/v1/query?query=up"):
            assert len((await client.http.get(path)).json()["data"]) in {2, 100}
        assert len((await client.get("/federate", **{"match[]": "up"})).text.splitlines()) == 101


@given(LABEL_SETS, st.integers(0, 70), st.sampled_from(["m", "m[1m]", "m > 1", "-m", "sum by (job) (m)"]))
@example([{"job": "%s"}, {"job": "%%"}, {}], 0, "m")
@example([{"job": "a"}], 70, "m")
def test_labels_that_are_kept_make_the_same_answer(
    label_sets: list[dict[str, str]], more: int, query: str
) -> None:
    store = Store()
    distinct = {tuple(sorted(one.items())) for one in label_sets} | {(("k", str(k)),) for k in range(more)}
    for k, labels in enumerate(sorted(distinct)):
        store.append({"__name__": "m", **dict(labels)}, [1000], [k * 0.5])
    engine, kept = Engine(store), KeptLabels()
    for _ in range(3):
        result = engine.instant(query, 3)
        plain = b"".join(result_data(result))
        assert b"".join(result_data(result, labels=kept)) == plain
        assert json.loads(plain) == result.to_prometheus()


def test_labels_of_selectors_are_kept_until_series_come(monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_with({"up job=a": lambda _: 1.0, "up job=b": lambda _: 2.0})
    engine, kept = Engine(store), KeptLabels()
    made = 0

    def counting(frame: LabelFrame) -> list[bytes]:
        nonlocal made
        made += 1
        return metric_objects(frame)

    monkeypatch.setattr("pyscrape.web.encode.metric_objects", counting)
    for _ in range(3):
        b"".join(result_data(engine.instant("up", NOW_S), labels=kept))
    assert made == 1
    store.append({"__name__": "up", "job": "c"}, [int(NOW_S * 1000)], [3.0])
    for _ in range(2):
        answer = json.loads(b"".join(result_data(engine.instant("up", NOW_S), labels=kept)))
        assert [one["metric"]["job"] for one in answer["result"]] == ["a", "b", "c"]
    assert made == 2


@pytest.mark.parametrize(
    ("scalar", "printed"),
    [
        ("1e21", "1000000000000000000000"),
        ("-25e-8", "-0.00000025"),
        ("-0", "-0"),
        ("NaN", "NaN"),
        ("Inf", "+Inf"),
    ],
)
def test_an_answer_that_is_a_scalar_has_no_exponent(scalar: str, printed: str) -> None:
    result = Engine(Store()).instant(scalar, 1)
    assert b"".join(result_data(result)) == b'{"resultType":"scalar","result":[1,"%s"]}' % printed.encode()
    assert result.to_prometheus()["result"] == [1, printed]
