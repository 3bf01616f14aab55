"""Targets from Consul: the catalog tells which services there are, the health endpoint of each their instances.

Both are asked by blocking queries, which Consul answers when its index moves on (Consul's API documentation,
"Blocking Queries"); an index that falls starts over. Source of the labels: Prometheus' documentation,
"consul_sd_config".
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar
from urllib.parse import quote

import msgspec

from pyscrape.discovery.groups import DiscoveryStatus, TargetGroup, UpdateGroups
from pyscrape.discovery.network_settings import ConsulSDConfig
from pyscrape.model.names import sanitize_label_name
from pyscrape.net.ask import Asker, AskError

logger = logging.getLogger("pyscrape.discovery")

META = "__meta_consul_"
WAIT_MS = 120_000
RETRY_S = 15.0
ANSWER_S = 150.0
"""A blocking query may take its wait, a sixteenth more of it, and the way."""

T = TypeVar("T")
Map = dict[str, str] | None


class _Node(msgspec.Struct, rename="pascal"):
    node: str = ""
    address: str = ""
    meta: Map = None
    tagged_addresses: Map = None


class _Service(msgspec.Struct, rename="pascal"):
    id: str = msgspec.field(name="ID", default="")
    address: str = ""
    port: int = 0
    tags: list[str] | None = None
    meta: Map = None
    namespace: str = ""
    partition: str = ""


class _Check(msgspec.Struct, rename="pascal"):
    check_id: str = msgspec.field(name="CheckID", default="")
    status: str = ""


class Instance(msgspec.Struct, rename="pascal"):
    """One entry of `/v1/health/service/<name>`."""

    node: _Node
    service: _Service
    checks: list[_Check] | None = None


class _AgentConfig(msgspec.Struct, rename="pascal"):
    datacenter: str | None = None


class _Agent(msgspec.Struct, rename="pascal"):
    config: _AgentConfig = msgspec.field(default_factory=_AgentConfig)


class ConsulError(Exception):
    """Consul cannot be asked, or answers with an error."""


def should_watch(config: ConsulSDConfig, name: str, tags: Iterable[str]) -> bool:
    """Whether a service of the catalog is wanted: by its name and by all tags."""
    return (not config.services or name in config.services) and set(config.tags) <= set(tags)


BAD_STATES = ("critical", "warning")


def health(checks: Sequence[_Check]) -> str:
    """The worst state of an instance's checks, as Consul's client library aggregates them; "" for unknown ones."""
    states = {check.status for check in checks if not _is_maintenance(check)}
    if not states <= {"passing", *BAD_STATES}:
        return ""
    if any(map(_is_maintenance, checks)):
        return "maintenance"
    return next((state for state in BAD_STATES if state in states), "passing")


def _is_maintenance(check: _Check) -> bool:
    return check.check_id == "_node_maintenance" or check.check_id.startswith("_service_maintenance:")


def base_url(config: ConsulSDConfig) -> str:
    """Where the API is: `server` may have a scheme and a path of its own, which then win over those of the config.

    Raises:
        ValueError: the scheme is none that is spoken here.
    """
    scheme, separator, rest = config.server.partition("://")
    if not separator:
        return f"{config.scheme}://{config.server}{config.path_prefix}/v1"
    if scheme == "unix":
        raise ValueError("the scheme unix:// of a Consul server is not supported by pyscrape")
    if scheme not in {"http", "https"}:
        raise ValueError(f"Unknown protocol scheme: {scheme}")
    host, slash, path = rest.partition("/")
    prefix = f"/{path.rstrip('/')}" if slash and path else config.path_prefix
    # Never without TLS where the config asks for it.
    return f"{'https' if scheme == 'https' else config.scheme}://{host}{prefix}/v1"


def target_of(instance: Instance, separator: str) -> dict[str, str]:
    """An instance as a target."""
    node, service = instance.node, instance.service
    host = service.address or node.address
    address = f"[{host}]:{service.port}" if ":" in host else f"{host}:{service.port}"
    target = {
        "__address__": address,
        f"{META}address": node.address,
        f"{META}node": node.node,
        f"{META}namespace": service.namespace,
        f"{META}partition": service.partition,
        f"{META}tags": separator + separator.join(service.tags or ()) + separator,
        f"{META}service_address": service.address,
        f"{META}service_port": str(service.port),
        f"{META}service_id": service.id,
        f"{META}health": health(instance.checks or ()),
    }
    for prefix, pairs in (
        ("metadata_", node.meta),
        ("service_metadata_", service.meta),
        ("tagged_address_", node.tagged_addresses),
    ):
        target |= {f"{META}{prefix}{sanitize_label_name(key)}": value for key, value in (pairs or {}).items()}
    return target


class ConsulApi:
    """The three questions that are asked of an agent."""

    def __init__(self, config: ConsulSDConfig, asker: Asker | None = None) -> None:
        self._config = config
        self._base = base_url(config)
        headers = [("X-Consul-Token", config.token.reveal())] if config.token else []
        self._asker = asker or Asker(config.http, headers=headers, timeout_s=ANSWER_S)

    def _params(self, index: int, expression: str) -> list[tuple[str, str]]:
        config = self._config
        places = (("dc", config.datacenter), ("ns", config.namespace), ("partition", config.partition))
        params = [(name, value) for name, value in places if value]
        if config.allow_stale:
            params.append(("stale", ""))
        if index:
            params.append(("index", str(index)))
        params.append(("wait", f"{WAIT_MS}ms"))
        params += [("node-meta", f"{key}:{value}") for key, value in config.node_meta.items()]
        return params + ([("filter", expression)] if expression else [])

    async def _ask(self, path: str, params: Sequence[tuple[str, str]], kind: type[T]) -> tuple[T, int]:
        try:
            reply = await self._asker.get(self._base + path, params)
        except AskError as error:
            raise ConsulError(str(error)) from error
        if reply.status != 200:
            body = reply.body[:200].decode(errors="replace").strip()
            raise ConsulError(f"Unexpected response code: {reply.status} ({body})")
        try:
            index = int(reply.headers.get("x-consul-index", "0"))
            return msgspec.json.decode(reply.body, type=kind), index
        except (msgspec.DecodeError, ValueError) as error:
            raise ConsulError(f"{path}: {error}") from error

    async def close(self) -> None:
        """Close the connections to the agent."""
        await self._asker.close()

    async def datacenter(self) -> str:
        """The datacenter of the config, else the agent's own."""
        if self._config.datacenter:
            return self._config.datacenter
        agent, _ = await self._ask("/agent/self", (), _Agent)
        if agent.config.datacenter is None:
            raise ConsulError("invalid value '<nil>' for Config.Datacenter")
        return agent.config.datacenter

    async def services(self, index: int) -> tuple[Mapping[str, Sequence[str] | None], int]:
        """The catalog's services with their tags, and its index."""
        return await self._ask(
            "/catalog/services", self._params(index, self._config.filter), dict[str, list[str] | None]
        )

    async def instances(self, name: str, index: int) -> tuple[Sequence[Instance], int]:
        """A service's instances, and the index."""
        params = [("tag", tag) for tag in self._config.tags] + self._params(index, self._config.health_filter)
        return await self._ask(f"/health/service/{quote(name, safe='')}", params, list[Instance])


