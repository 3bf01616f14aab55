"""Scraping: what one scrape costs around the page's own reading, on the short way and on the plain one.

    python -m benchmarks scrape_loop [--full]

The network is a fake transport inside the process: a request is answered by handing the response's bytes to the
connection, so that the figures are this program's CPU alone. `without reading` serves the very same row again, which
leaves the loop, HTTP, the report and the store.
"""

import asyncio
import time
from typing import Any

from benchmarks.exposition import FakePage
from benchmarks.runner import Row
from pyscrape.config import parse_config
from pyscrape.discovery.groups import TargetGroup
from pyscrape.exposition.page import PageReader
from pyscrape.net import connection as wire
from pyscrape.net.connection import Connection
from pyscrape.net.fetch import origin_of, request_bytes
from pyscrape.net.transport import ScrapeTransport
from pyscrape.scrape.loop import Loop
from pyscrape.scrape.pools import ScrapePools
from pyscrape.store import Store

REPEATS = 7
PAGES = 40
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n"
)


class AnsweringTransport(asyncio.Transport):
    """Answers every request at once, out of a list of responses."""

    def __init__(self, connection: Connection, responses: list[bytes]) -> None:
        super().__init__()
        self.connection = connection
        self.responses = responses
        self.served = 0

    def write(self, data: Any) -> None:
        pass

    def answer(self) -> None:
        """Deliver the next response as the event loop would: in reads of the shared buffer's size."""
        response = memoryview(self.responses[self.served % len(self.responses)])
        self.served += 1
        while response:
            buffer = self.connection.get_buffer(-1)
            size = min(len(buffer), len(response), wire.SHARED_BYTES)
            buffer[:size] = response[:size]
            response = response[size:]
            self.connection.buffer_updated(size)
            del buffer

    def abort(self) -> None:
        pass


async def scrape_cost_s(series: int, *, read: bool) -> float:
    """CPU seconds of one scrape, best of several runs over the same pages."""
    page = FakePage(series)
    bodies = [page.body() for _ in range(PAGES)]
    responses = [HEAD % len(body) + body for body in bodies]
    pools = ScrapePools(Store())
    task = asyncio.get_running_loop().create_task(pools.run())
    [config] = parse_config("scrape_configs: [{job_name: j, scrape_interval: 1h}]").scrape_configs
    await pools.apply([config], {"j": [TargetGroup("s", ({"__address__": "127.0.0.1:1"},))]})
    [loop] = pools.loops
    transport = attach(loop, responses)
    await asyncio.sleep(0)
    if not read:
        same = PageReader().feed(bodies[0], "text/plain")
        loop.intake.reader = Repeating(same)  # type: ignore[assignment]
    # The first page is bound in slices, by a task.
    loop.due(0, loop._first_s)
    transport.answer()
    while not loop.status.scrapes:
        await asyncio.sleep(0)
    best = float("inf")
    tick = 0
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(PAGES):
            tick += 1
            loop.due(tick << 1, loop._first_s + tick * 3600)
            transport.answer()
            await asyncio.sleep(0)
        best = min(best, time.process_time() - started)
        await asyncio.sleep(0)
    assert loop.status.health == "up" and loop.status.scraped == series, loop.status
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return best / PAGES


class Repeating:
    """A reader that reads nothing."""

    plain = False

    def __init__(self, row: Any) -> None:
        self.row = row

    def feed(self, body: bytes, content_type: str | None = None) -> Any:
        return self.row


def attach(loop: Loop, responses: list[bytes]) -> AnsweringTransport:
    """Give a loop a kept connection that answers in memory."""
    fetcher = loop._fetcher
    connection = Connection()
    transport = AnsweringTransport(connection, responses)
    connection.connection_made(transport)
    assert isinstance(fetcher._transport, ScrapeTransport)
    fetcher._request = request_bytes(fetcher.url, fetcher._headers)
    fetcher._origin = fetcher._transport._idle_origin = origin_of(fetcher.url, "")
    fetcher._transport._idle = connection
    return transport


def measure(full: bool) -> list[Row]:
    """One row per size of page."""
    rows = []
    for series in (20, 200, 5000) if full else (200, 5000):
        for read in (True, False):
            cost_s = asyncio.run(scrape_cost_s(series, read=read))
            what = f"{series} series{'' if read else ', without reading'}"
            goal = "under 60 us" if series == 200 and not read else ""
            rows.append(Row(f"a scrape of {what}", cost_s * 1e6, "us", goal))
    return rows
