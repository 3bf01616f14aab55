"""Kubernetes objects, narrowed to the fields that discovery reads, and how they are decoded.

An API server sends far more than labels are made of: of 40 MB of pods nearly half are managedFields. The
structs here name what is wanted and the decoder skips the rest without making objects of it. Lists may be null
in answers of Go programs, hence `| None`; nothing here refers back to its owner, so the garbage collector need
not follow them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


class Narrow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Base of all structs here: immutable, names as in Kubernetes' JSON, unknown fields skipped."""


class OwnerReference(Narrow, frozen=True):
    kind: str = ""
    name: str = ""
    controller: bool | None = None


class Meta(Narrow, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class Named(Narrow, frozen=True):
    """What all objects have; alone it is enough of a Namespace, a ReplicaSet and a Job."""

    metadata: Meta = Meta()


class Condition(Narrow, frozen=True):
    type: str = ""
    status: str = ""


class NodeAddress(Narrow, frozen=True):
    type: str = ""
    address: str = ""


class KubeletEndpoint(Narrow, frozen=True):
    port: int = msgspec.field(name="Port", default=0)


class DaemonEndpoints(Narrow, frozen=True):
    kubelet_endpoint: KubeletEndpoint = KubeletEndpoint()


class NodeSpec(Narrow, frozen=True):
    provider_id: str = msgspec.field(name="providerID", default="")


class NodeStatus(Narrow, frozen=True):
    addresses: list[NodeAddress] | None = None
    conditions: list[Condition] | None = None
    daemon_endpoints: DaemonEndpoints = DaemonEndpoints()


class Node(Named, frozen=True):
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class ContainerPort(Narrow, frozen=True):
    name: str = ""
    container_port: int = 0
    protocol: str = ""


class Container(Narrow, frozen=True):
    name: str = ""
    image: str = ""
    ports: list[ContainerPort] | None = None


class ContainerStatus(Narrow, frozen=True):
    name: str = ""
    container_id: str = msgspec.field(name="containerID", default="")


class PodSpec(Narrow, frozen=True):
    node_name: str = ""
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None


class PodStatus(Narrow, frozen=True):
    phase: str = ""
    pod_ip: str = msgspec.field(name="podIP", default="")
    host_ip: str = msgspec.field(name="hostIP", default="")
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(Named, frozen=True):
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class ServicePort(Narrow, frozen=True):
    name: str = ""
    port: int = 0
    protocol: str = ""


class ServiceSpec(Narrow, frozen=True):
    type: str = ""
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    external_name: str = ""
    load_balancer_ip: str = msgspec.field(name="loadBalancerIP", default="")
    ip_family_policy: str = ""
    ip_families: list[str] | None = None
    ports: list[ServicePort] | None = None


class LoadBalancerIngress(Narrow, frozen=True):
    ip: str = ""


class LoadBalancerStatus(Narrow, frozen=True):
    ingress: list[LoadBalancerIngress] | None = None


class ServiceStatus(Narrow, frozen=True):
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(Named, frozen=True):
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class ObjectReference(Narrow, frozen=True):
    kind: str = ""
    namespace: str = ""
    name: str = ""


class EndpointAddress(Narrow, frozen=True):
    ip: str = ""
    hostname: str = ""
    node_name: str | None = None
    target_ref: ObjectReference | None = None


class EndpointPort(Narrow, frozen=True):
    """A port of Endpoints or of an EndpointSlice; only the latter may lack name and number."""

    name: str | None = None
    port: int | None = None
    protocol: str | None = None
    app_protocol: str | None = None


class EndpointSubset(Narrow, frozen=True):
    addresses: list[EndpointAddress] | None = None
    not_ready_addresses: list[EndpointAddress] | None = None
    ports: list[EndpointPort] | None = None


class Endpoints(Named, frozen=True):
    subsets: list[EndpointSubset] | None = None


class EndpointConditions(Narrow, frozen=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Narrow, frozen=True):
    addresses: list[str] | None = None
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    node_name: str | None = None
    zone: str | None = None
    target_ref: ObjectReference | None = None
    deprecated_topology: dict[str, str] | None = None


class EndpointSlice(Named, frozen=True):
    address_type: str = ""
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None


class IngressTLS(Narrow, frozen=True):
    hosts: list[str] | None = None


class HTTPIngressPath(Narrow, frozen=True):
    path: str = ""


class HTTPIngressRuleValue(Narrow, frozen=True):
    paths: list[HTTPIngressPath] | None = None


class IngressRule(Narrow, frozen=True):
    host: str = ""
    http: HTTPIngressRuleValue | None = None


class IngressSpec(Narrow, frozen=True):
    ingress_class_name: str | None = None
    tls: list[IngressTLS] | None = None
    rules: list[IngressRule] | None = None


class Ingress(Named, frozen=True):
    spec: IngressSpec = IngressSpec()


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object: where an API server has it and which struct it decodes to."""

    plural: str
    kind: str
    group: str  # "" is the core group
    version: str
    type: type[Named]
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As objects state it: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "") -> str:
        """The URL path of the collection, in one namespace or in all (`""`)."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace else f"{root}/{self.plural}"


NODES = Resource("nodes", "Node", "", "v1", Node, namespaced=False)
NAMESPACES = Resource("namespaces", "Namespace", "", "v1", Named, namespaced=False)
PODS = Resource("pods", "Pod", "", "v1", Pod)
SERVICES = Resource("services", "Service", "", "v1", Service)
ENDPOINTS = Resource("endpoints", "Endpoints", "", "v1", Endpoints)
ENDPOINT_SLICES = Resource("endpointslices", "EndpointSlice", "discovery.k8s.io", "v1", EndpointSlice)
INGRESSES = Resource("ingresses", "Ingress", "networking.k8s.io", "v1", Ingress)
REPLICA_SETS = Resource("replicasets", "ReplicaSet", "apps", "v1", Named)
JOBS = Resource("jobs", "Job", "batch", "v1", Named)

RESOURCES = {
    resource.kind: resource
    for resource in (
        NODES,
        NAMESPACES,
        PODS,
        SERVICES,
        ENDPOINTS,
        ENDPOINT_SLICES,
        INGRESSES,
        REPLICA_SETS,
        JOBS,
    )
}


@dataclass(frozen=True, slots=True)
class Source:
    """What is reflected: a resource, in one namespace or all (""), through selectors."""

    resource: Resource
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""

    @property
    def path(self) -> str:
        return self.resource.path(self.namespace)

    @property
    def params(self) -> dict[str, str]:
        """The selectors as query parameters."""
        pairs = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: value for name, value in pairs.items() if value}


