"""The roles of what stands behind a service: endpoints and endpointslice.

Both walk ports and addresses, add what is known of the pods there, and then the pods' ports that were not named.
"""

import sys
from collections.abc import Iterator

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.kubernetes.labels import (
    ADDRESS,
    Attach,
    Labels,
    Related,
    add_container_port,
    add_namespace,
    add_node,
    add_object_labels,
    container_labels,
    containers,
    join_host_port,
    nonempty,
    pod_labels,
)
from pyscrape.discovery.kubernetes.objects import (
    Endpoint,
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    Key,
    Meta,
    Named,
    ObjectReference,
    Pod,
    Service,
)
from pyscrape.model.names import sanitize_label_name

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
CONTAINER_LABELS = (
    "__meta_kubernetes_pod_container_name",
    "__meta_kubernetes_pod_container_image",
    "__meta_kubernetes_pod_container_port_name",
    "__meta_kubernetes_pod_container_port_protocol",
)


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
        for container, init in containers(pod):
            declared = next((p for p in container.ports or () if p.container_port == port), None)
            if declared is not None:
                # None of these may be left over from another container that has the port too.
                for name in CONTAINER_LABELS:
                    target.pop(name, None)
                target.update(container_labels(container, init))
                add_container_port(target, declared, declared.protocol if protocol is None else protocol)

    def uncovered(self) -> Iterator[Labels]:
        """A target for each container port that no endpoint port had the number of."""
        for key, shared in self._labels.items():
            pod = self._related.pods[key]
            assert isinstance(pod, Pod)
            if not pod.status.pod_ip:
                continue
            for container, init in containers(pod):
                for port in container.ports or ():
                    if port.container_port in self._covered[key]:
                        continue
                    target = {ADDRESS: join_host_port(pod.status.pod_ip, port.container_port), **shared}
                    target.update(container_labels(container, init))
                    add_container_port(target, port, port.protocol)
                    yield target


def add_service(labels: Labels, namespace: str, name: str, related: Related) -> Service | None:
    service = related.services.get((namespace, name))
    if service is None:
        return None
    assert isinstance(service, Service)
    labels["__meta_kubernetes_service_name"] = name
    add_object_labels(labels, "service", service.metadata)
    return service


def _add_endpoint_node(
    target: Labels, node_name: str | None, ref: ObjectReference | None, related: Related
) -> None:
    if node_name is not None:
        add_node(target, node_name, related)
    elif ref is not None and ref.kind == "Node":
        add_node(target, ref.name, related)


def endpoints_group(endpoints: Named, related: Related, attach: Attach) -> TargetGroup | None:
    """One target per subset, port and address, then the other ports of the pods behind them."""
    assert isinstance(endpoints, Endpoints)
    meta = endpoints.metadata
    labels: Labels = {"__meta_kubernetes_endpoints_name": meta.name}
    add_namespace(labels, meta, related, attach)
    add_service(labels, meta.namespace, meta.name, related)
    add_object_labels(labels, "endpoints", meta)
    pods = _PodsBehind(related)
    targets: list[Labels] = []

    def add(address: EndpointAddress, port: EndpointPort, ready: str) -> None:
        ref = address.target_ref
        target = nonempty(
            {
                ADDRESS: join_host_port(address.ip, port.port or 0),
                "__meta_kubernetes_endpoint_port_name": port.name,
                "__meta_kubernetes_endpoint_port_protocol": port.protocol,
                "__meta_kubernetes_endpoint_ready": ready,
                "__meta_kubernetes_endpoint_address_target_kind": ref.kind if ref else "",
                "__meta_kubernetes_endpoint_address_target_name": ref.name if ref else "",
                "__meta_kubernetes_endpoint_node_name": address.node_name,
                "__meta_kubernetes_endpoint_hostname": address.hostname,
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
    return TargetGroup(f"endpoints/{meta.namespace}/{meta.name}", tuple(targets), labels)


_SLICE = "__meta_kubernetes_endpointslice_"


def _flag(value: bool | None) -> str | None:
    return None if value is None else "true" if value else "false"


def _slice_port_labels(port: EndpointPort) -> dict[str, str | None]:
    return {
        "__meta_kubernetes_endpointslice_port": None if port.port is None else str(port.port),
        "__meta_kubernetes_endpointslice_port_name": port.name,
        "__meta_kubernetes_endpointslice_port_protocol": port.protocol,
        "__meta_kubernetes_endpointslice_port_app_protocol": port.app_protocol,
    }


def _slice_endpoint_labels(endpoint: Endpoint) -> Labels:
    """The labels that all ports and addresses of one endpoint share."""
    conditions, ref = endpoint.conditions, endpoint.target_ref
    labels = nonempty(
        {
            "__meta_kubernetes_endpointslice_endpoint_conditions_ready": _flag(conditions.ready),
            "__meta_kubernetes_endpointslice_endpoint_conditions_serving": _flag(conditions.serving),
            "__meta_kubernetes_endpointslice_endpoint_conditions_terminating": _flag(conditions.terminating),
            "__meta_kubernetes_endpointslice_endpoint_hostname": endpoint.hostname,
            "__meta_kubernetes_endpointslice_endpoint_node_name": endpoint.node_name,
            "__meta_kubernetes_endpointslice_endpoint_zone": endpoint.zone,
            "__meta_kubernetes_endpointslice_address_target_kind": ref.kind if ref else "",
            "__meta_kubernetes_endpointslice_address_target_name": ref.name if ref else "",
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
    labels = nonempty(
        {
            "__meta_kubernetes_endpointslice_name": meta.name,
            "__meta_kubernetes_endpointslice_address_type": piece.address_type,
        }
    )
    add_namespace(labels, meta, related, attach)
    service = add_service(labels, meta.namespace, service_of_slice(meta), related)
    add_object_labels(labels, "endpointslice", meta)
    if _is_second_family(service, piece):
        return TargetGroup(source, (), labels)
    pods = _PodsBehind(related)
    targets: list[Labels] = []
    shared = [_slice_endpoint_labels(endpoint) for endpoint in piece.endpoints or ()]
    for port in piece.ports or ():
        of_port = nonempty(_slice_port_labels(port))
        for endpoint, of_endpoint in zip(piece.endpoints or (), shared, strict=True):
            for host in endpoint.addresses or ():
                address = host if port.port is None else join_host_port(host, port.port)
                target = {ADDRESS: address, **of_port, **of_endpoint}
                if attach.node:
                    _add_endpoint_node(target, endpoint.node_name, endpoint.target_ref, related)
                pods.add(target, endpoint.target_ref, port.port, None)
                targets.append(target)
    targets.extend(pods.uncovered())
    return TargetGroup(source, tuple(targets), labels)
