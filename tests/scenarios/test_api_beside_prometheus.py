"""The HTTP API beside the real Prometheus on the same targets: codes, error types, shapes and contents.

Both scrape one page that never changes, so that answers are equal whatever the scrape times are. `KNOWN` lists the
differences that are meant, each with its reason.
"""

import json
import urllib.parse
import urllib.request
from itertools import product
from typing import Any

import pytest

from tests.helpers.processes import Process, fetch

GOOD_QUERIES = [
    "up", "1", "-1.5", '"text"', "vector(1)", "time()", "pi()", "1/0", "-1/0", "0/0", "1e21", "1e20", "0.0000001",
    "odd", "temperature_celsius", "http_requests_total", '{__name__=~"http.*"}', "sum(http_requests_total)",
    "sum by (code) (http_requests_total)", "avg without (method) (http_requests_total)", "count(up)", "up == 1",
    "up != 1", "up > bool 0", "temperature_celsius * 2", "-temperature_celsius", "temperature_celsius ^ 2",
    "temperature_celsius % 2", "rate(http_requests_total[1m])", "count_over_time(up[1m]) > bool 0",
    "max_over_time(temperature_celsius[1m])", "quantile_over_time(0.5, temperature_celsius[1m])",
    "histogram_quantile(0.5, rpc_seconds_bucket)", "histogram_quantile(0.9, sum by (le) (rpc_seconds_bucket))",
    'label_replace(up, "a", "$1", "job", "(.).*")', 'label_join(up, "j", "-", "job", "zone")',
    "topk(2, sum by (code) (http_requests_total))", "bottomk(1, sum by (room) (temperature_celsius))",
    'count_values("v", temperature_celsius)', "quantile(0.5, temperature_celsius)",
    "quantile(2, temperature_celsius)", "absent(nothing)", 'absent(nothing{a="b"})', "absent(up)", "sort(odd)",
    "sort_desc(temperature_celsius)", "scalar(temperature_celsius)", "scalar(vector(3))", "round(temperature_celsius)",
    "abs(temperature_celsius)", "clamp(temperature_celsius, 0, 10)", "sgn(temperature_celsius)",
    "stddev(temperature_celsius)", "stdvar(temperature_celsius)", "group(up)", 'up and on(job) up{job="one"}',
    'up or on(job) temperature_celsius', "up unless up", "http_requests_total offset 1s", "up @ 0", "day_of_week()",
    "month(vector(1700000000))", "up{job='one'} + on(job) group_right temperature_celsius{job='one'}",
    "min_over_time(up[10s:1s])", "deriv(temperature_celsius[1m])", "changes(up[1m])", "resets(up[1m])",
]  # fmt: skip
BAD_QUERIES = [
    "", "up{", "up)", "sum(", "sum by up", "rate(up)", "up[1m", "up[0s]", "1 == 1", "foo(1)", 'up{a="b"', "{}",
    '{a=~".*"}', "up offset", "up and 1", "sum(1)", "up[1m] + 1", "'unterminated", "up @ x", "rate(up[1m:])[",
    "label_replace(up)", 'label_replace(up, "a b c", "x", "job", ".*")', "up{job=~'('}", "topk(up)",
    "histogram_quantile(1)",
    "up * on(zone) up", "vector(1) + up[5m]",
]  # fmt: skip
RANGE_ONLY = [
    "up",
    "sum(odd)",
    "rate(http_requests_total[30s])",
    "1",
    "temperature_celsius > 0",
    "topk(1, sum by (room) (temperature_celsius))",
]


