"""A small scraper in virtual time: pools, a real store, and a target that a test scripts page by page."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from pyscrape.config import parse_config
from pyscrape.discovery.groups import TargetGroup
from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.value import ABSENT_BITS, STALE_BITS
from pyscrape.scrape.exemplars import ExemplarStore
from pyscrape.scrape.loop import Loop
from pyscrape.scrape.pools import ScrapePools
from pyscrape.scrape.settings import ScrapeConfig
from pyscrape.store.store import Store
from tests.helpers.memory_transport import Answer, MemoryTransport, Page
from tests.helpers.virtual_loop import EPOCH_S, run_virtual, wall_clock

STALE = "stale"


def scrape_config(**fields: Any) -> ScrapeConfig:
    """A job as a configuration of one job would give it."""
    text = yaml.safe_dump({"scrape_configs": [{"job_name": "j", **fields}]})
    return parse_config(text).scrape_configs[0]


def group(*addresses: str, source: str = "s", **labels: str) -> TargetGroup:
    return TargetGroup(source, tuple({"__address__": address} for address in addresses), labels)


class World:
    """Pools over a memory transport. `answer` may be replaced while the world runs."""

    def __init__(self, answer: Answer) -> None:
        self.store = Store()
        self.exemplars = ExemplarStore(1000)
        self.transport = MemoryTransport(answer)
        self.pools = ScrapePools(
            self.store, exemplars=self.exemplars, clock=wall_clock, transport=lambda: self.transport
        )
        self._task: asyncio.Task[None] | None = None
        self._last_loops: list[Loop] = []

    def pages(self, *pages: Page | str) -> None:
        """Answer with these pages in turn, with the last one for ever."""
        left = [Page(page) if isinstance(page, str) else page for page in pages]
        self.transport.answer = lambda request: left.pop(0) if len(left) > 1 else left[0]

    async def start(
        self, *configs: ScrapeConfig, groups: Mapping[str, Sequence[TargetGroup]] | None = None
    ) -> None:
        self._task = asyncio.get_running_loop().create_task(self.pools.run())
        await self.pools.apply(configs, groups or {"j": [group("a:1")]})

    async def stop(self) -> None:
        assert self._task is not None
        self._last_loops = list(self.pools.loops)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self._task is not None and self._task.done():
            self._task.result()  # raises what ended the scraper
            raise AssertionError("the scraper ended")

    async def settle(self) -> None:
        """Let everything that is due now happen."""
        for _ in range(20):
            await asyncio.sleep(0)

    @property
    def loop(self) -> Loop:
        """The one loop, also after the world stopped."""
        [loop] = list(self.pools.loops) or self._last_loops
        return loop

    def series(self, name: str, **labels: str) -> list[tuple[float, float | str]]:
        """Samples of the one series with these labels: (seconds since the world began, value)."""
        matchers = [Matcher(MatchType.EQ, key, value) for key, value in {"__name__": name, **labels}.items()]
        selection = self.store.select(matchers, 0, 1 << 62)
        assert len(selection.frame) <= 1, f"{len(selection.frame)} series"
        found: list[tuple[float, float | str]] = []
        for block in selection.blocks:
            bits = block.values.view("uint64")
            for row, at_ms in enumerate(block.times_ms.tolist()):
                if bits[row, 0] != ABSENT_BITS:
                    value = STALE if bits[row, 0] == STALE_BITS else float(block.values[row, 0])
                    found.append((round(at_ms / 1000 - EPOCH_S, 3), value))
        return sorted(found, key=lambda pair: pair[0])

    def values(self, name: str, **labels: str) -> list[float | str]:
        return [value for _, value in self.series(name, **labels)]

    def labels(self, name: str) -> list[dict[str, str]]:
        """Label sets of all series of a name, without the name."""
        found = self.store.series([[Matcher(MatchType.EQ, "__name__", name)]], 0, 1 << 62)
        return [{key: value for key, value in one.items() if key != "__name__"} for one in found]


def play(script: Callable[[World], Any], answer: Answer | None = None) -> World:
    """Run a script against a new world; the world is stopped afterwards and returned for looking at."""

    async def main() -> World:
        world = World(answer or (lambda request: Page("")))
        try:
            await script(world)
        finally:
            await world.stop()
        return world

    return run_virtual(main())


__all__ = ["STALE", "Page", "World", "group", "play", "scrape_config"]
