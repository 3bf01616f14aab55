"""`/api/v1/features`: what this server can do and what is switched on, so that clients need not guess from a version.

Categories and names are Prometheus'; a name that is not there is, to a client, the same as one that is false.
"""

from collections.abc import Mapping

from pyscrape.discovery.settings import FOREIGN, SUPPORTED
from pyscrape.promql.signatures import FUNCTIONS
from pyscrape.promql.tokens import AGGREGATORS, EXPERIMENTAL_AGGREGATORS, OPERATORS
from pyscrape.web.answers import Answer, success
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import AgentServices, Services

Features = dict[str, dict[str, bool]]

EXPERIMENTAL = "promql-experimental-functions"
ALWAYS = True
NEVER = False

# A list: on when one of these flags of --enable-feature is; a text: on when that flag of the command line is.
TABLE: Mapping[str, Mapping[str, bool | str | list[str]]] = {
    "api": {
        "admin": "web.enable-admin-api",
        "exclude_alerts": NEVER,
        "label_values_match": ALWAYS,
        "lifecycle": "web.enable-lifecycle",
        "openapi_3.1": ALWAYS,
        "otlp_write_receiver": NEVER,
        "query_stats": ALWAYS,
        "query_warnings": ALWAYS,
        "remote_write_receiver": "web.enable-remote-write-receiver",
        "search": NEVER,
        "time_range_labels": ALWAYS,
        "time_range_series": ALWAYS,
    },
    "otlp_receiver": {"delta_conversion": NEVER, "native_delta_ingestion": NEVER},
    "prometheus": {
        "agent_mode": "agent",
        "auto_reload_config": "config.auto-reload",
        "evaluates_rules": NEVER,
        "remote_read": NEVER,
    },
    "promql": {
        "anchored": ["promql-extended-range-selectors"],
        "at_modifier": ALWAYS,
        "bool": ALWAYS,
        "by": ALWAYS,
        "delayed_name_removal": ["promql-delayed-name-removal", EXPERIMENTAL],
        "duration_expr": ALWAYS,
        "fill": ["promql-binop-fill-modifiers"],
        "fill_left": ["promql-binop-fill-modifiers"],
        "fill_right": ["promql-binop-fill-modifiers"],
        "group_left": ALWAYS,
        "group_right": ALWAYS,
        "ignoring": ALWAYS,
        "native_histograms": NEVER,
        "negative_offset": ALWAYS,
        "offset": ALWAYS,
        "on": ALWAYS,
        "per_query_lookback_delta": ALWAYS,
        "per_step_stats": ALWAYS,
        "smoothed": ["promql-extended-range-selectors"],
        "subqueries": ALWAYS,
        "type_and_unit_labels": NEVER,
        "without": ALWAYS,
    },
    "rules": {"concurrent_rule_eval": NEVER, "keep_firing_for": NEVER, "query_offset": NEVER},
    "scrape": {
        "extra_scrape_metrics": ["extra-scrape-metrics"],
        "native_histograms": NEVER,
        "start_timestamp_zero_ingestion": NEVER,
        "type_and_unit_labels": NEVER,
    },
    "tsdb": {
        "delayed_compaction": NEVER,
        "exemplar_storage": ALWAYS,
        "native_histograms": NEVER,
        "out_of_order": ALWAYS,
    },
    "ui": {"ui_v2": NEVER, "ui_v3": ALWAYS},
}
QUERYING = ("promql", "rules", "tsdb")
"""What an agent has not."""


def features(flags: Mapping[str, str], *, keeps_samples: bool) -> Features:
    """All categories, for a command line whose `flags` are printed as `/api/v1/status/flags` shows them."""
    enabled = set(flags.get("enable-feature", "").split(","))

    def on(row: bool | str | list[str]) -> bool:
        if isinstance(row, list):
            return not enabled.isdisjoint(row)
        return flags.get(row) == "true" if isinstance(row, str) else row

    found: Features = {
        category: {name: on(row) for name, row in rows.items()}
        for category, rows in TABLE.items()
        if keeps_samples or category not in QUERYING
    }
    if "auto-reload-config" in enabled:
        found["prometheus"]["auto_reload_config"] = True
    found["service_discovery_providers"] = _discoveries()
    if keeps_samples:
        experimental = EXPERIMENTAL in enabled
        found["promql_functions"] = {
            name: experimental or not function.experimental for name, function in sorted(FUNCTIONS.items())
        }
        found["promql_operators"] = {
            name: experimental or name not in EXPERIMENTAL_AGGREGATORS
            for name in sorted(AGGREGATORS | OPERATORS)
        }
    return found


def _discoveries() -> dict[str, bool]:
    """Those that run here are true, those that `check` alone knows false."""
    own = {name.removesuffix("_configs").removesuffix("_sd"): True for name in SUPPORTED}
    return dict(sorted({**dict.fromkeys(FOREIGN, False), **own}.items()))


class FeaturesApi:
    def __init__(self, services: AgentServices) -> None:
        self._services = services

    def mounts(self) -> list[Mount]:
        return [Mount("/api/v1/features", self.features)]

    def features(self, call: Call) -> Answer:
        keeps = isinstance(self._services, Services)
        return success(features(self._services.flags, keeps_samples=keeps))
