"""The HTTP API beside the real Prometheus on the same targets: codes, error types, shapes and contents.

Both scrape one page that never changes, so that answers are equal whatever the scrape times are. `KNOWN` lists the
differences that are meant, each with its reason.
"""

import json
import re
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
    "minute(vector(1e18))", "hour(vector(-1e18))", "year(vector(1e19))", "day_of_month(vector(-9e18))",
    "month(vector(1e17))", "days_in_month(vector(-6e16))", "day_of_year(vector(1e13))", "day_of_week(vector(3e15))",
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


# What has warnings or infos, or an error of its own.
ANNOTATED = [
    "histogram_quantile(2, rpc_seconds_bucket)", "quantile(2, up)", "histogram_quantile(0.5, http_requests_total)",
    "rate(temperature_celsius[1m])", "irate(odd[1m])", "increase(up[1m])", "quantile_over_time(-1, up[1m])",
    "limitk(1, up)", "mad_over_time(up[1m])", "info(up)", "holt_winters(up[1m], 0.1, 0.1)", "up[1m:0s]",
    "count_values('1a', up)", "label_join(up, '', '-', 'job')", "label_replace(up, 'x', '$1', 'job', '(')",
    "up{__name__='x'}", "sum(up,1)", "rate(up)", "-'x'", "by", "a{b='c',}", "up{,}",
    "1 and 1", "group_left", "up @ end()", "predict_linear(temperature_celsius[1m], 60)",
]  # fmt: skip
TIMES = [
    "NOW.5", "2026-01-01T00:00:00+02:00", "2026-01-01T00:00:00.123456789Z", "2026-01-01t00:00:00z",
    "2026-01-01 00:00:00Z", "1e9", "-5", "0x10", "1_000", "+5", ".5", "5.", " 5", "1h",
]  # fmt: skip
DURATIONS = [
    "1", "1s", "1m", "1.5", "1ms", "1y", "1d2h", "5m30s", "-1s", "0s", "1e3", "Inf", "9223372037", "x", "1 m", "01m",
    "1h1d", "1m1m", "0x10", "0.0025", "1.0015",
]  # fmt: skip
LIMITS = ["+1", " 1", "1e1", "9" * 20]


