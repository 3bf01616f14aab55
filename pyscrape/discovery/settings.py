"""What a configuration can say about service discovery: the discoveries that run here, and the names of all others.

Those that ask DNS, Consul or an HTTP endpoint are declared in `discovery.network_settings`, those that Prometheus has
and pyscrape does not run in `discovery.foreign`; both are imported when a file uses one.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyscrape.model.duration import Duration
from pyscrape.model.kinds import (
    BOOL,
    DURATION,
    LABEL_SET,
    PATH,
    TEXT,
    TEXTS,
    EnumKind,
    ListKind,
)
from pyscrape.model.names import quoted
from pyscrape.model.settings import (
    LazySectionKind,
    Section,
    SectionKind,
    Setting,
    Settings,
    setting,
)
from pyscrape.net.settings import DEFAULT_HTTP, URL, HTTPClientConfig, http_block

if TYPE_CHECKING:
    from pyscrape.discovery.network_settings import ConsulSDConfig, DNSSDConfig, HTTPSDConfig

ROLES = ("pod", "service", "endpoints", "endpointslice", "node", "ingress")
SELECTORS: Mapping[str, tuple[str, ...]] = {
    "pod": ("pod", "node"),
    "service": ("service",),
    "endpointslice": ("pod", "service", "endpointslice"),
    "endpoints": ("pod", "service", "endpoints"),
    "node": ("node",),
    "ingress": ("ingress",),
}
_FILE_NAME = r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)"


def check_interval(section: Section) -> None:
    """Refuse a `refresh_interval` of 0s, which promtool takes and at which Prometheus ends with a panic."""
    if not section["refresh_interval"] and "refresh_interval" not in section.failed:
        section.error(
            "refresh_interval must be more than 0s: Prometheus ends with a panic there", "refresh_interval"
        )


# Go prints a struct without a name as a whole.
STATIC_TYPE = 'struct { Targets []string "yaml:\\"targets\\""; Labels model.LabelSet "yaml:\\"labels\\"" }'


class StaticConfig(Settings, go_type=STATIC_TYPE, go_name="targetgroup.Group"):
    """Targets that are written out, and the labels they share."""

    targets: tuple[str, ...] = setting(TEXTS, "Addresses, host:port.", always=True)
    labels: Mapping[str, str] = setting(LABEL_SET, "Labels of all these targets.")


class FileSDConfig(Settings, go_type="file.plain"):
    """Targets from files that are watched."""

    files: tuple[str, ...] = setting(
        ListKind(PATH), "Files (.json, .yml, .yaml); the last part may hold a *.", always=True
    )
    refresh_interval: Duration = setting(
        DURATION, "How often to read the files even without a change.", default=Duration(300_000)
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        check_interval(section)
        if not section["files"] and "files" not in section.failed:
            section.error("file service discovery config must contain at least one path name", "files")
        node = section.nodes.get("files")
        for index, item in enumerate(node.items if node is not None and node.kind == "list" else ()):
            if item.kind == "scalar" and not re.fullmatch(_FILE_NAME, item.text):
                section.decoder.add(
                    "error",
                    "invalid-value",
                    f"path name {quoted(item.text)} is not valid for file discovery",
                    item,
                    (*section.path, "files", index),
                    hint="a name ends in .json, .yml or .yaml and may hold one * in its last part",
                )


ROLE = EnumKind(ROLES, lambda text: f"unknown Kubernetes SD role {quoted(text)}")


class Namespaces(Settings, go_type="kubernetes.plain"):
    """The namespaces to look in; all when none is named."""

    own_namespace: bool = setting(BOOL, "Look in the pod's own namespace.", always=True)
    names: tuple[str, ...] = setting(TEXTS, "Namespaces to look in.", always=True)


class Selector(Settings, go_type="kubernetes.SelectorConfig"):
    """A label and field selector for one kind of object."""

    role: str = setting(ROLE, "Kind of object.")
    label: str = setting(TEXT, "Label selector.")
    field: str = setting(TEXT, "Field selector.")

    @classmethod
    def finish(cls, section: Section) -> None:
        from pyscrape.discovery.selectors import field_mistake, label_mistake

        for name, mistake in (("field", field_mistake), ("label", label_mistake)):
            if section[name] and (message := mistake(section[name])):
                section.error(message, name, problem_id="bad-selector")


class AttachMetadata(Settings, go_type="kubernetes.AttachMetadataConfig"):
    """Metadata of related objects that targets receive."""

    node: bool = setting(BOOL, "Labels and annotations of the pod's node.", always=True)
    namespace: bool = setting(BOOL, "Labels and annotations of the namespace.")
    deployment: bool = setting(BOOL, "Name of the deployment that owns the pod.")
    job: bool = setting(BOOL, "Name of the job that owns the pod.")
    cronjob: bool = setting(BOOL, "Name of the cron job that owns the pod.")


class KubernetesSDConfig(Settings, go_type="kubernetes.plain"):
    """Targets from a Kubernetes API server."""

    api_server: str = setting(URL, "URL of the API server; empty: the cluster that this runs in.")
    role: str = setting(ROLE, f"Kind of object: {', '.join(ROLES)} (required).", always=True)
    kubeconfig_file: str = setting(PATH, "A kubeconfig file.", always=True)
    http: HTTPClientConfig = http_block()
    namespaces: Namespaces = setting(SectionKind(Namespaces), "Where to look.", default=Namespaces())
    selectors: tuple[Selector, ...] = setting(
        ListKind(SectionKind(Selector), go_type="[]kubernetes.SelectorConfig"), "Which objects to look at."
    )
    attach_metadata: AttachMetadata = setting(
        SectionKind(AttachMetadata), "Metadata of related objects.", default=AttachMetadata()
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        if not section["role"] and "role" not in section.failed:
            section.error(
                "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)", "role"
            )
        _check_api_access(section)
        _check_selectors(section)


def _check_api_access(section: Section) -> None:
    server, kubeconfig, own = (
        section["api_server"],
        section["kubeconfig_file"],
        section["namespaces"].own_namespace,
    )
    custom_http = section.inline("http") != DEFAULT_HTTP
    if server and kubeconfig:
        section.error("cannot use 'kubeconfig_file' and 'api_server' simultaneously", "kubeconfig_file")
    if kubeconfig and custom_http:
        section.error(
            "cannot use a custom HTTP client configuration together with 'kubeconfig_file'", "kubeconfig_file"
        )
    elif not server and custom_http and "api_server" not in section.failed:
        section.error(
            "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
            next((name for name in section.nodes if name in HTTPClientConfig.keys), ""),
            hint="settings for the scrape itself belong one level up, beside kubernetes_sd_configs",
        )
    for name in ("api_server", "kubeconfig_file"):
        if section[name] and own:
            section.error(f"cannot use '{name}' and 'namespaces.own_namespace' simultaneously", "namespaces")


def _check_selectors(section: Section) -> None:
    role, seen = section["role"], set()
    for child in section.items("selectors"):
        of = child["role"]
        if "role" in child.failed:
            continue
        if of in seen:
            child.error(f"duplicated selector role: {of}", "role")
        seen.add(of)
        if role in SELECTORS and of not in SELECTORS[role]:
            child.error(f"{role} role supports only {', '.join(SELECTORS[role])} selectors", "role")


# Every other discovery of Prometheus 3.14: its field (without _sd_configs) and its class in discovery.foreign.
FOREIGN: Mapping[str, str] = {
    "aws": "AWSSDConfig", "azure": "AzureSDConfig", "digitalocean": "DigitalOceanSDConfig",
    "docker": "DockerSDConfig", "dockerswarm": "DockerSwarmSDConfig", "ec2": "EC2SDConfig", "ecs": "ECSSDConfig",
    "elasticache": "ElastiCacheSDConfig", "eureka": "EurekaSDConfig", "gce": "GCESDConfig",
    "hetzner": "HetznerSDConfig", "ionos": "IONOSSDConfig", "kuma": "KumaSDConfig", "lightsail": "LightsailSDConfig",
    "linode": "LinodeSDConfig", "marathon": "MarathonSDConfig", "msk": "MSKSDConfig", "nerve": "NerveSDConfig",
    "nomad": "NomadSDConfig", "oci": "OCISDConfig", "openstack": "OpenStackSDConfig",
    "outscale": "OutscaleSDConfig", "ovhcloud": "OVHCloudSDConfig", "puppetdb": "PuppetDBSDConfig",
    "rds": "RDSSDConfig", "scaleway": "ScalewaySDConfig", "serverset": "ServersetSDConfig",
    "stackit": "STACKITSDConfig", "triton": "TritonSDConfig", "uyuni": "UyuniSDConfig", "vultr": "VultrSDConfig",
}  # fmt: skip
# The discoveries that run here.
SUPPORTED = (
    "static_configs", "consul_sd_configs", "dns_sd_configs", "file_sd_configs", "http_sd_configs",
    "kubernetes_sd_configs",
)  # fmt: skip


def _discoveries(field: str, kind: SectionKind, doc: str) -> Any:
    return setting(ListKind(kind, null_item=f"empty or null section in {field}"), doc)


def _network(name: str) -> SectionKind:
    return LazySectionKind("pyscrape.discovery.network_settings", name)


def _foreign(name: str) -> Any:
    kind = LazySectionKind("pyscrape.discovery.foreign", FOREIGN[name])
    return _discoveries(f"{name}_sd_configs", kind, "Understood and checked, not run by pyscrape.")


class DiscoverySettings(Settings):
    """The fields of all service discoveries, for what has targets: scrape jobs and alertmanagers."""

    aws_sd_configs: tuple[Settings, ...] = _foreign("aws")
    azure_sd_configs: tuple[Settings, ...] = _foreign("azure")
    consul_sd_configs: tuple["ConsulSDConfig", ...] = _discoveries(
        "consul_sd_configs", _network("ConsulSDConfig"), "Targets from Consul."
    )
    digitalocean_sd_configs: tuple[Settings, ...] = _foreign("digitalocean")
    dns_sd_configs: tuple["DNSSDConfig", ...] = _discoveries(
        "dns_sd_configs", _network("DNSSDConfig"), "Targets from DNS."
    )
    docker_sd_configs: tuple[Settings, ...] = _foreign("docker")
    dockerswarm_sd_configs: tuple[Settings, ...] = _foreign("dockerswarm")
    ec2_sd_configs: tuple[Settings, ...] = _foreign("ec2")
    ecs_sd_configs: tuple[Settings, ...] = _foreign("ecs")
    elasticache_sd_configs: tuple[Settings, ...] = _foreign("elasticache")
    eureka_sd_configs: tuple[Settings, ...] = _foreign("eureka")
    file_sd_configs: tuple[FileSDConfig, ...] = _discoveries(
        "file_sd_configs", SectionKind(FileSDConfig), "Targets from files."
    )
    gce_sd_configs: tuple[Settings, ...] = _foreign("gce")
    hetzner_sd_configs: tuple[Settings, ...] = _foreign("hetzner")
    http_sd_configs: tuple["HTTPSDConfig", ...] = _discoveries(
        "http_sd_configs", _network("HTTPSDConfig"), "Targets from an HTTP endpoint."
    )
    ionos_sd_configs: tuple[Settings, ...] = _foreign("ionos")
    kubernetes_sd_configs: tuple[KubernetesSDConfig, ...] = _discoveries(
        "kubernetes_sd_configs", SectionKind(KubernetesSDConfig), "Targets from Kubernetes."
    )
    kuma_sd_configs: tuple[Settings, ...] = _foreign("kuma")
    lightsail_sd_configs: tuple[Settings, ...] = _foreign("lightsail")
    linode_sd_configs: tuple[Settings, ...] = _foreign("linode")
    marathon_sd_configs: tuple[Settings, ...] = _foreign("marathon")
    msk_sd_configs: tuple[Settings, ...] = _foreign("msk")
    nerve_sd_configs: tuple[Settings, ...] = _foreign("nerve")
    nomad_sd_configs: tuple[Settings, ...] = _foreign("nomad")
    oci_sd_configs: tuple[Settings, ...] = _foreign("oci")
    openstack_sd_configs: tuple[Settings, ...] = _foreign("openstack")
    outscale_sd_configs: tuple[Settings, ...] = _foreign("outscale")
    ovhcloud_sd_configs: tuple[Settings, ...] = _foreign("ovhcloud")
    puppetdb_sd_configs: tuple[Settings, ...] = _foreign("puppetdb")
    rds_sd_configs: tuple[Settings, ...] = _foreign("rds")
    scaleway_sd_configs: tuple[Settings, ...] = _foreign("scaleway")
    serverset_sd_configs: tuple[Settings, ...] = _foreign("serverset")
    stackit_sd_configs: tuple[Settings, ...] = _foreign("stackit")
    triton_sd_configs: tuple[Settings, ...] = _foreign("triton")
    uyuni_sd_configs: tuple[Settings, ...] = _foreign("uyuni")
    vultr_sd_configs: tuple[Settings, ...] = _foreign("vultr")
    static_configs: tuple[StaticConfig, ...] = _discoveries(
        "static_configs", SectionKind(StaticConfig), "Targets that are written out."
    )

    def discoveries(self) -> tuple[Settings, ...]:
        """The configs of the discoveries that run here, in the order of their fields; static ones apart."""
        own = (config for field in SUPPORTED if field != "static_configs" for config in getattr(self, field))
        return (*own, *(config for _, configs in self.extensions for config in configs))

    @classmethod
    def extension(cls, name: str) -> Setting | None:
        """A discovery that another distribution brings (see `discovery.plugins`)."""
        if not name.endswith("_sd_configs"):
            return None
        from pyscrape.discovery.plugins import find

        plugin = find(name)
        if plugin is None:
            return None
        kind = ListKind(SectionKind(plugin.settings), null_item=f"empty or null section in {name}")
        declared: Setting = setting(kind, "A discovery that another distribution brings.", key=name)
        declared.name = name
        return declared

    def foreign_discoveries(self) -> tuple[str, ...]:
        """The fields of discoveries that the config has and pyscrape does not run."""
        return tuple(f"{name}_sd_configs" for name in FOREIGN if getattr(self, f"{name}_sd_configs"))


def check_static_targets(section: Section) -> None:
    """Without relabeling nothing can repair a URL among the addresses: refuse it at once."""
    for child in section.items("static_configs"):
        node = child.nodes.get("targets")
        for index, item in enumerate(node.items if node is not None and node.kind == "list" else ()):
            if item.kind == "scalar" and "/" in item.text:
                hint = item.text.split("://", 1)[-1].split("/", 1)[0]
                child.decoder.add(
                    "error",
                    "invalid-value",
                    f"{quoted(item.text)} is not a valid hostname",
                    item,
                    (*child.path, "targets", index),
                    hint=f"write {hint}; scheme and metrics_path are fields of the job",
                )
