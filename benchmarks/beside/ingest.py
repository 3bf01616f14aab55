"""CPU a sample and memory a series: the same exporter scraped by one program at a time.

CPU is user and system time of the program's whole session in the window, over the samples that the exporter served in
it. Ratios are of runs of one round; where the ratio is near the goal there are three rounds, of pyscrape and of those
peers that may be the best.
"""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.beside.setting import CALM_CORES, Result, Setting, listed, median

PEERS = ("prometheus", "victoria-metrics", "vmagent")
GOAL = 0.5
NEAR, ALIKE = 0.75, 1.2
"""From this share of the goal on there are more rounds; peers within this factor of the best are in them."""
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Workload:
    """T targets with S series each; `interval_s` between scrapes, `churn` of the series new each time."""

    targets: int
    series: int
    interval_s: float
    churn: float
    window_s: float

    def __str__(self) -> str:
        churn = f", {self.churn:.0%} new each time" if self.churn else ""
        return f"{self.targets} x {self.series:,} every {self.interval_s:g} s{churn}"


WORKLOADS = {
    "a": Workload(20, 5000, 1, 0, 10),
    "b": Workload(500, 200, 2, 0, 12),
    "c": Workload(1, 200_000, 5, 0, 15),
    "d": Workload(100, 1000, 5, 0.1, 15),
}
# Every table is sealed after 32 rows when it is wide, after 64 when it is small: scraped more often, so that this
# happens at least twice in a window of at most a minute.
SEALED = {
    "a": Workload(20, 5000, 0.25, 0, 17),
    "b": Workload(500, 200, 0.5, 0, 66),
    "c": Workload(1, 200_000, 0.5, 0, 33),
    "d": Workload(100, 1000, 0.5, 0.1, 50),
}
SLOPE = (Workload(20, 5000, 5, 0, 12), Workload(80, 5000, 5, 0, 12))


@dataclass(frozen=True, slots=True)
class Cost:
    """What one program took for one workload."""

    us_per_sample: float
    rss: int
    scrapes: int
    failed: object
    others_cores: float


def config_text(name: str, workload: Workload, addresses: list[str]) -> str:
    """No compression: each family has its own word for it."""
    plain = "disable_compression: true" if name.startswith("v") else "enable_compression: false"
    every = f"{round(workload.interval_s * 1000)}ms"
    return (
        f"global: {{scrape_interval: {every}, scrape_timeout: {every}}}\n"
        f"scrape_configs: [{{job_name: bench, {plain}, static_configs: [{{targets: {addresses}}}]}}]\n"
    )


def cost(setting: Setting, name: str, workload: Workload) -> Cost:
    """Scrape until every target was scraped twice, then count for a window."""
    lab, bench = setting.module("lab"), setting.module("bench_ingest")
    window_s = min(workload.window_s, 3.0) if setting.quick else workload.window_s
    with lab.Work() as work:
        exporter = lab.Exporter(workload.targets, workload.series, 0.5, workload.churn, 1, False, 8, work)
        sink = to = None
        program = setting.program(name)
        started = False
        try:
            if name == "vmagent":
                port = lab.free_port()
                sink = lab.Proc(
                    [sys.executable, f"{setting.lab_folder}/nullsink.py", str(port)], f"{work}/sink.log"
                )
                lab.wait_http(sink, port, "/stats")
                to = f"http://{lab.H}:{port}/api/v1/write"
            config = Path(work, "scrape.yml")
            config.write_text(config_text(name, workload, exporter.addrs()))
            program.start(work, str(config), to)
            started = True
            wait_for_scrapes(exporter, program, workload)
            return count(lab, bench, exporter, program, workload, window_s)
        finally:
            if started:
                program.stop()
            exporter.stop()
            if sink:
                sink.stop()


def wait_for_scrapes(exporter: Any, program: Any, workload: Workload) -> None:
    begun = time.monotonic()
    until = begun + 4 * workload.interval_s + 60
    while exporter.stats()["per_target_min"] < 2 or time.monotonic() < begun + 5:
        if not program.proc.alive():
            raise RuntimeError(f"ended: {program.proc.tail()}")
        if time.monotonic() > until:
            raise RuntimeError("not every target was scraped twice")
        time.sleep(0.25)


def count(lab: Any, bench: Any, exporter: Any, program: Any, workload: Workload, window_s: float) -> Cost:
    """The window itself. With few targets it begins and ends in the calm between two scrapes."""
    bench.sync(exporter, workload.interval_s)
    others, before, cpu_s, at_s = lab.others_cpu(), exporter.stats(), program.proc.cpu(), time.time()
    time.sleep(window_s)
    bench.sync(exporter, workload.interval_s)
    spent_s, after, took_s = program.proc.cpu() - cpu_s, exporter.stats(), time.time() - at_s
    samples = after["samples"] - before["samples"]
    if not samples:
        raise RuntimeError("no sample was served in the window")
    return Cost(
        spent_s * 1e6 / samples,
        program.proc.mem()["rss"],
        after["scrapes"] - before["scrapes"],
        bench.failures(program),
        (lab.others_cpu() - others) / took_s,
    )


def noted(costs: list[Cost], extra: str = "") -> str:
    """What makes the figures doubtful, if anything does."""
    noise = max(cost.others_cores for cost in costs)
    said = [extra] if extra else []
    if noise > CALM_CORES:
        said.append(f"others took {noise:.2f} cores")
    failed = [cost.failed for cost in costs if cost.failed]
    if failed:
        said.append(f"down or failed: {failed}")
    return "; ".join(said)


