"""Connections to API servers, and the reflectors that discoveries share.

Jobs and roles that look at the same resource through the same selectors with the same credentials share one
reflector. It stays for a moment after its last listener has left, so that a reload which replaces a discovery by a
like one costs the API server nothing.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyscrape.discovery.kubernetes.objects import Source
from pyscrape.discovery.kubernetes.pulse import Pulse
from pyscrape.discovery.kubernetes.reflector import Listener, Reflector
from pyscrape.discovery.settings import KubernetesSDConfig
from pyscrape.net.settings import Authorization, HTTPClientConfig, TLSConfig
from pyscrape.net.streams import ExtraHeaders, Streams, open_streams

logger = logging.getLogger("pyscrape.discovery.kubernetes")

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LINGER_S = 10.0


class ClusterError(Exception):
    """No way to the API server is known; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Access:
    """How an API server is reached."""

    url: str
    http: HTTPClientConfig
    extra_headers: ExtraHeaders | None = None


@dataclass(slots=True)
class KubernetesStats:
    """Counters under the names of Prometheus' own metrics, without the prefix `prometheus_sd_kubernetes_`."""

    events_total: dict[tuple[str, str], int] = field(default_factory=dict)  # (role, add | update | delete)
    failures_total: int = 0

    def count_failure(self) -> None:
        self.failures_total += 1

    def count_event(self, role: str, event: str) -> None:
        self.events_total[role, event] = self.events_total.get((role, event), 0) + 1


def in_cluster(environment: Mapping[str, str], service_account: Path) -> Access:
    """The API server of the cluster that this process runs in.

    Raises:
        ClusterError: it runs in none.
    """
    host, port = (
        environment.get("KUBERNETES_SERVICE_HOST", ""),
        environment.get("KUBERNETES_SERVICE_PORT", ""),
    )
    if not host or not port:
        raise ClusterError(
            "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be "
            "defined: outside of a cluster set api_server or kubeconfig_file"
        )
    host = f"[{host}]" if ":" in host else host
    http = HTTPClientConfig(
        authorization=Authorization(type="Bearer", credentials_file=str(service_account / "token")),
        tls_config=TLSConfig(ca_file=str(service_account / "ca.crt")),
    )
    return Access(f"https://{host}:{port}", http)


def own_namespace(service_account: Path) -> str:
    """The namespace that this process runs in.

    Raises:
        ClusterError: the service account says none.
    """
    try:
        return (service_account / "namespace").read_text().strip()
    except OSError as error:
        raise ClusterError(f"could not determine the pod's namespace: {error}") from error


@dataclass(eq=False, slots=True)
class _Shared:
    reflector: Reflector
    task: asyncio.Task[None]
    leaving: asyncio.TimerHandle | None = None


class Cluster:
    """One API server under one set of credentials."""

    def __init__(
        self,
        streams: Streams,
        stats: KubernetesStats,
        *,
        linger_s: float = LINGER_S,
        on_unused: Callable[["Cluster"], None] = lambda _cluster: None,
    ) -> None:
        self._streams = streams
        self._stats = stats
        self._linger_s = linger_s
        self._on_unused = on_unused
        self._ending: set[asyncio.Task[None]] = set()
        self._shared: dict[Source, _Shared] = {}
        self._warned: set[str] = set()
        self._pulse: asyncio.Task[None] | None = None

    @property
    def reflectors(self) -> list[Reflector]:
        """Those that run."""
        return [shared.reflector for shared in self._shared.values()]

    def subscribe(self, source: Source, listener: Listener) -> Reflector:
        """The reflector of `source`, started if need be. What it knows already is not told again."""
        shared = self._shared.get(source)
        if shared is None:
            reflector = Reflector(
                self._streams, source, on_warning=self._warn, on_failure=self._stats.count_failure
            )
            where = f" in {source.namespace}" if source.namespace else ""
            task = asyncio.create_task(reflector.run(), name=f"kubernetes {source.resource.plural}{where}")
            task.add_done_callback(self._ended)
            shared = self._shared[source] = _Shared(reflector, task)
            if self._pulse is None:
                pulse = Pulse(self._streams, lambda: self.reflectors)
                self._pulse = asyncio.create_task(pulse.run(), name="kubernetes pulse")
                self._pulse.add_done_callback(self._ended)
        if shared.leaving is not None:
            shared.leaving.cancel()
            shared.leaving = None
        shared.reflector.listeners.add(listener)
        return shared.reflector

    def unsubscribe(self, reflector: Reflector, listener: Listener) -> None:
        """Stop telling `listener`; the last one to leave ends the reflector, a moment later."""
        reflector.listeners.discard(listener)
        shared = self._shared.get(reflector.source)
        if shared is None or reflector.listeners or shared.leaving is not None:
            return
        shared.leaving = asyncio.get_running_loop().call_later(self._linger_s, self._drop, reflector.source)

    async def close(self) -> None:
        """End all reflectors and close the connections."""
        for source in list(self._shared):
            self._end_reflector(source)
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self._streams.close()

    def _drop(self, source: Source) -> None:
        self._end_reflector(source)
        if not self._shared:
            self._on_unused(self)

    def _end_reflector(self, source: Source) -> None:
        shared = self._shared.pop(source)
        if shared.leaving is not None:
            shared.leaving.cancel()
        self._end_task(shared.task)
        if not self._shared and self._pulse is not None:
            self._end_task(self._pulse)
            self._pulse = None

    def _end_task(self, task: asyncio.Task[None]) -> None:
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        task.cancel()

    def _warn(self, text: str) -> None:
        """API servers repeat their deprecation warnings with every answer: once is enough."""
        if text not in self._warned:
            self._warned.add(text)
            logger.info("The API server warns: %s", text)

    @staticmethod
    def _ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A reflector ended", extra={"task": task.get_name()}, exc_info=error)


