"""What the server says of itself: features, its own metrics as JSON, and its routes as an OpenAPI document."""

import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyscrape.model.regex import RegexTimeout
from pyscrape.promql.signatures import FUNCTIONS
from pyscrape.web.app import mounts
from pyscrape.web.features_api import features
from pyscrape.web.openapi import DESCRIBED
from pyscrape.web.self_metrics import families
from tests.helpers.web_client import client_of, make_services

MEDIA_TYPE = "text/plain; version=0.0.4"
DOCS = (Path(__file__).parents[2] / "pyscrape/docs/api.md").read_text()


async def test_features_are_categories_of_names() -> None:
    services = make_services(flags={"web.enable-admin-api": "true", "web.enable-lifecycle": "false"})
    async with client_of(services) as client:
        data = await client.data("/api/v1/features")
    assert all(isinstance(on, bool) for names in data.values() for on in names.values())
    assert (data["api"]["admin"], data["api"]["lifecycle"]) == (True, False)
    assert (data["promql_functions"]["rate"], data["promql_functions"]["mad_over_time"]) == (True, False)
    assert (data["promql_operators"]["sum"], data["promql_operators"]["limitk"]) == (True, False)
    found = data["service_discovery_providers"]
    assert [name for name, on in found.items() if on] == [
        "consul",
        "dns",
        "file",
        "http",
        "kubernetes",
        "static",
    ]
    assert found["ec2"] is False
    assert set(data["promql_functions"]) == set(FUNCTIONS)


@pytest.mark.parametrize(
    ("enabled", "category", "name"),
    [
        ("promql-experimental-functions", "promql_functions", "mad_over_time"),
        ("promql-experimental-functions", "promql_operators", "limit_ratio"),
        ("promql-extended-range-selectors", "promql", "smoothed"),
        ("promql-binop-fill-modifiers", "promql", "fill_left"),
        ("promql-delayed-name-removal", "promql", "delayed_name_removal"),
        ("extra-scrape-metrics", "scrape", "extra_scrape_metrics"),
        ("auto-reload-config", "prometheus", "auto_reload_config"),
    ],
)
def test_a_feature_flag_switches_its_own(enabled: str, category: str, name: str) -> None:
    assert features({}, keeps_samples=True)[category][name] is False
    assert features({"enable-feature": f"other,{enabled}"}, keeps_samples=True)[category][name] is True


def test_an_agent_has_no_promql() -> None:
    found = features({"agent": "true"}, keeps_samples=False)
    assert not {"promql", "promql_functions", "tsdb", "rules"} & set(found)
    assert found["prometheus"]["agent_mode"] is True


PAGE = b"""\
# HELP a_total Some.
# TYPE a_total counter
a_total{z="1",b="2"} 3
a_total{b="3"} +Inf
# HELP s Times.
# TYPE s summary
s{quantile="0.5"} 0.25
s_sum 1.5
s_count 4
# TYPE h histogram
h_bucket{code="200",le="0.1"} 1
h_bucket{code="200",le="+Inf"} 2
h_sum{code="200"} NaN
h_count{code="200"} 2
# TYPE g_sum gauge
g_sum 1
bare 2
"""


def test_families_as_protobuf_has_them_in_json() -> None:
    expected: list[dict[str, Any]] = [
        {
            "name": "a_total",
            "help": "Some.",
            "type": "COUNTER",
            "metric": [
                {
                    "label": [{"name": "b", "value": "2"}, {"name": "z", "value": "1"}],
                    "counter": {"value": 3.0},
                },
                {"label": [{"name": "b", "value": "3"}], "counter": {"value": "Infinity"}},
            ],
        },
        {
            "name": "s",
            "help": "Times.",
            "type": "SUMMARY",
            "metric": [
                {
                    "label": [],
                    "summary": {
                        "quantile": [{"quantile": 0.5, "value": 0.25}],
                        "sampleSum": 1.5,
                        "sampleCount": "4",
                    },
                }
            ],
        },
        {
            "name": "h",
            "help": "",
            "type": "HISTOGRAM",
            "metric": [
                {
                    "label": [{"name": "code", "value": "200"}],
                    "histogram": {
                        "bucket": [
                            {"cumulativeCount": "1", "upperBound": 0.1},
                            {"cumulativeCount": "2", "upperBound": "Infinity"},
                        ],
                        "sampleSum": "NaN",
                        "sampleCount": "2",
                    },
                }
            ],
        },
        {
            "name": "g_sum",
            "help": "",
            "type": "GAUGE",
            "metric": [{"label": [], "gauge": {"value": 1.0}}],
        },
        {
            "name": "bare",
            "help": "",
            "type": "UNTYPED",
            "metric": [{"label": [], "untyped": {"value": 2.0}}],
        },
    ]
    assert families(PAGE, MEDIA_TYPE) == expected


async def test_own_metrics_by_their_names() -> None:
    async with client_of(make_services(metrics=lambda: (PAGE, MEDIA_TYPE))) as client:
        path = "/api/v1/status/self_metrics"
        every = await client.data(path)
        some = await client.data(path, metric_name_pattern="a_.*|g")
        bad = await client.error(path, metric_name_pattern="(")
    assert [one["name"] for one in every] == ["a_total", "s", "h", "g_sum", "bare"]
    assert [one["name"] for one in some] == ["a_total"]  # the whole name
    assert bad[:2] == (400, "bad_data") and bad[2].startswith('invalid parameter "metric_name_pattern": ')


async def test_a_pattern_that_takes_too_long_is_refused_and_does_not_hold_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = set()

    class Slow:
        def matches(self, name: str) -> bool:
            threads.add(threading.current_thread())
            raise RegexTimeout("(a*)*b", len(name))

    monkeypatch.setattr("pyscrape.web.self_metrics.compile_re2", lambda _pattern: Slow())
    async with client_of(make_services(metrics=lambda: (PAGE, MEDIA_TYPE))) as client:
        bad = await client.error("/api/v1/status/self_metrics", metric_name_pattern="(a*)*b")
    assert bad[:2] == (400, "bad_data") and "(a*)*b" in bad[2]
    assert threading.current_thread() not in threads


async def test_the_openapi_document_has_every_route() -> None:
    services = make_services(prefix="/deep")
    async with client_of(services) as client:
        answer = await client.get("/deep/api/v1/openapi.yaml")
    assert answer.headers["content-type"].startswith("application/yaml")
    found = yaml.safe_load(answer.content)
    assert found["openapi"].startswith("3.1") and found["servers"] == [{"url": "/deep/api/v1"}]
    assert set(found["paths"]) == set(DESCRIBED)
    assert len({op["operationId"] for ops in found["paths"].values() for op in ops.values()}) == sum(
        len(ops) for ops in found["paths"].values()
    )
    assert set(found["paths"]["/query"]) == {"get", "post"}
    [name, *others] = found["paths"]["/label/{name}/values"]["get"]["parameters"]
    assert (name["in"], name["required"]) == ("path", True)
    assert [one["name"] for one in others] == ["match[]", "start", "end", "limit"]


def test_the_documentation_has_every_route() -> None:
    paths = {mount.path.replace(":path", "") for mount in mounts(make_services())}
    wanted = {
        path for path in paths if path.startswith(("/api/", "/-/", "/federate", "/metrics", "/version"))
    }
    assert len(wanted) > 40
    assert [path for path in sorted(wanted) if f"`{path}`" not in DOCS] == []
