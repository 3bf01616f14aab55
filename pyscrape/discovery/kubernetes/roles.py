"""Roles: what a node, service, pod, Endpoints, EndpointSlice or Ingress means as targets and labels.

Every role is one function (object, related objects, attach) -> group, without I/O or state, so that a manifest
in a test gives what a cluster would give. `ROLES` says for each role which resource is the main one. Labels with
an empty value are left out: to everything that reads them, empty and absent are the same.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.kubernetes.objects import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    INGRESSES,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    Container,
    ContainerPort,
    Endpoint,
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    Ingress,
    IngressTLS,
    Key,
    Meta,
    Named,
    Node,
    ObjectReference,
    OwnerReference,
    Pod,
    Resource,
    Service,
    from_manifests,
    key_of,
)
from pyscrape.model.names import sanitize_label_name

META = "__meta_kubernetes_"
NAMESPACE = META + "namespace"
ADDRESS = "__address__"
SERVICE_NAME_LABEL = "kubernetes.io/service-name"

# Which address of a node is scraped: the first of these types that it has.
ADDRESS_ORDER = ("InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname")


@dataclass(frozen=True, slots=True)
class Attach:
    """`attach_metadata`: which labels of related objects targets get too."""

    node: bool = False
    namespace: bool = False
    deployment: bool = False
    job: bool = False
    cronjob: bool = False


def _none() -> Mapping[Key, Named]:
    return {}


@dataclass(slots=True)
class Related:
    """Objects that roles look up, per kind by key; live views, read but never changed here."""

    services: Mapping[Key, Named] = field(default_factory=_none)
    pods: Mapping[Key, Named] = field(default_factory=_none)
    nodes: Mapping[Key, Named] = field(default_factory=_none)
    namespaces: Mapping[Key, Named] = field(default_factory=_none)
    replica_sets: Mapping[Key, Named] = field(default_factory=_none)
    jobs: Mapping[Key, Named] = field(default_factory=_none)


Labels = dict[str, str]


@lru_cache(maxsize=65536)
def _label_names(prefix: str, kind: str, key: str) -> tuple[str, str]:
    """(`..._label_<key>`, `..._labelpresent_<key>`); interned: thousands of objects have the same keys."""
    clean = sanitize_label_name(key)
    return (sys.intern(f"{META}{prefix}_{kind}_{clean}"), sys.intern(f"{META}{prefix}_{kind}present_{clean}"))


def _add_object_labels(labels: Labels, prefix: str, meta: Meta) -> None:
    for kind, pairs in (("label", meta.labels), ("annotation", meta.annotations)):
        if not pairs:
            continue
        for key, value in pairs.items():
            name, present = _label_names(prefix, kind, key)
            if value:
                labels[name] = value
            labels[present] = "true"


def _add_namespace(labels: Labels, meta: Meta, related: Related, attach: Attach) -> None:
    labels[NAMESPACE] = meta.namespace
    if attach.namespace and (namespace := related.namespaces.get(("", meta.namespace))) is not None:
        _add_object_labels(labels, "namespace", namespace.metadata)


def _add_node(labels: Labels, name: str, related: Related) -> None:
    node = related.nodes.get(("", name))
    if node is not None:
        labels[META + "node_name"] = name
        _add_object_labels(labels, "node", node.metadata)


def _nonempty(labels: Mapping[str, str | None]) -> Labels:
    return {name: value for name, value in labels.items() if value}


def join_host_port(host: str, port: int) -> str:
    """`10.0.0.1:80`, `[fd00::1]:80`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def controller_of(meta: Meta) -> OwnerReference | None:
    """The owner that manages the object, if it has one."""
    return next((owner for owner in meta.owner_references or () if owner.controller), None)


# --- node ---


