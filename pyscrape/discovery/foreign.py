"""The service discoveries of Prometheus that pyscrape does not run: understood and checked, so that a configuration
that uses one is judged as a whole, and its author is told what will not be discovered.

Only what Prometheus itself holds against a configuration is checked; what needs the cloud's API is not.
"""

from typing import Any

from pyscrape.model.duration import Duration
from pyscrape.model.kinds import BOOL, DURATION, INT, PATH, SECRET, TEXT, TEXTS, EnumKind, ListKind
from pyscrape.model.names import quoted
from pyscrape.model.settings import Secret, Section, SectionKind, Settings, setting
from pyscrape.net.settings import HTTPClientConfig, TLSConfig, at_most_one, http_block
from pyscrape.net.urls import url_mistake

_MINUTE = Duration(60_000)


def _refresh(default: Duration = _MINUTE, *, always: bool = True) -> Any:
    return setting(DURATION, "How often to ask.", default=default, always=always)


def _port(default: int = 80) -> Any:
    return setting(INT, "Port of the targets.", default=default, always=True)


def _text(doc: str, default: str = "", *, always: bool = False) -> Any:
    return setting(TEXT, doc, default=default, always=always)


def _need(section: Section, field: str, message: str) -> None:
    """Note an error when a required field is empty (and not merely unreadable)."""
    if not section[field] and field not in section.failed:
        section.error(message, field)


def _url_parts(section: Section, field: str) -> tuple[str, str] | None:
    """Scheme and host of a URL field; None after Go's parser would have refused it."""
    url = section[field]
    if message := url_mistake(url):
        section.error(f"parse {quoted(url)}: {message}", field, problem_id="bad-url")
        return None
    scheme, separator, rest = url.partition("://")
    if not separator:
        return ("", "")
    return scheme, rest.split("/", 1)[0].split("?", 1)[0].rpartition("@")[2]


class Filter(Settings, go_type="aws.EC2Filter"):
    """A filter: a name and the values that pass."""

    name: str = _text("Name.", always=True)
    values: tuple[str, ...] = setting(TEXTS, "Values that pass.", always=True)


_FILTERS = ListKind(SectionKind(Filter))


class _AWS(Settings):
    """What all discoveries in AWS have."""

    endpoint: str = _text("Endpoint of the API.", always=True)
    region: str = _text("Region; the instance's own by default.", always=True)
    access_key: str = _text("Access key.")
    secret_key: Secret = setting(SECRET, "Secret key.")
    profile: str = _text("Named profile.")
    role_arn: str = _text("Role to assume.")
    external_id: str = _text("External id of the role.")
    refresh_interval: Duration = _refresh(always=False)
    port: int = _port()
    http: HTTPClientConfig = http_block()


class EC2SDConfig(_AWS, go_type="aws.plain"):
    """Instances of EC2."""

    filters: tuple[Filter, ...] = setting(_FILTERS, "Filters of the list request.", always=True)

    @classmethod
    def finish(cls, section: Section) -> None:
        for child in section.items("filters"):
            if not child["values"] and "values" not in child.failed:
                child.error("EC2 SD configuration filter values cannot be empty", "values")


class LightsailSDConfig(_AWS, go_type="aws.plain"):
    """Instances of Lightsail."""


class ECSSDConfig(_AWS, go_type="aws.plain"):
    """Tasks of ECS."""

    clusters: tuple[str, ...] = setting(TEXTS, "Clusters to look in; all by default.")
    request_concurrency: int = setting(INT, "Most requests at once.", default=20)


class MSKSDConfig(ECSSDConfig, go_type="aws.plain"):
    """Brokers of MSK."""


class ElastiCacheSDConfig(ECSSDConfig, go_type="aws.plain"):
    """Nodes of ElastiCache."""


class RDSSDConfig(ECSSDConfig, go_type="aws.plain"):
    """Instances of RDS."""

    filters: tuple[Filter, ...] = setting(_FILTERS, "Filters of the list request.", always=True)


_AWS_ROLES = ("ec2", "ecs", "elasticache", "lightsail", "msk", "rds")


