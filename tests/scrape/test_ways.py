"""The short way of a scrape beside the plain one: the same pages over real sockets end in the same samples."""

import asyncio

import pytest

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.model.value import ABSENT_BITS, STALE_BITS
from pyscrape.net.fetch import Fetcher
from pyscrape.scrape.pools import ScrapePools
from pyscrape.store.store import Store
from tests.helpers.fake_target import Exchange, fake_target
from tests.scrape.world import group, scrape_config

PAGES: list[tuple[str, bytes]] = [
    ("200 OK", b"m 1\nn 1\n"),
    ("200 OK", b"m 2\nn 2\n"),
    ("200 OK", b"m 3\n"),
    ("500 Internal Server Error", b""),
    ("200 OK", b'm 5\nn{a="b"} 5\n'),
    ("200 OK", b"broken{ 6\n"),
    ("302 Found", b""),
    ("200 OK", b""),
    ("200 OK", b"m 9\n" + b"".join(b'x{n="%d"} 1\n' % i for i in range(2000))),
    ("hang up", b""),
    ("200 OK", b"m 11\n"),
    ("200 OK", b"m 12\n"),
]


async def scraped() -> tuple[list[tuple[str, list[tuple[int, str]]]], list[str], int]:
    """Every series' values in order, the errors after each page, and how many connections it took."""
    store, errors = Store(), []
    served = 0
    recorded = asyncio.Event()
    recorded.set()

    async def handler(exchange: Exchange) -> None:
        nonlocal served
        # The next page waits until the outcome of the one before has been looked at.
        await recorded.wait()
        status, body = PAGES[min(served, len(PAGES) - 1)]
        if exchange.path == "/moved":
            served += 1
            recorded.clear()
            await exchange.page(b"m 7\n")
            return
        if status != "302 Found":
            served += 1
        if status == "hang up":
            exchange.close()  # and whoever asked on a kept connection asks again at once
            return
        if status != "302 Found":
            recorded.clear()
        headers = ("Location: /moved",) if status.startswith("302") else ()
        await exchange.page(body, status=status, headers=headers, compress=served % 2 == 0 and bool(body))

    async with fake_target(handler) as target:
        pools = ScrapePools(store)
        task = asyncio.get_running_loop().create_task(pools.run())
        config = scrape_config(scrape_interval="100ms")
        await pools.apply([config], {"j": [group(f"127.0.0.1:{target.port}", instance="i")]})
        [loop] = pools.loops
        while loop.status.scrapes < len(PAGES):
            before = loop.status.scrapes
            await asyncio.sleep(0.001)
            if loop.status.scrapes > before:
                errors.append(loop.status.last_error.replace(str(target.port), "PORT"))
                recorded.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        connections = target.connections
    return stored(store, len(PAGES)), errors, connections


def stored(store: Store, scrapes: int) -> list[tuple[str, list[tuple[int, str]]]]:
    """Every series with its values in the first scrapes, as (number of the scrape, value)."""
    selection = store.select([Matcher(MatchType.RE, "__name__", ".+")], 0, 1 << 62)
    times = sorted({at_ms for block in selection.blocks for at_ms in block.times_ms.tolist()})[:scrapes]
    found: dict[str, list[tuple[int, str]]] = {}
    for block in selection.blocks:
        bits = block.values.view("uint64")
        for column, series in enumerate(block.series.tolist()):
            labels = selection.frame.labels(series)
            values = [
                (
                    times.index(at_ms),
                    "stale" if bits[row, column] == STALE_BITS else str(block.values[row, column]),
                )
                for row, at_ms in enumerate(block.times_ms.tolist())
                if at_ms in times and bits[row, column] != ABSENT_BITS
            ]
            if labels["__name__"] != "scrape_duration_seconds":
                found.setdefault(str(sorted(labels.items())), []).extend(values)
    return sorted((series, sorted(values)) for series, values in found.items())


async def test_both_ways_store_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    short = await scraped()
    monkeypatch.setattr(Fetcher, "begin", lambda self, limit, answered: None)
    plain = await scraped()
    assert short[0] == plain[0]
    assert short[1] == plain[1]
    assert any("x" in series for series, _ in short[0])
