"""The rows that take seconds: relabeling, Kubernetes, the parser as a library, `check`, start and idle."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.beside.setting import ROOT, Result, Setting, median
from benchmarks.runner import cpu_s

REPEATS = 3
BASE = {
    "job": "kubernetes-service-endpoints", "__scheme__": "http", "__metrics_path__": "/metrics",
    "__scrape_interval__": "1h", "__scrape_timeout__": "10s",
}  # fmt: skip


def relabel_row(setting: Setting) -> list[Result]:
    """20,000 targets through the classic rules, loaded anew each time; answers compared with Prometheus' own code."""
    from pyscrape.relabel import load_relabel_configs, relabel

    data = setting.module("k8sdata")
    groups = data.targets(2_000 if setting.quick else 20_000)
    inputs = [{**BASE, **group["labels"], "__address__": group["targets"][0]} for group in groups]
    rules_text = data.rules_yaml()
    texts = yaml.safe_load(rules_text)
    answers: list[Mapping[str, str] | None] = []

    def fresh() -> None:
        rules = load_relabel_configs(texts)
        answers.extend([relabel(labels, rules) for labels in inputs])

    own = []
    for _ in range(REPEATS):
        answers.clear()  # the other side keeps no answers: ours count as they are made, not as they are thrown away
        own.append(cpu_s(fresh, 1) * 1e6 / len(inputs))
    program = setting.peers / "relabelbench"
    if not program.exists():
        note = f"{program} is missing: built by the lab's relabel_go/get-go-side.sh"
        return [
            Result(
                "relabel 20,000 targets", f"{median(own):.2f} us a target", "?", "4.1", None, REPEATS, note
            )
        ]
    theirs = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sd.json").write_text(json.dumps(groups))
        Path(folder, "rules.yml").write_text(rules_text)
        command = [str(program), f"{folder}/sd.json", f"{folder}/rules.yml", "5", f"{folder}/out.jsonl"]
        for _ in range(REPEATS):
            run = subprocess.run(
                command, env={**os.environ, "GOMAXPROCS": "1"}, capture_output=True, check=True
            )
            theirs.append(json.loads(run.stdout)["us_per_target_rules"])
        wanted = [json.loads(line) for line in Path(folder, "out.jsonl").read_text().splitlines()]
    differ = sum((a or None) != (dict(b) if b else None) for a, b in zip(wanted, answers, strict=True))
    return [
        Result(
            f"relabel {len(inputs):,} Kubernetes targets, fresh rules", f"{median(own):.2f} us a target",
            f"Prometheus' own code, in process {median(theirs):.2f}", "<= 1 x",
            median(own) <= median(theirs) and not differ, REPEATS, f"{differ} answers differ",
        )
    ]  # fmt: skip


def listed_by(setting: Setting, name: str, port: int, objects: int) -> tuple[float, float, float]:
    """Seconds from the start of a program until all objects are discovered, its CPU seconds and MiB then."""
    lab = setting.module("lab")
    roles = "".join(
        f"- {{job_name: {role}, kubernetes_sd_configs: [{{role: {role}, api_server: 'http://{lab.H}:{port}'}}],\n"
        "   relabel_configs: [{action: drop, source_labels: [__address__], regex: '.*'}]}\n"
        for role in ("pod", "node", "service")
    )
    with lab.Work() as work:
        config = Path(work, "k8s.yml")
        config.write_text(f"scrape_configs:\n{roles}")
        program = setting.program(name)
        begin = time.monotonic()
        try:
            program.start(work, str(config))
            while time.monotonic() < begin + 30:
                if not program.proc.alive():
                    raise RuntimeError(f"ended: {program.proc.tail()}")
                found = lab.metrics(program.port, ["prometheus_sd_discovered_targets"])
                if found.get("prometheus_sd_discovered_targets", 0) >= objects:
                    return (
                        time.monotonic() - begin, program.proc.cpu(), program.proc.mem()["rss"] / 2**20,
                    )  # fmt: skip
                time.sleep(0.1)
            raise RuntimeError(f"{name} found {found} of {objects} targets in 30 s")
        finally:
            program.stop()