def more_requests() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Forms of parameters, and endpoints that are asked once."""
    rows: list[tuple[str, str, list[tuple[str, str]]]] = []
    for query in ANNOTATED:
        rows.append(("GET", "query", [("query", query), ("time", "NOW")]))
    for at in TIMES:
        rows.append(("GET", "query", [("query", "time()"), ("time", at)]))
        rows.append(("GET", "query_range", [("query", "1"), ("start", at), ("end", at), ("step", "1")]))
        if at != "NOW.5":  # how many samples there are by then is a race
            rows.append(("GET", "labels", [("start", at), ("end", "NOW")]))
    for length in DURATIONS:
        span = [("start", "NOW-2"), ("end", "NOW"), ("step", length)]
        rows.append(("GET", "query_range", [("query", "vector(1)"), *span]))
        rows.append(("GET", "query", [("query", "1"), ("time", "NOW"), ("lookback_delta", length)]))
    for end in ("11000", "11000.5", "11001"):
        rows.append(("POST", "query_range", [("query", "1"), ("start", "0"), ("end", end), ("step", "1")]))
    for limit in LIMITS:
        rows.append(("GET", "query", [("query", "odd"), ("time", "NOW"), ("limit", limit)]))
        rows.append(("GET", "label/room/values", [("limit", limit)]))
        rows.append(("GET", "targets/metadata", [("metric", "odd"), ("limit", limit)]))
    for query in GOOD_QUERIES[9:50] + BAD_QUERIES[:12]:
        rows.append(("GET", "parse_query", [("query", query)]))
    for name, value in [
        ("type", "x"), ("type", "alert"), ("match[]", "{"), ("exclude_alerts", "x"), ("exclude_alerts", "true"),
        ("group_limit", "x"), ("group_limit", "0"), ("group_limit", "1"), ("group_next_token", "x"),
    ]:  # fmt: skip
        rows.append(("GET", "rules", [(name, value)]))
    for state, pool in product(["active", "dropped", "ANY", "x", ""], ["", "one", "none"]):
        rows.append(("GET", "targets", [("state", state), ("scrapePool", pool)]))
    for path in ("config", "flags", "runtimeinfo", "buildinfo", "tsdb"):
        rows.append(("GET", f"status/{path}", []))
    for limit in ("1", "0", "x", "10001"):
        rows.append(("GET", "status/tsdb", [("limit", limit)]))
    for method, path in product(("PUT", "HEAD", "PATCH"), ("query", "labels", "targets", "write", "rules")):
        rows.append((method, path, []))
    return [*rows, ("GET", "notifications", []), ("GET", "query", [("query", "sum(up)"), ("stats", "true")])]


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


REQUESTS = [*requests_(), *more_requests()]
OTHER_PATHS = [
    *product(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"), ("/-/healthy", "/-/ready", "/-/reload", "/-/quit")),
    *product(("HEAD", "POST", "OPTIONS"), ("/federate", "/metrics", "/version")),
    *product(("GET", "POST"), ("/metrics/", "/federate/", "/nothing", "/nothing/")),
    *(
        ("GET", "/federate?" + urllib.parse.urlencode({"match[]": match}))
        for match in ("http_requests_total", "{}", "up{", "sum(up)", 'odd{kind=~".*"}', '{room=~".*",kind="nan"}', "")
    ),
    ("GET", "/federate"),
    *product(("GET",), ("/federate?match[]=up%zz", "/api/v1/series?match[]=up&x=%z", "/api/v1/series?match[]=up;x")),
]  # fmt: skip
# Prometheus 3.14 has these in trees, 3.5 not yet.
LATER_FIELDS = {"anchored", "smoothed", "offsetExpr", "rangeExpr", "stepExpr", "fillValues"}
# What cannot be equal, and need only have every field that Prometheus' answer has, of the same type.
SHAPES_ONLY = {
    "targets",
    "status/config",
    "status/flags",
    "status/runtimeinfo",
    "status/buildinfo",
    "status/tsdb",
}
KNOWN: dict[tuple[str, str], str] = {
    ("status/walreplay", ""): "3.14 adds the field `state`",
    ("status/tsdb", "limit=10001"): "3.14 refuses more than 10,000",
    ("query", "query=up+offset&time=NOW"): "3.14 names step() and range() among what may follow",
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
        "NOW.5": f"{int(now_s)}.5",
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
        left_out = {"warnings", "infos", *LATER_FIELDS}
        return {name: comparable(item) for name, item in value.items() if name not in left_out}
    if isinstance(value, list):
        items = [comparable(item) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=str))
    if isinstance(value, str):
        try:
            return f"{float(value):.9g}"
        except ValueError:
            return value
    return value


def lacking(found: Any, expected: Any, at: str = "") -> list[str]:
    """The fields of an answer that are missing or of another type; of a list one item stands for all, and of labels
    any."""
    if isinstance(expected, dict) and isinstance(found, dict):
        either = found if at.endswith("abels") else expected
        missing = [f"{at}.{name} is missing" for name in either if name not in found]
        both = [name for name in expected if name in found]
        return missing + [
            line for name in both for line in lacking(found[name], expected[name], f"{at}.{name}")
        ]
    if isinstance(expected, list) and isinstance(found, list):
        return lacking(found[0], expected[0], f"{at}[]") if expected and found else []
    numbers = (int, float)
    alike = type(found) is type(expected) or (type(found) in numbers and type(expected) in numbers)
    return [] if alike else [f"{at} is {found!r}, not {expected!r}"]


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
        assert found["error"] == expected["error"]
    elif path in SHAPES_ONLY or "stats" in dict(params):
        assert lacking(found, expected) == []
    elif dict(params).get("limit", "0") != "0":
        # Which ones are left out is nobody's promise.
        assert len(found["data"]) == len(expected["data"])
    else:
        assert comparable(found) == comparable(expected)
        for kind in ("warnings", "infos"):
            assert sorted(found.get(kind, [])) == sorted(expected.get(kind, [])) or path in {
                "rules",
                "alerts",
                "alertmanagers",
            }


@pytest.mark.parametrize(("method", "path"), OTHER_PATHS)
def test_the_same_outside_of_the_api(
    same_page: tuple[Process, Process, float], method: str, path: str
) -> None:
    ours, theirs, _ = same_page
    (status, expected), (found_status, found) = (fetch(one.url + path, method) for one in (theirs, ours))
    assert found_status == status
    if "federate" in path and status == 200:
        pages = [re.sub(rb" \d+$", b"", page, flags=re.MULTILINE) for page in (found, expected)]
        assert sorted(pages[0].splitlines()) == sorted(pages[1].splitlines())
    elif status != 200 or path.startswith("/-/"):
        assert found.strip() == expected.strip()


def test_there_are_enough_requests() -> None:
    assert len(REQUESTS) >= 200
    assert len(KNOWN) <= 10
