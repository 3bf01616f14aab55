"""File discovery at 20,000 targets: from the change of the file to running loops, in wall and CPU time.

The targets stand on loopback addresses and are scraped once a day, so that discovery, relabeling and the start of
loops are all that is measured. Goals: 1.5 s and 0.7 s of CPU for all of them, 200 ms for a change of ten.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.runner import Row
from pyscrape.app.memory import collect_less_often
from pyscrape.config.load import parse_config
from pyscrape.discovery.make import make_discoverer
from pyscrape.discovery.manager import DiscoveryManager, WantedJob
from pyscrape.scrape.pools import ScrapePools
from pyscrape.store import Store

CONFIG = """
global: {scrape_interval: 1d}
scrape_configs:
  - job_name: files
    file_sd_configs: [{files: ['%s/*.json'], refresh_interval: 1h}]
"""
CHANGED = 10
PATIENCE_S = 60.0


def address(number: int) -> str:
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}:9100"


class TargetFile:
    """A file that is replaced at once, as tools that write target files do."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "targets.json"
        self._new = folder / "targets.tmp"

    def prepare(self, groups: list[dict[str, object]]) -> None:
        self._new.write_text(json.dumps(groups))

    def replace(self) -> None:
        self._new.replace(self._path)


def numbers(count: int, changed: int) -> list[int]:
    """Which targets there are: the first `changed` of `count` are others."""
    return [*range(count, count + changed), *range(changed, count)]


def one_group(count: int, changed: int = 0) -> list[dict[str, object]]:
    return [{"targets": [address(k) for k in numbers(count, changed)], "labels": {"env": "prod"}}]


def group_each(count: int, changed: int = 0) -> list[dict[str, object]]:
    return [
        {"targets": [address(k)], "labels": {"env": "prod", "node": f"node-{k:05d}"}}
        for k in numbers(count, changed)
    ]


class Applied:
    """How long it took until the wanted targets ran."""

    def __init__(self, pools: ScrapePools) -> None:
        self._pools = pools

    async def measure(self, change: Callable[[], None], first: str, count: int) -> tuple[float, float]:
        """(wall, CPU) seconds from `change()` until `count` loops run, `first` among their addresses."""
        begin, cpu = time.perf_counter(), time.process_time()
        syncs = self._syncs()
        change()
        while self._syncs() == syncs:
            assert time.perf_counter() - begin < PATIENCE_S
            await asyncio.sleep(0.002)
        taken = time.perf_counter() - begin, time.process_time() - cpu
        loops = self._pools.pools["files"].loops.values()
        assert len(loops) == count
        assert any(loop.target.labels["instance"] == first for loop in loops)
        return taken

    def _syncs(self) -> int:
        return self._pools.stats.prometheus_target_scrape_pool_sync_total["files"]


async def _measure(make: Callable[..., list[dict[str, object]]], count: int) -> list[tuple[float, float]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = TargetFile(folder)
        file.prepare([])
        file.replace()
        config = parse_config(CONFIG % folder)
        pools = ScrapePools(Store())
        discovery = DiscoveryManager(make_discoverer, pools.update)
        running = asyncio.create_task(pools.run())
        applied = Applied(pools)
        await pools.apply(config.scrape_configs)
        discovery.apply(
            {job.job_name: WantedJob((), tuple(job.discoveries())) for job in config.scrape_configs}
        )
        await asyncio.sleep(1.0)  # the watch is set up, the empty file has been taken
        file.prepare(make(count))
        all_of_them = await applied.measure(file.replace, address(0), count)
        await asyncio.sleep(1.0)
        before = {id(loop) for loop in pools.loops}
        file.prepare(make(count, CHANGED))
        few = await applied.measure(file.replace, address(count), count)
        assert len(before & {id(loop) for loop in pools.loops}) == count - CHANGED
        await discovery.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return [all_of_them, few]


def measure(full: bool) -> list[Row]:
    collect_less_often()  # as the server does
    count = 20_000 if full else 5_000
    rows = []
    for form, make in (("one group", one_group), ("a group each", group_each)):
        runs = [asyncio.run(_measure(make, count)) for _ in range(2)]
        (wall, cpu), (few, few_cpu) = (
            tuple(min(run[k][part] for run in runs) for part in range(2)) for k in range(2)
        )
        what = f"{count:,} targets, {form}"
        rows += [
            Row(f"{what}: applied", wall, "s", "1.5 s at 20,000"),
            Row(f"{what}: CPU", cpu, "s", "0.7 s at 20,000"),
            Row(f"{what}: {CHANGED} changed, applied", few, "s", "0.2 s"),
            Row(f"{what}: {CHANGED} changed, CPU", few_cpu, "s"),
        ]
    return rows
