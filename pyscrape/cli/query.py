"""Ask any Prometheus-compatible server.

Examples:
  pyscrape query instant http://localhost:9090 'sum by (job) (up)'
  pyscrape query range http://localhost:9090 'rate(node_cpu_seconds_total[5m])' --start=-1h --step=1m
  pyscrape query series http://localhost:9090 --match='{job="node"}'
  pyscrape query labels http://localhost:9090 job
"""

import argparse
import asyncio
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pyscrape.model.duration import DurationError, parse_duration
from pyscrape.model.labels import METRIC_NAME
from pyscrape.model.names import quoted

BARS = "▁▂▃▄▅▆▇█"
GRAPH_WIDTH = 60
DEFAULT_POINTS = 250


def configure(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="instant|range|series|labels")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("url", metavar="URL", help="the server, such as http://localhost:9090")
    common.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'", help="send a header"
    )
    common.add_argument(
        "--timeout", type=float, default=120, metavar="SECONDS", help="wait so long for an answer"
    )
    form = ("table", "promql", "json", "graph")
    common.add_argument("--format", "-o", choices=form, help="default: table on a terminal, promql in a pipe")
    instant = kinds.add_parser("instant", parents=[common], help="the value of an expression at one time")
    instant.add_argument("expression")
    instant.add_argument("--time", default="", help="RFC 3339, unix seconds, or a duration ago such as -1h")
    ranged = kinds.add_parser("range", parents=[common], help="the values of an expression over a time")
    ranged.add_argument("expression")
    ranged.add_argument("--start", default="-5m", help="as --time of instant [-5m]")
    ranged.add_argument("--end", default="", help="as --time of instant [now]")
    ranged.add_argument("--step", default="", help="duration or seconds [such that there are 250 points]")
    for name, text in (("series", "the series that selectors match"), ("labels", "the values of a label")):
        listing = kinds.add_parser(name, parents=[common], help=text)
        if name == "labels":
            listing.add_argument("name", help="the label")
        listing.add_argument("--match", action="append", default=[], help="a selector; may be repeated")
        listing.add_argument("--start", default="")
        listing.add_argument("--end", default="")


def moment(text: str, now_s: float) -> str:
    """A time of the command line as the API takes it; `-1h` is an hour ago.

    Raises:
        ValueError: `-` is followed by no duration.
    """
    if text.startswith("-") and not text.removeprefix("-").replace(".", "").isdigit():
        return f"{now_s - parse_duration(text[1:]) / 1000:.3f}"
    return text or f"{now_s:.3f}"


def seconds(text: str) -> float:
    """Unix seconds or RFC 3339 as seconds."""
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()


def request(args: argparse.Namespace, now_s: float) -> tuple[str, list[tuple[str, str]]]:
    """The path and parameters of what was asked."""
    if args.kind == "instant":
        return "/api/v1/query", [("query", args.expression), ("time", moment(args.time, now_s))]
    if args.kind == "range":
        start, end = moment(args.start, now_s), moment(args.end, now_s)
        step = args.step or str(max(1, math.ceil((seconds(end) - seconds(start)) / DEFAULT_POINTS)))
        return "/api/v1/query_range", [
            ("query", args.expression),
            ("start", start),
            ("end", end),
            ("step", step),
        ]
    name = quote(getattr(args, "name", ""), safe="")
    path = "/api/v1/series" if args.kind == "series" else f"/api/v1/label/{name}/values"
    limits = [(name, moment(getattr(args, name), now_s)) for name in ("start", "end") if getattr(args, name)]
    return path, [("match[]", match) for match in args.match] + limits


async def ask(args: argparse.Namespace, path: str, params: Sequence[tuple[str, str]]) -> Any:
    """The decoded answer of the server.

    Raises:
        OSError: it cannot be reached, or answers with something that is no API answer.
    """
    from pyscrape.net.ask import get_json

    headers = [
        (name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in args.header)
    ]
    server = args.url if "://" in args.url else f"http://{args.url}"
    answer = await get_json(server.rstrip("/") + path, params, headers, args.timeout)
    if not isinstance(answer, dict) or (answer.get("status") == "success" and "data" not in answer):
        raise OSError(f"{args.url} answers, but not as Prometheus' HTTP API does")
    return answer


