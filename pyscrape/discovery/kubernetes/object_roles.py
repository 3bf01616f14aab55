"""The roles of objects that stand for themselves: node, service, pod, ingress."""

import sys
from collections.abc import Iterable, Iterator

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.kubernetes.labels import (
    ADDRESS,
    META,
    Attach,
    Labels,
    Related,
    add_container_port,
    add_namespace,
    add_node,
    add_object_labels,
    container_labels,
    containers,
    controller_of,
    join_host_port,
    nonempty,
    pod_labels,
)
from pyscrape.discovery.kubernetes.objects import Ingress, IngressTLS, Meta, Named, Node, Pod, Service
from pyscrape.model.names import sanitize_label_name

# Which address of a node is scraped: the first of these types that it has.
ADDRESS_ORDER = ("InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname")


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
    labels = nonempty(
        {"__meta_kubernetes_node_name": name, "__meta_kubernetes_node_provider_id": node.spec.provider_id}
    )
    for condition in node.status.conditions or ():
        labels[sys.intern(f"{META}node_condition_{sanitize_label_name(condition.type.lower())}")] = (
            condition.status.lower()
        )
    add_object_labels(labels, "node", node.metadata)
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
    labels: Labels = {"__meta_kubernetes_service_name": meta.name}
    add_namespace(labels, meta, related, attach)
    add_object_labels(labels, "service", meta)
    shared: Labels = {"__meta_kubernetes_service_type": spec.type}
    if spec.type == "ExternalName":
        shared["__meta_kubernetes_service_external_name"] = spec.external_name
    else:
        shared["__meta_kubernetes_service_cluster_ip"] = spec.cluster_ip
    if spec.type == "LoadBalancer":
        shared["__meta_kubernetes_service_loadbalancer_ip"] = _load_balancer_ip(service)
    targets = tuple(
        nonempty(
            {
                ADDRESS: f"{meta.name}.{meta.namespace}.svc:{port.port}",
                "__meta_kubernetes_service_port_name": port.name,
                "__meta_kubernetes_service_port_number": str(port.port),
                "__meta_kubernetes_service_port_protocol": port.protocol,
                **shared,
            }
        )
        for port in spec.ports or ()
    )
    return TargetGroup(f"svc/{meta.namespace}/{meta.name}", targets, labels)


# --- pod ---


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
        yield "__meta_kubernetes_pod_deployment_name", maker.name
    if attach.job and owner.kind == "Job":
        yield "__meta_kubernetes_pod_job_name", owner.name
    if attach.cronjob and maker and kinds == ("Job", "CronJob"):
        yield "__meta_kubernetes_pod_cronjob_name", maker.name


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
    add_namespace(labels, meta, related, attach)
    if attach.node:
        add_node(labels, pod.spec.node_name, related)
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
    for container, init in containers(pod):
        own = container_labels(container, init)
        if container_id := ids.get((container.name, init)):
            own["__meta_kubernetes_pod_container_id"] = container_id
        if not container.ports:
            targets.append({ADDRESS: ip, **own})
        for port in container.ports or ():
            target = {ADDRESS: join_host_port(ip, port.container_port), **own}
            add_container_port(target, port, port.protocol)
            targets.append(target)
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
    labels: Labels = {"__meta_kubernetes_ingress_name": meta.name}
    add_namespace(labels, meta, related, attach)
    if spec.ingress_class_name:
        labels["__meta_kubernetes_ingress_class_name"] = spec.ingress_class_name
    add_object_labels(labels, "ingress", meta)
    targets: list[Labels] = []
    for rule in spec.rules or ():
        scheme = "https" if _tls_covers(rule.host, spec.tls or ()) else "http"
        paths = [path.path or "/" for path in rule.http.paths or ()] if rule.http is not None else ["/"]
        for path in paths:
            target = nonempty(
                {
                    "__meta_kubernetes_ingress_scheme": scheme,
                    "__meta_kubernetes_ingress_host": rule.host,
                    "__meta_kubernetes_ingress_path": path,
                }
            )
            # The address stays even when it is empty: a target without the label would be no target.
            target[ADDRESS] = rule.host
            targets.append(target)
    return TargetGroup(f"ingress/{meta.namespace}/{meta.name}", tuple(targets), labels)