class AWSSDConfig(ECSSDConfig, go_type="aws.plain"):
    """Any of the discoveries in AWS, chosen by role."""

    role: str = setting(
        EnumKind(_AWS_ROLES, lambda text: f"unknown AWS SD role {quoted(text)}"),
        f"What to find: {', '.join(_AWS_ROLES)} (required).",
        always=True,
    )
    filters: tuple[Filter, ...] = setting(_FILTERS, "Filters of the list request (ec2).")

    @classmethod
    def finish(cls, section: Section) -> None:
        _need(section, "role", 'unknown AWS SD role ""')


_AZURE_METHODS = ("OAuth", "ManagedIdentity", "SDK", "WorkloadIdentity")


class AzureSDConfig(Settings, go_type="azure.plain"):
    """Virtual machines of Azure."""

    environment: str = _text("Azure environment.", "AzurePublicCloud")
    port: int = _port()
    subscription_id: str = _text("Subscription (required).", always=True)
    tenant_id: str = _text("Tenant (with OAuth).")
    client_id: str = _text("Client (with OAuth).")
    client_secret: Secret = setting(SECRET, "Client secret (with OAuth).")
    refresh_interval: Duration = _refresh(Duration(300_000), always=False)
    authentication_method: str = _text(f"One of {', '.join(_AZURE_METHODS)}.", "OAuth")
    resource_group: str = _text("Resource group.")
    http: HTTPClientConfig = http_block()

    @classmethod
    def finish(cls, section: Section) -> None:
        method = section["authentication_method"]
        needed = [
            "subscription_id",
            *(("tenant_id", "client_id", "client_secret") if method == "OAuth" else ()),
        ]
        for name in needed:
            _need(section, name, f"azure SD configuration requires a {name}")
        if method not in _AZURE_METHODS:
            supported = ", ".join(map(quoted, _AZURE_METHODS[:-1])) + f" or {quoted(_AZURE_METHODS[-1])}"
            section.error(
                f"unknown authentication_type {quoted(method)}. Supported types are {supported}",
                "authentication_method",
                problem_id="unknown-value",
            )


class DigitalOceanSDConfig(Settings, go_type="digitalocean.plain"):
    """Droplets of DigitalOcean."""

    http: HTTPClientConfig = http_block()
    refresh_interval: Duration = _refresh()
    port: int = _port()
    role: str = setting(
        EnumKind(
            ("droplets", "databases"),
            lambda text: f"unknown DigitalOcean SD role {quoted(text)}",
        ),
        "What to find: droplets or databases.",
        default="droplets",
        always=True,
    )


class _Docker(Settings):
    http: HTTPClientConfig = http_block()
    host: str = _text("Address of the daemon (required).", always=True)
    port: int = _port()
    filters: tuple[Filter, ...] = setting(_FILTERS, "Filters of the list request.", always=True)
    refresh_interval: Duration = _refresh()

    @classmethod
    def finish(cls, section: Section) -> None:
        _need(section, "host", "host missing")
        if section["host"]:
            _url_parts(section, "host")


class DockerSDConfig(_Docker, go_type="moby.plain"):
    """Containers of a Docker daemon."""

    host_networking_host: str = _text("Host of containers in the host's network.", "localhost", always=True)
    match_first_network: bool = setting(BOOL, "Take the first network only.", default=True, always=True)


class DockerSwarmSDConfig(_Docker, go_type="moby.plain"):
    """Services, tasks or nodes of Docker Swarm."""

    role: str = _text("services, tasks or nodes (required).", always=True)

    @classmethod
    def finish(cls, section: Section) -> None:
        super().finish(section)
        _need(section, "role", "role missing (one of: tasks, services, nodes)")
        if section["role"] not in {"", "services", "nodes", "tasks"}:
            section.error(f"invalid role {section['role']}, expected tasks, services, or nodes", "role")


class EurekaSDConfig(Settings, go_type="eureka.plain"):
    """Instances of Eureka."""

    server: str = _text("URL of the server (required).")
    http: HTTPClientConfig = http_block()
    refresh_interval: Duration = _refresh(Duration(30_000), always=False)

    @classmethod
    def finish(cls, section: Section) -> None:
        _need(section, "server", "eureka_sd: empty or null eureka server")
        if section["server"]:
            parts = _url_parts(section, "server")
            if parts is not None and not all(parts):
                section.error("eureka_sd: invalid eureka server URL", "server", problem_id="bad-url")


