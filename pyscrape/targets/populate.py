"""The labels of a target, in the exact order in which Prometheus makes them.

Own labels, then the group's, then the job's defaults for what is still empty, then relabeling, then checks. The
order decides answers: discovery may override the job's path, rules see every `__` label, `instance` comes last.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pyscrape.model.duration import Duration, DurationError, parse_duration
from pyscrape.model.names import ValidationScheme, quoted, valid_utf8
from pyscrape.relabel.load import load_relabel_configs
from pyscrape.relabel.plans import Rules, compile_rules
from pyscrape.targets.settings import JobLike, job_settings

ADDRESS = "__address__"
INTERVAL = "__scrape_interval__"
TIMEOUT = "__scrape_timeout__"
META_PREFIX = "__meta_"

_SWITCHES = (
    "scrape_native_histograms",
    "always_scrape_classic_histograms",
    "convert_classic_histograms_to_nhcb",
)
# What Go's strconv.ParseBool takes.
_BOOLS = frozenset(("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"))


class TargetError(ValueError):
    """Labels that make no target (no address, a bad scheme, a timeout above the interval ...): Prometheus' message."""


def populate_labels(
    labels: Mapping[str, str], scrape_config: JobLike | Mapping[str, Any]
) -> dict[str, str] | None:
    """Final labels of a discovered target, those with `__` included; None when a rule drops it.

    `scrape_config`: a ScrapeConfig or a mapping in the names of prometheus.yml. Raises TargetError.

    >>> populate_labels({"__address__": "a:1"}, {"job_name": "j"})["instance"]
    'a:1'
    """
    settings = job_settings(scrape_config)
    final = rules_of(settings).apply(discovered_labels(labels, {}, job_defaults(settings)))
    return None if final is None else finish_labels(final)


DEFAULTS: Mapping[str, str] = {
    INTERVAL: "1m",
    TIMEOUT: "10s",
    "__metrics_path__": "/metrics",
    "__scheme__": "http",
    **{f"__{name}__": "false" for name in _SWITCHES},
}
"""What a job that sets nothing gives its targets, its name left out."""


def rules_of(settings: JobLike) -> Rules:
    """The job's target relabeling, compiled."""
    scheme: ValidationScheme = "legacy" if settings.metric_name_validation_scheme == "legacy" else "utf8"
    rules = settings.relabel_configs
    if any(isinstance(rule, Mapping) for rule in rules):
        return load_relabel_configs(list(rules), scheme=scheme)
    return compile_rules(rules, scheme)


def job_defaults(settings: JobLike) -> dict[str, str]:
    """What every target of a job gets where discovery said nothing."""
    defaults = {
        "job": settings.job_name,
        INTERVAL: str(settings.scrape_interval),
        TIMEOUT: str(settings.scrape_timeout),
        "__metrics_path__": settings.metrics_path,
        "__scheme__": settings.scheme,
    }
    for name in _SWITCHES:
        defaults[f"__{name}__"] = "true" if getattr(settings, name) else "false"
    for name, values in settings.params.items():
        if values:
            defaults[f"__param_{name}"] = values[0]
    return {name: value for name, value in defaults.items() if value}


def discovered_labels(
    own: Mapping[str, str], group: Mapping[str, str], defaults: Mapping[str, str]
) -> dict[str, str]:
    """Labels before relabeling: the target's own, else the group's, else the job's; empty ones are none.

    An empty label of the target keeps the group's away, and yet the job's takes its place.
    """
    labels = {**defaults, **group, **own}
    if "" in labels.values():
        found = {name: value for name, value in {**group, **own}.items() if value}
        labels = {**defaults, **found}
    return labels


def finish_labels(labels: dict[str, str]) -> dict[str, str]:
    """Check relabeled labels, drop `__meta_*`, fill in `instance`; raises TargetError."""
    address = labels.get(ADDRESS, "")
    if not address:
        raise TargetError("no address")
    if "/" in address:
        raise TargetError(f"{quoted(address)} is not a valid hostname")
    check_times(labels)
    for name in _SWITCHES:
        text = labels.get(f"__{name}__", "")
        if text not in _BOOLS:
            raise TargetError(
                f"error parsing __{name}__: strconv.ParseBool: parsing {quoted(text)}: invalid syntax"
            )
    final = {name: value for name, value in labels.items() if value and not name.startswith(META_PREFIX)}
    final.setdefault("instance", address)
    if not "".join(final.values()).isascii():
        for name, value in final.items():
            if not valid_utf8(value):
                raise TargetError(f"invalid label value for {quoted(name)}: {quoted(value)}")
    return final


def check_times(labels: Mapping[str, str]) -> tuple[Duration, Duration]:
    """Interval and timeout of a target out of its labels; raises TargetError."""
    return _times(labels.get(INTERVAL, ""), labels.get(TIMEOUT, ""))


@lru_cache(maxsize=1024)  # the targets of a job share their times
def _times(interval_text: str, timeout_text: str) -> tuple[Duration, Duration]:
    interval = _positive(interval_text, "interval")
    timeout = _positive(timeout_text, "timeout")
    if timeout > interval:
        texts = f"{quoted(timeout_text)} > {quoted(interval_text)}"
        raise TargetError(f"scrape timeout cannot be greater than scrape interval ({texts})")
    return interval, timeout


def _positive(text: str, what: str) -> Duration:
    try:
        duration = parse_duration(text)
    except DurationError as error:
        raise TargetError(f"error parsing scrape {what}: {error}") from None
    if duration == 0:
        raise TargetError(f"scrape {what} cannot be 0")
    return duration
