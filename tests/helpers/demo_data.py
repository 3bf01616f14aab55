"""Seeded data of the demo service that the PromQL compliance queries ask about.

Three instances with clocks of their own, gaps, a counter that restarts, a series that comes and goes with staleness
markers, NaN, infinities and very large numbers.
"""

import math
import random

from pyscrape.model.value import STALE

START_MS = 1_700_000_000_000
STEP_MS = 5_000
SCRAPES = 1_200
INSTANCES = ("demo.promlabs.com:10000", "demo.promlabs.com:10001", "demo.promlabs.com:10002")

Series = tuple[dict[str, str], list[int], list[float]]

BOUNDS = ("0.0001", "0.00025", "0.0005", "0.001", "0.01", "0.1", "1.0", "+Inf")


def demo_series() -> list[Series]:
    """All series, the same in every run."""
    rng = random.Random(20)
    series: list[Series] = []
    for number, instance in enumerate(INSTANCES):
        clock = START_MS + 1_700 * number
        times = [clock + k * STEP_MS for k in range(SCRAPES)]
        own = {"instance": instance, "job": "demo"}
        for labels, values in _instance(rng, number, times):
            kept = [k for k in range(SCRAPES) if rng.random() > 0.01]  # a missed scrape now and then
            series.append((own | labels, [times[k] for k in kept], [values[k] for k in kept]))
    return series


def _instance(rng: random.Random, number: int, times: list[int]) -> list[tuple[dict[str, str], list[float]]]:
    found: list[tuple[dict[str, str], list[float]]] = []

    def add(name: str, values: list[float], **labels: str) -> None:
        found.append(({"__name__": name, **labels}, values))

    for kind in ("used", "cached", "buffers", "free"):
        level = rng.uniform(1e8, 4e9)
        add("demo_memory_usage_bytes", [round(level * rng.uniform(0.9, 1.1)) * 1.0 for _ in times], type=kind)
    add("demo_num_cpus", [4.0] * len(times))
    for mode in ("user", "system", "idle"):
        add("demo_cpu_usage_seconds_total", _counter(rng, len(times), 0.02), mode=mode)
    add("demo_disk_usage_bytes", [1e11 + 1e5 * k + rng.uniform(0, 1e6) for k in range(len(times))])
    add("demo_disk_total_bytes", [5e11] * len(times))
    last = [times[0] / 1000 + 60 * (k // 13) for k in range(len(times))]
    add("demo_batch_last_success_timestamp_seconds", last)
    up = [1.0 if k // 40 % 2 else STALE for k in range(len(times))]
    add("demo_intermittent_metric", up)
    for path in ("/api/foo", "/api/bar"):
        for status in ("200", "500"):
            labels = {"path": path, "status": status, "method": "GET"}
            totals = [_counter(rng, len(times), 1 + bucket) for bucket in range(len(BOUNDS))]
            for bucket, bound in enumerate(BOUNDS):
                counts = [
                    math.floor(sum(total[k] for total in totals[: bucket + 1])) * 1.0
                    for k in range(len(times))
                ]
                add("demo_api_request_duration_seconds_bucket", counts, le=bound, **labels)
            add("demo_api_request_duration_seconds_count", counts, **labels)
            add("demo_api_request_duration_seconds_sum", _counter(rng, len(times), 0.1), **labels)
    odd = [rng.choice((math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0, -0.0, 1e-300, 3.5)) for _ in times]
    add("demo_odd_values", odd, kind="wild")
    add("demo_odd_values", [rng.choice((1e16, 1.0, -1e16)) for _ in times], kind="cancelling")
    add("demo_items_shipped_total", _counter(rng, len(times), 3, restart=300 + 50 * number))
    add("demo_is_holiday", [float(number == 1)] * len(times))
    return found


def _counter(rng: random.Random, length: int, pace: float, restart: int = 0) -> list[float]:
    values: list[float] = []
    value = 0.0
    for k in range(length):
        value = 0.0 if restart and k % restart == restart - 1 else value + rng.random() * pace
        values.append(value)
    return values