class GCESDConfig(Settings, go_type="gce.plain"):
    """Instances of Google Compute Engine."""

    project: str = _text("Project (required).", always=True)
    zone: str = _text("Zone (required).", always=True)
    filter: str = _text("Filter of the list request.")
    refresh_interval: Duration = _refresh(always=False)
    port: int = _port()
    tag_separator: str = _text("What stands between tags.", ",")

    @classmethod
    def finish(cls, section: Section) -> None:
        for name in ("project", "zone"):
            _need(section, name, f"GCE SD configuration requires a {name}")


class HetznerSDConfig(Settings, go_type="hetzner.plain"):
    """Servers of Hetzner."""

    http: HTTPClientConfig = http_block()
    refresh_interval: Duration = _refresh()
    port: int = _port()
    role: str = setting(
        EnumKind(("robot", "hcloud"), lambda text: f"unknown role {quoted(text)}"),
        "robot or hcloud (required).",
        always=True,
    )
    label_selector: str = _text("Label selector (hcloud).")

    @classmethod
    def finish(cls, section: Section) -> None:
        _need(section, "role", "role missing (one of: robot, hcloud)")


class IONOSSDConfig(Settings, go_type="ionos.plain"):
    """Servers of IONOS."""

    datacenter_id: str = _text("Datacenter (required).", always=True)
    http: HTTPClientConfig = http_block()
    refresh_interval: Duration = _refresh()
    port: int = _port()

    @classmethod
    def finish(cls, section: Section) -> None:
        _need(section, "datacenter_id", "datacenter id can't be empty")


class KumaSDConfig(Settings, go_type="xds.plainKumaConf"):
    """Data planes of Kuma."""

    http: HTTPClientConfig = http_block()
    refresh_interval: Duration = _refresh(Duration(15_000), always=False)
    fetch_timeout: Duration = setting(DURATION, "How long a request may take.", default=Duration(120_000))
    server: str = _text("URL of the control plane (required).")
    client_id: str = _text("Id of this client.")

    @classmethod
    def finish(cls, section: Section) -> None:
        server = section["server"]
        _need(section, "server", "kuma SD server must not be empty: ")
        if server:
            parts = _url_parts(section, "server")
            if parts is not None and not all(parts):
                section.error(f"kuma SD server must not be empty and have a scheme: {server}", "server")


class LinodeSDConfig(Settings, go_type="linode.plain"):
    """Instances of Linode."""

    http: HTTPClientConfig = http_block()
    refresh_interval: Duration = _refresh()
    port: int = _port()
    tag_separator: str = _text("What stands between tags.", ",")
    region: str = _text("Region.")


class MarathonSDConfig(Settings, go_type="marathon.plain"):
    """Applications of Marathon."""

    servers: tuple[str, ...] = setting(TEXTS, "URLs of the servers (required).")
    refresh_interval: Duration = _refresh(Duration(30_000), always=False)
    auth_token: Secret = setting(SECRET, "Token.")
    auth_token_file: str = setting(PATH, "File that holds the token.")
    http: HTTPClientConfig = http_block()

    @classmethod
    def finish(cls, section: Section) -> None:
        _need(section, "servers", "marathon_sd: must contain at least one Marathon server")
        at_most_one(
            section,
            "marathon_sd: at most one of auth_token & auth_token_file must be configured",
            "auth_token",
            "auth_token_file",
        )
        token = "auth_token_file" if section["auth_token_file"] else "auth_token"
        if not section[token]:
            return
        message = "marathon_sd: at most one of {} must be configured"
        if section["basic_auth"] is not None:
            section.error(message.format("basic_auth, auth_token & auth_token_file"), token)
        elif section.given("bearer_token") or section.given("bearer_token_file"):
            section.error(
                message.format("bearer_token, bearer_token_file, auth_token & auth_token_file"), token
            )
        elif section["authorization"] is not None:
            section.error(message.format("auth_token, auth_token_file & authorization"), token)


class _ZooKeeper(Settings):
    servers: tuple[str, ...] = setting(TEXTS, "Addresses of the servers (required).", always=True)
    paths: tuple[str, ...] = setting(TEXTS, "Paths to watch (required).", always=True)
    timeout: Duration = setting(DURATION, "Session timeout.", default=Duration(10_000))


def _check_zookeeper(section: Section, kind: str) -> None:
    _need(section, "servers", f"{kind} SD config must contain at least one Zookeeper server")
    _need(section, "paths", f"{kind} SD config must contain at least one path")
    for path in section["paths"]:
        if not path.startswith("/"):
            section.error(f"{kind} SD config paths must begin with '/': {path}", "paths")