def requests_() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """(method, path, parameters); NOW stands for the common time."""
    rows: list[tuple[str, str, list[tuple[str, str]]]] = []
    for query in GOOD_QUERIES + BAD_QUERIES:
        rows.append(("GET", "query", [("query", query), ("time", "NOW")]))
    for query in RANGE_ONLY + BAD_QUERIES[:10] + ["up[1m]", "'x'"]:
        rows.append(
            ("POST", "query_range", [("query", query), ("start", "NOW-1"), ("end", "NOW"), ("step", "1")])
        )
    for query in GOOD_QUERIES[30:60] + BAD_QUERIES[:12]:
        rows.append(("GET", "format_query", [("query", query)]))
    bad_times = ["x", "1e400", "2026-01-01", ""]
    for name, value in product(("start", "end", "step", "timeout", "limit"), [*bad_times, "-1", "0"]):
        params = {"query": "1", "start": "NOW", "end": "NOW", "step": "1"} | {name: value}
        rows.append(("GET", "query_range", list(params.items())))
    for value in ["x", "-1", "1", "NOW", "2026-01-01T00:00:00Z", "", "1e400", "NaN"]:
        rows.append(("GET", "query", [("query", "vector(1)"), ("time", value or "NOW")]))
    for limit in ("0", "1", "2", "-1", "x", "1.5"):
        rows.append(("GET", "labels", [("limit", limit)]))
        rows.append(("GET", "label/room/values", [("limit", limit)]))
        rows.append(("GET", "series", [("match[]", "up"), ("limit", limit)]))
    for match in [
        "up",
        '{job="one"}',
        '{__name__=~"rpc.*"}',
        "{}",
        "up{",
        '{a=~".*"}',
        "nothing",
        "up[1m]",
        "sum(up)",
    ]:
        rows.append(("GET", "series", [("match[]", match), ("start", "NOW-2"), ("end", "NOW")]))
        rows.append(("POST", "labels", [("match[]", match)]))
        rows.append(("GET", "label/job/values", [("match[]", match)]))
    rows += [
        ("GET", "series", []),
        ("GET", "series", [("match[]", "up"), ("match[]", "odd")]),
        ("GET", "series", [("match[]", "up"), ("start", "NOW"), ("end", "0")]),
        ("GET", "labels", []),
        ("GET", "labels", [("start", "x")]),
        ("GET", "label/__name__/values", []),
        ("GET", "label/nothing/values", []),
        ("GET", "label/U__job/values", []),
        ("GET", "metadata", []),
        ("GET", "metadata", [("metric", "odd")]),
        ("GET", "metadata", [("limit", "x")]),
        ("GET", "metadata", [("limit", "0")]),
        ("GET", "targets/metadata", [("metric", "odd")]),
        ("GET", "targets/metadata", [("match_target", '{job="one"}')]),
        ("GET", "targets/metadata", [("match_target", "{")]),
        ("GET", "scrape_pools", []),
        ("GET", "alertmanagers", []),
        ("GET", "rules", []),
        ("GET", "alerts", []),
        ("GET", "query_exemplars", [("query", "up"), ("start", "0"), ("end", "NOW")]),
        ("GET", "query_exemplars", [("query", "up{"), ("start", "0"), ("end", "NOW")]),
        ("GET", "status/walreplay", []),
        ("GET", "nothing/here", []),
        ("POST", "admin/tsdb/snapshot", []),
        ("POST", "write", []),
        ("DELETE", "series", [("match[]", "up")]),
    ]
    return rows


REQUESTS = requests_()
KNOWN: dict[tuple[str, str], str] = {
    ("status/walreplay", ""): "3.14 adds the field `state`",
    ("query", "query=vector%281%29&time=NaN"): "NaN is no time; Prometheus takes it for the year 1677",
    (
        "query_range",
        "query=1&start=NOW&end=NOW&step=1&timeout=0",
    ): "a timeout of nothing: Prometheus' answer depends on which deadline it sees first",
    (
        "query_range",
        "query=1&start=NOW&end=NOW&step=1&timeout=-1",
    ): "a timeout below nothing is a timeout here, too",
}
"""(path, query or parameters) -> why the answer differs."""


def ask(
    server: Process, method: str, path: str, params: list[tuple[str, str]], now_s: float
) -> tuple[int, Any]:
    times = {
        "NOW": f"{now_s:g}" if now_s < 1 else str(int(now_s)),
        "NOW-1": str(int(now_s) - 1),
        "NOW-2": str(int(now_s) - 2),
    }
    filled = urllib.parse.urlencode([(name, times.get(value, value)) for name, value in params])
    url = f"{server.url}/api/v1/{path}"
    if method == "POST":
        request = urllib.request.Request(
            url, filled.encode(), {"Content-Type": "application/x-www-form-urlencoded"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read()
    else:
        status, body = fetch(f"{url}?{filled}", method)
    try:
        return status, json.loads(body)
    except ValueError:
        return status, body.decode(errors="replace").strip()


def comparable(value: Any, *, ordered: bool = False) -> Any:
    """An answer without what may differ: the order of lists, the last bits of numbers."""
    if isinstance(value, dict):
        return {name: comparable(item) for name, item in value.items() if name not in {"warnings", "infos"}}
    if isinstance(value, list):
        items = [comparable(item) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=str))
    if isinstance(value, str):
        try:
            return f"{float(value):.9g}"
        except ValueError:
            return value
    return value


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: f"{row[0]} {row[1]} {dict(row[2])}"[:90])
def test_the_same_answer(
    same_page: tuple[Process, Process, float], row: tuple[str, str, list[tuple[str, str]]]
) -> None:
    ours, theirs, now_s = same_page
    method, path, params = row
    if reason := KNOWN.get((path, urllib.parse.urlencode(params))):
        pytest.skip(f"known difference: {reason}")
    status, expected = ask(theirs, method, path, params, now_s)
    found_status, found = ask(ours, method, path, params, now_s)
    assert found_status == status, (expected, found)
    if not isinstance(expected, dict):
        assert isinstance(found, str)
        return
    assert isinstance(found, dict), found
    if expected["status"] == "error":
        assert (found["status"], found["errorType"]) == ("error", expected["errorType"]), (expected, found)
        if "parse error" not in expected["error"]:
            assert found["error"] == expected["error"]
    elif dict(params).get("limit", "0") != "0":
        # Which ones are left out is nobody's promise.
        assert len(found["data"]) == len(expected["data"])
    else:
        assert comparable(found) == comparable(expected)
        assert bool(found.get("warnings")) == bool(expected.get("warnings")) or path in {
            "rules",
            "alerts",
            "alertmanagers",
        }


def test_there_are_enough_requests() -> None:
    assert len(REQUESTS) >= 200
    assert len(KNOWN) <= 10
