"""CPU per sample of scraping and forwarding, beside vmagent and Prometheus' agent: each writes to a sink on loopback.

    python -m benchmarks.forwarding --lab FOLDER [--workload a] [--window 40] [--repeat 1] [--programs ...]

FOLDER is that of the peer lab (`lab.py`, `bench_ingest.py`, `exporter.py`, `nullsink.py`), which starts the exporter,
the sink and one program at a time. Not part of `python -m benchmarks`: it takes a minute for each program.
"""

import argparse
import importlib
import os
import shlex
import sys
from typing import Any

PROGRAMS = ("vmagent", "prometheus-agent", "pyscrape", "pyscrape-agent")


def pyscrape_class(lab: Any, agent: bool) -> type:
    """pyscrape as a program of the lab."""

    class Forwarding(lab.PyScrape):  # type: ignore[misc]
        name = "pyscrape"

        def cmd(self, work: str, cfg: str, port: int, rw: str | None, extra: list[str]) -> list[str]:
            command = [sys.executable, "-m", "pyscrape", "run", f"--config.file={cfg}"]
            command += [f"--web.listen-address={lab.H}:{port}", "--log.level=warn"]
            if agent:
                command += ["--agent", f"--storage.agent.path={work}/agent"]
            return command + shlex.split(os.environ.get("PYSCRAPE_RUN_ARGS", "")) + extra

    return Forwarding


def measure_one(lab: Any, bench: Any, program: str, workload: tuple[Any, ...], args: Any) -> dict[str, Any]:
    """One program's row. The lab configures `remote_write` for what it takes for Prometheus' agent."""
    if program == "vmagent":
        row = bench.one(program, lab.VMAgent, None, workload, args)
    elif program == "prometheus-agent":
        row = bench.one(program, lab.PrometheusAgent, None, workload, args)
    else:
        kind = pyscrape_class(lab, program.endswith("agent"))
        row = bench.one("prometheus-agent", kind, ["pyscrape"], workload, args)
    return {**row, "peer": program, "spin_ms": lab.spin_ms()}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lab", required=True, help="folder of the peer lab")
    parser.add_argument("--workload", default="a", help="a, b, c, d, or TARGETS:SERIES:INTERVAL[:CHURN]")
    parser.add_argument("--programs", default=",".join(PROGRAMS), help="comma-separated")
    parser.add_argument("--window", type=float, default=40)
    parser.add_argument("--warmup", type=float, default=12)
    parser.add_argument("--repeat", type=int, default=1)
    given = parser.parse_args()
    sys.path.insert(0, given.lab)
    lab, bench = importlib.import_module("lab"), importlib.import_module("bench_ingest")
    parts = given.workload.split(":")
    workload = bench.WL.get(given.workload) or (
        *map(int, parts[:3]), float(parts[3]) if len(parts) > 3 else 0.0,
    )  # fmt: skip
    settings = argparse.Namespace(
        change=0.5, gzip=False, variants=8, warmup=given.warmup, window=given.window
    )
    rows = []
    for _ in range(given.repeat):
        for program in given.programs.split(","):
            row = measure_one(lab, bench, program, workload, settings)
            if "error" in row:
                print(f"{program}: {row['error']}", file=sys.stderr)
                continue
            rows.append(
                [row["peer"], row["us_per_sample"], row["cores"], row["samples"], lab.mb(row["rss"]),
                 lab.mb(row["hwm"]),
                 f"{row['scrapes']}/{row['scrapes_due']:g}", row["up_not_1"], row["others_cores"], row["spin_ms"]]
            )  # fmt: skip
    head = ["program", "CPU us/sample", "cores", "samples", "RSS MiB", "peak MiB", "scrapes/due", "down",
            "others cores", "spin ms"]  # fmt: skip
    lab.table(head, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