def node_group(node: Named, _related: Related, _attach: Attach) -> TargetGroup | None:
    """One target: the kubelet. None for a node without any address."""
    assert isinstance(node, Node)
    by_type: dict[str, str] = {}
    for address in node.status.addresses or ():
        by_type.setdefault(address.type, address.address)
    host = next((by_type[kind] for kind in ADDRESS_ORDER if kind in by_type), None)
    if host is None:
        return None
    name = node.metadata.name
    labels = _nonempty({META + "node_name": name, META + "node_provider_id": node.spec.provider_id})
    for condition in node.status.conditions or ():
        labels[sys.intern(f"{META}node_condition_{sanitize_label_name(condition.type.lower())}")] = (
            condition.status.lower()
        )
    _add_object_labels(labels, "node", node.metadata)
    target = {
        ADDRESS: join_host_port(host, node.status.daemon_endpoints.kubelet_endpoint.port),
        "instance": name,
    }
    for kind, value in by_type.items():
        if value:
            target[sys.intern(f"{META}node_address_{sanitize_label_name(kind)}")] = value
    return TargetGroup(f"node/{name}", (target,), labels)


# --- service ---


def _load_balancer_ip(service: Service) -> str:
    granted = [ingress.ip for ingress in service.status.load_balancer.ingress or () if ingress.ip]
    return ",".join(granted) or service.spec.load_balancer_ip


def service_group(service: Named, related: Related, attach: Attach) -> TargetGroup | None:
    """One target per port of the service."""
    assert isinstance(service, Service)
    meta, spec = service.metadata, service.spec
    labels: Labels = {META + "service_name": meta.name}
    _add_namespace(labels, meta, related, attach)
    _add_object_labels(labels, "service", meta)
    shared: Labels = {META + "service_type": spec.type}
    if spec.type == "ExternalName":
        shared[META + "service_external_name"] = spec.external_name
    else:
        shared[META + "service_cluster_ip"] = spec.cluster_ip
    if spec.type == "LoadBalancer":
        shared[META + "service_loadbalancer_ip"] = _load_balancer_ip(service)
    targets = tuple(
        _nonempty(
            {
                ADDRESS: f"{meta.name}.{meta.namespace}.svc:{port.port}",
                META + "service_port_name": port.name,
                META + "service_port_number": str(port.port),
                META + "service_port_protocol": port.protocol,
                **shared,
            }
        )
        for port in spec.ports or ()
    )
    return TargetGroup(f"svc/{meta.namespace}/{meta.name}", targets, labels)


# --- pod ---


def _pod_ready(pod: Pod) -> str:
    status = next((c.status for c in pod.status.conditions or () if c.type == "Ready"), "unknown")
    return status.lower()


def pod_labels(pod: Pod) -> Labels:
    """The labels that every target of a pod has, whichever role finds it."""
    meta, status = pod.metadata, pod.status
    owner = controller_of(meta)
    labels = _nonempty(
        {
            META + "pod_name": meta.name,
            META + "pod_ip": status.pod_ip,
            META + "pod_ready": _pod_ready(pod),
            META + "pod_phase": status.phase,
            META + "pod_node_name": pod.spec.node_name,
            META + "pod_host_ip": status.host_ip,
            META + "pod_uid": meta.uid,
            META + "pod_controller_kind": owner.kind if owner else "",
            META + "pod_controller_name": owner.name if owner else "",
        }
    )
    _add_object_labels(labels, "pod", meta)
    return labels


def _workload_labels(meta: Meta, related: Related, attach: Attach) -> Iterator[tuple[str, str]]:
    """Who made the pod's maker: Deployment by way of its ReplicaSet, Job, CronJob by way of its Job."""
    owner = controller_of(meta)
    if owner is None:
        return
    known = {"ReplicaSet": related.replica_sets, "Job": related.jobs}.get(owner.kind, {})
    made = known.get((meta.namespace, owner.name))
    if made is None:
        return
    maker = controller_of(made.metadata)
    kinds = (owner.kind, maker.kind if maker else "")
    if attach.deployment and maker and kinds == ("ReplicaSet", "Deployment"):
        yield META + "pod_deployment_name", maker.name
    if attach.job and owner.kind == "Job":
        yield META + "pod_job_name", owner.name
    if attach.cronjob and maker and kinds == ("Job", "CronJob"):
        yield META + "pod_cronjob_name", maker.name


def _containers(pod: Pod) -> Iterator[tuple[Container, bool]]:
    """Each container and whether it is an init container, in the order in which they count."""
    for container in pod.spec.containers or ():
        yield container, False
    for container in pod.spec.init_containers or ():
        yield container, True


