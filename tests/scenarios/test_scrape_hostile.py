"""Hostile servers beside good ones, on real sockets: each gives its class in time, and nobody else misses a scrape."""

import asyncio
import json
import resource
import sys

from pyscrape.discovery.groups import TargetGroup
from pyscrape.scrape.pools import ScrapePools
from pyscrape.scrape.status import TargetStatus
from pyscrape.store.store import Store
from tests.helpers.hostile_servers import GOOD
from tests.scrape.world import scrape_config

INTERVAL_S, TIMEOUT_S = 2.5, 2.0
LIMIT_BYTES = 5 << 20

# What each hostile server leads to: the class, and how the error begins.
EXPECTED = {
    "never_answers": ("timeout", 'Get "{url}": context deadline exceeded'),
    "one_byte_a_second": ("timeout", "context deadline exceeded"),
    "endless_body": ("body_limit", "body size limit exceeded"),
    "gzip_bomb": ("body_limit", "body size limit exceeded"),
    "broken_chunks": ("protocol", "invalid byte in chunk length"),
    "redirect_circle": ("redirect", 'Get "{url}": stopped after 10 redirects'),
    "megabyte_header": ("head_limit", 'Get "{url}": net/http: server response headers exceeded'),
    "long_line": ("body_limit", "body size limit exceeded"),
    "long_line_within_the_limit": ("parse", ""),
    "invalid_utf8": ("parse", "invalid UTF-8 label value"),
    "hangs_up": ("reset", 'Get "{url}": EOF'),
    "resets": ("reset", ""),
    "html": ("content_type", 'received unsupported Content-Type "text/html"'),
    "go_tls_port": ("http_to_tls", "server returned HTTP status 400 Bad Request"),
    "untrusted": ("tls", 'Get "{url}": tls: failed to verify certificate'),
    "midway": ("tls", 'Get "{url}": EOF'),
    "plain_port": ("tls_to_http", 'Get "{url}": http: server gave HTTP response to HTTPS client'),
    "closed": ("refused", 'Get "{url}": dial tcp 127.0.0.1:'),
    "unknown_name": ("dns", 'Get "{url}": dial tcp: lookup no-such-host.invalid'),
}


def group_of(urls: list[str]) -> TargetGroup:
    targets = []
    for url in urls:
        scheme, _, rest = url.partition("://")
        targets.append({"__scheme__": scheme, "__address__": rest.partition("/")[0]})
    return TargetGroup("s", tuple(targets))


async def scraped(urls: list[str], seconds: float) -> dict[str, TargetStatus]:
    """Scrape these for some time; how each stood at the end."""
    pools = ScrapePools(Store())
    task = asyncio.get_running_loop().create_task(pools.run())
    config = scrape_config(
        scrape_interval=f"{INTERVAL_S * 1000:.0f}ms",
        scrape_timeout=f"{TIMEOUT_S * 1000:.0f}ms",
        body_size_limit=f"{LIMIT_BYTES}B",
    )
    await pools.apply([config], {"j": [group_of(urls)]})
    await asyncio.sleep(seconds)
    found = {loop.target.url: loop.status for loop in pools.loops}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0.05)
    return found


async def test_hostile_targets_fail_by_class_and_disturb_nobody() -> None:
    servers = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.helpers.hostile_servers",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert servers.stdin is not None and servers.stdout is not None
    try:
        urls: dict[str, str] = json.loads(await servers.stdout.readline())
        peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = await scraped(list(urls.values()), 2.3 * INTERVAL_S)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before) * 1024
    finally:
        servers.stdin.close()
        await servers.wait()
    assert set(urls) == {*EXPECTED, *(f"good_{number}" for number in range(GOOD))}
    for name, url in urls.items():
        status = found[url]
        if name not in EXPECTED:
            assert (status.health, status.failures) == ("up", 0), (name, status)
            assert status.scrapes >= 2, (name, status)
            continue
        reason, text = EXPECTED[name]
        assert status.reason == reason, (name, status)
        assert status.last_error.startswith(text.replace("{url}", url)), (name, status)
        assert status.last_duration_s <= TIMEOUT_S + 3, (name, status)
        assert status.advice, (name, status)
    assert grown < LIMIT_BYTES + (50 << 20)
