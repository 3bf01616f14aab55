"""What Grafana's Prometheus datasource and prometheus-api-client ask, as they ask it, and the shapes they rely on.

Grafana's requests were written down from its documentation, those of prometheus-api-client from what a run of it sent.
They go to pyscrape and, so that the shapes are not an invention, to the real Prometheus.
"""

import json
import re
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.helpers.processes import Process

Shape = Any
"""A type, a literal, [shape of each item], (shape of the first item, of the second), {key: shape}, {str: shape} for
any keys, or {"?key": shape} for a key that may be missing."""

TEXT_NUMBER = "a number as text"
POINT = (float, TEXT_NUMBER)
LABELS: Shape = {str: str}
VECTOR = {"resultType": "vector", "result": [{"metric": LABELS, "value": POINT}]}
MATRIX = {"resultType": "matrix", "result": [{"metric": LABELS, "values": [POINT]}]}
SCALAR = {"resultType": "scalar", "result": POINT}
NAMES = [str]
METADATA: Shape = {str: [{"type": str, "help": str, "unit": str}]}
BUILD = {"version": str, "revision": str, "branch": str, "buildUser": str, "buildDate": str, "goVersion": str}
EXEMPLARS = [
    {"seriesLabels": LABELS, "exemplars": [{"labels": LABELS, "value": TEXT_NUMBER, "timestamp": float}]}
]
RULES = {"groups": [dict]}
ALERTS = {"alerts": [dict]}
TARGET = {
    "discoveredLabels": LABELS, "labels": LABELS, "scrapePool": str, "scrapeUrl": str, "globalUrl": str,
    "lastError": str, "lastScrape": str, "lastScrapeDuration": float, "health": str,
    "scrapeInterval": str, "scrapeTimeout": str,
}  # fmt: skip
TARGETS: Shape = {"activeTargets": [TARGET], "droppedTargets": list, "droppedTargetCounts": {str: int}}

DESCRIBED = [{"target": LABELS, "type": str, "help": str, "unit": str}]
ACTIVE: Shape = {"?droppedTargets": list, "?droppedTargetCounts": None, "activeTargets": [TARGET]}

GRAFANA: list[tuple[str, str, str, Shape]] = [
    # the button "Save & test": buildinfo tells Mimir from Prometheus, then a query is tried
    ("GET", "status/buildinfo", "", BUILD),
    ("POST", "query", "query=1+1 & time=NOW.123", SCALAR),
    ("GET", "query", "query=1+1 & time=NOW", SCALAR),
    # panels: instant and range, POST unless the datasource is set to GET
    ("POST", "query", 'query=up{job=~"one|two"} & time=NOW', VECTOR),
    ("POST", "query_range", "query=sum by(code) (rate(http_requests_total[1m0s])) & start=NOW-60 & end=NOW & step=15",
     MATRIX),
    ("GET", "query_range", "query=up & start=NOW-60.5 & end=NOW.25 & step=0.5", MATRIX),
    ("POST", "query_range", "query=sum(rate(rpc_seconds_sum[1m])) by (job) & start=NOW-60 & end=NOW & step=5", MATRIX),
    ("POST", "query_exemplars", "query=rpc_seconds_bucket & start=NOW-3600 & end=NOW", EXEMPLARS),
    # the query builder, code completion and template variables
    ("GET", "labels", "start=NOW-3600 & end=NOW & limit=40000", NAMES),
    ("POST", "labels", 'match[]=up{job="one"} & start=NOW-3600 & end=NOW', NAMES),
    ("GET", "label/__name__/values", "start=NOW-3600 & end=NOW & limit=40000", NAMES),
    ("GET", "label/__name__/values", 'match[]={job="one",__name__=~".*http.*"} & start=NOW-3600 & end=NOW', NAMES),
    ("GET", "label/job/values", "match[]=up & start=NOW-3600 & end=NOW", NAMES),
    ("GET", "series", "match[]=up & start=NOW-3600 & end=NOW & limit=40000", [LABELS]),
    ("POST", "series", 'match[]={__name__="up"} & match[]=odd & start=NOW-60 & end=NOW', [LABELS]),
    ("GET", "metadata", "limit=40000", METADATA),
    ("GET", "metadata", "metric=http_requests_total", METADATA),
    ("POST", "query", "query=label_values(up, job) & time=NOW", None),
    ("GET", "format_query", "query=sum(up)by(job)", str),
    # alerting and the rules page
    ("GET", "rules", "", RULES),
    ("GET", "rules", "type=alert", RULES),
    ("GET", "alerts", "", ALERTS),
]  # fmt: skip

API_CLIENT: list[tuple[str, str, str, Shape]] = [
    # check_prometheus_connection asks the page itself; see below
    ("GET", "label/__name__/values", "", NAMES),  # all_metrics
    ("GET", "label/job/values", "", NAMES),  # get_label_values
    ("GET", "labels", "", NAMES),  # get_label_names
    ("GET", "series", "match[]=up & start=NOW-600 & end=NOW", [LABELS]),  # get_series
    ("GET", "query", "query=up{job='one'}", VECTOR),  # get_current_metric_value
    ("GET", "query", "query=up{job='one'}[600s] & time=NOW", MATRIX),  # get_metric_range_data
    ("GET", "query", "query=up", VECTOR),  # custom_query
    ("GET", "query_range", "query=up & start=NOW-60 & end=NOW & step=15", MATRIX),
    ("GET", "targets", "", TARGETS),  # get_scrape_pools, get_targets
    ("GET", "targets", "state=active & scrapePool=one", ACTIVE),
    ("GET", "targets/metadata", 'metric=odd & match_target={job="one"}', DESCRIBED),
    ("GET", "metadata", "", METADATA),  # get_metric_metadata
    ("GET", "status/flags", "", LABELS),
]  # fmt: skip