OpenStreams = Callable[[Access], Streams]


def streams_of(access: Access) -> Streams:
    """Requests to the API server by its access."""
    return open_streams(access.url, access.http, access.extra_headers)


class Clusters:
    """All API servers that discoveries talk to; those with equal settings are one.

    One that nobody asks any more is forgotten with its connections: whoever comes back reads a kubeconfig anew.
    `service_account` and `environment` (by default the process') say where a process in a cluster learns who it is.
    """

    def __init__(
        self,
        *,
        service_account: Path = SERVICE_ACCOUNT,
        environment: Mapping[str, str] | None = None,
        open_streams: OpenStreams = streams_of,
        linger_s: float = LINGER_S,
    ) -> None:
        self.service_account = service_account
        self.stats = KubernetesStats()
        self._environment = os.environ if environment is None else environment
        self._open_streams = open_streams
        self._linger_s = linger_s
        self._clusters: list[tuple[tuple[object, ...], Cluster]] = []
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def clusters(self) -> list[Cluster]:
        """Those that are in use, or were a moment ago."""
        return [cluster for _, cluster in self._clusters]

    async def cluster(self, config: KubernetesSDConfig) -> Cluster:
        """The cluster that `config` is about.

        Raises:
            ClusterError: what `config` says, or the environment, leads to no API server.
        """
        identity = (config.api_server, config.kubeconfig_file, config.http)
        if (known := self._known(identity)) is not None:
            return known
        access = await self._access(config)
        # Another discovery may have been faster while a file was read.
        if (known := self._known(identity)) is not None:
            return known
        cluster = Cluster(
            self._open_streams(access), self.stats, linger_s=self._linger_s, on_unused=self._forget
        )
        self._clusters.append((identity, cluster))
        return cluster

    def _known(self, identity: tuple[object, ...]) -> Cluster | None:
        return next((cluster for known, cluster in self._clusters if known == identity), None)

    async def _access(self, config: KubernetesSDConfig) -> Access:
        if config.kubeconfig_file:
            # Half a second and 50 MB that only those pay who have such a file.
            from pyscrape.discovery.kubernetes.kubeconfig import read_kubeconfig

            return await read_kubeconfig(config.kubeconfig_file)
        if config.api_server:
            return Access(config.api_server.rstrip("/"), config.http)
        return in_cluster(self._environment, self.service_account)

    async def close(self) -> None:
        """End everything."""
        clusters, self._clusters = self._clusters, []
        for _, cluster in clusters:
            await cluster.close()
        await asyncio.gather(*self._closing)

    def _forget(self, cluster: Cluster) -> None:
        self._clusters = [known for known in self._clusters if known[1] is not cluster]
        task = asyncio.get_running_loop().create_task(cluster.close(), name="kubernetes connections, closing")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


_of_this_process: Clusters | None = None


def shared_clusters() -> Clusters:
    """The clusters of this process: what discoveries share that were not given any."""
    global _of_this_process
    if _of_this_process is None:
        _of_this_process = Clusters()
    return _of_this_process