def _container_labels(container: Container, init: bool) -> Labels:
    return {
        META + "pod_container_name": container.name,
        META + "pod_container_image": container.image,
        META + "pod_container_init": "true" if init else "false",
    }


def _container_port_labels(port: ContainerPort, protocol: str) -> Labels:
    return {
        META + "pod_container_port_name": port.name,
        META + "pod_container_port_number": str(port.container_port),
        META + "pod_container_port_protocol": protocol,
    }


def pod_group(pod: Named, related: Related, attach: Attach) -> TargetGroup | None:
    """One target per container port, or per container without ports. None if its node is not known."""
    assert isinstance(pod, Pod)
    meta, ip = pod.metadata, pod.status.pod_ip
    source = f"pod/{meta.namespace}/{meta.name}"
    if attach.node and ("", pod.spec.node_name) not in related.nodes:
        return None
    if not ip:
        return TargetGroup(source)
    labels = pod_labels(pod)
    _add_namespace(labels, meta, related, attach)
    if attach.node:
        _add_node(labels, pod.spec.node_name, related)
    labels.update(_workload_labels(meta, related, attach))
    ids = {
        (status.name, init): status.container_id
        for statuses, init in (
            (pod.status.container_statuses, False),
            (pod.status.init_container_statuses, True),
        )
        for status in statuses or ()
    }
    targets: list[Labels] = []
    for container, init in _containers(pod):
        own = _container_labels(container, init)
        own[META + "pod_container_id"] = ids.get((container.name, init), "")
        if not container.ports:
            targets.append(_nonempty({ADDRESS: ip, **own}))
        targets += [
            _nonempty(
                {
                    ADDRESS: join_host_port(ip, port.container_port),
                    **own,
                    **_container_port_labels(port, port.protocol),
                }
            )
            for port in container.ports or ()
        ]
    return TargetGroup(source, tuple(targets), labels)


# --- endpoints and endpointslice ---


class _PodsBehind:
    """The pods that an Endpoints or EndpointSlice object refers to, and which of their ports it covers."""

    def __init__(self, related: Related) -> None:
        self._related = related
        self._labels: dict[Key, Labels] = {}
        self._covered: dict[Key, set[int]] = {}

    def add(
        self, target: Labels, ref: ObjectReference | None, port: int | None, protocol: str | None
    ) -> None:
        """Give `target` the labels of the pod that it is, and of the container that has the port.

        The last container with a port of that number wins. `protocol` None takes the container port's.
        """
        if ref is None or ref.kind != "Pod":
            return
        key = (ref.namespace, ref.name)
        pod = self._related.pods.get(key)
        if pod is None:
            return
        assert isinstance(pod, Pod)
        if key not in self._labels:
            self._labels[key] = pod_labels(pod)
            self._covered[key] = set()
        target.update(self._labels[key])
        if port is None:
            return
        self._covered[key].add(port)
        for container, init in _containers(pod):
            declared = next((p for p in container.ports or () if p.container_port == port), None)
            if declared is not None:
                # None of these may be left over from another container that has the port too.
                target.update(_container_labels(container, init))
                target.update(
                    _container_port_labels(declared, declared.protocol if protocol is None else protocol)
                )

    def uncovered(self) -> Iterator[Labels]:
        """A target for each container port that no endpoint port had the number of."""
        for key, shared in self._labels.items():
            pod = self._related.pods[key]
            assert isinstance(pod, Pod)
            if not pod.status.pod_ip:
                continue
            for container, init in _containers(pod):
                for port in container.ports or ():
                    if port.container_port in self._covered[key]:
                        continue
                    yield _nonempty(
                        {
                            ADDRESS: join_host_port(pod.status.pod_ip, port.container_port),
                            **_container_labels(container, init),
                            **_container_port_labels(port, port.protocol),
                            **shared,
                        }
                    )


def _add_service(labels: Labels, namespace: str, name: str, related: Related) -> Service | None:
    service = related.services.get((namespace, name))
    if service is None:
        return None
    assert isinstance(service, Service)
    labels[META + "service_name"] = name
    _add_object_labels(labels, "service", service.metadata)
    return service


