"""Kubernetes objects as people paste them or keep them in files, and the targets that discovery makes of them.

No cluster is asked. `explain`, relabel tests and the relabel page share it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pyscrape.model.kinds import FreeKind
from pyscrape.model.settings import Decoder, Spot, merged_maps
from pyscrape.model.yaml_nodes import Node, YAMLError, compose_all

Discovered = tuple[Mapping[str, str], Mapping[str, str]]
"""A target's own labels and those of its group."""

ROLES_OF_KINDS = {
    "EndpointSlice": "endpointslice",
    "Endpoints": "endpoints",
    "Ingress": "ingress",
    "Service": "service",
    "Pod": "pod",
    "Node": "node",
}
"""The role that is meant where no job says it; of several kinds the first one here that is given."""


class InputError(ValueError):
    """An input that cannot be used: wrong form, no such job, nothing in it."""


class ManifestKind(FreeKind):
    """A Kubernetes object or a list of them; merge keys work, times stay texts."""

    def decode(self, spot: Spot) -> Any:
        if spot.node.kind != "map":
            return super().decode(spot)
        own = Node(
            "map",
            [pair for pair in spot.node.pairs if not pair[0].is_merge],
            spot.node.line,
            spot.node.column,
        )
        decoded: dict[str, Any] = super().decode(Spot(spot.decoder, own, spot.path))
        for key, value in spot.node.pairs:
            if key.is_merge:
                for merged in merged_maps(spot.decoder, value, spot.path):
                    decoded = {**self.decode(spot.inner(merged, "<<")), **decoded}
        return decoded


def read_manifests(text: str) -> list[dict[str, Any]]:
    """The mappings of a YAML (or JSON) text of one or more documents; times stay texts.

    Raises:
        InputError: it is no YAML, or a document is no mapping.
    """
    try:
        documents = compose_all(text)
    except YAMLError as error:
        raise InputError(f"line {error.line}: {error.message}") from None
    decoder = Decoder(text_size=len(text) + (1 << 20))
    found = [ManifestKind().decode(Spot(decoder, one.root, ())) for one in documents if one.root is not None]
    if decoder.problems:
        raise InputError(decoder.problems[0].message)
    if not all(isinstance(item, dict) for item in found):
        raise InputError("expected a mapping in every document")
    return found


def object_targets(job: Any, manifests: Iterable[Mapping[str, Any]]) -> list[Discovered]:
    """The (own labels, group labels) that the job's Kubernetes discovery makes of these objects.

    Raises:
        InputError: the job has no kubernetes_sd_configs, or its roles make nothing of the objects.
    """
    from pyscrape.discovery.kubernetes import Attach, target_groups

    objects = list(manifests)
    discoveries = job.kubernetes_sd_configs
    if not discoveries:
        raise InputError(
            f"job {job.job_name!r} has no kubernetes_sd_configs to read a Kubernetes object with"
        )
    found = []
    for discovery in discoveries:
        given = discovery.attach_metadata
        attach = Attach(**{name: bool(getattr(given, name, False)) for name in Attach.__dataclass_fields__})
        try:
            groups = target_groups(discovery.role, objects, attach)
        except ValueError as error:
            raise InputError(str(error)) from None
        found += [(own, group.labels) for group in groups for own in group.targets]
    if not found:
        kinds = ", ".join(sorted({str(item.get("kind", "?")) for item in objects})) or "nothing"
        roles = ", ".join(sorted({discovery.role for discovery in discoveries}))
        raise InputError(f"discovery of role {roles} makes no target of these objects ({kinds})")
    return found


def guessed_targets(objects: Iterable[Mapping[str, Any]]) -> list[Discovered]:
    """The (own labels, group labels) of objects where no job says how they are found: by the role of their kinds.

    Raises:
        InputError: no role reads objects of these kinds, or makes a target of them.
    """
    from pyscrape.discovery.kubernetes import target_groups

    given = list(objects)
    kinds = {kind for item in given for kind in _kinds(item)}
    role = next((role for kind, role in ROLES_OF_KINDS.items() if kind in kinds), None)
    if role is None:
        raise InputError(
            f"discovery reads objects of kind {', '.join(ROLES_OF_KINDS)}; got {', '.join(sorted(kinds))}"
        )
    try:
        groups = target_groups(role, given)
    except ValueError as error:
        raise InputError(str(error)) from None
    found = [(own, group.labels) for group in groups for own in group.targets]
    if not found:
        raise InputError(f"discovery of role {role} makes no target of these objects")
    return found


def _kinds(item: Mapping[str, Any]) -> Iterable[str]:
    """The kinds of an object, or of those in a list."""
    kind = str(item.get("kind", "?"))
    members = item.get("items")
    if not kind.endswith("List") or not isinstance(members, list | tuple):
        return [kind]
    named = (member.get("kind") for member in members if isinstance(member, Mapping))
    return [str(one or kind.removesuffix("List")) for one in named]
