"""`/api/v1/status/self_metrics`: the server's own metrics as JSON, as its pages and scripts want them.

The families have the form that protobuf's JSON mapping gives io.prometheus.client.MetricFamily: 64 bit integers are
texts, and so are the numbers that JSON has not. They are read from /metrics' own page: one source, one set of names.
"""

import asyncio
import math
import re
from typing import Any

from pyscrape.exposition import parse
from pyscrape.model.regex import RegexError, RegexTimeout, compile_re2
from pyscrape.web.answers import Answer, ApiError, success
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import AgentServices

Family = dict[str, Any]

_PART = re.compile(r"(.*)(_sum|_count|_bucket)")
_BOUND_LABELS = {"summary": "quantile", "histogram": "le"}


def number(value: float) -> float | str:
    """A double of protobuf's JSON mapping."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def families(page: bytes, media_type: str) -> list[Family]:
    """The families of a page of metrics, in its order."""
    found: dict[str, Family] = {}
    metrics: dict[tuple[str, tuple[tuple[str, str], ...]], Family] = {}

    def family_of(name: str) -> Family:
        return found.setdefault(name, {"name": name, "help": "", "type": "UNTYPED", "metric": []})

    for entry in parse(page, media_type):
        if entry.kind == "help":
            family_of(entry.metric)["help"] = entry.help
        elif entry.kind == "type":
            family_of(entry.metric)["type"] = "UNTYPED" if entry.type == "unknown" else entry.type.upper()
        elif entry.kind == "series":
            labels = dict(entry.labels)
            name = labels.pop("__name__")
            part = _PART.fullmatch(name)
            family = family_of(part[1] if part and name not in found and part[1] in found else name)
            kind = family["type"].lower()
            bound = labels.pop(_BOUND_LABELS.get(kind, ""), "")
            key = (family["name"], tuple(sorted(labels.items())))
            if key not in metrics:
                metrics[key] = {"label": [{"name": k, "value": v} for k, v in key[1]], kind: {}}
                family["metric"].append(metrics[key])
            _add(metrics[key][kind], kind, name, bound, entry.value)
    return list(found.values())


def _add(metric: dict[str, Any], kind: str, name: str, bound: str, value: float) -> None:
    """Put a sample into its metric; `bound` is its quantile or its bucket's upper bound."""
    if kind == "summary" and bound:
        metric.setdefault("quantile", []).append({"quantile": number(float(bound)), "value": number(value)})
    elif kind == "histogram" and bound:
        bucket = {"cumulativeCount": str(int(value)), "upperBound": number(float(bound))}
        metric.setdefault("bucket", []).append(bucket)
    elif kind in _BOUND_LABELS and name.endswith("_count"):
        metric["sampleCount"] = str(int(value))
    elif kind in _BOUND_LABELS:
        metric["sampleSum"] = number(value)
    else:
        metric["value"] = number(value)


class SelfMetricsApi:
    def __init__(self, services: AgentServices) -> None:
        self._services = services

    def mounts(self) -> list[Mount]:
        return [Mount("/api/v1/status/self_metrics", self.self_metrics)]

    async def self_metrics(self, call: Call) -> Answer:
        """All families, or those whose whole name `metric_name_pattern` matches."""
        text = call.params.first("metric_name_pattern")
        page, media_type = self._services.metrics()  # on the loop, whose counters they are
        return success(await asyncio.to_thread(chosen, page, media_type, text))


def chosen(page: bytes, media_type: str, pattern: str) -> list[Family]:
    """The families of a page whose whole name `pattern` matches, all where it is empty.

    Raises:
        ApiError: the pattern is none, or takes too long.
    """
    found = families(page, media_type)
    if not pattern:
        return found
    try:
        matches = compile_re2(pattern).matches
        return [one for one in found if matches(one["name"])]
    except (RegexError, RegexTimeout) as error:
        raise ApiError.parameter("metric_name_pattern", error) from error
