"""What a configuration can say about scraping: `global`, `scrape_configs`, and how a job inherits from the former.

A job is decoded by itself first, where zero or None means "not given"; `inherit` then fills it from `global` and
holds the rules that need both.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pyscrape.discovery.settings import (
    DiscoverySettings,
    check_static_targets,
)
from pyscrape.model.duration import Duration
from pyscrape.model.kinds import (
    BOOL,
    DURATION,
    FLOAT,
    LABELS,
    PATH,
    SIZE,
    TEXT,
    TRISTATE,
    UINT,
    EnumKind,
    ListKind,
    MapKind,
    TextKind,
)
from pyscrape.model.names import quoted, valid_label_name
from pyscrape.model.settings import FAILED, Section, SectionKind, Settings, Spot, setting
from pyscrape.net.settings import HTTPClientConfig, http_block
from pyscrape.relabel.settings import Rule, check_legacy_rules

DEFAULT_INTERVAL = Duration(60_000)
DEFAULT_TIMEOUT = Duration(10_000)
PROTOCOL_HEADERS: Mapping[str, str] = {
    "PrometheusProto": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    "PrometheusText0.0.4": "text/plain;version=0.0.4",
    "PrometheusText1.0.0": "text/plain;version=1.0.0",
    "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
    "OpenMetricsText1.0.0": "application/openmetrics-text;version=1.0.0",
}
DEFAULT_PROTOCOLS = (
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
)
ESCAPING_SCHEMES = ("allow-utf-8", "underscores", "dots", "values")
VALIDATION_SCHEMES = ("legacy", "utf8")
# Zero in a job means: as in `global`.
_LIMITS = (
    "body_size_limit", "sample_limit", "target_limit", "label_limit", "label_name_length_limit",
    "label_value_length_limit", "keep_dropped_targets", "scrape_failure_log_file",
)  # fmt: skip
_SWITCHES = (
    "scrape_native_histograms", "always_scrape_classic_histograms",
    "convert_classic_histograms_to_nhcb", "extra_scrape_metrics",
)  # fmt: skip


def media_type(protocol: str) -> str:
    """The media type of a scrape protocol without its parameters; "" for an unknown one."""
    return PROTOCOL_HEADERS.get(protocol, "").split(";", 1)[0]


def unknown_protocol(name: str) -> str:
    """Prometheus' text about a scrape protocol that it does not know."""
    return f"unknown scrape protocol {name}, supported: [{' '.join(sorted(PROTOCOL_HEADERS))}]"


VALIDATION = EnumKind(VALIDATION_SCHEMES, lambda text: f"unrecognized ValidationScheme: {quoted(text)}")


class ProtocolKind(TextKind):
    """The name of a scrape protocol; `finish` judges it."""

    go_type = "config.ScrapeProtocol"


PROTOCOL = ProtocolKind()


class PasswordlessPathKind(TextKind):
    """A URL path; a text with a scheme in it is a mistake that no type catches."""

    def decode(self, spot: Spot) -> Any:
        text = super().decode(spot)
        if text is not FAILED and "://" in text:
            spot.decoder.add(
                "warning",
                "path-is-url",
                f"metrics_path {quoted(text)} looks like a URL",
                spot.node,
                spot.path,
                hint="the host belongs into targets, the scheme into scheme",
            )
        return text


