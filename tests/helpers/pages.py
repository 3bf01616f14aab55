"""Pages over pools that were built from a configuration and given targets, and that scrape nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from pyscrape.config import parse_config
from pyscrape.discovery.groups import TargetGroup
from pyscrape.scrape.loop import Loop
from pyscrape.web.services import Services
from tests.helpers.web_client import Client, client_of, make_services


@dataclass
class Site:
    """The client, and the parts that a test changes."""

    client: Client
    services: Services

    async def text(self, path: str) -> str:
        response = await self.client.http.get(path)
        assert response.status_code == 200, (path, response.text)
        return response.text

    def loop(self, address: str) -> Loop:
        """The loop of the target that was discovered at this address."""
        loops = self.services.pools.loops
        return next(loop for loop in loops if loop.target.discovered["__address__"] == address)


@asynccontextmanager
async def site_of(
    config: str, targets: Mapping[str, Sequence[Mapping[str, str]]], **changes: Any
) -> AsyncIterator[Site]:
    """Jobs of `config` with these discovered targets by job; their loops do not run."""
    services = make_services(**changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "start", lambda loop: None)
        running = asyncio.create_task(services.pools.run())
        groups = {job: [TargetGroup("test", tuple(found))] for job, found in targets.items()}
        await services.pools.apply(parse_config(config).scrape_configs, groups)
        try:
            async with client_of(services) as client:
                yield Site(client, services)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
