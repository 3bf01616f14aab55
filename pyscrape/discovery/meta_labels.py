"""Which labels each service discovery gives its targets: what a relabel rule can hope to find.

`known_labels` answers for a job's discoveries; a family is a prefix that is followed by a name of the user's own (a
node's labels, a pod's annotations).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pyscrape.discovery.settings import FOREIGN, DiscoverySettings, KubernetesSDConfig

_K8S = "__meta_kubernetes_"
# What every target has before relabeling.
TARGET_LABELS = (
    "__address__", "__scheme__", "__metrics_path__", "__scrape_interval__", "__scrape_timeout__", "job",
    "__scrape_native_histograms__", "__always_scrape_classic_histograms__", "__convert_classic_histograms_to_nhcb__",
)  # fmt: skip
TARGET_FAMILIES = ("__param_", "__tmp")
# Discoveries whose labels have another prefix than their name.
_FOREIGN_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "aws": (
        "__meta_ec2_",
        "__meta_ecs_",
        "__meta_elasticache_",
        "__meta_lightsail_",
        "__meta_msk_",
        "__meta_rds_",
    ),
    "docker": ("__meta_docker_",),
    "kuma": ("__meta_kuma_",),
}
_KUBERNETES_NAMES: Mapping[str, tuple[str, ...]] = {
    "node": ("node_name", "node_provider_id"),
    "service": (
        "service_name", "service_port_name", "service_port_number", "service_port_protocol", "service_type",
        "service_cluster_ip", "service_external_name", "service_loadbalancer_ip",
    ),
    "pod": (
        "pod_name", "pod_ip", "pod_uid", "pod_host_ip", "pod_node_name", "pod_ready", "pod_phase",
        "pod_controller_kind", "pod_controller_name", "pod_container_name", "pod_container_image",
        "pod_container_init", "pod_container_id", "pod_container_port_name", "pod_container_port_number",
        "pod_container_port_protocol",
    ),
    "endpoints": (
        "endpoints_name", "endpoint_ready", "endpoint_port_name", "endpoint_port_protocol",
        "endpoint_address_target_kind", "endpoint_address_target_name", "endpoint_node_name", "endpoint_hostname",
    ),
    "endpointslice": (
        "endpointslice_name", "endpointslice_address_type", "endpointslice_port", "endpointslice_port_name",
        "endpointslice_port_protocol", "endpointslice_port_app_protocol", "endpointslice_endpoint_conditions_ready",
        "endpointslice_endpoint_conditions_serving", "endpointslice_endpoint_conditions_terminating",
        "endpointslice_endpoint_hostname", "endpointslice_endpoint_node_name", "endpointslice_endpoint_zone",
        "endpointslice_address_target_kind", "endpointslice_address_target_name",
    ),
    "ingress": ("ingress_name", "ingress_class_name", "ingress_scheme", "ingress_host", "ingress_path"),
}  # fmt: skip
_KUBERNETES_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "node": ("node_condition_", "node_address_"),
    "endpointslice": (
        "endpointslice_endpoint_topology_",
        "endpointslice_endpoint_topology_present_",
    ),
}
# Objects whose labels come along: an endpoint's service and pod.
_JOINED: Mapping[str, tuple[str, ...]] = {
    "endpoints": ("service", "pod"),
    "endpointslice": ("service", "pod"),
}
_SERVICE_PORTS = (
    "service_port_",
    "service_type",
    "service_cluster_ip",
    "service_external_",
    "service_loadbalancer_",
)
_NOT_JOINED = ("pod_container_id",)
_CONSUL = (
    "address", "dc", "health", "namespace", "partition", "node", "service", "service_address", "service_id",
    "service_port", "tags",
)  # fmt: skip
_CONSUL_FAMILIES = ("metadata_", "service_metadata_", "tagged_address_")
_DNS = ("name", "srv_record_target", "srv_record_port", "mx_record_target", "ns_record_target")


class KnownLabels(NamedTuple):
    """Exact names, and prefixes of families. `open` when targets may bring labels of any name."""

    names: frozenset[str]
    families: tuple[str, ...]
    open: bool

    def has(self, name: str) -> bool:
        """Whether a target can have the label."""
        return name in self.names or any(name.startswith(f) and len(name) > len(f) for f in self.families)

    def examples(self) -> list[str]:
        """Names to look for a near one among: families with a typical ending."""
        return [*sorted(self.names), *(family + "x" for family in self.families)]


def kubernetes_labels(config: KubernetesSDConfig) -> tuple[list[str], list[str]]:
    """Names and families of one role's labels, with what is attached."""
    role = config.role
    joined = _JOINED.get(role, ())
    names = list(_KUBERNETES_NAMES.get(role, ()))
    for other in joined:
        names += [
            name
            for name in _KUBERNETES_NAMES[other]
            if name not in _NOT_JOINED and not name.startswith(_SERVICE_PORTS)
        ]
    families = list(_KUBERNETES_FAMILIES.get(role, ()))
    objects = [role, *joined]
    attached = config.attach_metadata
    if role != "node":
        names.append("namespace")
    if attached.node and role in {"pod", *_JOINED}:
        names.append("node_name")
        objects.append("node")
    if attached.namespace and role != "node":
        objects.append("namespace")
    for kind in ("deployment", "job", "cronjob"):
        if getattr(attached, kind):
            names.append(f"pod_{kind}_name")
    for kind in objects:
        families += [
            f"{kind}_{part}_" for part in ("label", "labelpresent", "annotation", "annotationpresent")
        ]
    return [_K8S + name for name in names], [_K8S + family for family in families]


def known_labels(config: DiscoverySettings) -> KnownLabels:
    """The labels that targets of a job or of an alertmanager can have before relabeling."""
    names: list[str] = [*TARGET_LABELS]
    families: list[str] = [*TARGET_FAMILIES]
    anything = bool(config.file_sd_configs or config.http_sd_configs)
    for static in config.static_configs:
        names += static.labels
    for kubernetes in config.kubernetes_sd_configs:
        more_names, more_families = kubernetes_labels(kubernetes)
        names += more_names
        families += more_families
        names += ["instance"] if kubernetes.role == "node" else []
    if config.consul_sd_configs:
        names += [f"__meta_consul_{name}" for name in _CONSUL]
        families += [f"__meta_consul_{family}" for family in _CONSUL_FAMILIES]
    if config.dns_sd_configs:
        names += [f"__meta_dns_{name}" for name in _DNS]
    families += _foreign_families(config.foreign_discoveries())
    if config.http_sd_configs:
        names.append("__meta_url")
    if config.file_sd_configs:
        names.append("__meta_filepath")
    return KnownLabels(frozenset(names), tuple(families), anything)


def _foreign_families(fields: Iterable[str]) -> Sequence[str]:
    found: list[str] = []
    for field in fields:
        name = field.removesuffix("_sd_configs")
        assert name in FOREIGN
        found += _FOREIGN_PREFIXES.get(name, (f"__meta_{name}_",))
    return found
