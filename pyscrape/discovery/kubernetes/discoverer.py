"""Discovery for one `kubernetes_sd_configs` entry: reflectors feed scopes, scopes give the groups that changed.

The first change after a quiet time goes out almost at once; under churn changes are gathered for a moment, so that
a rollout of a thousand pods is a few hand-overs and not a thousand. Many groups are built in slices, between which
the event loop serves others.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyscrape.discovery.groups import DiscoveryStatus, TargetGroup, UpdateGroups
from pyscrape.discovery.kubernetes.advice import advise
from pyscrape.discovery.kubernetes.backoff import REFUSALS, Backoff
from pyscrape.discovery.kubernetes.cluster import (
    Cluster,
    ClusterError,
    Clusters,
    own_namespace,
    shared_clusters,
)
from pyscrape.discovery.kubernetes.labels import Attach, Related
from pyscrape.discovery.kubernetes.lookup import Wanted, find, why_no_target
from pyscrape.discovery.kubernetes.objects import Key, Named, Resource, Source
from pyscrape.discovery.kubernetes.reflector import Reflector
from pyscrape.discovery.kubernetes.roles import ROLES, Role
from pyscrape.discovery.kubernetes.scope import Scope
from pyscrape.discovery.kubernetes.watch import ApiError
from pyscrape.discovery.settings import KubernetesSDConfig

logger = logging.getLogger("pyscrape.discovery.kubernetes")

NO_WAY = "`pyscrape help kubernetes` says how the API server can be reached"

QUIET_DELAY_S = 0.005
BUSY_INTERVAL_S = 0.05
SLICE_GROUPS = 64

# Selectors name the kind of object by role, reflectors by resource.
SELECTOR_ROLES = {role.resource.plural: name for name, role in ROLES.items()}

# Events of related objects that Prometheus counts, and under which role.
COUNTED_RELATED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "services": (("add", "update", "delete"), "service"),
    "pods": (("update",), "pod"),
}

OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"


@dataclass(eq=False)
class Feed:
    """A scope and the reflectors that feed it; `fields` says which part of the scope each one is."""

    scope: Scope
    namespace: str
    main: Reflector
    fields: dict[Reflector, str]

    @property
    def synced(self) -> bool:
        """Whether everything that groups are made of is known."""
        return all(reflector.synced for reflector in self.reflectors())

    @property
    def refused(self) -> bool:
        """Whether something that is needed is refused, which waiting alone will not mend."""
        errors = [reflector.status.error for reflector in self.reflectors() if not reflector.synced]
        return any(isinstance(error, ApiError) and error.status in REFUSALS for error in errors)

    def reflectors(self) -> Iterator[Reflector]:
        yield self.main
        yield from self.fields


@dataclass(frozen=True, slots=True)
class Sighting:
    """An object that was looked for.

    `is_used`: whether groups are made of it; `reason`: why those have no target, empty when they have some.
    """

    resource: Resource
    key: Key
    is_main: bool
    is_used: bool
    reason: str


def unrestricted(config: KubernetesSDConfig) -> KubernetesSDConfig:
    """The same discovery in all namespaces and without selectors."""
    return KubernetesSDConfig(
        role=config.role,
        api_server=config.api_server,
        kubeconfig_file=config.kubeconfig_file,
        http=config.http,
        attach_metadata=config.attach_metadata,
    )


class KubernetesDiscoverer:
    """A `Discoverer`. Reflectors are shared through `clusters`, by default those of this process."""

    def __init__(self, config: KubernetesSDConfig, clusters: Clusters | None = None) -> None:
        self._config = config
        self._clusters = clusters or shared_clusters()
        self._role: Role = ROLES[config.role]
        attach = config.attach_metadata
        self._attach = Attach(attach.node, attach.namespace, attach.deployment, attach.job, attach.cronjob)
        self._feeds: list[Feed] = []
        self._by_reflector: dict[Reflector, list[tuple[Feed, str]]] = {}
        self._wake = asyncio.Event()
        self.status = DiscoveryStatus(kind="kubernetes")
        self.status.details |= {"role": config.role, "server": config.api_server or config.kubeconfig_file}

    async def run(self, update: UpdateGroups) -> None:
        """Discover until cancelled."""
        cluster = await self._connect()
        try:
            self._subscribe(cluster, self._namespaces())
            while not self._ready():
                await self._woken()
            update(await self._groups())
            while True:
                await self._woken()
                # Numbers of objects and times of events are shown, and nobody tells of those.
                self._refresh_status()
                if any(feed.scope.dirty for feed in self._feeds if feed.synced):
                    await asyncio.sleep(QUIET_DELAY_S)
                    self._wake.clear()
                    if groups := await self._groups():
                        update(groups)
                    await asyncio.sleep(BUSY_INTERVAL_S)
        finally:
            for feed in self._feeds:
                for reflector in feed.reflectors():
                    cluster.unsubscribe(reflector, self)
            self._feeds, self._by_reflector = [], {}

    # --- what reflectors tell ---

    def changed(self, reflector: Reflector, key: Key, old: Named | None, new: Named | None) -> None:
        """A reflector tells: an object came (`old` is None), changed or went (`new` is None)."""
        event = "delete" if new is None else "add" if old is None else "update"
        for feed, field_name in self._by_reflector.get(reflector, ()):
            if field_name:
                feed.scope.related_changed(field_name, key)
                if event in COUNTED_RELATED.get(field_name, ((), ""))[0]:
                    self._clusters.stats.count_event(COUNTED_RELATED[field_name][1], event)
                continue
            feed.scope.main_changed(key, old, new)
            self._clusters.stats.count_event(self._role.name, event)
            if new is not None:
                _warn_over_capacity(new)
        self._wake.set()

    def status_changed(self, reflector: Reflector) -> None:  # noqa: ARG002 - the protocol names it
        """A reflector tells: it is in sync now, or it failed, or it works again."""
        self._refresh_status()
        self._wake.set()

    # --- what is asked ---

    @property
    def resources(self) -> list[str]:
        """The plurals of the resources that it looks at."""
        return sorted({reflector.source.resource.plural for reflector in self._by_reflector})

    def look_up(self, wanted: Wanted) -> Iterator[Sighting]:
        """The objects that are meant, and for main ones without a target the reason."""
        for feed in self._feeds:
            for reflector in feed.reflectors():
                resource, is_main = reflector.source.resource, reflector is feed.main
                known = ((resource, key, found) for key, found in reflector.objects.items())
                for _, key, _found in find(wanted, known):
                    mains = {key} if is_main else feed.scope.users_of(feed.fields[reflector], key)
                    reasons = [self._why_no_target(feed, main) for main in sorted(mains)]
                    yield Sighting(resource, key, is_main, bool(mains), "; ".join(filter(None, reasons)))

    def _why_no_target(self, feed: Feed, key: Key) -> str:
        main = feed.main.objects.get(key)
        if main is None:
            return ""
        reason = why_no_target(self._role, main, feed.scope.related, self._attach)
        return f"{self._role.source_of(key)}: {reason}" if reason else ""

    def hidden_by(self, sighting: Sighting) -> str:
        """What in the configuration keeps an object from being looked at."""
        namespace = sighting.key[0]
        names = self._namespaces()
        if namespace and names != [""] and namespace not in names:
            return (
                f"namespace {namespace} is not among the namespaces of the configuration ({', '.join(names)})"
            )
        source = self._source(sighting.resource, "")
        selectors = [
            f"{kind} selector {text!r}"
            for kind, text in (("label", source.label_selector), ("field", source.field_selector))
            if text
        ]
        if selectors:
            return f"the {' and the '.join(selectors)} of the configuration do not match it"
        return "the discovery as configured does not see it"

    # --- starting ---

    async def _connect(self) -> Cluster:
        backoff = Backoff()
        while True:
            self.status.last_attempt_s = time.time()
            try:
                self._namespaces()
                return await self._clusters.cluster(self._config)
            except ClusterError as error:
                if self.status.last_error != str(error):
                    logger.error(
                        "Kubernetes discovery cannot start: %s", error, extra={"role": self._role.name}
                    )
                self.status.state, self.status.last_error = "failing", str(error)
                self.status.advice = NO_WAY
                await asyncio.sleep(backoff.next_s(403))

    def _namespaces(self) -> list[str]:
        """Where to look; [""] is everywhere.

        Raises:
            ClusterError: the own namespace is wanted and not known.
        """
        wanted = dict.fromkeys(self._config.namespaces.names)
        if self._config.namespaces.own_namespace:
            wanted[own_namespace(self._clusters.service_account)] = None
        return list(wanted) or [""]

    def _subscribe(self, cluster: Cluster, namespaces: list[str]) -> None:
        for namespace in namespaces:
            main = cluster.subscribe(self._source(self._role.resource, namespace), self)
            fields = {
                cluster.subscribe(self._source(resource, namespace), self): field_name
                for field_name, resource in self._role.related(self._attach).items()
            }
            related = Related(**{field_name: reflector.objects for reflector, field_name in fields.items()})
            feed = Feed(Scope(self._role, self._attach, main.objects, related), namespace, main, fields)
            self._feeds.append(feed)
            for reflector in feed.reflectors():
                self._by_reflector.setdefault(reflector, []).append((feed, fields.get(reflector, "")))
            for key, known in main.objects.items():
                feed.scope.main_changed(key, None, known)
                self._clusters.stats.count_event(self._role.name, "add")
        self._refresh_status()

    def _source(self, resource: Resource, namespace: str) -> Source:
        chosen = next(
            (s for s in self._config.selectors if s.role == SELECTOR_ROLES.get(resource.plural)), None
        )
        return Source(
            resource,
            namespace if resource.namespaced else "",
            chosen.label if chosen else "",
            chosen.field if chosen else "",
        )

    # --- handing over ---

    async def _woken(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    async def _groups(self) -> list[TargetGroup]:
        """Build what waits, of all scopes that know everything they need."""
        groups: list[TargetGroup] = []
        for feed in self._feeds:
            while feed.synced and feed.scope.dirty:
                groups += feed.scope.take(SLICE_GROUPS)
                await asyncio.sleep(0)
        return groups

    # --- how it is doing ---

    def _ready(self) -> bool:
        """Whether to hand over for the first time: all is known, but for namespaces that are refused."""
        return any(feed.synced for feed in self._feeds) and all(
            feed.synced or feed.refused for feed in self._feeds
        )

    def _refresh_status(self) -> None:
        reflectors = list(self._by_reflector)
        failing = [reflector for reflector in reflectors if reflector.status.error is not None]
        status = self.status
        status.state = (
            "failing" if failing else "running" if all(r.synced for r in reflectors) else "starting"
        )
        heard = [
            s for r in reflectors for s in (r.status.last_list_s, r.status.last_event_s) if s is not None
        ]
        status.last_success_s = max(heard, default=None)
        tried = [r.status.last_attempt_s for r in reflectors if r.status.last_attempt_s is not None]
        status.last_attempt_s = max(tried, default=status.last_attempt_s)
        status.last_error = "; ".join(dict.fromkeys(_error_text(r) for r in failing))
        advices = dict.fromkeys(advise(r.status.error, r.source) for r in failing)
        status.advice = "\n".join(advice for advice in advices if advice)
        status.details["sources"] = [_source_details(r) for r in reflectors]


def _error_text(reflector: Reflector) -> str:
    return f"{_name(reflector.source)}: {reflector.status.last_error}"


def _name(source: Source) -> str:
    return f"{source.resource.plural} in {source.namespace}" if source.namespace else source.resource.plural


def _source_details(reflector: Reflector) -> dict[str, object]:
    """One row of what is shown about a discovery: plain values only."""
    source, status = reflector.source, reflector.status
    return {
        "group": source.resource.group,
        "resource": source.resource.plural,
        "namespace": source.namespace,
        "labelSelector": source.label_selector,
        "fieldSelector": source.field_selector,
        "state": status.state,
        "synced": reflector.synced,
        "objects": len(reflector.objects),
        "lastList": status.last_list_s,
        "lastEvent": status.last_event_s,
        "failing": status.error is not None,
        "forbidden": isinstance(status.error, ApiError) and status.error.status == 403,
        "lastError": status.last_error,
        "lastErrorTime": status.last_error_s,
        "failures": status.failures,
        "lists": status.lists,
        "watches": status.watches,
    }


def _warn_over_capacity(found: Named) -> None:
    meta = found.metadata
    if (meta.annotations or {}).get(OVER_CAPACITY) in {"truncated", "warning"}:
        logger.warning(
            "Endpoints object has more than a thousand addresses and is cut off; use role endpointslice instead",
            extra={"namespace": meta.namespace, "endpoints": meta.name},
        )
