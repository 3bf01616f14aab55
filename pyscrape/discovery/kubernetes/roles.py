"""The table of roles: which resource each is about, what it needs to know besides, and how objects become groups.

Every role is one function (object, related objects, attach) -> group, without I/O or state, so that a manifest in
a test gives what a cluster would give.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.kubernetes.endpoint_roles import (
    endpoints_group,
    endpointslice_group,
    service_of_slice,
)
from pyscrape.discovery.kubernetes.labels import Attach, Related, controller_of
from pyscrape.discovery.kubernetes.object_roles import ingress_group, node_group, pod_group, service_group
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
    Endpoints,
    EndpointSlice,
    Key,
    Named,
    ObjectReference,
    Pod,
    Resource,
    from_manifests,
    key_of,
)

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
