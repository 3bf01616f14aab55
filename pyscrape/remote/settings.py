"""What a configuration can say about remote write and read, and about sending alerts."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pyscrape.discovery.settings import DiscoverySettings, check_static_targets
from pyscrape.model.duration import Duration
from pyscrape.model.kinds import (
    BOOL,
    DURATION,
    INT,
    LABEL_SET,
    PATH,
    SECRET,
    TEXT,
    TEXT_MAP,
    EnumKind,
    IntKind,
    ListKind,
)
from pyscrape.model.names import quoted
from pyscrape.model.settings import LazySectionKind, Secret, Section, SectionKind, Settings, setting
from pyscrape.net.settings import HTTP, NO_HTTP2, URL, HTTPClientConfig, http_block
from pyscrape.relabel.settings import Rule

if TYPE_CHECKING:
    from pyscrape.remote.azure_settings import AzureADConfig

PROTOBUF_V1 = "prometheus.WriteRequest"
PROTOBUF_V2 = "io.prometheus.write.v2.Request"
# Headers that the protocol sets itself (lower case).
_RESERVED_HEADERS = {
    "content-encoding", "content-type", "user-agent", "host", "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256",
}  # fmt: skip
_RULES = SectionKind(Rule)


def check_headers(section: Section, message_about_authorization: str) -> None:
    """Refuse headers that are set otherwise."""
    for name in section["headers"]:
        if name.lower() == "authorization":
            section.error(message_about_authorization, "headers")
        elif name.lower() in _RESERVED_HEADERS:
            section.error(f"{name} is a reserved header. It must not be changed", "headers")


class SigV4Config(Settings, go_type="sigv4.plain"):
    """AWS' request signature."""

    region: str = setting(TEXT, "AWS region.")
    access_key: str = setting(TEXT, "Access key.")
    secret_key: Secret = setting(SECRET, "Secret key.")
    profile: str = setting(TEXT, "Named profile.")
    role_arn: str = setting(TEXT, "Role to assume.")
    external_id: str = setting(TEXT, "External id of the role.")
    use_fips_sts_endpoint: bool = setting(BOOL, "Use the FIPS endpoint of STS.")
    service_name: str = setting(TEXT, "Service that the signature names.")

    @classmethod
    def finish(cls, section: Section) -> None:
        if bool(section["access_key"]) != bool(section["secret_key"]):
            section.error(
                "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config"
            )


class GoogleIAMConfig(Settings, go_type="googleiam.Config"):
    """Tokens from Google Cloud's IAM."""

    credentials_file: str = setting(PATH, "File of the credentials; the library's own search without it.")


class QueueConfig(Settings, go_type="config.QueueConfig"):
    """How samples queue for a remote endpoint."""

    capacity: int = setting(INT, "Samples that a shard may hold.", default=10_000)
    max_shards: int = setting(INT, "Most shards.", default=50)
    min_shards: int = setting(INT, "Fewest shards.", default=1)
    max_samples_per_send: int = setting(INT, "Most samples of a request.", default=2_000)
    batch_send_deadline: Duration = setting(DURATION, "How long a sample may wait.", default=Duration(5_000))
    min_backoff: Duration = setting(DURATION, "First delay of a retry.", default=Duration(30))
    max_backoff: Duration = setting(DURATION, "Longest delay of a retry.", default=Duration(5_000))
    retry_on_http_429: bool = setting(BOOL, "Retry when the endpoint says it is too much.")
    sample_age_limit: Duration = setting(DURATION, "Drop samples older than this; 0 keeps all.")

    @classmethod
    def finish(cls, section: Section) -> None:
        for name in ("max_shards", "min_shards", "max_samples_per_send", "capacity"):
            if section[name] <= 0:
                section.error(f"remote write queue {name} must be positive", name)
        if section["min_shards"] > section["max_shards"]:
            section.error("remote write queue min_shards must not be greater than max_shards", "min_shards")
        if section["max_backoff"] < section["min_backoff"]:
            section.error("remote write queue max_backoff must not be less than min_backoff", "max_backoff")


class MetadataConfig(Settings, go_type="config.MetadataConfig"):
    """How metadata of metrics is sent."""

    send: bool = setting(BOOL, "Send metadata.", default=True, always=True)
    send_interval: Duration = setting(
        DURATION, "How often to send it.", default=Duration(60_000), always=True
    )
    max_samples_per_send: int = setting(INT, "Most entries of a request.", default=2_000)


