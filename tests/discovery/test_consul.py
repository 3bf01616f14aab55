"""Consul discovery against an agent that behaves: blocking queries, an index that resets, errors, services that go."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from pyscrape.discovery.consul import ConsulDiscoverer, base_url, health
from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.network_settings import ConsulSDConfig
from pyscrape.model.settings import from_mapping
from pyscrape.net.ask import Asker
from pyscrape.net.settings import DEFAULT_HTTP


@dataclass
class Agent:
    """A Consul agent's HTTP API: a query with the current index waits until something changes."""

    services: dict[str, list[str]] = field(default_factory=dict)
    instances: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    index: int = 10
    failing: bool = False
    broken: set[str] = field(default_factory=set)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changed = asyncio.Event()

    def register(self, name: str, address: str, *tags: str) -> None:
        self.services[name] = list(tags)
        service = {"ID": name, "Service": name, "Tags": list(tags), "Address": address, "Port": 80}
        self.instances.setdefault(name, []).append(
            {"Node": {"Node": "n", "Address": "1.1.1.1"}, "Service": service}
        )
        self.tell()

    def deregister(self, name: str) -> None:
        del self.services[name], self.instances[name]
        self.tell()

    def tell(self, index: int | None = None) -> None:
        self.index = self.index + 1 if index is None else index
        self._changed.set()
        self._changed = asyncio.Event()

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.failing:
            return httpx.Response(500, text="rpc error")
        path = request.url.path
        if path in self.broken:
            return httpx.Response(500, text="no leader")
        if path in self.held:
            await self.held[path].wait()
        if path == "/v1/agent/self":
            return httpx.Response(200, json={"Config": {"Datacenter": "dc1"}})
        if int(request.url.params.get("index", "0")) == self.index:
            await self._changed.wait()
        if path == "/v1/catalog/services":
            body: object = self.services
        else:
            body = self.instances.get(path.rsplit("/", 1)[1], [])
        return httpx.Response(200, json=body, headers={"X-Consul-Index": str(self.index)})


class World:
    def __init__(self, agent: Agent, **config: object) -> None:
        settings = from_mapping(ConsulSDConfig, {"refresh_interval": "1ms", **config})
        asker = Asker(DEFAULT_HTTP, transport=httpx.MockTransport(agent.answer))
        self.discoverer = ConsulDiscoverer(settings, asker, retry_s=0.01)
        self.groups: dict[str, TargetGroup] = {}
        self.updates = 0
        self.task = asyncio.create_task(self.discoverer.run(self.update))

    def update(self, changed: Sequence[TargetGroup]) -> None:
        self.updates += 1
        self.groups.update({group.source: group for group in changed})

    def addresses(self) -> dict[str, list[str]]:
        return {s: [t["__address__"] for t in g.targets] for s, g in sorted(self.groups.items()) if g.targets}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.001)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_services_come_change_and_go() -> None:
    agent = Agent()
    agent.register("web", "10.0.0.1", "prod")
    world = World(agent)
    await world.until(lambda: world.addresses() == {"web": ["10.0.0.1:80"]})
    target = world.groups["web"].targets[0]
    assert target["__meta_consul_tags"] == ",prod,"
    assert dict(world.groups["web"].labels) == {"__meta_consul_service": "web", "__meta_consul_dc": "dc1"}
    agent.register("web", "10.0.0.2", "prod")
    agent.register("db", "10.0.0.3")
    await world.until(
        lambda: world.addresses() == {"db": ["10.0.0.3:80"], "web": ["10.0.0.1:80", "10.0.0.2:80"]}
    )
    agent.deregister("db")
    await world.until(lambda: list(world.addresses()) == ["web"])
    await world.stop()


async def test_one_service_that_fails_is_seen_beside_others_that_do_not() -> None:
    agent = Agent(broken={"/v1/health/service/bad"})
    agent.register("bad", "10.0.0.9")
    agent.register("web", "10.0.0.1")
    world = World(agent)
    status = world.discoverer.status
    await world.until(lambda: bool(world.addresses()) and status.state == "failing")
    for number in range(2, 5):
        agent.register("web", f"10.0.0.{number}")
        await world.until(lambda: len(world.addresses()["web"]) == number)  # noqa: B023
        assert (status.state, status.last_error) == ("failing", "Unexpected response code: 500 (no leader)")
    agent.deregister("bad")
    await world.until(lambda: status.state == "running" and not status.last_error)
    await world.stop()


