"""The HTTP API's shapes, codes and texts, asked in process."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyscrape.app.flags import Flags
from pyscrape.app.settings import SettingsError, web_options
from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.store import Store
from pyscrape.web.params import Params
from pyscrape.web.routes import Call
from pyscrape.web.series_api import SeriesApi
from tests.helpers.web_client import NOW_S, client_of, make_services, store_with

SERIES = {
    "up job=a instance=x:1": lambda k: 1.0,
    "up job=b instance=y:1": lambda k: 0.0,
    "requests_total job=a instance=x:1": lambda k: 15.0 * k,
}


def services(**changes: Any) -> Any:
    return make_services(store_with(SERIES), **changes)


async def test_an_instant_query() -> None:
    async with client_of(services()) as client:
        data = await client.data("/api/v1/query", query="up", time=str(NOW_S))
        assert data["resultType"] == "vector"
        rows = sorted(data["result"], key=lambda row: row["metric"]["job"])
        assert rows == [
            {"metric": {"__name__": "up", "instance": "x:1", "job": "a"}, "value": [NOW_S, "1"]},
            {"metric": {"__name__": "up", "instance": "y:1", "job": "b"}, "value": [NOW_S, "0"]},
        ]
        posted = await client.post("/api/v1/query", query="sum(up)", time=str(NOW_S))
        assert posted.json()["data"]["result"] == [{"metric": {}, "value": [NOW_S, "1"]}]
        assert (await client.data("/api/v1/query", query="1+1"))["result"] == [NOW_S, "2"]
        assert (await client.data("/api/v1/query", query='"a"'))["result"] == [NOW_S, "a"]


async def test_a_range_query() -> None:
    async with client_of(services()) as client:
        params = {"start": NOW_S - 60, "end": NOW_S, "step": "30"}
        data = await client.data("/api/v1/query_range", query="rate(requests_total[1m])", **params)
        assert data["resultType"] == "matrix"
        (row,) = data["result"]
        assert row["metric"] == {"job": "a", "instance": "x:1"}
        assert [at for at, _ in row["values"]] == [NOW_S - 60, NOW_S - 30, NOW_S]
        assert [float(value) for _, value in row["values"]] == pytest.approx([1, 1, 1])


async def test_a_range_vector_and_limits_and_stats() -> None:
    async with client_of(services()) as client:
        data = await client.data("/api/v1/query", query='up{job="a"}[30s]')
        assert data["result"][0]["values"] == [[NOW_S - 15, "1"], [NOW_S, "1"]]
        answer = (await client.get("/api/v1/query", query="up", limit="1", stats="all")).json()
        assert len(answer["data"]["result"]) == 1
        assert answer["warnings"] == ["results truncated due to limit"]
        assert answer["data"]["stats"]["samples"]["totalQueryableSamples"] == 2


async def test_the_plan_of_a_query() -> None:
    query = "sum(rate(requests_total[1m]))"
    async with client_of(services()) as client:
        once = await client.data("/api/v1/query_plan", query=query)
        steps = await client.data("/api/v1/query_plan", query=query, start=NOW_S - 60, end=NOW_S, step="30")
        refused = await client.error("/api/v1/query_plan", query="up *", start=0, end=1, step=1)
        no_end = await client.error("/api/v1/query_plan", query="up", start=NOW_S)
    shape = [(node["depth"], node["type"], node["text"], node["series"]) for node in once["nodes"]]
    assert shape == [
        (0, "aggregation", "sum(…)", 1),
        (1, "call", "rate(…)", 1),
        (2, "matrixSelector", "requests_total[1m]", 1),
    ]
    window = once["nodes"][2]
    assert (window["samples"], window["time"], query[window["start"] : window["end"]]) == (
        4,
        None,
        window["text"],
    )
    assert window["labelValues"] == {"__name__": 1, "instance": 1, "job": 1}
    assert [node["steps"] for node in steps["nodes"]] == [3, 3, 3]
    assert steps["stats"]["seriesRead"] == 1
    assert refused[:2] == (400, "bad_data")
    assert no_end == (400, "bad_data", 'invalid parameter "end": cannot parse "" to a valid timestamp')


@pytest.mark.parametrize(
    ("path", "params", "code", "kind", "text"),
    [
        (
            "query",
            {"query": "up{"},
            400,
            "bad_data",
            'invalid parameter "query": 1:4: parse error: unexpected end',
        ),
        (
            "query",
            {"query": "up", "time": "x"},
            400,
            "bad_data",
            'invalid parameter "time": invalid time value for',
        ),
        (
            "query",
            {"query": "up", "limit": "-1"},
            400,
            "bad_data",
            'invalid parameter "limit": limit must be non',
        ),
        (
            "query",
            {"query": "up", "timeout": "q"},
            400,
            "bad_data",
            'invalid parameter "timeout": cannot parse "q"',
        ),
        (
            "query_range",
            {"query": "up"},
            400,
            "bad_data",
            'invalid parameter "start": cannot parse "" to a valid',
        ),
        (
            "query_range",
            {"query": "up", "start": "10", "end": "5", "step": "1"},
            400,
            "bad_data",
            'invalid parameter "end": end timestamp must not be before start time',
        ),
        (
            "query_range",
            {"query": "up", "start": "0", "end": "5", "step": "0"},
            400,
            "bad_data",
            'invalid parameter "step": zero or negative',
        ),
        (
            "query_range",
            {"query": "up", "start": "0", "end": "11001", "step": "1"},
            400,
            "bad_data",
            "exceeded maximum resolution of 11,000 points",
        ),
        (
            "query_range",
            {"query": "up[1m]", "start": "0", "end": "1", "step": "1"},
            400,
            "bad_data",
            "invalid parameter",
        ),
        (
            "query",
            {"query": "up", "time": "1e18"},
            400,
            "bad_data",
            'cannot parse "1e18" to a valid timestamp',
        ),
        ("query", {"query": "up", "limit": "9" * 20}, 400, "bad_data", "value out of range"),
        (
            "query",
            {"query": "up", "lookback_delta": "x"},
            400,
            "bad_data",
            'error parsing lookback delta duration: cannot parse "x" to a valid duration',
        ),
        ("labels", {"match[]": "up["}, 400, "bad_data", "1:3: parse error"),
        ("rules", {"type": "x"}, 400, "bad_data", 'invalid parameter "type": not supported value "x"'),
        ("rules", {"match[]": "{"}, 400, "bad_data", "1:2: parse error"),
        ("rules", {"exclude_alerts": "x"}, 400, "bad_data", "error converting exclude_alerts"),
        ("rules", {"group_limit": "x"}, 400, "bad_data", "group_limit needs to be a valid number"),
        ("rules", {"group_limit": "0"}, 400, "bad_data", "group_limit needs to be greater than 0"),
        ("rules", {"group_next_token": "x"}, 400, "bad_data", "group_limit needs to be present"),
        ("metadata", {"limit": " 1"}, 400, "bad_data", "limit must be a number"),
        ("query", {"query": "up * on(x) up"}, 422, "execution", "found duplicate series for the match group"),
        (
            "query",
            {"query": "up[1m-1m]"},
            400,
            "bad_data",
            'invalid parameter "query": 3:8: duration must be greater',
        ),
        ("series", {}, 400, "bad_data", "no match[] parameter provided"),
        (
            "series",
            {"match[]": "{}"},
            400,
            "bad_data",
            'invalid parameter "match[]": match[] must contain at least',
        ),
        ("series", {"match[]": "up["}, 400, "bad_data", 'invalid parameter "match[]": 1:3: parse error'),
    ],
)
async def test_errors(path: str, params: dict[str, str], code: int, kind: str, text: str) -> None:
    async with client_of(services()) as client:
        found = await client.error(f"/api/v1/{path}", **params)
        assert found[:2] == (code, kind)
        assert text in found[2]


async def test_a_part_of_a_step_is_no_point() -> None:
    async with client_of(services()) as client:
        data = await client.data("/api/v1/query_range", query="1", start="0", end="11000.5", step="1")
    assert len(data["result"][0]["values"]) == 11_001


async def test_series_and_labels() -> None:
    async with client_of(services()) as client:
        assert await client.data("/api/v1/labels") == ["__name__", "instance", "job"]
        assert await client.data("/api/v1/label/job/values") == ["a", "b"]
        assert await client.data("/api/v1/label/job/values", **{"match[]": "requests_total"}) == ["a"]
        assert await client.data("/api/v1/label/U__job/values") == ["a", "b"]
        found = await client.data("/api/v1/series", **{"match[]": 'up{job="a"}'})
        assert found == [{"__name__": "up", "instance": "x:1", "job": "a"}]
        limited = (await client.get("/api/v1/label/job/values", limit="1")).json()
        assert limited["data"] == ["a"] and limited["warnings"] == ["results truncated due to limit"]


async def test_lifecycle() -> None:
    async with client_of(services()) as client:
        assert (await client.get("/-/healthy")).text == "Prometheus Server is Healthy.\n"
        assert (await client.get("/-/ready")).text == "Prometheus Server is Ready.\n"
        for path in ("/-/reload", "/-/quit"):
            wrong = await client.get(path)
            assert (wrong.status_code, wrong.text) == (405, "Only POST or PUT requests allowed")
        refused = await client.post("/-/reload")
        assert (refused.status_code, refused.text) == (403, "Lifecycle API is not enabled.")
    async with client_of(services(enable_lifecycle=True, ready=lambda: False)) as client:
        assert (await client.get("/-/ready")).status_code == 503
        assert (await client.get("/-/reload")).status_code == 405
        assert (await client.post("/-/reload")).status_code == 200


async def test_status() -> None:
    async with client_of(services()) as client:
        assert await client.data("/api/v1/status/config") == {"yaml": "global: {}\n"}
        assert await client.data("/api/v1/status/flags") == {"query.timeout": "2m"}
        assert (await client.data("/api/v1/status/buildinfo"))["version"] == "3.14.0"
        assert await client.data("/api/v1/targets") == {
            "activeTargets": [],
            "droppedTargets": [],
            "droppedTargetCounts": {},
            "failedTargets": [],
        }


@pytest.mark.parametrize(
    ("pattern", "origin", "allowed"),
    [
        (r"https?://(a|b)\.example", "https://b.example", True),
        (r"https?://(a|b)\.example", "https://b.example.evil", False),
        (r"https://[[:alpha:]]+\z", "https://x", True),
    ],
)
async def test_the_origin_pattern_is_of_gos_dialect(pattern: str, origin: str, allowed: bool) -> None:
    flags = Flags({"web.cors.origin": pattern, "web.external-url": "http://x"})
    async with client_of(services(cors_origin=web_options(flags).cors_origin)) as client:
        answer = await client.http.get("/api/v1/labels", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)


def test_a_pattern_that_go_refuses_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"web\.cors\.origin: .*\(\?="):
        web_options(Flags({"web.cors.origin": "(?=x)", "web.external-url": "http://x"}))


async def test_long_answers_are_compressed_and_origins_answered() -> None:
    series = {f"m{k} pod=pod-{k}": (lambda k: 1.0) for k in range(100)}
    async with client_of(make_services(store_with(series, rows=1))) as client:
        response = await client.http.get(
            "/api/v1/query?query={__name__=~'m.*'}", headers={"Origin": "http://o"}
        )
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["access-control-allow-origin"] == "http://o"
        assert response.headers.get_list("vary") == ["Accept-Encoding", "Origin"]
        same = await client.get("/api/v1/labels")
        assert same.headers["vary"] == "Origin"
        assert "access-control-allow-methods" not in same.headers
        assert len(json.loads(response.content)["data"]["result"]) == 100
        options = await client.http.options("/api/v1/query", headers={"Origin": "http://o"})
        assert options.status_code == 204


async def test_the_route_prefix() -> None:
    async with client_of(services(prefix="/prom")) as client:
        assert (await client.get("/prom/api/v1/labels")).status_code == 200
        assert (await client.get("/api/v1/labels")).status_code == 404


async def test_federation() -> None:
    async with client_of(services(external_labels=lambda: {"region": "eu", "job": "other"})) as client:
        answer = await client.get("/federate", **{"match[]": 'up{job="a"}'})
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        at_ms = int(NOW_S * 1000)
        assert answer.text == f'# TYPE up untyped\nup{{instance="x:1",job="a",region="eu"}} 1 {at_ms}\n'
        assert (await client.get("/federate", **{"match[]": "up{"})).status_code == 400
        assert (await client.get("/federate", **{"match[]": "up{"})).text.startswith("1:4: parse error")
        assert (await client.get("/federate")).text == ""
        assert (await client.get("/federate", **{"match[]": "{}"})).text == ""
        assert (await client.get("/federate", **{"match[]": '{none=~".*"}'})).text.count("\nup{") == 2


@pytest.mark.parametrize(
    ("accept", "scheme", "series"),
    [
        ("", "underscores", 'a_b{c_d="x",instance=""}'),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", "allow-utf-8", '{"a.b","c d"="x",instance=""}'),
        ("text/plain;escaping=dots", "dots", 'a_dot_b{c__d="x",instance=""}'),
        ("text/plain;escaping=values", "values", 'U__a_2e_b{U__c_20_d="x",instance=""}'),
        (
            "application/openmetrics-text;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4,*/*;q=0.1",
            "allow-utf-8",
            '{"a.b","c d"="x",instance=""}',
        ),
        (
            "text/plain;q=0.9,text/plain;escaping=allow-utf-8;q=0.4",
            "underscores",
            'a_b{c_d="x",instance=""}',
        ),
        ("text/plain;escaping=none", "underscores", 'a_b{c_d="x",instance=""}'),
        ("text/plain;q=x;escaping=dots", "underscores", 'a_b{c_d="x",instance=""}'),
    ],
)
async def test_names_that_are_not_legacy_ones_are_federated_as_the_client_wants(
    accept: str, scheme: str, series: str
) -> None:
    store = Store()
    store.append({"__name__": "a.b", "c d": "x"}, [int(NOW_S * 1000)], [1.0])
    async with client_of(make_services(store)) as client:
        params = {"match[]": '{"a.b"}'}
        answer = await client.http.get("/federate", params=params, headers={"Accept": accept})
    assert answer.headers["content-type"] == f"text/plain; version=0.0.4; charset=utf-8; escaping={scheme}"
    assert answer.text.splitlines()[1] == f"{series} 1 {int(NOW_S * 1000)}"


async def test_answers_at_hand_follow_the_series_and_ask_no_less() -> None:
    store = store_with({"up job=a": lambda _: 1.0})
    async with client_of(make_services(store)) as client:

        async def same(path: str, expected: object, **params: Any) -> None:
            for _ in range(3):  # worked out, at hand in the thread, at hand on the loop
                assert await client.data(f"/api/v1/{path}", **params) == expected

        only_b = {"match[]": 'up{job="b"}'}
        first = {"__name__": "up", "job": "a"}
        second = {"__name__": "up", "job": "b", "zone": "x"}
        await same("label/job/values", ["a"])
        await same("labels", ["__name__", "job"])
        await same("series", [first], **{"match[]": "up"})
        await same("series", [], **only_b)
        await same("label/job/values", [], **only_b)
        store.append(second, [int(NOW_S * 1000)], [1.0])
        await same("label/job/values", ["a", "b"])
        await same("labels", ["__name__", "job", "zone"])
        await same("label/job/values", ["a"], limit=1)
        await same("label/job/values", ["b"], **only_b)
        await same("label/job/values", ["b"], **{"match[]": 'up{job=~"b|c"}'})
        await same("labels", ["__name__", "job", "zone"], **only_b)
        await same("series", [first, second], **{"match[]": "up"})
        await same("series", [second], **only_b)
        # The series stay the same, the window has others.
        await same("series", [first], **{"match[]": "up", "end": NOW_S - 30})
        await same("label/job/values", [], **only_b, end=NOW_S - 30)
        await same("labels", [], end=1)
        await same("labels", ["__name__", "job", "zone"])
        assert (await client.error("/api/v1/labels", **{"match[]": ""}))[0] == 400
        assert (await client.error("/api/v1/labels", start="x"))[0] == 400
        assert (await client.error("/api/v1/series"))[0] == 400


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.sampled_from("abc"), st.integers(0, 9)),
            st.tuples(st.just("ask"), st.integers(0, 20), st.integers(0, 20)),
            st.tuples(st.just("delete"), st.sampled_from("abc"), st.integers(0, 20)),
            st.tuples(st.just("upkeep"), st.just(0), st.integers(0, 20)),
        ),
        max_size=30,
    )
)
@example(
    [("append", "a", 5), ("append", "b", 5), ("ask", 3, 9), ("ask", 3, 9), ("delete", "a", 20), ("ask", 3, 9)]
)
def test_an_answer_at_hand_is_what_the_store_says(steps: list[tuple[str, Any, Any]]) -> None:
    store = Store(seal_rows=4, retention_ms=12_000, out_of_order_window_ms=3000)
    api = SeriesApi(make_services(store))
    every = [[Matcher(MatchType.RE, "__name__", "m.*")]]
    newest = 0
    for step, first, second in steps:
        if step == "append":
            newest = max(newest, second)
            store.append({"__name__": "m", "job": first}, [second * 1000], [1.0])
        elif step == "delete":
            store.delete([[Matcher(MatchType.EQ, "job", first)]], 0, second * 1000)
        elif step == "upkeep":
            while store.maintain((newest + second) * 1000):
                pass
        else:
            window = [("start", str(first)), ("end", str(first + second))]
            for sets, asked in ((every, [("match[]", '{__name__=~"m.*"}')]), ([], [])):
                expected = store.label_values("job", sets, first * 1000, (first + second) * 1000)
                for _ in range(3):
                    call = Call(Params([*asked, *window]), {"name": "job"}, "GET")
                    answer = api.glance("values/", call) or api.values(call)
                    assert json.loads(answer.body)["data"] == expected