class ConsulDiscoverer:
    """The discoverer of `consul_sd_configs` (see `discovery.groups.Discoverer`)."""

    def __init__(
        self,
        config: ConsulSDConfig,
        asker: Asker | None = None,
        *,
        clock: Callable[[], float] = time.time,
        retry_s: float = RETRY_S,
    ) -> None:
        self._config = config
        self._api = ConsulApi(config, asker)
        self._clock = clock
        self._retry_s = retry_s
        self._datacenter = ""
        self._errors: dict[str, str] = {}
        self.status = DiscoveryStatus("consul")
        self._update: UpdateGroups = lambda _: None
        # The first hand-over is of everything: it waits for the services that were there at the start.
        self._awaited: set[str] = set()
        self._held: list[TargetGroup] = []

    async def run(self, update: UpdateGroups) -> None:
        """Follow the catalog, or only the services that the config names; until cancelled."""
        try:
            await self._follow(update)
        except asyncio.CancelledError:
            # Only the end of a discoverer comes this way: after a fault it is run again, over the same client.
            await self._api.close()
            raise

    async def _follow(self, update: UpdateGroups) -> None:
        self._update, self._awaited, self._held = update, set(), []
        self._errors.clear()
        self._datacenter = await self._persist(self._api.datacenter, "datacenter")
        async with asyncio.TaskGroup() as tasks:
            if self._config.services and not self._config.tags and not self._config.filter:
                self._awaited.update(self._config.services)
                for name in self._config.services:
                    tasks.create_task(self._follow_service(name), name=f"consul service {name}")
            else:
                await self._follow_catalog(tasks)

    def _hand_over(self, groups: Iterable[TargetGroup]) -> None:
        """Give groups on, once each service of the first round has answered or failed; nothing while all failed."""
        self._held += groups
        if self._awaited or (self._errors and not self._held):
            return
        held, self._held = self._held, []
        self._update(held)

    async def _persist(self, ask: Callable[[], Awaitable[T]], what: str, service: str = "") -> T:
        """Ask until there is an answer; `what` is asked tells its failures from those of others."""
        while True:
            self.status.last_attempt_s = self._clock()
            try:
                answer = await self._timed(ask, "health" if service else what)
            except ConsulError as error:
                self.status.counts["consul_rpc_failures"] += 1
                if self._errors.get(what) != str(error):
                    logger.error("Error asking Consul", extra={"what": what, "err": str(error)})
                self._errors[what] = str(error)
                self._tell()
                if service in self._awaited:
                    self._awaited.discard(service)
                    self._hand_over([])
                await asyncio.sleep(self._retry_s)
            else:
                if self._errors.pop(what, None) is not None:
                    logger.info("Consul answers again", extra={"what": what})
                self.status.last_success_s = self._clock()
                self._tell()
                return answer

    async def _timed(self, ask: Callable[[], Awaitable[T]], call: str) -> T:
        began_s = time.perf_counter()
        try:
            return await ask()
        finally:
            self.status.counts[f"consul_{call}"] += 1
            self.status.seconds[f"consul_{call}"] += time.perf_counter() - began_s

    def _tell(self) -> None:
        """The status of all questions: it fails while one of them does."""
        error = next(iter(self._errors.values()), "")
        self.status.state, self.status.last_error = "failing" if error else "running", error

    def _forget(self, name: str) -> None:
        self._errors.pop(f"service {name}", None)
        self._awaited.discard(name)
        self._tell()

    async def _follow_catalog(self, tasks: asyncio.TaskGroup) -> None:
        followed: dict[str, asyncio.Task[None]] = {}
        index = 0
        while True:
            services, now = await self._persist(partial(self._api.services, index), "catalog")
            if now != index or not index:
                for name in [name for name in followed if name not in services]:
                    followed.pop(name).cancel()
                    self._forget(name)
                    self._hand_over([TargetGroup(name)])
                new = [
                    name
                    for name, tags in services.items()
                    if name not in followed and should_watch(self._config, name, tags or ())
                ]
                if not index:
                    self._awaited.update(new)
                for name in new:
                    work = self._follow_service(name)
                    followed[name] = tasks.create_task(work, name=f"consul service {name}")
                if not followed:
                    self._hand_over([])
            # An index that falls means that the catalog was restored: start over.
            index = now if now >= index else 0
            await asyncio.sleep(self._config.refresh_interval.seconds)

    async def _follow_service(self, name: str) -> None:
        index = 0
        labels = {f"{META}service": name, f"{META}dc": self._datacenter}
        while True:
            asked = partial(self._api.instances, name, index)
            instances, now = await self._persist(asked, f"service {name}", name)
            self._awaited.discard(name)
            if now != index or not index:
                targets = (target_of(instance, self._config.tag_separator) for instance in instances)
                self._hand_over([TargetGroup(name, tuple(targets), labels)])
            index = now if now >= index else 0
            await asyncio.sleep(self._config.refresh_interval.seconds)