async def test_an_outage_keeps_targets_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    agent = Agent()
    agent.register("web", "10.0.0.1")
    world = World(agent)
    await world.until(lambda: bool(world.addresses()))
    agent.failing = True
    agent.tell()
    await world.until(
        lambda: "Unexpected response code: 500 (rpc error)" in world.discoverer.status.last_error
    )
    assert world.addresses() == {"web": ["10.0.0.1:80"]}
    agent.failing = False
    agent.register("web", "10.0.0.2")
    await world.until(lambda: world.addresses() == {"web": ["10.0.0.1:80", "10.0.0.2:80"]})
    await world.stop()
    assert "Consul answers again" in caplog.messages


async def test_an_index_that_falls_starts_over() -> None:
    agent = Agent(index=1000)
    agent.register("web", "10.0.0.1")
    world = World(agent)
    await world.until(lambda: bool(world.addresses()))
    agent.instances["web"][0]["Service"]["Address"] = "10.9.9.9"
    agent.tell(index=3)
    await world.until(lambda: world.addresses() == {"web": ["10.9.9.9:80"]})
    agent.register("web", "10.0.0.4")
    await world.until(lambda: world.addresses() == {"web": ["10.9.9.9:80", "10.0.0.4:80"]})
    await world.stop()


async def test_only_wanted_services_and_parameters() -> None:
    agent = Agent()
    agent.register("web", "10.0.0.1", "a", "b")
    agent.register("db", "10.0.0.2", "a")
    world = World(agent, tags=["a", "b"], datacenter="dc2", node_meta={"rack": "1"}, token="secret")
    await world.until(lambda: world.addresses() == {"web": ["10.0.0.1:80"]})
    request = next(r for r in agent.requests if r.url.path == "/v1/health/service/web")
    assert request.url.params.get_list("tag") == ["a", "b"]
    assert dict(request.url.params) | {"tag": ""} == {
        "tag": "", "dc": "dc2", "stale": "", "wait": "120000ms", "node-meta": "rack:1",
    }  # fmt: skip
    assert not any(r.url.path == "/v1/agent/self" for r in agent.requests), "the datacenter is given"
    await world.stop()


def test_health_is_the_worst_check() -> None:
    from pyscrape.discovery.consul import _Check

    def of(*pairs: tuple[str, str]) -> str:
        return health([_Check(check_id, status) for check_id, status in pairs])

    assert of() == "passing"
    assert of(("a", "passing"), ("b", "warning")) == "warning"
    assert of(("a", "critical"), ("b", "warning")) == "critical"
    assert of(("a", "passing"), ("_service_maintenance:web", "critical")) == "maintenance"
    assert of(("_node_maintenance", "unheard of"), ("a", "critical")) == "maintenance"
    assert of(("a", "critical"), ("b", "unheard of")) == ""


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({}, "http://localhost:8500/v1"),
        ({"server": "c:1", "scheme": "https", "path_prefix": "/p"}, "https://c:1/p/v1"),
        ({"server": "http://c:1"}, "http://c:1/v1"),
        ({"server": "https://c:1/way"}, "https://c:1/way/v1"),
        ({"server": "http://c:1", "scheme": "https"}, "https://c:1/v1"),
    ],
)
def test_base_url(config: dict[str, str], url: str) -> None:
    assert base_url(from_mapping(ConsulSDConfig, config)) == url


def test_a_scheme_that_is_not_spoken_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown protocol scheme: ftp"):
        base_url(from_mapping(ConsulSDConfig, {"server": "ftp://c:1"}))
    with pytest.raises(ValueError, match="unix:// of a Consul server is not supported"):
        base_url(from_mapping(ConsulSDConfig, {"server": "unix:///run/consul"}))


@pytest.mark.parametrize("config", [{}, {"services": ["bad", "db", "slow", "web"]}])
async def test_the_first_hand_over_is_of_all_services(config: dict[str, object]) -> None:
    agent = Agent(broken={"/v1/health/service/bad"})
    slow = asyncio.Event()
    for name in ("bad", "db", "slow", "web"):
        agent.register(name, "10.0.0.1")
    agent.held["/v1/health/service/slow"] = slow
    world = World(agent, **config)
    counts = world.discoverer.status.counts
    await world.until(lambda: counts["consul_rpc_failures"] > 0 and len(agent.requests) > 4)
    assert world.updates == 0
    slow.set()
    await world.until(lambda: world.updates > 0)
    assert list(world.addresses()) == ["db", "slow", "web"]
    assert counts["consul_health"] >= 4
    assert world.discoverer.status.seconds["consul_health"] < 5
    await world.stop()


async def test_nothing_is_handed_over_while_all_fail() -> None:
    agent = Agent(broken={"/v1/health/service/web"})
    agent.register("web", "10.0.0.1")
    world = World(agent)
    await world.until(lambda: world.discoverer.status.counts["consul_rpc_failures"] > 2)
    assert world.updates == 0, "it would mean that there are no targets"
    agent.broken.clear()
    await world.until(lambda: world.addresses() == {"web": ["10.0.0.1:80"]})
    await world.stop()