def _is(value: Any, shape: Shape) -> bool:
    if shape == TEXT_NUMBER:
        return (
            isinstance(value, str)
            and re.fullmatch(r"NaN|[+-]Inf|-?\d+(\.\d+)?(e[+-]\d+)?", value) is not None
        )
    return type(value) in ((float, int) if shape is float else (shape,))


def mistakes(value: Any, shape: Shape, at: str = "data") -> list[str]:
    """Where `value` has not the shape."""
    if isinstance(shape, type) or shape in (None, TEXT_NUMBER):
        return [] if shape is None or _is(value, shape) else [f"{at}: {value!r} is no {shape}"]
    if isinstance(shape, str):
        return [] if value == shape else [f"{at}: {value!r} is not {shape!r}"]
    if isinstance(shape, tuple):
        if not isinstance(value, list) or len(value) != len(shape):
            return [f"{at}: {value!r} has not {len(shape)} items"]
        return [m for k, one in enumerate(shape) for m in mistakes(value[k], one, f"{at}[{k}]")]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{at}: {value!r} is no list"]
        return [m for k, item in enumerate(value) for m in mistakes(item, shape[0], f"{at}[{k}]")]
    if not isinstance(value, dict):
        return [f"{at}: {value!r} is no object"]
    if str in shape:
        return [m for key, item in value.items() for m in mistakes(item, shape[str], f"{at}.{key}")]
    found = []
    for key, one in shape.items():
        name = key.removeprefix("?")
        if name in value:
            found += mistakes(value[name], one, f"{at}.{name}")
        elif name == key:
            found.append(f"{at}: no {name}")
    return found


def ask(server: Process, method: str, path: str, params: str, now_s: float) -> tuple[int, Any, str]:
    """Status, answer and media type."""
    pairs = [pair.split("=", 1) for pair in params.split(" & ") if pair]
    filled = [(name, clock(text, int(now_s)) if text.startswith("NOW") else text) for name, text in pairs]
    encoded = urllib.parse.urlencode(filled)
    url = f"{server.url}/api/v1/{path}"
    form = {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Grafana/12.0.0",
        "X-Dashboard-Uid": "x",
    }
    request = (
        urllib.request.Request(url, encoded.encode(), form)
        if method == "POST"
        else urllib.request.Request(f"{url}?{encoded}" if encoded else url, headers=form)
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read()), answer.headers["Content-Type"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers["Content-Type"]


def clock(text: str, now_s: int) -> str:
    """NOW, NOW-60, NOW.5 or NOW-60.5 in seconds; a fraction is one of the text, not of the difference."""
    rest, _, fraction = text.removeprefix("NOW").partition(".")
    return str(now_s + int(rest or 0)) + (f".{fraction}" if fraction else "")


@pytest.mark.parametrize("row", [*GRAFANA, *API_CLIENT], ids=lambda row: " ".join(row[:3])[:80])
def test_recorded_requests_get_the_shapes_that_clients_rely_on(
    same_page: tuple[Process, Process, float], row: tuple[str, str, str, Shape]
) -> None:
    method, path, params, shape = row
    ours, theirs, now_s = same_page
    for server in (theirs, ours):
        status, answer, media_type = ask(server, method, path, params, now_s)
        assert media_type == "application/json"
        if shape is None:
            assert (status, answer["status"], answer["errorType"]) == (400, "error", "bad_data")
            continue
        assert (status, answer["status"]) == (200, "success"), answer
        assert mistakes(answer["data"], shape) == []
        # An empty answer has every shape.
        empty = path in {"query_exemplars", "rules", "alerts"}
        assert empty or answer["data"]


def test_the_checker_finds_mistakes() -> None:
    good = {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [1.5, "NaN"]}]}
    assert mistakes(good, VECTOR) == []
    wrong: list[Any] = [
        {"resultType": "matrix", "result": []},
        {"resultType": "vector", "result": None},
        {"resultType": "vector", "result": [{"metric": {"a": 1}, "value": [1, "2"]}]},
        {"resultType": "vector", "result": [{"metric": {}, "value": [1, 2]}]},
        {"resultType": "vector", "result": [{"metric": {}, "value": [1, "x"]}]},
        {"resultType": "vector", "result": [{"metric": {}, "value": ["1", "2"]}]},
        {"resultType": "vector", "result": [{"metric": {}, "value": [1]}]},
        {"result": []},
        [],
    ]
    for bad in wrong:
        assert len(mistakes(bad, VECTOR)) == 1, bad


def test_prometheus_api_client(same_page: tuple[Process, Process, float]) -> None:
    """The client itself."""
    from prometheus_api_client import (
        PrometheusConnect,
    )  # imports requests and dateparser: for this test alone

    ours, theirs, _ = same_page
    found = []
    for server in (theirs, ours):
        prom = PrometheusConnect(url=server.url, disable_ssl=True)
        assert prom.check_prometheus_connection() or server is theirs  # a build without pages has none at /
        row = prom.get_current_metric_value("temperature_celsius", {"room": "cellar", "job": "one"})
        ranged = prom.get_metric_range_data("temperature_celsius", {"room": "cellar"})
        assert {value for series in ranged for _, value in series["values"]} == {"-3"}
        found.append(
            (
                sorted(set(prom.all_metrics())),
                prom.get_label_values("job"),
                [row[0]["metric"], row[0]["value"][1]],
                prom.custom_query("sum(http_requests_total)")[0]["value"][1],
            )
        )
    assert found[0] == found[1]
