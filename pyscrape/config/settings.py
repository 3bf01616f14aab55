"""The whole of prometheus.yml as one frozen value, gathered from the settings that the features own."""

from collections.abc import Mapping
from typing import Any

from pyscrape.model.duration import Duration
from pyscrape.model.kinds import BOOL, DURATION, FLOAT, INT, PATH, TEXT, TEXT_MAP, TEXTS, EnumKind, ListKind
from pyscrape.model.names import quoted
from pyscrape.model.settings import LazySectionKind, Section, SectionKind, Settings, dump, setting
from pyscrape.net.settings import TLSConfig
from pyscrape.scrape.settings import GlobalConfig, ScrapeConfig

STRATEGIES = (
    "UnderscoreEscapingWithSuffixes",
    "UnderscoreEscapingWithoutSuffixes",
    "NoUTF8EscapingWithSuffixes",
    "NoTranslation",
)
UTF8_STRATEGIES = {"NoUTF8EscapingWithSuffixes", "NoTranslation"}


class RuntimeConfig(Settings, go_type="config.RuntimeConfig"):
    """Settings of Go's runtime: understood, without a meaning here."""

    gogc: int = setting(INT, "Target of Go's garbage collector; has no meaning here.", default=75)


class TracingConfig(Settings, go_type="config.plain"):
    """Where traces of the server itself go."""

    client_type: str = setting(
        EnumKind(
            ("grpc", "http"),
            lambda text: f"expected tracing client type to be to be http or grpc, but got {text}",
            go_type="config.TracingClientType",
        ),
        "grpc or http.",
        default="grpc",
    )
    endpoint: str = setting(TEXT, "Endpoint of the collector (required).")
    sampling_fraction: float = setting(FLOAT, "Share of requests that are traced, 0 to 1.")
    insecure: bool = setting(BOOL, "Do not use TLS.")
    tls_config: TLSConfig = setting(SectionKind(TLSConfig), "TLS settings.", default=TLSConfig())
    headers: Mapping[str, str] = setting(TEXT_MAP, "More headers of each request.")
    compression: str = setting(TEXT, "gzip or nothing.")
    timeout: Duration = setting(DURATION, "How long a request may take.")

    @classmethod
    def finish(cls, section: Section) -> None:
        from pyscrape.remote.settings import check_headers

        check_headers(section, "custom authorization header configuration is not yet supported")
        if not section["endpoint"] and "endpoint" not in section.failed:
            section.error("tracing endpoint must be set", "endpoint")
        if section["compression"] not in {"", "gzip"}:
            section.error(
                f"invalid compression type {section['compression']} provided, valid options: gzip",
                "compression",
            )


class OTLPConfig(Settings, go_type="config.plain"):
    """How OTLP data become series."""

    promote_all_resource_attributes: bool = setting(BOOL, "Make labels of all resource attributes.")
    promote_resource_attributes: tuple[str, ...] = setting(TEXTS, "Resource attributes that become labels.")
    ignore_resource_attributes: tuple[str, ...] = setting(TEXTS, "Resource attributes that become no labels.")
    translation_strategy: str = setting(
        EnumKind(("", *STRATEGIES), lambda text: f"unsupported OTLP translation strategy {quoted(text)}"),
        f"How names are translated: {', '.join(STRATEGIES)}.",
        default=STRATEGIES[0],
    )
    keep_identifying_resource_attributes: bool = setting(
        BOOL, "Keep the attributes of job and instance, too."
    )
    convert_histograms_to_nhcb: bool = setting(BOOL, "Make native histograms of explicit ones.")
    promote_scope_metadata: bool = setting(BOOL, "Make labels of the scope's metadata.")
    label_name_underscore_sanitization: bool = setting(
        BOOL, "Prefix label names that begin with _.", default=True
    )
    label_name_preserve_multiple_underscores: bool = setting(BOOL, "Keep runs of underscores.", default=True)

    @classmethod
    def finish(cls, section: Section) -> None:
        if section["promote_all_resource_attributes"]:
            if section["promote_resource_attributes"]:
                section.error(
                    "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured"
                    " simultaneously",
                    "promote_resource_attributes",
                    problem_id="conflicting-fields",
                )
            _attributes(section, "ignore_resource_attributes", "ignored")
        else:
            if section["ignore_resource_attributes"]:
                section.error(
                    "'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes'"
                    " is true",
                    "ignore_resource_attributes",
                    problem_id="conflicting-fields",
                )
            _attributes(section, "promote_resource_attributes", "promoted")


