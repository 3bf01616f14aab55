"""Law: whatever happens to a cluster, in whatever order a discovery hears of it, missing some of it and listing anew,
it ends with the groups that a fresh list of the same cluster gives."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.kubernetes.labels import Attach, Related
from pyscrape.discovery.kubernetes.objects import RESOURCES, Source, from_manifests, key_of
from pyscrape.discovery.kubernetes.reflector import Reflector, Snapshot
from pyscrape.discovery.kubernetes.roles import ROLES, target_groups
from pyscrape.discovery.kubernetes.scope import Scope
from pyscrape.discovery.kubernetes.watch import Change
from pyscrape.net.streams import Streams
from tests.discovery.kubernetes import manifests as make
from tests.helpers.examples import examples

Manifest = dict[str, Any]
NAMES = ("a", "b", "c")
names = st.sampled_from(NAMES)
some_names = st.lists(names, max_size=3, unique=True)
label = st.sampled_from(("x", "y"))


def owner(kind: str, name: str) -> list[Manifest]:
    return [{"kind": kind, "name": name, "controller": True}]


@st.composite
def owned_pods(draw: st.DrawFn) -> Manifest:
    pod = make.pod(draw(names), draw(st.sampled_from(("10.0.0.1", "10.0.0.2", ""))), l=draw(label))
    pod["spec"]["nodeName"] = draw(names)
    pod["metadata"]["ownerReferences"] = owner(draw(st.sampled_from(("ReplicaSet", "Job"))), draw(names))
    return pod


def made(kind: str, api_version: str, maker: str) -> st.SearchStrategy[Manifest]:
    return st.builds(
        lambda name, by: {
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": name, "namespace": "default", "ownerReferences": owner(maker, by)},
        },
        names,
        names,
    )


OBJECTS = st.one_of(
    owned_pods(),
    st.builds(lambda n, v: make.service(n, l=v), names, label),
    st.builds(lambda n, pods: make.endpoints(n, *pods), names, some_names),
    st.builds(lambda n, of, pods: make.endpoint_slice(n, of, *pods), names, names, some_names),
    st.builds(lambda n, v: make.node(n, l=v), names, label),
    st.builds(lambda v: make.namespace("default", l=v), label),
    made("ReplicaSet", "apps/v1", "Deployment"),
    made("Job", "batch/v1", "CronJob"),
)

# ("apply", manifest) | ("delete", kind, name) | ("miss", kind) | ("list", kind) | ("hand over", how many groups)
STEPS = st.one_of(
    st.tuples(st.just("apply"), OBJECTS),
    st.tuples(st.just("delete"), st.sampled_from(sorted(RESOURCES)), names),
    st.tuples(st.just("miss"), st.sampled_from(sorted(RESOURCES))),
    st.tuples(st.just("list"), st.sampled_from(sorted(RESOURCES))),
    st.tuples(st.just("hand over"), st.integers(1, 3)),
)


class World:
    """A cluster, and a discovery that hears of it through reflectors which may be deaf for a while."""

    def __init__(self, role: str, attach: Attach) -> None:
        self.role = ROLES[role]
        self.attach = attach
        self.cluster: dict[tuple[str, str], Manifest] = {}
        self.deaf: set[str] = set()
        fields = {resource.kind: name for name, resource in self.role.related(attach).items()}
        kinds = {self.role.resource.kind, *fields}
        self.reflectors = {kind: Reflector(Streams(None), Source(RESOURCES[kind])) for kind in kinds}  # type: ignore[arg-type]
        related = Related(**{name: self.reflectors[kind].objects for kind, name in fields.items()})
        self.scope = Scope(self.role, attach, self.reflectors[self.role.resource.kind].objects, related)
        self.fields = fields
        self.groups: dict[str, TargetGroup] = {}
        for reflector in self.reflectors.values():
            reflector.listeners.add(self)

    def changed(self, reflector: Reflector, key: Any, old: Any, new: Any) -> None:
        field = self.fields.get(reflector.source.resource.kind)
        if field is None:
            self.scope.main_changed(key, old, new)
        else:
            self.scope.related_changed(field, key)

    def status_changed(self, reflector: Reflector) -> None:
        pass

    def tell(self, kind: str, key: tuple[str, str], manifest: Manifest | None) -> None:
        if kind in self.reflectors and kind not in self.deaf:
            found = None if manifest is None else next(from_manifests([manifest]))[1]
            self.reflectors[kind].apply([Change(key, found)])

    def list_anew(self, kind: str) -> None:
        self.deaf.discard(kind)
        if kind in self.reflectors:
            found = [
                struct for resource, struct in from_manifests(self.cluster.values()) if resource.kind == kind
            ]
            self.reflectors[kind].apply(Snapshot({key_of(struct.metadata): struct for struct in found}))

    def step(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("apply", manifest):
                meta, kind = manifest["metadata"], manifest["kind"]
                self.cluster[kind, meta["name"]] = manifest
                self.tell(kind, (meta.get("namespace", ""), meta["name"]), manifest)
            case ("delete", kind, name):
                manifest = self.cluster.pop((kind, name), None)
                if manifest is not None:
                    self.tell(kind, (manifest["metadata"].get("namespace", ""), name), None)
            case ("miss", kind):
                self.deaf.add(kind)
            case ("list", kind):
                self.list_anew(kind)
            case ("hand over", count):
                self.hand_over(count)

    def hand_over(self, count: int) -> None:
        for group in self.scope.take(count):
            self.groups[group.source] = group

    def live(self) -> dict[str, TargetGroup]:
        return {source: group for source, group in self.groups.items() if group.targets}


@examples(80)
@given(
    st.sampled_from(sorted(ROLES)),
    st.builds(Attach, *[st.booleans()] * 5),
    st.lists(STEPS, min_size=1, max_size=40),
)
def test_any_interleaving_ends_with_the_groups_of_a_fresh_list(
    role: str, attach: Attach, steps: list[Any]
) -> None:
    world = World(role, attach)
    for step in steps:
        world.step(step)
    for kind in sorted(world.deaf):
        world.list_anew(kind)
    while world.scope.dirty:
        world.hand_over(3)
    fresh = target_groups(role, list(world.cluster.values()), attach)
    assert world.live() == {group.source: group for group in fresh if group.targets}