class NerveSDConfig(_ZooKeeper, go_type="zookeeper.plain"):
    """Services that Nerve registers in ZooKeeper."""

    @classmethod
    def finish(cls, section: Section) -> None:
        _check_zookeeper(section, "nerve")


class ServersetSDConfig(_ZooKeeper, go_type="zookeeper.plain"):
    """Serversets in ZooKeeper."""

    @classmethod
    def finish(cls, section: Section) -> None:
        _check_zookeeper(section, "serverset")


class NomadSDConfig(Settings, go_type="nomad.plain"):
    """Services of Nomad."""

    allow_stale: bool = setting(BOOL, "Allow answers that are not the newest.", default=True, always=True)
    http: HTTPClientConfig = http_block()
    namespace: str = _text("Namespace.", "default", always=True)
    refresh_interval: Duration = _refresh()
    region: str = _text("Region.", "global", always=True)
    server: str = _text("URL of the server.", "http://localhost:4646", always=True)
    tag_separator: str = _text("What stands between tags.", ",")

    @classmethod
    def finish(cls, section: Section) -> None:
        if not section["server"].strip():
            section.error("nomad SD configuration requires a server address", "server")


_OCI_METHODS = ("api_key", "instance_principal")
_OCI_KEY = ("tenancy", "user", "fingerprint", "key_file", "key_passphrase", "key_passphrase_file")


class OCISDConfig(Settings, go_type="oci.plain"):
    """Instances of Oracle's cloud."""

    auth: str = _text("api_key or instance_principal.", "api_key")
    tenancy: str = _text("Tenancy.")
    user: str = _text("User.")
    fingerprint: str = _text("Fingerprint of the key.")
    key_file: str = setting(PATH, "File of the key.")
    key_passphrase: Secret = setting(SECRET, "Passphrase of the key.")
    key_passphrase_file: str = setting(PATH, "File that holds the passphrase of the key.")
    region: str = _text("Region.")
    compartments: tuple[str, ...] = setting(TEXTS, "Compartments to look in.")
    http: HTTPClientConfig = http_block()
    port: int = _port()
    refresh_interval: Duration = _refresh(always=False)

    @classmethod
    def finish(cls, section: Section) -> None:
        _need(section, "region", "oci_sd: region is required")
        auth = section["auth"]
        if auth not in _OCI_METHODS:
            known = " or ".join(quoted(method) for method in _OCI_METHODS)
            message = f"oci_sd: unknown auth method {quoted(auth)}, expected {known}"
            section.error(message, "auth", problem_id="unknown-value")
        elif auth == "api_key":
            for name in _OCI_KEY[:4]:
                _need(section, name, f"oci_sd: api_key auth requires {name}")
            message = "oci_sd: at most one of key_passphrase and key_passphrase_file must be configured"
            at_most_one(section, message, "key_passphrase", "key_passphrase_file")
        elif superfluous := next((name for name in _OCI_KEY if section[name]), ""):
            forbidden = f"{', '.join(_OCI_KEY[:-1])}, or {_OCI_KEY[-1]}"
            section.error(f"oci_sd: instance_principal auth must not have {forbidden} set", superfluous)
        for index, compartment in enumerate(section["compartments"]):
            if not compartment:
                section.error(f"oci_sd: compartments[{index}] must not be empty", "compartments")
        if not section["refresh_interval"]:
            section.error("oci_sd: refresh_interval must be positive, got 0s", "refresh_interval")


_OPENSTACK_ROLES = ("hypervisor", "instance", "loadbalancer")


