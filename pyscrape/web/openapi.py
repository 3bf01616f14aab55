"""`/api/v1/openapi.yaml`: the routes of this server as an OpenAPI 3.1 document, for clients that are generated.

Made from the routes that are mounted; `DESCRIBED` adds what a route cannot say of itself. Answers are described by
their envelope alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from pyscrape.web.answers import Answer
from pyscrape.web.routes import Call, Mount

BASE = "/api/v1"
WINDOW = "start end"

_PART = re.compile(r"\{(\w+)[^}]*\}")


@dataclass(frozen=True, slots=True)
class Described:
    """What a path answers, and its parameters; `!` stands after those that must be given."""

    summary: str
    parameters: str = ""


DESCRIBED: Mapping[str, Described] = {
    "/query": Described("A query at one time", "query! time timeout limit lookback_delta stats"),
    "/query_range": Described(
        "A query over a range of time", "query! start! end! step! timeout limit lookback_delta stats"
    ),
    "/query_plan": Described(
        "What each part of a query costs", "query! time start end step timeout lookback_delta"
    ),
    "/query_exemplars": Described("Exemplars of the series in a query", f"query! {WINDOW}"),
    "/format_query": Described("A query, prettily printed", "query!"),
    "/parse_query": Described("A query as a tree", "query!"),
    "/series": Described("Series by selectors", f"match[]! {WINDOW} limit"),
    "/labels": Described("Label names", f"match[] {WINDOW} limit"),
    "/label/{name}/values": Described("Values of a label", f"match[] {WINDOW} limit"),
    "/metadata": Described("Types and helps of metrics", "metric limit limit_per_metric"),
    "/targets": Described("Targets of the scraper", "state scrapePool"),
    "/targets/metadata": Described("Types and helps by target", "match_target metric limit"),
    "/targets/relabel_steps": Described("What each rule makes of given labels", "scrapePool! labels!"),
    "/targets/drops": Described("How many targets each rule dropped", "scrapePool"),
    "/scrape_pools": Described("Names of the jobs"),
    "/scrape_pools/config": Described("The configuration of a job", "scrapePool!"),
    "/discovery": Described("How each discovery is doing"),
    "/alertmanagers": Described("Alertmanagers; none, alerts are not sent yet"),
    "/rules": Described("Rules; none, they are not evaluated yet"),
    "/alerts": Described("Alerts; none, rules are not evaluated yet"),
    "/notifications": Described("What an operator should know now"),
    "/notifications/live": Described("The same as server-sent events"),
    "/features": Described("What this server can do and what is switched on"),
    "/openapi.yaml": Described("This document"),
    "/status/config": Described("The configuration in force"),
    "/status/flags": Described("The flags of the command line"),
    "/status/runtimeinfo": Described("The running process"),
    "/status/buildinfo": Described("The version"),
    "/status/tsdb": Described("What the store has most of", "limit"),
    "/status/tsdb/blocks": Described("Blocks; there are none"),
    "/status/walreplay": Described("How far the start is"),
    "/status/self_metrics": Described("The server's own metrics", "metric_name_pattern"),
    "/status/log": Described("The last changes of state", "part"),
    "/status/remote_write": Described("How each endpoint of remote write is doing"),
    "/admin/tsdb/delete_series": Described("Delete samples", f"match[]! {WINDOW}"),
    "/admin/tsdb/clean_tombstones": Described("Nothing: what is deleted is gone at once"),
    "/admin/tsdb/snapshot": Described("Write a copy of everything"),
    "/write": Described("The receiver of remote write"),
}


def document(mounts: Sequence[Mount], version: str, prefix: str = "") -> dict[str, Any]:
    """The document over all mounts below /api/v1."""
    paths: dict[str, dict[str, Any]] = {}
    for mount in mounts:
        if not mount.path.startswith(BASE + "/"):
            continue
        path = _PART.sub(r"{\1}", mount.path.removeprefix(BASE))
        operations = paths.setdefault(path, {})
        for method in mount.methods:
            operations[method.lower()] = _operation(path, method)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Prometheus HTTP API, as pyscrape serves it", "version": version},
        "servers": [{"url": prefix + BASE}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": {"Answer": ANSWER}},
    }


ANSWER: Mapping[str, Any] = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"enum": ["success", "error"]},
        "data": {},
        "errorType": {"type": "string"},
        "error": {"type": "string"},
        "warnings": {"type": "array", "items": {"type": "string"}},
        "infos": {"type": "array", "items": {"type": "string"}},
    },
}


def _operation(path: str, method: str) -> dict[str, Any]:
    described = DESCRIBED[path]
    parts = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PART.findall(path)
    ]
    parameters = [*parts, *(_parameter(text) for text in described.parameters.split())]
    schema = {"schema": {"$ref": "#/components/schemas/Answer"}}
    words = re.sub(r"[^a-z0-9_]+", "-", path.lower()).strip("-")
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}-{words}",
        "summary": described.summary,
    }
    if parameters:
        operation["parameters"] = parameters
    answers = {"description": "The answer, or why there is none", "content": {"application/json": schema}}
    return operation | {"responses": {"default": answers}}


def _parameter(text: str) -> dict[str, Any]:
    name = text.removesuffix("!")
    one = {"type": "string"}
    schema = {"type": "array", "items": one} if name.endswith("[]") else one
    return {"name": name, "in": "query", "required": text.endswith("!"), "schema": schema}


class OpenApi:
    """The document over `mounts` and its own."""

    def __init__(self, mounts: Sequence[Mount], version: str, prefix: str) -> None:
        self._mounts = [*mounts, self.mount]
        self._version = version
        self._prefix = prefix

    @property
    def mount(self) -> Mount:
        return Mount(f"{BASE}/openapi.yaml", self.show, place="thread")

    def show(self, call: Call) -> Answer:
        found = document(self._mounts, self._version, self._prefix)
        text = yaml.dump(found, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
        return Answer(text.encode(), media_type="application/yaml; charset=utf-8")


class _Plain(yaml.SafeDumper):
    """Without anchors: parts that are one object are written out each time."""

    def ignore_aliases(self, data: object) -> bool:  # PyYAML's signature
        return True
