"""Looking for one object by name or address among what a discovery knows, and saying why it has no target."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pyscrape.discovery.kubernetes.labels import Attach, Related
from pyscrape.discovery.kubernetes.objects import (
    RESOURCES,
    Endpoints,
    EndpointSlice,
    Ingress,
    Key,
    Named,
    Node,
    Pod,
    Resource,
    Service,
)
from pyscrape.discovery.kubernetes.roles import Role

# What people call the kinds, beside their own names and plurals.
SHORT_NAMES = {
    "svc": "services",
    "po": "pods",
    "no": "nodes",
    "ep": "endpoints",
    "ing": "ingresses",
    "ns": "namespaces",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: `pod/shop/cart-0`, `shop/cart-0`, `cart-0`, `10.0.0.1`; plural "" is any kind."""

    plural: str
    namespace: str
    name: str

    def names(self, resource: Resource, key: Key) -> bool:
        """Whether the object at `key` is meant."""
        namespace, name = key
        return (
            self.plural in {"", resource.plural} and self.name == name and self.namespace in {"", namespace}
        )


def parse_wanted(text: str) -> Wanted:
    """Read a name as it is given on a command line.

    >>> parse_wanted("svc/shop/cart")
    Wanted(plural='services', namespace='shop', name='cart')
    >>> parse_wanted("shop/cart")
    Wanted(plural='', namespace='shop', name='cart')
    """
    parts = text.split("/")
    known = {resource.kind.lower(): resource.plural for resource in RESOURCES.values()}
    known |= {resource.plural: resource.plural for resource in RESOURCES.values()} | SHORT_NAMES
    plural = known.get(parts[0].lower(), "") if len(parts) > 1 else ""
    rest = parts[1:] if plural else parts
    return Wanted(plural, "/".join(rest[:-1]), rest[-1])


def addresses_of(found: Named) -> Iterator[str]:
    """The addresses by which an object may be meant."""
    if isinstance(found, Pod):
        yield found.status.pod_ip
    elif isinstance(found, Node):
        yield from (address.address for address in found.status.addresses or ())
    elif isinstance(found, Service):
        yield found.spec.cluster_ip


def find(
    wanted: Wanted, objects: Iterable[tuple[Resource, Key, Named]]
) -> Iterator[tuple[Resource, Key, Named]]:
    """The objects that are meant, by name or by address."""
    for resource, key, found in objects:
        if wanted.names(resource, key) or (
            not wanted.plural and wanted.name in set(addresses_of(found)) - {""}
        ):
            yield resource, key, found


def why_no_target(role: Role, main: Named, related: Related, attach: Attach) -> str:
    """Why discovery makes no target of a main object; empty when it makes some."""
    group = role.build(main, related, attach)
    if group is not None and group.targets:
        return ""
    if isinstance(main, Node):
        return "the node has no address of a type that can be scraped"
    if isinstance(main, Pod):
        return _why_no_pod(main, related, attach)
    if isinstance(main, Service):
        return "the service has no ports, and each port is one target"
    if isinstance(main, Endpoints):
        if not any(subset.addresses or subset.not_ready_addresses for subset in main.subsets or ()):
            return "there are no addresses behind it: the service's selector selects no running pod"
        return "it has no ports, and each port of an address is one target"
    if isinstance(main, EndpointSlice):
        return _why_no_slice(main)
    if isinstance(main, Ingress):
        return "the ingress has no rules, and each path of a rule is one target"
    return "it gives no targets"


def _why_no_pod(pod: Pod, related: Related, attach: Attach) -> str:
    if attach.node and ("", pod.spec.node_name) not in related.nodes:
        node = f"node {pod.spec.node_name!r}" if pod.spec.node_name else "the node that it has yet to get"
        return f"{node} is not among the nodes that discovery sees, which attach_metadata.node requires"
    if not pod.status.pod_ip:
        return f"the pod has no IP address (its phase is {pod.status.phase or 'unknown'})"
    return "the pod has no containers"


def _why_no_slice(piece: EndpointSlice) -> str:
    if not any(endpoint.addresses for endpoint in piece.endpoints or ()):
        return "there are no addresses in it: the service's selector selects no running pod"
    if not piece.ports:
        return "it has no ports, and each port of an address is one target"
    return (
        f"its service has two address families, and this slice is of the second one ({piece.address_type}): "
        "its pods are targets by the first"
    )