def kubernetes_row(setting: Setting) -> list[Result]:
    """The list of a large cluster: the whole program beside Prometheus, and discovery alone in a process."""
    from benchmarks.kubernetes import api_server, run_set

    pods = 500 if setting.quick else 5000
    objects = pods + pods // 10 + pods // 5  # a target a pod and port: at least so many
    goal = "< 2 s, 1 s CPU, 200 MiB"
    out = []
    with api_server(pods) as (port, pipe):
        whole: dict[str, list[tuple[float, float, float]]] = {"prometheus": [], "pyscrape": []}
        for _ in range(REPEATS):
            for name, found in whole.items():
                found.append(listed_by(setting, name, port, objects))
        alone = [run_set(port, "pod", pipe, 0, 0.5) for _ in range(REPEATS)]
    middle = {
        name: tuple(median([one[k] for one in found]) for k in range(3)) for name, found in whole.items()
    }
    shown = {
        name: f"{took:.2f} s, {cpu:.2f} s CPU, {rss:.0f} MiB" for name, (took, cpu, rss) in middle.items()
    }
    took_s, spent_s, rss_mib = middle["pyscrape"]
    what = f"{pods:,} pods, {pods // 10} nodes, {pods // 5:,} services listed"
    out.append(
        Result(
            f"{what}, `run` from its start", shown["pyscrape"], f"Prometheus {shown['prometheus']}", goal,
            took_s < 2 and spent_s < 1 and rss_mib < 200, REPEATS,
        )
    )  # fmt: skip
    took_s = median([one[0] for one in alone])
    spent_s = median([one[1]["cpu_s"] for one in alone])
    rss_mib = median([one[1]["rss_mib"] for one in alone])
    figure = f"{took_s:.2f} s, {spent_s:.2f} s CPU, {rss_mib:.0f} MiB"
    met = took_s < 2 and spent_s < 1 and rss_mib < 200
    out.append(Result(f"{pods:,} pods listed, discovery alone", figure, "", goal, met, REPEATS))
    return out


def outage_row(setting: Setting) -> list[Result]:
    """An API server that is killed and comes back with a pod more."""
    from benchmarks.kubernetes import outage

    away_s = 2.0 if setting.quick else 15.0
    took_s = asyncio.run(outage(away_s, polite=False))
    what = f"recovery after {away_s:g} s without an API server"
    return [Result(what, f"{took_s:.2f} s", "Prometheus 53 (measured before)", "< 5 s", took_s < 5, 1)]


def parser_row(setting: Setting) -> list[Result]:
    """The parser as a library beside prometheus_client's."""
    from benchmarks.exposition import measure

    goals = {"parse, every label read": 4, "parse, text and value only": 20, "PageReader on a like page": 60}
    found = {row.what.removesuffix(": times faster"): row.figure for row in measure(False)}
    return [
        Result(what, f"{found[what]:.1f} x faster", "prometheus_client 1", f">= {goal} x", found[what] >= goal, 1,
               "best page of 15")
        for what, goal in goals.items()
    ]  # fmt: skip


def check_row(setting: Setting) -> list[Result]:
    """`check` of the tutorial's configuration beside promtool and a bare interpreter; wall time, as a user sees it."""
    config = setting.lab_folder.parent / "tutorial" / "prometheus.yml"
    if not config.exists():
        config = ROOT / "tests" / "data" / "config" / "kube_prometheus.good.yml"
    runs = 3 if setting.quick else 15
    with tempfile.TemporaryDirectory() as cache:
        python = [sys.executable, "-X", f"pycache_prefix={cache}"]
        commands = {
            "promtool": [f"{setting.peers}/bin/promtool", "check", "config", str(config)],
            "bare Python": [*python, "-c", "pass"],
            "pyscrape": [*python, "-m", "pyscrape", "check", str(config)],
        }
        found: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs + 1):
            for name, command in commands.items():
                begin = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
                found[name].append((time.perf_counter() - begin) * 1e3)
    middle = {name: median(values[1:]) for name, values in found.items()}  # the first fills the caches
    most = max(2 * middle["promtool"], middle["bare Python"] + 45)
    return [
        Result(
            f"check of {config.parent.name}/{config.name}", f"{middle['pyscrape']:.1f} ms",
            f"promtool {middle['promtool']:.1f}, bare Python {middle['bare Python']:.1f}",
            f"<= 2 x promtool or bare Python + 45: {most:.1f}", middle["pyscrape"] <= most, runs,
        )
    ]  # fmt: skip


def start_row(setting: Setting) -> list[Result]:
    """From exec to ready, and memory of a server without targets."""
    bench = setting.module("bench_start")
    runs, idle_s = (2, 1) if setting.quick else (7, 5)
    found: dict[str, dict[str, Any]] = {}
    for name in ("prometheus", "victoria-metrics", "pyscrape"):
        program = setting.program(name)
        found[name] = bench.ready(type(program), program.args, runs, idle_s)
    peers = "; ".join(shown_start(name, found[name]) for name in ("prometheus", "victoria-metrics"))
    own = found["pyscrape"]
    met = own["rss"] <= 80 * 2**20 and own["ready_ms"] <= 1000
    return [Result("time to ready, idle RSS", shown_start("", own), peers, "<= 1 s, <= 80 MiB", met, runs)]


def shown_start(name: str, found: dict[str, Any]) -> str:
    return f"{name} {found['ready_ms']:.0f} ms, {found['rss'] / 2**20:.0f} MiB".strip()