def _add_endpoint_node(
    target: Labels, node_name: str | None, ref: ObjectReference | None, related: Related
) -> None:
    if node_name is not None:
        _add_node(target, node_name, related)
    elif ref is not None and ref.kind == "Node":
        _add_node(target, ref.name, related)


def endpoints_group(endpoints: Named, related: Related, attach: Attach) -> TargetGroup | None:
    """One target per subset, port and address, then the other ports of the pods behind them."""
    assert isinstance(endpoints, Endpoints)
    meta = endpoints.metadata
    labels: Labels = {META + "endpoints_name": meta.name}
    _add_namespace(labels, meta, related, attach)
    _add_service(labels, meta.namespace, meta.name, related)
    _add_object_labels(labels, "endpoints", meta)
    pods = _PodsBehind(related)
    targets: list[Labels] = []

    def add(address: EndpointAddress, port: EndpointPort, ready: str) -> None:
        ref = address.target_ref
        target = _nonempty(
            {
                ADDRESS: join_host_port(address.ip, port.port or 0),
                META + "endpoint_port_name": port.name,
                META + "endpoint_port_protocol": port.protocol,
                META + "endpoint_ready": ready,
                META + "endpoint_address_target_kind": ref.kind if ref else "",
                META + "endpoint_address_target_name": ref.name if ref else "",
                META + "endpoint_node_name": address.node_name,
                META + "endpoint_hostname": address.hostname,
            }
        )
        if attach.node:
            _add_endpoint_node(target, address.node_name, ref, related)
        pods.add(target, ref, port.port, port.protocol or "")
        targets.append(target)

    for subset in endpoints.subsets or ():
        for port in subset.ports or ():
            for address in subset.addresses or ():
                add(address, port, "true")
            for address in subset.not_ready_addresses or ():
                add(address, port, "false")
    targets.extend(pods.uncovered())
    return TargetGroup(f"endpoints/{meta.namespace}/{meta.name}", tuple(map(_nonempty, targets)), labels)


_SLICE = META + "endpointslice_"


def _flag(value: bool | None) -> str | None:
    return None if value is None else "true" if value else "false"


def _slice_port_labels(port: EndpointPort) -> dict[str, str | None]:
    return {
        _SLICE + "port": None if port.port is None else str(port.port),
        _SLICE + "port_name": port.name,
        _SLICE + "port_protocol": port.protocol,
        _SLICE + "port_app_protocol": port.app_protocol,
    }


def _slice_endpoint_labels(endpoint: Endpoint) -> Labels:
    """The labels that all ports and addresses of one endpoint share."""
    conditions, ref = endpoint.conditions, endpoint.target_ref
    labels = _nonempty(
        {
            _SLICE + "endpoint_conditions_ready": _flag(conditions.ready),
            _SLICE + "endpoint_conditions_serving": _flag(conditions.serving),
            _SLICE + "endpoint_conditions_terminating": _flag(conditions.terminating),
            _SLICE + "endpoint_hostname": endpoint.hostname,
            _SLICE + "endpoint_node_name": endpoint.node_name,
            _SLICE + "endpoint_zone": endpoint.zone,
            _SLICE + "address_target_kind": ref.kind if ref else "",
            _SLICE + "address_target_name": ref.name if ref else "",
        }
    )
    for key, value in (endpoint.deprecated_topology or {}).items():
        clean = sanitize_label_name(key)
        if value:
            labels[sys.intern(f"{_SLICE}endpoint_topology_{clean}")] = value
        labels[sys.intern(f"{_SLICE}endpoint_topology_present_{clean}")] = "true"
    return labels


def service_of_slice(meta: Meta) -> str:
    """The name of the service that an EndpointSlice belongs to; empty if it does not say."""
    return (meta.labels or {}).get(SERVICE_NAME_LABEL, "")


def _is_second_family(service: Service | None, piece: EndpointSlice) -> bool:
    """Whether the slice repeats, in the service's other address family, what the first family's slice has."""
    return (
        service is not None
        and service.spec.ip_family_policy in {"PreferDualStack", "RequireDualStack"}
        and bool(service.spec.ip_families)
        and piece.address_type != (service.spec.ip_families or [""])[0]
    )