class GlobalConfig(Settings, go_type="config.plain"):
    """Defaults of all jobs, and what concerns the whole server."""

    scrape_interval: Duration = setting(DURATION, "How often to scrape.", default=DEFAULT_INTERVAL)
    scrape_timeout: Duration = setting(DURATION, "How long a scrape may take.", default=DEFAULT_TIMEOUT)
    scrape_protocols: tuple[str, ...] | None = setting(
        ListKind(PROTOCOL), "Formats to ask targets for, the most wanted first.", default=None
    )
    evaluation_interval: Duration = setting(
        DURATION, "How often to evaluate rules.", default=DEFAULT_INTERVAL
    )
    rule_query_offset: Duration = setting(DURATION, "How far in the past rules look, for late samples.")
    query_log_file: str = setting(PATH, "File to log queries to.")
    scrape_failure_log_file: str = setting(PATH, "File to log failed scrapes to.")
    external_labels: Mapping[str, str] = setting(
        LABELS,
        "Labels of everything that leaves this server; $VAR and ${VAR} are taken from the environment.",
    )
    body_size_limit: int = setting(SIZE, "Largest page after decompression; 0 is no limit.")
    sample_limit: int = setting(UINT, "Most samples of a scrape after metric relabeling; 0 is no limit.")
    target_limit: int = setting(UINT, "Most targets of a job; 0 is no limit.")
    label_limit: int = setting(UINT, "Most labels of a sample; 0 is no limit.")
    label_name_length_limit: int = setting(UINT, "Longest label name in bytes; 0 is no limit.")
    label_value_length_limit: int = setting(UINT, "Longest label value in bytes; 0 is no limit.")
    keep_dropped_targets: int = setting(UINT, "How many dropped targets of a job to remember; 0 is all.")
    metric_name_validation_scheme: str = setting(
        VALIDATION, "Which names are valid: legacy or utf8.", default="utf8"
    )
    metric_name_escaping_scheme: str = setting(
        TEXT,
        f"How names may be sent: {', '.join(ESCAPING_SCHEMES)}; follows the validation scheme by default.",
        default="allow-utf-8",
    )
    scrape_native_histograms: bool = setting(BOOL, "Ingest native histograms.")
    convert_classic_histograms_to_nhcb: bool = setting(BOOL, "Make native histograms of classic ones.")
    always_scrape_classic_histograms: bool = setting(BOOL, "Keep classic histograms beside native ones.")
    extra_scrape_metrics: bool = setting(
        BOOL, "Three more report series a target: timeout, limit, body size."
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        if not section["scrape_interval"]:
            section.values["scrape_interval"] = DEFAULT_INTERVAL
        _global_timeout(section)
        if not section["evaluation_interval"]:
            section.values["evaluation_interval"] = DEFAULT_INTERVAL
        if section.given("scrape_protocols") and "scrape_protocols" not in section.failed:
            if section.nodes["scrape_protocols"].is_null:
                section.values["scrape_protocols"] = None
            elif message := protocols_mistake(section["scrape_protocols"]):
                section.error(f"{message} for global config", "scrape_protocols", problem_id="bad-protocols")
        if not section["metric_name_validation_scheme"]:
            section.values["metric_name_validation_scheme"] = "utf8"
        elif section["metric_name_validation_scheme"] == "legacy":
            for name in section["external_labels"]:
                if not valid_label_name(name, "legacy"):
                    section.error(f"{quoted(name)} is not a valid label name", "external_labels")
        _global_escaping(section)

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols of a job that names none."""
        return self.scrape_protocols or default_protocols(self.scrape_native_histograms)


def _global_timeout(section: Section) -> None:
    interval, timeout = section["scrape_interval"], section["scrape_timeout"]
    given = section.given("scrape_timeout") and timeout
    if not given:
        section.values["scrape_timeout"] = min(DEFAULT_TIMEOUT, interval)
    elif timeout > interval and not section.failed & {"scrape_interval", "scrape_timeout"}:
        section.error(
            "global scrape timeout greater than scrape interval",
            "scrape_timeout",
            problem_id="timeout-over-interval",
            hint=f"at most the scrape_interval, which is {interval}",
        )


def _global_escaping(section: Section) -> None:
    # Not given stays open in a `global` block: the jobs decide by the validation scheme.
    scheme = section.values.setdefault("metric_name_escaping_scheme", "")
    if scheme and scheme not in ESCAPING_SCHEMES:
        section.error(
            _unknown_escaping("global", scheme), "metric_name_escaping_scheme", problem_id="unknown-value"
        )
        section.failed.add("metric_name_escaping_scheme")
        section.values["metric_name_escaping_scheme"] = ""


def _unknown_escaping(where: str, scheme: str) -> str:
    a, b, c, d = ESCAPING_SCHEMES
    return f"unknown {where} name escaping method specified, must be one of '{a}', '{b}', '{c}', or '{d}', got {scheme}"


def default_protocols(native_histograms: bool) -> tuple[str, ...]:
    """What a job asks for when nothing is configured: protobuf first where native histograms are wanted."""
    return ("PrometheusProto", *DEFAULT_PROTOCOLS) if native_histograms else DEFAULT_PROTOCOLS


def protocols_mistake(protocols: Sequence[str]) -> str:
    """Prometheus' text about a bad list of scrape protocols, or ""."""
    if not protocols:
        return "scrape_protocols cannot be empty"
    seen: set[str] = set()
    for protocol in protocols:
        if protocol.lower() in seen:
            return f"duplicated protocol in scrape_protocols, got [{' '.join(protocols)}]"
        if protocol not in PROTOCOL_HEADERS:
            return f"scrape_protocols: {unknown_protocol(protocol)}"
        seen.add(protocol.lower())
    return ""


RULES = SectionKind(Rule)


class ScrapeConfig(DiscoverySettings, go_type="config.ScrapeConfig"):
    """A job: where its targets come from and how they are scraped."""

    job_name: str = setting(TEXT, "Name of the job, its targets' job label (required).", always=True)
    honor_labels: bool = setting(BOOL, "Prefer the page's labels over the target's where both have one.")
    honor_timestamps: bool = setting(BOOL, "Take over the page's timestamps.", default=True, always=True)
    track_timestamps_staleness: bool = setting(
        BOOL, "Mark series with timestamps of their own as stale when they go.", always=True
    )
    params: Mapping[str, tuple[str, ...]] = setting(
        MapKind(ListKind(TEXT), go_type="url.Values"), "Query parameters of the request."
    )
    scrape_interval: Duration = setting(DURATION, "How often to scrape.")
    scrape_timeout: Duration = setting(DURATION, "How long a scrape may take; at most the interval.")
    scrape_protocols: tuple[str, ...] = setting(
        ListKind(PROTOCOL), "Formats to ask for, the most wanted first."
    )
    fallback_scrape_protocol: str = setting(
        PROTOCOL, "Format of pages that come without a usable Content-Type."
    )
    scrape_native_histograms: bool = setting(TRISTATE, "Ingest native histograms.")
    always_scrape_classic_histograms: bool = setting(TRISTATE, "Keep classic histograms beside native ones.")
    convert_classic_histograms_to_nhcb: bool = setting(TRISTATE, "Make native histograms of classic ones.")
    scrape_failure_log_file: str = setting(PATH, "File to log failed scrapes to.")
    metrics_path: str = setting(PasswordlessPathKind(), "Path of the page.", default="/metrics")
    scheme: str = setting(TEXT, "http or https.", default="http")
    enable_compression: bool = setting(BOOL, "Ask for a compressed page.", default=True, always=True)
    body_size_limit: int = setting(SIZE, "Largest page after decompression; 0 is no limit.")
    sample_limit: int = setting(UINT, "Most samples of a scrape after metric relabeling; 0 is no limit.")
    target_limit: int = setting(UINT, "Most targets; 0 is no limit.")
    label_limit: int = setting(UINT, "Most labels of a sample; 0 is no limit.")
    label_name_length_limit: int = setting(UINT, "Longest label name in bytes; 0 is no limit.")
    label_value_length_limit: int = setting(UINT, "Longest label value in bytes; 0 is no limit.")
    native_histogram_bucket_limit: int = setting(UINT, "Most buckets of a native histogram; 0 is no limit.")
    native_histogram_min_bucket_factor: float = setting(FLOAT, "Smallest growth factor of native buckets.")
    keep_dropped_targets: int = setting(UINT, "How many dropped targets to remember; 0 is all.")
    metric_name_validation_scheme: str = setting(VALIDATION, "Which names are valid: legacy or utf8.")
    metric_name_escaping_scheme: str = setting(TEXT, f"How names may be sent: {', '.join(ESCAPING_SCHEMES)}.")
    extra_scrape_metrics: bool = setting(TRISTATE, "Three more report series a target.")
    http: HTTPClientConfig = http_block()
    relabel_configs: tuple[Rule, ...] = setting(
        ListKind(RULES, null_item="empty or null target relabeling rule in scrape config"),
        "Rules that change or drop targets, before the scrape.",
    )
    metric_relabel_configs: tuple[Rule, ...] = setting(
        ListKind(RULES, null_item="empty or null metric relabeling rule in scrape config"),
        "Rules that change or drop samples, after the scrape.",
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        if not section["job_name"] and "job_name" not in section.failed:
            section.error("job_name is empty", "job_name", hint="add job_name, a name that no other job has")
        if section.given("scrape_protocols") and section.nodes["scrape_protocols"].is_null:
            section.values.pop("scrape_protocols")
            del section.nodes["scrape_protocols"]
        if not section["relabel_configs"] and "relabel_configs" not in section.failed:
            check_static_targets(section)


def inherit(
    section: Section, defaults: GlobalConfig, *, unsure: frozenset[str] = frozenset()
) -> ScrapeConfig:
    """The job of a decoded section with all that it takes over from `global`; problems go to the section.

    `unsure` names fields of `global` that could not be read: rules that need them are not applied.
    """
    job: ScrapeConfig = section.value
    changes: dict[str, Any] = {name: getattr(defaults, name) for name in _LIMITS if not getattr(job, name)}
    changes |= {name: getattr(defaults, name) for name in _SWITCHES if getattr(job, name) is None}
    changes |= _timing(section, job, defaults, unsure)
    changes |= _protocols(section, job, defaults, changes)
    changes |= _names(section, job, defaults, unsure)
    if changes["metric_name_validation_scheme"] == "legacy":
        for field in ("relabel_configs", "metric_relabel_configs"):
            check_legacy_rules(section, field)
    return job.replace(**changes)


def _timing(
    section: Section, job: ScrapeConfig, defaults: GlobalConfig, unsure: frozenset[str]
) -> dict[str, Any]:
    interval = job.scrape_interval or defaults.scrape_interval
    timeout = job.scrape_timeout or min(defaults.scrape_timeout, interval)
    known = not section.failed & {"scrape_interval", "scrape_timeout"}
    known = known and (bool(job.scrape_interval) or "scrape_interval" not in unsure)
    if job.scrape_timeout > interval and known:
        section.error(
            f"scrape timeout greater than scrape interval for scrape config with job name {quoted(job.job_name)}",
            "scrape_timeout",
            problem_id="timeout-over-interval",
            hint=f"at most the scrape_interval, which is {interval}"
            + ("" if job.scrape_interval else " (from global)"),
        )
    return {"scrape_interval": interval, "scrape_timeout": timeout}


def _protocols(
    section: Section, job: ScrapeConfig, defaults: GlobalConfig, changes: Mapping[str, Any]
) -> dict[str, Any]:
    suffix = f"for scrape config with job name {quoted(job.job_name)}"
    fallback = job.fallback_scrape_protocol
    if fallback and fallback not in PROTOCOL_HEADERS:
        section.error(
            f"invalid fallback_scrape_protocol {suffix}: {unknown_protocol(fallback)}",
            "fallback_scrape_protocol",
            problem_id="bad-protocols",
        )
    if section.given("scrape_protocols"):
        message = protocols_mistake(job.scrape_protocols)
        if message and "scrape_protocols" not in section.failed:
            section.error(f"{message} {suffix}", "scrape_protocols", problem_id="bad-protocols")
        return {}
    native = changes.get("scrape_native_histograms", job.scrape_native_histograms)
    return {"scrape_protocols": defaults.scrape_protocols or default_protocols(bool(native))}


def _names(
    section: Section, job: ScrapeConfig, defaults: GlobalConfig, unsure: frozenset[str]
) -> dict[str, Any]:
    validation = job.metric_name_validation_scheme or defaults.metric_name_validation_scheme
    by_default = "underscores" if defaults.metric_name_validation_scheme == "legacy" else "allow-utf-8"
    escaping = job.metric_name_escaping_scheme or defaults.metric_name_escaping_scheme or by_default
    field = "metric_name_escaping_scheme"
    if escaping not in ESCAPING_SCHEMES:
        section.error(_unknown_escaping("scrape config", escaping), field, problem_id="unknown-value")
    elif (
        escaping == "allow-utf-8"
        and validation != "utf8"
        and not unsure & {field, "metric_name_validation_scheme"}
    ):
        section.error(
            "utf8 metric names requested but validation scheme is not set to UTF8",
            field if section.given(field) else "metric_name_validation_scheme",
            hint="set metric_name_escaping_scheme to underscores, dots or values",
        )
    return {"metric_name_validation_scheme": validation, field: escaping}


class ScrapeConfigs(Settings, go_type="config.ScrapeConfigs"):
    """A file that `scrape_config_files` names: jobs and nothing else."""

    scrape_configs: tuple[ScrapeConfig, ...] = setting(
        ListKind(SectionKind(ScrapeConfig), null_item="empty or null scrape config section"), "The jobs."
    )