def series_name(metric: Mapping[str, str]) -> str:
    """`up{job="node"}`, as PromQL writes a series."""
    inner = ", ".join(
        f"{name}={quoted(value)}" for name, value in sorted(metric.items()) if name != METRIC_NAME
    )
    return metric.get(METRIC_NAME, "") + (f"{{{inner}}}" if inner or METRIC_NAME not in metric else "")


def sample(row: Mapping[str, Any]) -> tuple[float, str]:
    """(time, value) of a row of a vector; a native histogram by its count and sum."""
    if "value" in row:
        at, value = row["value"]
        return at, value
    at, histogram = row["histogram"]
    return at, histogram_text(histogram)


def histogram_text(histogram: Mapping[str, Any]) -> str:
    """`{count:3, sum:1.5}`, as PromQL begins to write one."""
    return f"{{count:{histogram['count']}, sum:{histogram['sum']}}}"


def as_promql(data: Any) -> list[str]:
    """An answer line by line, as promtool prints it."""
    if isinstance(data, list):
        return [series_name(item) if isinstance(item, dict) else str(item) for item in data]
    kind, result = data["resultType"], data["result"]
    if kind in {"scalar", "string"}:
        return [f"{kind}: {result[1]} @[{result[0]}]"]
    if kind == "vector":
        samples = [(series_name(row["metric"]), *sample(row)) for row in result]
        return [f"{name} => {value} @[{at}]" for name, at, value in samples]
    lines = []
    for row in result:
        lines.append(f"{series_name(row['metric'])} =>")
        lines += [f"{value} @[{at}]" for at, value in row.get("values", [])]
        lines += [f"{histogram_text(value)} @[{at}]" for at, value in row.get("histograms", [])]
    return lines


def as_table(data: Any) -> list[str]:
    """An instant vector or a list of series as a table with a column per label."""
    rows: list[dict[str, str]]
    if isinstance(data, list):
        rows = [item if isinstance(item, dict) else {"value": item} for item in data]
    elif data["resultType"] == "vector":
        rows = [{**row["metric"], "VALUE": sample(row)[1]} for row in data["result"]]
    else:
        return as_graph(data)
    names = sorted(
        {name for row in rows for name in row}, key=lambda name: (name == "VALUE", name != METRIC_NAME, name)
    )
    cells = [[name if name != METRIC_NAME else "METRIC" for name in names]]
    cells += [[row.get(name, "") for name in names] for row in rows]
    widths = [max(len(line[k]) for line in cells) for k in range(len(names))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def as_graph(data: Any) -> list[str]:
    """A matrix as one small bar graph a series, with least, last and greatest value."""
    if isinstance(data, list) or data["resultType"] != "matrix":
        return as_promql(data)
    lines = []
    for row in data["result"]:
        values = [float(value) for _, value in row.get("values", [])]
        lines.append(series_name(row["metric"]))
        finite = [value for value in values if math.isfinite(value)]
        if finite:
            span = f"min {min(finite):g}  last {values[-1]:g}  max {max(finite):g}"
            lines.append(f"  {spark(values)}  {span}")
    return lines


def spark(values: Sequence[float]) -> str:
    """Values as a row of bars; a blank where one is not finite.

    >>> spark([0, 1, 2, 3])
    '▁▃▅█'
    """
    if len(values) > GRAPH_WIDTH:
        values = [values[k * len(values) // GRAPH_WIDTH] for k in range(GRAPH_WIDTH)]
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0
    return "".join(BARS[int((value - low) * scale)] if math.isfinite(value) else " " for value in values)


PRINTERS = {"promql": as_promql, "table": as_table, "graph": as_graph}


def run(args: argparse.Namespace) -> int:
    try:
        path, params = request(args, time.time())
    except (ValueError, DurationError) as error:
        print(f"pyscrape query: {error}", file=sys.stderr)
        return 2
    try:
        answer = asyncio.run(ask(args, path, params))
    except OSError as error:
        print(f"pyscrape query: {error}", file=sys.stderr)
        return 1
    if args.format == "json":
        print(json.dumps(answer, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))
        return 0 if answer.get("status") == "success" else 1
    if answer.get("status") != "success":
        print(f"query error: {answer.get('errorType')}: {answer.get('error')}", file=sys.stderr)
        return 1
    for text in [*answer.get("warnings", []), *answer.get("infos", [])]:
        print(text, file=sys.stderr)
    printer = PRINTERS[args.format or ("table" if sys.stdout.isatty() else "promql")]
    for line in printer(answer["data"]):
        print(line)
    return 0
