"""What the targets of one job share, made once from its `ScrapeConfig`: client, rules, limits, request headers."""

from collections.abc import Sequence
from typing import cast

from pyscrape.exposition.negotiation import ScrapeProtocol, accept_header, choose_parser
from pyscrape.model.names import EscapingScheme, ValidationScheme
from pyscrape.net.fetch import Fetcher, JobClient, MakeTransport
from pyscrape.relabel.plans import Rules, compile_rules
from pyscrape.scrape.failure_log import FailureLog
from pyscrape.scrape.samples import LabelLimits, SampleRules
from pyscrape.scrape.series import SeriesOptions
from pyscrape.scrape.settings import ScrapeConfig
from pyscrape.targets.groups import TargetBuilder
from pyscrape.targets.target import Target

# Fields whose change alters what a page's samples become: with them every series is judged anew. A change of any
# other field leaves the series, and their columns, as they are.
SERIES_FIELDS = (
    "job_name",
    "honor_labels",
    "honor_timestamps",
    "track_timestamps_staleness",
    "metric_relabel_configs",
    "metric_name_validation_scheme",
    "metric_name_escaping_scheme",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
)

_CONTENT_TYPES = {
    "prom": "text/plain",
    "om": "application/openmetrics-text",
    "protobuf": "application/vnd.google.protobuf",
}


class Job:
    """A job's settings in the form that scraping uses. `transport` replaces the network in tests."""

    def __init__(self, config: ScrapeConfig, *, transport: MakeTransport | None = None) -> None:
        self.config = config
        self.name = config.job_name
        self.builder = TargetBuilder(config)
        self.body_limit = config.body_size_limit
        headers = [
            (
                "Accept",
                accept_header(
                    cast("Sequence[ScrapeProtocol]", config.scrape_protocols),
                    cast("EscapingScheme", config.metric_name_escaping_scheme),
                ),
            ),
            ("Accept-Encoding", "gzip" if config.enable_compression else "identity"),
        ]
        self.client = JobClient(config.http, headers, transport=transport)
        scheme = config.metric_name_validation_scheme
        self._scheme: ValidationScheme = "legacy" if scheme == "legacy" else "utf8"
        rules = config.metric_relabel_configs
        self._rules: Rules | None = compile_rules(rules, self._scheme) if rules else None
        self._limits = LabelLimits(
            config.label_limit, config.label_name_length_limit, config.label_value_length_limit
        )
        self._content_types: dict[str | None, str] = {}
        self.failure_log: FailureLog | None = None

    def fetcher(self, target: Target) -> Fetcher:
        """What fetches a target's page."""
        timeout = f"{target.timeout.seconds:.9f}".rstrip("0").rstrip(".")
        headers = [("X-Prometheus-Scrape-Timeout-Seconds", timeout)]
        return self.client.fetcher(target.url, target.unix_socket, headers)

    def rules_for(self, target: Target) -> SampleRules:
        """What becomes of the labels of a target's samples."""
        return SampleRules(
            target.labels,
            honor_labels=self.config.honor_labels,
            rules=self._rules,
            limits=self._limits,
            scheme=self._scheme,
        )

    def options_for(self, target: Target) -> SeriesOptions:
        """How a target's samples are treated."""
        config = self.config
        return SeriesOptions(
            honor_timestamps=config.honor_timestamps,
            track_timestamps_staleness=config.track_timestamps_staleness,
            sample_limit=config.sample_limit,
            timeout_s=target.timeout.seconds,
            extra_report=config.extra_scrape_metrics,
        )

    def format_of(self, content_type: str | None) -> str:
        """The Content-Type to read a page by, the fallback considered; raises ContentTypeError."""
        known = self._content_types.get(content_type)
        if known is None:
            choice = choose_parser(content_type, self.config.fallback_scrape_protocol)
            known = _CONTENT_TYPES[choice.parser]
            if len(self._content_types) < 100:
                self._content_types[content_type] = known
        return known

    def same_series(self, other: "Job") -> bool:
        """Whether both make the same series of the same page."""
        return all(getattr(self.config, name) == getattr(other.config, name) for name in SERIES_FIELDS)