class OpenStackSDConfig(Settings, go_type="openstack.plain"):
    """Instances, hypervisors or load balancers of OpenStack."""

    identity_endpoint: str = _text("URL of Keystone.", always=True)
    username: str = _text("User name.", always=True)
    userid: str = _text("User id.", always=True)
    password: Secret = setting(SECRET, "Password.", always=True)
    project_name: str = _text("Project name.", always=True)
    project_id: str = _text("Project id.", always=True)
    domain_name: str = _text("Domain name.", always=True)
    domain_id: str = _text("Domain id.", always=True)
    application_credential_name: str = _text("Name of the application credential.", always=True)
    application_credential_id: str = _text("Id of the application credential.", always=True)
    application_credential_secret: Secret = setting(
        SECRET, "Secret of the application credential.", always=True
    )
    role: str = setting(
        EnumKind(
            _OPENSTACK_ROLES,
            lambda text: f"unknown OpenStack SD role {quoted(text)}",
        ),
        f"What to find: {', '.join(_OPENSTACK_ROLES)} (required).",
        always=True,
    )
    region: str = _text("Region (required).", always=True)
    refresh_interval: Duration = _refresh()
    port: int = _port()
    all_tenants: bool = setting(BOOL, "Look in all projects.")
    tls_config: TLSConfig = setting(SectionKind(TLSConfig), "TLS settings.", default=TLSConfig())
    availability: str = _text("Endpoint: public, internal or admin.", "public")

    @classmethod
    def finish(cls, section: Section) -> None:
        if section["availability"] not in {"public", "internal", "admin"}:
            section.error(
                f"unknown availability {section['availability']}, must be one of admin, internal or public",
                "availability",
            )
        _need(section, "role", "role missing (one of: instance, hypervisor, loadbalancer)")
        _need(section, "region", "openstack SD configuration requires a region")


class OutscaleSDConfig(Settings, go_type="outscale.plain"):
    """Virtual machines of Outscale."""

    endpoint: str = _text("Endpoint of the API; by the region by default.")
    region: str = _text("Region.", "eu-west-2", always=True)
    access_key: str = _text("Access key (required).", always=True)
    secret_key: Secret = setting(SECRET, "Secret key (required).", always=True)
    refresh_interval: Duration = _refresh(always=False)
    port: int = _port()
    http: HTTPClientConfig = http_block()

    @classmethod
    def finish(cls, section: Section) -> None:
        _need(section, "region", "outscale SD configuration requires a region")
        if not (section["access_key"] and section["secret_key"]):
            section.error("outscale SD configuration requires access_key and secret_key")
        if not section["endpoint"]:
            section.values["endpoint"] = f"https://api.{section['region']}.outscale.com/api/v1"


class OVHCloudSDConfig(Settings, go_type="ovhcloud.plain"):
    """Servers of OVHcloud."""

    endpoint: str = _text("Endpoint of the API.", "ovh-eu", always=True)
    application_key: str = _text("Application key (required).", always=True)
    application_secret: Secret = setting(SECRET, "Application secret (required).", always=True)
    consumer_key: Secret = setting(SECRET, "Consumer key (required).", always=True)
    refresh_interval: Duration = _refresh()
    service: str = _text("dedicated_server or vps (required).", always=True)

    @classmethod
    def finish(cls, section: Section) -> None:
        for name in ("endpoint", "application_key", "application_secret", "consumer_key"):
            _need(section, name, f"{name.replace('_', ' ')} can not be empty")
        if section["service"] not in {"dedicated_server", "vps"}:
            section.error(f"unknown service: {section['service']}", "service")


class PuppetDBSDConfig(Settings, go_type="puppetdb.plain"):
    """Resources of PuppetDB."""

    http: HTTPClientConfig = http_block()
    refresh_interval: Duration = _refresh(always=False)
    url: str = _text("URL of the server (required).", always=True)
    query: str = _text("Query in PQL (required).", always=True)
    include_parameters: bool = setting(BOOL, "Make labels of the parameters.", always=True)
    port: int = _port()

    @classmethod
    def finish(cls, section: Section) -> None:
        _need(section, "url", "URL is missing")
        if section["url"] and (parts := _url_parts(section, "url")) is not None:
            if parts[0] not in {"http", "https"}:
                section.error("URL scheme must be 'http' or 'https'", "url", problem_id="bad-url")
            elif not parts[1]:
                section.error("host is missing in URL", "url", problem_id="bad-url")
        _need(section, "query", "query missing")