def _attributes(section: Section, field: str, adjective: str) -> None:
    kept: list[str] = []
    mistakes: list[str] = []
    for attribute in map(str.strip, section[field]):
        if not attribute:
            mistakes.append(f"empty {adjective} OTel resource attribute")
        elif attribute in kept:
            mistakes.append(f"duplicated {adjective} OTel resource attribute {quoted(attribute)}")
        else:
            kept.append(attribute)
    if mistakes:
        section.error(f"invalid '{field}': " + "\n".join(mistakes), field)
    else:
        section.values[field] = tuple(kept)


def _remote(name: str, *, null_item: str) -> ListKind:
    return ListKind(LazySectionKind("pyscrape.remote.settings", name), null_item=null_item)


class Config(Settings, go_type="config.plain"):
    """A configuration with every default and inheritance resolved.

    `scrape_configs` holds the jobs of the main file and then those of `scrape_config_files`.
    """

    global_: GlobalConfig = setting(
        SectionKind(GlobalConfig), "Defaults of all jobs.", default=GlobalConfig(), always=True, key="global"
    )
    runtime: RuntimeConfig = setting(SectionKind(RuntimeConfig), "Go's runtime.", default=RuntimeConfig())
    alerting: Any = setting(
        LazySectionKind("pyscrape.remote.settings", "AlertingConfig", optional=True),
        "Where alerts go.",
        default=None,
    )
    rule_files: tuple[str, ...] = setting(
        ListKind(PATH), "Rule files; the last part of a path may hold one *."
    )
    scrape_config_files: tuple[str, ...] = setting(ListKind(PATH), "Files with more scrape_configs.")
    scrape_configs: tuple[ScrapeConfig, ...] = setting(
        ListKind(SectionKind(ScrapeConfig), null_item="empty or null scrape config section"), "The jobs."
    )
    storage: Any = setting(
        LazySectionKind("pyscrape.store.settings", "StorageConfig", optional=True), "Storage.", default=None
    )
    tracing: TracingConfig | None = setting(
        SectionKind(TracingConfig, optional=True), "Traces of the server itself.", default=None
    )
    remote_write: tuple[Any, ...] = setting(
        _remote("RemoteWriteConfig", null_item="empty or null remote write config section"),
        "Endpoints that receive every sample.",
    )
    remote_read: tuple[Any, ...] = setting(
        _remote("RemoteReadConfig", null_item="empty or null remote read config section"),
        "Endpoints that answer for older samples.",
    )
    otlp: OTLPConfig = setting(SectionKind(OTLPConfig), "How OTLP data become series.", default=OTLPConfig())
    file: str = setting(TEXT, "The file that this was read from.", default="", hidden=True)
    own_jobs: int = setting(INT, "How many of the jobs stand in the main file.", default=0, hidden=True)

    @property
    def external_labels(self) -> Mapping[str, str]:
        """The labels of everything that leaves this server."""
        return self.global_.external_labels

    def to_yaml(self) -> str:
        """The configuration as Prometheus' API prints it: defaults filled in, secrets as `<secret>`.

        Jobs of `scrape_config_files` are not part of it.
        """
        from pyscrape.config.printing import as_yaml

        return as_yaml(dump(self.replace(scrape_configs=self.scrape_configs[: self.own_jobs])))
