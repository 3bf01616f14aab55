"""The web application over parts made for a test, asked in process without sockets."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from pyscrape.discovery.make import make_discoverer
from pyscrape.discovery.manager import DiscoveryManager
from pyscrape.promql.engine import Engine
from pyscrape.scrape.exemplars import ExemplarStore
from pyscrape.scrape.pools import ScrapePools
from pyscrape.store import Store
from pyscrape.web.app import create_app
from pyscrape.web.services import ReloadOutcome, Services, WebOptions

NOW_S = 1_700_000_000.0


async def no_reload() -> ReloadOutcome:
    return ReloadOutcome()


def make_services(store: Store | None = None, **changes: Any) -> Services:
    """Services over `store`; `changes` replace fields, and `options` those of the default options."""
    store = store or Store()
    pools = ScrapePools(store, clock=lambda: NOW_S)
    services = Services(
        options=WebOptions(external_url="http://outside.example:9090"),
        store=store,
        engine=Engine(store),
        pools=pools,
        discovery=DiscoveryManager(make_discoverer, pools.update),
        exemplars=ExemplarStore(),
        now_s=lambda: NOW_S,
        ready=lambda: True,
        reload=no_reload,
        quit=lambda: None,
        config_yaml=lambda: "global: {}\n",
        flags={"query.timeout": "2m"},
        build={"version": "3.14.0"},
        runtime=lambda: {"reloadConfigSuccess": True},
        metrics=lambda: (b"up 1\n", "text/plain; version=0.0.4; charset=utf-8"),
    )
    options = {name: changes.pop(name) for name in list(changes) if name in WebOptions.__dataclass_fields__}
    return replace(services, **changes, options=replace(services.options, **options))


class Client:
    """Asks the application; `data` gives the data of a successful answer."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params)

    async def post(self, path: str, **form: Any) -> httpx.Response:
        return await self.http.post(path, data=form)

    async def data(self, path: str, **params: Any) -> Any:
        answer = json.loads((await self.get(path, **params)).content)
        assert answer["status"] == "success", answer
        return answer["data"]

    async def error(self, path: str, **params: Any) -> tuple[int, str, str]:
        """Status, errorType and error text of an answer that is one."""
        response = await self.get(path, **params)
        answer = json.loads(response.content)
        assert answer["status"] == "error", answer
        return response.status_code, answer["errorType"], answer["error"]


@asynccontextmanager
async def client_of(services: Services) -> AsyncIterator[Client]:
    transport = httpx.ASGITransport(app=create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield Client(http)


def store_with(series: dict[str, Callable[[int], float]], rows: int = 20, step_ms: int = 15_000) -> Store:
    """A store whose series (`name{a="b"}` as "name a=b") have a value per step, the last at NOW_S."""
    store = Store()
    for text, value in series.items():
        name, *pairs = text.split()
        labels = {"__name__": name} | dict(pair.split("=", 1) for pair in pairs)
        end_ms = int(NOW_S * 1000)
        times = [end_ms - (rows - 1 - k) * step_ms for k in range(rows)]
        store.append(labels, times, [value(k) for k in range(rows)])
    return store