class ScalewaySDConfig(Settings, go_type="scaleway.plain"):
    """Servers of Scaleway."""

    project_id: str = _text("Project (required).", always=True)
    api_url: str = _text("URL of the API.", "https://api.scaleway.com")
    zone: str = _text("Zone.", "fr-par-1", always=True)
    access_key: str = _text("Access key (required).", always=True)
    secret_key: Secret = setting(SECRET, "Secret key.", always=True)
    secret_key_file: str = setting(PATH, "File that holds the secret key.", always=True)
    name_filter: str = _text("Name that a server must have.")
    tags_filter: tuple[str, ...] = setting(TEXTS, "Tags that a server must have.")
    http: HTTPClientConfig = http_block()
    refresh_interval: Duration = _refresh()
    port: int = _port()
    role: str = setting(
        EnumKind(("instance", "baremetal"), lambda text: f"unknown role {quoted(text)}"),
        "instance or baremetal (required).",
        always=True,
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        _need(section, "role", "role missing (one of: instance, baremetal)")
        _need(section, "project_id", "project_id is mandatory")
        if not section["secret_key"] and not section["secret_key_file"]:
            section.error("one of secret_key & secret_key_file must be configured")
        at_most_one(
            section,
            "at most one of secret_key & secret_key_file must be configured",
            "secret_key",
            "secret_key_file",
        )
        _need(section, "access_key", "access_key is mandatory")


class STACKITSDConfig(Settings, go_type="stackit.plain"):
    """Servers of STACKIT."""

    http: HTTPClientConfig = http_block()
    project: str = _text("Project.", always=True)
    refresh_interval: Duration = _refresh(always=False)
    port: int = _port()
    region: str = _text("Region.", "eu01")
    endpoint: str = _text("Endpoint of the API; by the region by default.")
    service_account_key: Secret = setting(SECRET, "Key of the service account.")
    private_key: Secret = setting(SECRET, "Private key.")
    service_account_key_path: str = _text("File of the service account's key.")
    private_key_path: str = _text("File of the private key.")
    credentials_file_path: str = _text("File of the credentials.")

    @classmethod
    def finish(cls, section: Section) -> None:
        if not section["endpoint"] and not section["region"]:
            section.error("stackit_sd: endpoint and region missing")
        if section["endpoint"] and (message := url_mistake(section["endpoint"])):
            section.error(
                f"stackit_sd: invalid endpoint {quoted(section['endpoint'])}: {message}", "endpoint"
            )


class TritonSDConfig(Settings, go_type="triton.plain"):
    """Containers or compute nodes of Triton."""

    account: str = _text("Account (required).", always=True)
    role: str = _text("container or cn.", "container", always=True)
    dns_suffix: str = _text("DNS suffix (required).", always=True)
    endpoint: str = _text("Endpoint (required).", always=True)
    groups: tuple[str, ...] = setting(TEXTS, "Groups.")
    port: int = _port(9163)
    refresh_interval: Duration = _refresh(always=False)
    tls_config: TLSConfig = setting(SectionKind(TLSConfig), "TLS settings.", default=TLSConfig())
    version: int = setting(INT, "Version of the API.", default=1, always=True)

    @classmethod
    def finish(cls, section: Section) -> None:
        if section["role"] not in {"container", "cn"}:
            section.error("triton SD configuration requires role to be 'container' or 'cn'", "role")
        for name, article in (("account", "an"), ("dns_suffix", "a"), ("endpoint", "an")):
            _need(section, name, f"triton SD configuration requires {article} {name}")
        _need(
            section,
            "refresh_interval",
            "triton SD configuration requires RefreshInterval to be a positive integer",
        )


class UyuniSDConfig(Settings, go_type="uyuni.plain"):
    """Systems of Uyuni."""

    server: str = _text("URL of the server (required).", always=True)
    username: str = _text("User name (required).", always=True)
    password: Secret = setting(SECRET, "Password (required).", always=True)
    http: HTTPClientConfig = http_block()
    entitlement: str = _text("Entitlement that a system must have.", "monitoring_entitled")
    separator: str = _text("What stands between groups.", ",")
    refresh_interval: Duration = _refresh(always=False)

    @classmethod
    def finish(cls, section: Section) -> None:
        _need(section, "server", "Uyuni SD configuration requires server host")
        if section["server"] and (message := url_mistake(section["server"])):
            section.error(
                f"Uyuni Server URL is not valid: parse {quoted(section['server'])}: {message}", "server"
            )
        for name in ("username", "password"):
            _need(section, name, f"Uyuni SD configuration requires a {name}")


class VultrSDConfig(Settings, go_type="vultr.plain"):
    """Instances of Vultr."""

    http: HTTPClientConfig = http_block()
    refresh_interval: Duration = _refresh()
    port: int = _port()