class RemoteWriteConfig(Settings, go_type="config.plain"):
    """An endpoint that receives every sample."""

    url: str = setting(URL, "URL of the endpoint (required).", always=True)
    remote_timeout: Duration = setting(DURATION, "How long a request may take.", default=Duration(30_000))
    headers: Mapping[str, str] = setting(TEXT_MAP, "More headers of each request.")
    write_relabel_configs: tuple[Rule, ...] = setting(
        ListKind(_RULES, null_item="empty or null relabeling rule in remote write config"),
        "Rules that change or drop samples before they are sent.",
    )
    name: str = setting(TEXT, "Name in metrics and logs.")
    send_exemplars: bool = setting(BOOL, "Send exemplars.")
    send_native_histograms: bool = setting(BOOL, "Send native histograms.")
    round_robin_dns: bool = setting(BOOL, "Take the addresses of the host in turn.")
    failed_request_logging: bool = setting(BOOL, "Log each request that fails, not only each new cause.")
    protobuf_message: str = setting(
        EnumKind(
            (PROTOBUF_V1, PROTOBUF_V2),
            lambda text: (
                "invalid protobuf_message value: unknown type for remote write protobuf message"
                f" {text}, supported: {PROTOBUF_V1}, {PROTOBUF_V2}"
            ),
        ),
        "Message type.",
        default=PROTOBUF_V1,
    )
    http: HTTPClientConfig = setting(HTTP, "The HTTP client.", default=NO_HTTP2, inline=True)
    queue_config: QueueConfig = setting(SectionKind(QueueConfig), "The queue.", default=QueueConfig())
    metadata_config: MetadataConfig = setting(
        SectionKind(MetadataConfig), "Metadata.", default=MetadataConfig()
    )
    sigv4: SigV4Config | None = setting(SectionKind(SigV4Config, optional=True), "AWS' request signature.")
    azuread: "AzureADConfig | None" = setting(
        LazySectionKind("pyscrape.remote.azure_settings", "AzureADConfig", optional=True), "Azure AD tokens."
    )
    google_iam: GoogleIAMConfig | None = setting(
        SectionKind(GoogleIAMConfig, optional=True), "Google IAM tokens."
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        if not section["url"] and "url" not in section.failed and not _empty_url(section):
            section.error("url for remote_write is empty", "url")
        check_headers(
            section,
            "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or"
            " google_iam parameter",
        )
        kinds = ("basic_auth", "authorization", "oauth2", "sigv4", "azuread", "google_iam")
        given = [name for name in kinds if section[name] is not None]
        if len(given) > 1 and any(name in given for name in kinds[3:]):
            section.error(
                "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured."
                f" Currently configured: [{' '.join(given)}]",
                given[-1],
                problem_id="conflicting-fields",
            )


def _empty_url(section: Section) -> bool:
    # Go tells an absent URL from one that is the empty text, and only refuses the former.
    node = section.nodes.get("url")
    return node is not None and not node.is_null


class RemoteReadConfig(Settings, go_type="config.plain"):
    """An endpoint that answers queries for older samples."""

    url: str = setting(URL, "URL of the endpoint (required).", always=True)
    remote_timeout: Duration = setting(DURATION, "How long a request may take.", default=Duration(60_000))
    chunked_read_limit: int = setting(
        IntKind(unsigned=True, wide=True), "Largest frame of an answer in bytes.", default=50_000_000
    )
    headers: Mapping[str, str] = setting(TEXT_MAP, "More headers of each request.")
    read_recent: bool = setting(BOOL, "Ask also for times that the local store has.")
    name: str = setting(TEXT, "Name in metrics and logs.")
    http: HTTPClientConfig = http_block()
    required_matchers: Mapping[str, str] = setting(
        LABEL_SET, "Matchers that a selector must have to be sent."
    )
    filter_external_labels: bool = setting(BOOL, "Add the external labels to selectors.", default=True)

    @classmethod
    def finish(cls, section: Section) -> None:
        if not section["url"] and "url" not in section.failed and not _empty_url(section):
            section.error("url for remote_read is empty", "url")
        check_headers(
            section,
            "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or"
            " google_iam parameter",
        )


class AlertmanagerConfig(DiscoverySettings, go_type="config.AlertmanagerConfig"):
    """Alertmanagers that receive alerts."""

    http: HTTPClientConfig = http_block()
    sigv4: SigV4Config | None = setting(SectionKind(SigV4Config, optional=True), "AWS' request signature.")
    scheme: str = setting(TEXT, "http or https.", default="http")
    path_prefix: str = setting(TEXT, "Path before /api/v2/alerts.")
    timeout: Duration = setting(DURATION, "How long a request may take.", default=Duration(10_000))
    api_version: str = setting(
        EnumKind(
            ("v2",),
            lambda text: f"expected Alertmanager api version to be one of [v2] but got {text}",
            go_type="config.AlertmanagerAPIVersion",
        ),
        "Version of the API: v2.",
        default="v2",
        always=True,
    )
    relabel_configs: tuple[Rule, ...] = setting(
        ListKind(_RULES, null_item="empty or null Alertmanager target relabeling rule"),
        "Rules that change or drop alertmanagers.",
    )
    alert_relabel_configs: tuple[Rule, ...] = setting(
        ListKind(_RULES, null_item="empty or null Alertmanager alert relabeling rule"),
        "Rules that change or drop alerts.",
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        auth = [name for name in ("basic_auth", "authorization", "oauth2") if section[name] is not None]
        if auth and section["sigv4"] is not None:
            section.error(
                "at most one of basic_auth, authorization, oauth2, & sigv4 must be configured", "sigv4"
            )
        if not section["relabel_configs"] and "relabel_configs" not in section.failed:
            check_static_targets(section)


class AlertingConfig(Settings, go_type="config.plain"):
    """Where alerts go."""

    alert_relabel_configs: tuple[Rule, ...] = setting(
        ListKind(_RULES, null_item="empty or null alert relabeling rule"), "Rules that change or drop alerts."
    )
    alertmanagers: tuple[AlertmanagerConfig, ...] = setting(
        ListKind(SectionKind(AlertmanagerConfig)), "The alertmanagers."
    )


def unique_names(sections: Iterable[Section], kind: str) -> None:
    """Refuse a name that two remote endpoints have."""
    seen: set[str] = set()
    for section in sections:
        name = section["name"]
        if name and name in seen:
            section.error(
                f"found multiple remote {kind} configs with job name {quoted(name)}",
                "name",
                problem_id="duplicate-name",
            )
        seen.add(name)