Key = tuple[str, str]
"""(namespace, name); the namespace of nodes and namespaces is empty."""


def key_of(meta: Meta) -> Key:
    """How an object is found again among those of its kind."""
    return (meta.namespace, meta.name)


def from_manifests(objects: Iterable[Any]) -> Iterator[tuple[Resource, Named]]:
    """Manifests as mappings (lists of kind `List`, `PodList`, ... are opened) -> (resource, struct).

    Kinds that discovery does not read are passed over. An object of a namespaced kind that names no namespace
    is in `default`, where kubectl would put it.

    Raises:
        ValueError: an object is not of its kind's shape; the message names the object and the field.
    """
    for manifest in objects:
        if not isinstance(manifest, Mapping):
            raise ValueError(f"a Kubernetes object must be a mapping, not {type(manifest).__name__}")
        kind = manifest.get("kind")
        if isinstance(kind, str) and kind.endswith("List") and "items" in manifest:
            member = {} if kind == "List" else {"kind": kind.removesuffix("List")}
            items = manifest["items"] or ()
            if not isinstance(items, list | tuple) or not all(isinstance(item, Mapping) for item in items):
                raise ValueError(f"items of {kind} must be a list of mappings")
            yield from from_manifests([{**member, **item} for item in items])
            continue
        resource = RESOURCES.get(kind) if isinstance(kind, str) else None
        if resource is None:
            continue
        try:
            found = msgspec.convert(manifest, resource.type)
        except msgspec.ValidationError as error:
            metadata = manifest.get("metadata")
            name = metadata.get("name", "?") if isinstance(metadata, Mapping) else "?"
            raise ValueError(f"{kind} {name!r}: {error}") from error
        if resource.namespaced and not found.metadata.namespace:
            meta = msgspec.structs.replace(found.metadata, namespace="default")
            found = msgspec.structs.replace(found, metadata=meta)
        yield resource, found
