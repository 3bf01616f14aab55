"""The query bench's questions to three programs that hold the same data: answers, first run, warm runs.

Six hours of 11,700 series at 15 s come by remote write. "First" is a query's first time; "warm" is the median of the
later ones, the programs taking turns, one kept connection each.
"""

import math
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.beside.setting import Result, Setting, median

PROGRAMS = ("prometheus", "victoria-metrics", "pyscrape")
HOURS, STEP_S, REPEATS = 6.0, 15, 7
SETTLE_S = 75
"""Longest time that Prometheus may take to cut its blocks before it is asked."""


def start(setting: Setting, work: str) -> dict[str, Any]:
    running = {}
    for name in PROGRAMS:
        config = Path(work, f"{name}.yml")
        config.write_text("global: {scrape_interval: 15s}\nscrape_configs: []\n")
        extra = []
        if name == "victoria-metrics":
            extra = [
                "-search.disableCache",
                "-search.latencyOffset=0s",
                "-search.maxUniqueTimeseries=1000000",
            ]
        if name == "pyscrape":
            extra = ["--web.enable-remote-write-receiver", "--log.level=warn"]
        program = setting.program(name)
        running[name] = program
        program.start(work, str(config), None, extra)
    return running


def settle(lab: Any, running: dict[str, Any]) -> None:
    """Blocks cut and parts flushed, as far as that goes in the time."""
    lab.get(running["victoria-metrics"].port, "/internal/force_flush")
    names = ["prometheus_tsdb_head_max_time", "prometheus_tsdb_head_min_time"]
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        head = lab.metrics(running["prometheus"].port, names)
        if head[names[0]] - head[names[1]] < 3.01 * 3_600_000:
            break
        time.sleep(2)
    time.sleep(5)


def ask(bench: Any, connection: Any, path: str) -> tuple[float, bytes]:
    """Milliseconds until the last byte, and the body."""
    begin = time.perf_counter()
    _, body = connection.req("GET", path)
    return (time.perf_counter() - begin) * 1e3, body


def measure_one(
    bench: Any, connections: dict[str, Any], query: Any, path: str, repeats: int
) -> dict[str, Any]:
    first, answers = {}, {}
    for name, connection in connections.items():
        first[name], body = ask(bench, connection, path)
        answers[name] = bench.norm(query[1], body)
    warm: dict[str, list[float]] = {name: [] for name in connections}
    for _ in range(repeats):
        for name, connection in connections.items():
            warm[name].append(ask(bench, connection, path)[0])
    return {
        "name": query[0],
        "kind": query[1],
        "first": first,
        "warm": {name: median(values) for name, values in warm.items()},
        "answer": bench.verdict(bench.diff(answers["prometheus"], answers["pyscrape"])),
    }


def rows(setting: Setting, *, ragged: bool = False) -> list[Result]:
    """The answers and times of all questions; `ragged`: every instance has times of its own, and gaps."""
    lab, bench = setting.module("lab"), setting.module("bench_query")
    hours = 0.5 if setting.quick else HOURS
    data = bench.dataset(0.1 if setting.quick else 1)
    end = int(time.time()) // 60 * 60 - 60
    count = int(hours * 3600 / STEP_S)
    found = []
    running: dict[str, Any] = {}
    with lab.Work() as work:
        os.environ["PYSCRAPE_RUN_ARGS"] = ""
        try:
            running = start(setting, work)
            urls = {name: f"http://{lab.H}:{program.port}" for name, program in running.items()}
            bench.load_rw(urls, data, end - (count - 1) * STEP_S, STEP_S, count, ragged)
            if not setting.quick:
                settle(lab, running)
            connections = {name: bench.Conn(url) for name, url in urls.items()}
            others, at_s = lab.others_cpu(), time.time()
            for query in bench.queries():
                path = bench.path_of(query, end, int(hours * 3600) - 600)
                found.append(measure_one(bench, connections, query, path, 3 if setting.quick else REPEATS))
            noise = (lab.others_cpu() - others) / (time.time() - at_s)
        finally:
            for program in running.values():
                program.stop()
    ranges = [one for one in found if one["kind"] == "range"]
    others_ = [one for one in found if one["kind"] != "range"]
    repeats = 3 if setting.quick else REPEATS
    said = f"; others took {noise:.2f} cores" + ("; every instance at times of its own" if ragged else "")
    return [*range_results(ranges, repeats, said), small_result(others_, repeats, said)]


def ratios(found: list[dict[str, Any]], when: str, peer: str) -> dict[str, float]:
    return {one["name"]: one[when]["pyscrape"] / one[when][peer] for one in found}


def mean(values: dict[str, float]) -> float:
    """The geometric one."""
    return math.exp(sum(map(math.log, values.values())) / len(values))


def each(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())


def same(found: list[dict[str, Any]]) -> str:
    other = [f"{one['name']}: {one['answer']}" for one in found if one["answer"] != "same"]
    return f"answers differ: {other}" if other else f"all {len(found)} answers as Prometheus'"


def range_results(found: list[dict[str, Any]], repeats: int, said: str) -> list[Result]:
    out = []
    alike = all(one["answer"] == "same" for one in found)
    for when in ("warm", "first"):
        beside = ratios(found, when, "victoria-metrics")
        figure, most = mean(beside), max(beside.values())
        to_prometheus = mean(ratios(found, when, "prometheus"))
        out.append(
            Result(
                f"{len(found)} range queries, {when} runs", f"{figure:.2f} x VictoriaMetrics, at most {most:.2f} x",
                f"{to_prometheus:.2f} x Prometheus", "same answers, mean <= 1 x VM, none > 2 x",
                alike and figure <= 1 and most <= 2 if when == "warm" else None,
                repeats if when == "warm" else 1, f"{same(found)}; x VM: {each(beside)}{said}",
            )
        )  # fmt: skip
    return out


def small_result(found: list[dict[str, Any]], repeats: int, said: str) -> Result:
    beside = ratios(found, "warm", "prometheus")
    alike = all(one["answer"] == "same" for one in found)
    over = {name: value for name, value in beside.items() if value > 1}
    return Result(
        f"{len(found)} instant and metadata queries, warm", f"{mean(beside):.2f} x Prometheus", "1",
        f"same answers, each <= 1 x: {len(over)} over", alike and not over, repeats,
        f"{same(found)}; x Prometheus: {each(beside)}{said}",
    )  # fmt: skip