def endpointslice_group(piece: Named, related: Related, attach: Attach) -> TargetGroup | None:
    """One target per port, endpoint and address, then the other ports of the pods behind them."""
    assert isinstance(piece, EndpointSlice)
    meta = piece.metadata
    source = f"endpointslice/{meta.namespace}/{meta.name}"
    labels = _nonempty({_SLICE + "name": meta.name, _SLICE + "address_type": piece.address_type})
    _add_namespace(labels, meta, related, attach)
    service = _add_service(labels, meta.namespace, service_of_slice(meta), related)
    _add_object_labels(labels, "endpointslice", meta)
    if _is_second_family(service, piece):
        return TargetGroup(source, (), labels)
    pods = _PodsBehind(related)
    targets: list[Labels] = []
    shared = [_slice_endpoint_labels(endpoint) for endpoint in piece.endpoints or ()]
    for port in piece.ports or ():
        of_port = _nonempty(_slice_port_labels(port))
        for endpoint, of_endpoint in zip(piece.endpoints or (), shared, strict=True):
            for host in endpoint.addresses or ():
                address = host if port.port is None else join_host_port(host, port.port)
                target = {ADDRESS: address, **of_port, **of_endpoint}
                if attach.node:
                    _add_endpoint_node(target, endpoint.node_name, endpoint.target_ref, related)
                pods.add(target, endpoint.target_ref, port.port, None)
                targets.append(_nonempty(target))
    targets.extend(pods.uncovered())
    return TargetGroup(source, tuple(targets), labels)


# --- ingress ---


def _tls_covers(host: str, tls: Iterable[IngressTLS]) -> bool:
    """Whether a TLS block names the host, itself or by a wildcard for its first part."""
    _, dot, rest = host.partition(".")
    wildcard = f"*.{rest}" if dot else None
    return any(name in {host, wildcard} for block in tls for name in block.hosts or ())


def ingress_group(ingress: Named, related: Related, attach: Attach) -> TargetGroup | None:
    """One target per rule and path; its address is the rule's host."""
    assert isinstance(ingress, Ingress)
    meta, spec = ingress.metadata, ingress.spec
    labels: Labels = {META + "ingress_name": meta.name}
    _add_namespace(labels, meta, related, attach)
    if spec.ingress_class_name:
        labels[META + "ingress_class_name"] = spec.ingress_class_name
    _add_object_labels(labels, "ingress", meta)
    targets: list[Labels] = []
    for rule in spec.rules or ():
        scheme = "https" if _tls_covers(rule.host, spec.tls or ()) else "http"
        paths = [path.path or "/" for path in rule.http.paths or ()] if rule.http is not None else ["/"]
        for path in paths:
            target = _nonempty(
                {
                    META + "ingress_scheme": scheme,
                    META + "ingress_host": rule.host,
                    META + "ingress_path": path,
                }
            )
            # The address stays even when it is empty: a target without the label would be no target.
            target[ADDRESS] = rule.host
            targets.append(target)
    return TargetGroup(f"ingress/{meta.namespace}/{meta.name}", tuple(targets), labels)


# --- which related objects a group was made from ---

Reference = tuple[str, Key]
"""A field of `Related` and the key of an object in it, which need not exist."""


def _ref_references(
    ref: ObjectReference | None, node_name: str | None, attach: Attach
) -> Iterator[Reference]:
    # An address that is neither a pod nor a node gets its node's labels, but not their later changes: as in
    # Prometheus, whose index of nodes is made from these references alone.
    if ref is None:
        return
    if ref.kind == "Pod":
        yield "pods", (ref.namespace, ref.name)
        if attach.node and node_name:
            yield "nodes", ("", node_name)
    elif ref.kind == "Node" and attach.node:
        yield "nodes", ("", ref.name)