def workload_row(setting: Setting, key: str) -> list[Result]:
    """CPU a sample beside all peers."""
    workload = WORKLOADS[key]
    first = {name: cost(setting, name, workload) for name in (*PEERS, "pyscrape")}
    costs = list(first.values())
    found = {name: [one.us_per_sample] for name, one in first.items()}
    best = min(found[name][0] for name in PEERS)
    ratios = [found["pyscrape"][0] / best]
    rivals = [name for name in PEERS if found[name][0] <= ALIKE * best]
    each_s = (workload.window_s + 2 * workload.interval_s + 9) * (1 + len(rivals))
    while len(ratios) < ROUNDS and median(ratios) > NEAR * GOAL and setting.time_for(each_s):
        again = {name: cost(setting, name, workload) for name in (*rivals, "pyscrape")}
        costs += again.values()
        for name, one in again.items():
            found[name].append(one.us_per_sample)
        ratios.append(again["pyscrape"].us_per_sample / min(again[name].us_per_sample for name in rivals))
    setting.ingest_us[key] = {name: median(values) for name, values in found.items()}
    ratio = median(ratios)
    figure = f"{median(found['pyscrape']):.3f} us a sample, {first['pyscrape'].rss / 2**20:.0f} MiB"
    peers = {name: median(found[name]) for name in PEERS}
    rounds = ", ".join(f"{one:.2f}" for one in ratios)
    return [
        Result(
            f"CPU: {workload}", figure, listed(peers), f"<= {GOAL} x the best peer: {ratio:.2f} x", ratio <= GOAL,
            len(ratios), noted(costs, f"ratios {rounds}; RSS MiB {listed(memory(first), '{:.0f}')}"),
        )
    ]  # fmt: skip


def memory(costs: dict[str, Cost]) -> dict[str, float]:
    return {name: one.rss / 2**20 for name, one in costs.items() if name != "pyscrape"}


def sealed_row(setting: Setting, key: str) -> list[Result]:
    """The same pages with two seals of every table in the window, held against the peers' figures of the plain row."""
    workload = SEALED[key]
    own = cost(setting, "pyscrape", workload)
    peers = {name: us for name, us in setting.ingest_us.get(key, {}).items() if name != "pyscrape"}
    best = min(peers.values(), default=0.0)
    ratio = own.us_per_sample / best if best else 0.0
    goal = f"<= {GOAL} x the best peer" + (f": {ratio:.2f} x" if best else f" (row {key} has not run)")
    said = (
        f"{own.scrapes / workload.targets:.0f} scrapes of each target; peers at their interval of row {key}"
    )
    return [
        Result(
            f"CPU with two seals a table: {workload}", f"{own.us_per_sample:.3f} us a sample", listed(peers), goal,
            ratio <= GOAL if best else None, 1, noted([own], said),
        )
    ]  # fmt: skip


def slope_row(setting: Setting) -> list[Result]:
    """Bytes of RSS that a further series takes."""
    few, many = SLOPE
    slopes, costs = {}, []
    for name in ("prometheus", "victoria-metrics", "pyscrape"):
        ends = [cost(setting, name, one) for one in SLOPE]
        costs += ends
        slopes[name] = (ends[1].rss - ends[0].rss) / (many.targets * many.series - few.targets * few.series)
    own = slopes.pop("pyscrape")
    most = min(slopes["victoria-metrics"], slopes["prometheus"] / 2)
    goal = f"<= VictoriaMetrics, <= 0.5 x Prometheus: {most:.0f}"
    return [
        Result(
            "RSS a series, slope from 100,000 to 400,000", f"{own:.0f} B", listed(slopes, "{:.0f}"), goal,
            own <= most, 1, noted(costs),
        )
    ]  # fmt: skip


def record_node_exporter(setting: Setting, folder: Path, pages: int) -> Path:
    """Pages of a real node_exporter, one a second, in the form that `benchmarks.store` reads."""
    import struct
    import zlib

    lab = setting.module("lab")
    port = lab.free_port()
    path = folder / "node_exporter.rec"
    exporter = lab.Proc(
        [f"{setting.peers}/bin/node_exporter", f"--web.listen-address={lab.H}:{port}"], f"{folder}/log"
    )
    try:
        lab.wait_http(exporter, port, "/metrics")
        with path.open("wb") as file:
            for _ in range(pages):
                at_s = time.time()
                body = zlib.compress(lab.get(port, "/metrics")[1])
                file.write(struct.pack("<qI", int(at_s * 1000), len(body)) + body)
                time.sleep(max(0.0, 1 - (time.time() - at_s)))
    finally:
        exporter.stop()
    return path


def bytes_row(setting: Setting) -> list[Result]:
    """Bytes of a sealed sample: recorded pages where there are some, else a minute of a node_exporter."""
    from benchmarks.store import measure_replay

    with tempfile.TemporaryDirectory() as folder:
        paths = setting.pages or [record_node_exporter(setting, Path(folder), 20 if setting.quick else 60)]
        sealed = measure_replay(paths)[0]
    return [
        Result(
            f"bytes a sample: {sealed.what}", f"{sealed.figure:.2f} B", "Prometheus 1 to 2", "<= 2.0",
            sealed.figure <= 2.0, 1,
        )
    ]  # fmt: skip
