"""The part of a scrape config that target construction reads.

`ScrapeConfig` (scrape/settings.py) has these attributes and more; being a layer above, it is known here only by
shape. For library use a plain mapping in the names of prometheus.yml becomes a `JobSettings`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pyscrape.model.duration import Duration, parse_duration

DEFAULT_INTERVAL = Duration(60_000)
DEFAULT_TIMEOUT = Duration(10_000)


class JobLike(Protocol):
    """What target construction needs of a job's settings; `relabel_configs` are relabel's `Rule`s."""

    @property
    def job_name(self) -> str: ...
    @property
    def scrape_interval(self) -> Duration: ...
    @property
    def scrape_timeout(self) -> Duration: ...
    @property
    def metrics_path(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def params(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def relabel_configs(self) -> Sequence[Any]: ...
    @property
    def scrape_native_histograms(self) -> bool: ...
    @property
    def always_scrape_classic_histograms(self) -> bool: ...
    @property
    def convert_classic_histograms_to_nhcb(self) -> bool: ...
    @property
    def metric_name_validation_scheme(self) -> str: ...


@dataclass(frozen=True, slots=True)
class JobSettings:
    """The plain `JobLike`, with the defaults of prometheus.yml. `relabel_configs` may be mappings here."""

    job_name: str = ""
    scrape_interval: Duration = DEFAULT_INTERVAL
    scrape_timeout: Duration = DEFAULT_TIMEOUT
    metrics_path: str = "/metrics"
    scheme: str = "http"
    params: Mapping[str, Sequence[str]] = field(default_factory=dict)
    relabel_configs: Sequence[Any] = ()
    scrape_native_histograms: bool = False
    always_scrape_classic_histograms: bool = False
    convert_classic_histograms_to_nhcb: bool = False
    metric_name_validation_scheme: str = "utf8"


def job_settings(config: JobLike | Mapping[str, Any]) -> JobLike:
    """A scrape config as it is, or a mapping in YAML names decoded; names of other features are left alone.

    >>> job_settings({"job_name": "a", "scrape_interval": "5s"}).scrape_timeout
    Duration(5000)
    """
    if not isinstance(config, Mapping):
        return config
    chosen = {name: config[name] for name in JobSettings.__dataclass_fields__ if config.get(name) is not None}
    for name in ("scrape_interval", "scrape_timeout"):
        if isinstance(chosen.get(name), str):
            chosen[name] = parse_duration(chosen[name])
    # An unset timeout follows an interval that is shorter than the default.
    interval = chosen.get("scrape_interval", DEFAULT_INTERVAL)
    chosen.setdefault("scrape_timeout", min(DEFAULT_TIMEOUT, interval))
    return JobSettings(**chosen)