def references(main: Named, attach: Attach) -> Iterator[Reference]:
    """The related objects whose changes change the group of `main`; may repeat itself."""
    meta = main.metadata
    if attach.namespace and meta.namespace:
        yield "namespaces", ("", meta.namespace)
    if isinstance(main, Pod):
        if attach.node:
            yield "nodes", ("", main.spec.node_name)
        owner = controller_of(meta)
        kinds = {
            "ReplicaSet": ("replica_sets", attach.deployment),
            "Job": ("jobs", attach.job or attach.cronjob),
        }
        field_name, wanted = kinds.get(owner.kind if owner else "", ("", False))
        if wanted and owner is not None:
            yield field_name, (meta.namespace, owner.name)
    elif isinstance(main, Endpoints):
        yield "services", key_of(meta)
        for subset in main.subsets or ():
            for address in (*(subset.addresses or ()), *(subset.not_ready_addresses or ())):
                yield from _ref_references(address.target_ref, address.node_name, attach)
    elif isinstance(main, EndpointSlice):
        yield "services", (meta.namespace, service_of_slice(meta))
        for endpoint in main.endpoints or ():
            yield from _ref_references(endpoint.target_ref, endpoint.node_name, attach)


@dataclass(frozen=True, slots=True)
class Role:
    """A role: its main resource, what its groups' sources begin with, and how one object becomes a group."""

    name: str
    resource: Resource
    source: str
    build: Callable[[Named, Related, Attach], TargetGroup | None]

    def source_of(self, key: Key) -> str:
        """The source of an object's group, also when the object is gone."""
        namespace, name = key
        return f"{self.source}/{namespace}/{name}" if namespace else f"{self.source}/{name}"

    def related(self, attach: Attach) -> dict[str, Resource]:
        """Field of `Related` -> the resource that has to be known for it."""
        behind_endpoints = self.name in {"endpoints", "endpointslice"}
        pod = self.name == "pod"
        wanted = {
            "services": (behind_endpoints, SERVICES),
            "pods": (behind_endpoints, PODS),
            "nodes": (attach.node and (behind_endpoints or pod), NODES),
            "namespaces": (attach.namespace and self.name != "node", NAMESPACES),
            "replica_sets": (attach.deployment and pod, REPLICA_SETS),
            "jobs": ((attach.job or attach.cronjob) and pod, JOBS),
        }
        return {name: resource for name, (needed, resource) in wanted.items() if needed}


ROLES = {
    role.name: role
    for role in (
        Role("node", NODES, "node", node_group),
        Role("service", SERVICES, "svc", service_group),
        Role("pod", PODS, "pod", pod_group),
        Role("endpoints", ENDPOINTS, "endpoints", endpoints_group),
        Role("endpointslice", ENDPOINT_SLICES, "endpointslice", endpointslice_group),
        Role("ingress", INGRESSES, "ingress", ingress_group),
    )
}


def target_groups(
    role: str,
    objects: Iterable[Mapping[str, object]],
    attach_metadata: Mapping[str, bool] | Attach | None = None,
) -> list[TargetGroup]:
    """Make the groups that discovery of `role` would find in a cluster of these objects.

    `objects` are manifests as mappings, in any order, of all kinds that the role needs (endpoints: also
    Services and Pods); other kinds are passed over, lists are opened. `attach_metadata` is the mapping of the
    same name of kubernetes_sd_configs.

    Raises:
        ValueError: an unknown role, an unknown key of attach_metadata, or an object of the wrong shape.
    """
    if role not in ROLES:
        raise ValueError(f"unknown Kubernetes SD role {role!r}, known are {', '.join(ROLES)}")
    if isinstance(attach_metadata, Mapping):
        unknown = sorted(set(attach_metadata) - set(Attach.__dataclass_fields__))
        if unknown:
            raise ValueError(f"unknown field {unknown[0]!r} of attach_metadata")
        attach_metadata = Attach(**attach_metadata)
    attach = attach_metadata or Attach()
    known: dict[str, dict[Key, Named]] = {}
    for resource, found in from_manifests(iter(objects)):
        known.setdefault(resource.plural, {})[key_of(found.metadata)] = found
    chosen = ROLES[role]
    related = Related(
        **{name: known.get(resource.plural, {}) for name, resource in chosen.related(attach).items()}
    )
    groups = (
        chosen.build(found, related, attach) for found in known.get(chosen.resource.plural, {}).values()
    )
    return [group for group in groups if group is not None]
