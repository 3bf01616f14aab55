"""`pyscrape query`: what is asked of a server, and how answers are printed."""

import json
from typing import Any

import pytest

from pyscrape.cli import query
from pyscrape.cli.main import main

NOW_S = 1_700_000_000.0
UP = {"__name__": "up", "job": "a", "zone": 'x"y'}
VECTOR = {
    "resultType": "vector",
    "result": [
        {"metric": UP, "value": [1.5, "1"]},
        {"metric": {"job": "b"}, "value": [1.5, "NaN"]},
        {"metric": {}, "histogram": [1.5, {"count": "3", "sum": "0.5", "buckets": []}]},
    ],
}
MATRIX = {
    "resultType": "matrix",
    "result": [
        {"metric": {"__name__": "up"}, "values": [[1, "0"], [2, "7"], [3, "+Inf"], [4, "3"]]},
        {"metric": {"__name__": "h"}, "histograms": [[1, {"count": "3", "sum": "0.5"}]]},
    ],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """What goes to the server, which answers with `answer`."""
    calls: list[tuple[str, dict[str, str]]] = []

    async def get_json(url: str, params: Any, headers: Any, timeout_s: float) -> Any:
        calls.append((url, dict(params)))
        return answer

    monkeypatch.setattr("pyscrape.net.ask.get_json", get_json)
    monkeypatch.setattr(query.time, "time", lambda: NOW_S)
    return calls


answer: dict[str, Any] = {"status": "success", "data": VECTOR, "warnings": ["careful"]}


@pytest.mark.parametrize(
    ("arguments", "path", "params"),
    [
        (["instant", "URL", "up"], "/api/v1/query", {"query": "up", "time": "1700000000.000"}),
        (["instant", "URL/", "up", "--time=-1h"], "/api/v1/query", {"query": "up", "time": "1699996400.000"}),
        (["instant", "URL", "up", "--time=-5"], "/api/v1/query", {"query": "up", "time": "-5"}),
        (
            ["range", "URL", "up", "--start=-1h"],
            "/api/v1/query_range",
            {"query": "up", "start": "1699996400.000", "end": "1700000000.000", "step": "15"},
        ),
        (["series", "URL", "--match=up"], "/api/v1/series", {"match[]": "up"}),
        (["labels", "URL", "a/b", "--end=-1m"], "/api/v1/label/a%2Fb/values", {"end": "1699999940.000"}),
    ],
)
def test_what_is_asked(
    asked: list[tuple[str, dict[str, str]]], arguments: list[str], path: str, params: dict[str, str]
) -> None:
    for server, url in (("http://h:1/p", "http://h:1/p"), ("h:1", "http://h:1")):
        main(["query", *(word.replace("URL", server) for word in arguments), "--format=json"])
        assert asked.pop() == (url + path, params)


def test_answer_warnings_and_errors(
    asked: list[tuple[str, dict[str, str]]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert main(["query", "instant", "http://h:1", "up"]) == 0
    printed = capsys.readouterr()
    assert (printed.out.splitlines(), printed.err) == (query.as_promql(VECTOR), "careful\n")
    assert main(["query", "instant", "http://h:1", "up", "--format=json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer
    refused = {"status": "error", "errorType": "bad_data", "error": "no"}
    monkeypatch.setitem(globals(), "answer", refused)
    assert main(["query", "instant", "http://h:1", "up"]) == 1
    assert capsys.readouterr().err == "query error: bad_data: no\n"
    assert main(["query", "instant", "http://h:1", "up", "--time=-x"]) == 2
    capsys.readouterr()
    for other in ([1], {"status": "success"}):
        monkeypatch.setitem(globals(), "answer", other)
        assert main(["query", "instant", "http://h:1", "up"]) == 1
        assert "not as Prometheus' HTTP API does" in capsys.readouterr().err


def test_lines_as_promtool_prints_them() -> None:
    assert query.as_promql(VECTOR) == [
        'up{job="a", zone="x\\"y"} => 1 @[1.5]',
        '{job="b"} => NaN @[1.5]',
        "{} => {count:3, sum:0.5} @[1.5]",
    ]
    assert query.as_promql(MATRIX) == [
        *("up =>", "0 @[1]", "7 @[2]", "+Inf @[3]", "3 @[4]"),
        *("h =>", "{count:3, sum:0.5} @[1]"),
    ]
    assert query.as_promql({"resultType": "string", "result": [1, "x"]}) == ["string: x @[1]"]
    assert query.as_promql([UP, "a"]) == ['up{job="a", zone="x\\"y"}', "a"]


def test_tables_and_graphs() -> None:
    assert query.as_table(VECTOR) == [
        "METRIC  job  zone  VALUE",
        'up      a    x"y   1',
        "        b          NaN",
        "                   {count:3, sum:0.5}",
    ]
    assert query.as_table(["a", "b"]) == ["value", "a", "b"]
    assert query.as_table(MATRIX) == ["up", "  ▁█ ▄  min 0  last 3  max 7", "h"]
    lonely = [float("nan")] * 250
    lonely[1] = 5.0  # between two of those that are shown
    assert query.spark(lonely) == " " * 60
