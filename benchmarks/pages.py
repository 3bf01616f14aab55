"""The human pages with ten thousand discovered targets: CPU time of a request, and what it sends."""

import asyncio
from time import process_time

from benchmarks.runner import Row
from tests.helpers.pages import site_of

PATHS = ("/targets", "/targets?q=10.0.3", "/service-discovery", "/service-discovery?job=big&page=7")


def target(number: int) -> dict[str, str]:
    """One discovered target of twenty pod labels."""
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:9100"
    labels = {f"__meta_kubernetes_pod_label_{k}": f"value-{number}-{k}" for k in range(20)}
    return {"__address__": address, "zone": "here", **labels}


async def pages(count: int) -> list[Row]:
    """The best of three requests for each page."""
    rows = []
    targets = [target(number) for number in range(count)]
    async with site_of("scrape_configs: [{job_name: big}]", {"big": targets}) as site:
        for path in PATHS:
            best, size = float("inf"), 0
            for _ in range(3):
                begin = process_time()
                response = await site.client.http.get(path)
                best, size = min(best, process_time() - begin), len(response.content)
            rows.append(Row(f"{path}, {count:,} targets", best * 1e3, "ms", "1,000"))
            rows.append(Row(f"{path}, sent", size / 1e3, "kB", "2,000"))
    return rows


def measure(full: bool) -> list[Row]:
    return asyncio.run(pages(10_000))
