"""HTTP discovery: which answers are taken, and what of the others is said."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import pytest

from pyscrape.discovery.consul import ConsulDiscoverer
from pyscrape.discovery.groups import Discoverer, TargetGroup
from pyscrape.discovery.http import HTTPDiscoverer
from pyscrape.discovery.network_settings import ConsulSDConfig, HTTPSDConfig
from pyscrape.model.settings import from_mapping
from pyscrape.net.ask import Asker
from pyscrape.net.settings import DEFAULT_HTTP

URL = "http://endpoint.example/targets"


@dataclass
class World:
    answer: httpx.Response = field(default_factory=lambda: httpx.Response(200))
    given: list[Sequence[TargetGroup]] = field(default_factory=list)

    def __post_init__(self) -> None:
        asker = Asker(DEFAULT_HTTP, transport=httpx.MockTransport(lambda _: self.answer))
        self.discoverer = HTTPDiscoverer(from_mapping(HTTPSDConfig, {"url": URL}), asker)

    async def look(self, content_type: str, body: bytes = b"[]", status: int = 200) -> str:
        self.answer = httpx.Response(status, headers={"Content-Type": content_type}, content=body)
        await self.discoverer.refresh(self.given.append)
        return self.discoverer.status.last_error


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        " application/json ",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json; \t charset=UTF-8",
        'APPLICATION/JSON; CHARSET="utf-8"',
    ],
)
async def test_content_types_that_are_json(content_type: str) -> None:
    assert await World().look(content_type) == ""


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/json",
        "application/json;",
        "application/json ;charset=utf-8",
        "application/json; charset=utf-8;",
        "application/json; charset=utf8",
        "application/json; charset='utf-8'",
        "application/json, text/plain",
        "application/jsonp",
    ],
)
async def test_content_types_that_are_not(content_type: str) -> None:
    assert await World().look(content_type) == f'unsupported content type "{content_type}"'


async def test_failures_keep_what_was_found_and_are_counted() -> None:
    world = World()
    status = world.discoverer.status
    json = "application/json"
    assert await world.look(json, b'[{"targets": ["a:1"]}, {"targets": ["b:1"]}]') == ""
    assert await world.look(json, status=503) == "server returned HTTP status 503 Service Unavailable"
    assert await world.look(json, b"[null]") == "nil target group item found"
    assert await world.look(json, b'[{"target": []}]') == 'json: unknown field "target"'
    assert (len(world.given), status.counts["refresh_failures"], status.counts["refresh"]) == (1, 3, 4)
    assert await world.look(json, b'[{"targets": ["a:1"]}]') == ""
    assert world.given[1] == [TargetGroup(f"{URL}:1")], "only what is gone"


async def test_the_end_closes_the_connections() -> None:
    class Transport(httpx.MockTransport):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    def discoverer(kind: str, asker: Asker) -> Discoverer:
        if kind == "http":
            return HTTPDiscoverer(from_mapping(HTTPSDConfig, {"url": URL}), asker)
        return ConsulDiscoverer(from_mapping(ConsulSDConfig, {"datacenter": "d"}), asker)

    for kind in ("http", "consul"):
        transport = Transport(lambda _: httpx.Response(500))
        running = asyncio.create_task(
            discoverer(kind, Asker(DEFAULT_HTTP, transport=transport)).run(lambda _: None)
        )
        await asyncio.sleep(0)
        assert not transport.closed
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert transport.closed, kind
