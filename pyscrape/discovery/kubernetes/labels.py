"""The labels that roles have in common: names, sanitising, what is attached of related objects, a pod's own.

Labels with an empty value are left out: to everything that reads them, empty and absent are the same.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pyscrape.discovery.kubernetes.objects import (
    Container,
    ContainerPort,
    Key,
    Meta,
    Named,
    OwnerReference,
    Pod,
)
from pyscrape.model.names import sanitize_label_name

META = "__meta_kubernetes_"
NAMESPACE = "__meta_kubernetes_namespace"
ADDRESS = "__address__"


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


def add_object_labels(labels: Labels, prefix: str, meta: Meta) -> None:
    for kind, pairs in (("label", meta.labels), ("annotation", meta.annotations)):
        if not pairs:
            continue
        for key, value in pairs.items():
            name, present = _label_names(prefix, kind, key)
            if value:
                labels[name] = value
            labels[present] = "true"


def add_namespace(labels: Labels, meta: Meta, related: Related, attach: Attach) -> None:
    labels[NAMESPACE] = meta.namespace
    if attach.namespace and (namespace := related.namespaces.get(("", meta.namespace))) is not None:
        add_object_labels(labels, "namespace", namespace.metadata)


def add_node(labels: Labels, name: str, related: Related) -> None:
    node = related.nodes.get(("", name))
    if node is not None:
        labels["__meta_kubernetes_node_name"] = name
        add_object_labels(labels, "node", node.metadata)


def nonempty(labels: Mapping[str, str | None]) -> Labels:
    return {name: value for name, value in labels.items() if value}


def join_host_port(host: str, port: int) -> str:
    """`10.0.0.1:80`, `[fd00::1]:80`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def controller_of(meta: Meta) -> OwnerReference | None:
    """The owner that manages the object, if it has one."""
    return next((owner for owner in meta.owner_references or () if owner.controller), None)


def _pod_ready(pod: Pod) -> str:
    status = next((c.status for c in pod.status.conditions or () if c.type == "Ready"), "unknown")
    return status.lower()


def pod_labels(pod: Pod) -> Labels:
    """The labels that every target of a pod has, whichever role finds it."""
    meta, status = pod.metadata, pod.status
    owner = controller_of(meta)
    labels = nonempty(
        {
            "__meta_kubernetes_pod_name": meta.name,
            "__meta_kubernetes_pod_ip": status.pod_ip,
            "__meta_kubernetes_pod_ready": _pod_ready(pod),
            "__meta_kubernetes_pod_phase": status.phase,
            "__meta_kubernetes_pod_node_name": pod.spec.node_name,
            "__meta_kubernetes_pod_host_ip": status.host_ip,
            "__meta_kubernetes_pod_uid": meta.uid,
            "__meta_kubernetes_pod_controller_kind": owner.kind if owner else "",
            "__meta_kubernetes_pod_controller_name": owner.name if owner else "",
        }
    )
    add_object_labels(labels, "pod", meta)
    return labels


def containers(pod: Pod) -> Iterator[tuple[Container, bool]]:
    """Each container and whether it is an init container, in the order in which they count."""
    for container in pod.spec.containers or ():
        yield container, False
    for container in pod.spec.init_containers or ():
        yield container, True


def container_labels(container: Container, init: bool) -> Labels:
    """What all targets of a container say of it."""
    labels = {"__meta_kubernetes_pod_container_init": "true" if init else "false"}
    if container.name:
        labels["__meta_kubernetes_pod_container_name"] = container.name
    if container.image:
        labels["__meta_kubernetes_pod_container_image"] = container.image
    return labels


def add_container_port(labels: Labels, port: ContainerPort, protocol: str) -> None:
    """What a target says of the container port that it is."""
    labels["__meta_kubernetes_pod_container_port_number"] = str(port.container_port)
    if port.name:
        labels["__meta_kubernetes_pod_container_port_name"] = port.name
    if protocol:
        labels["__meta_kubernetes_pod_container_port_protocol"] = protocol
