"""`pyscrape check`: what it adds to a bare interpreter, a large file, and input that means harm.

Processes are measured from outside, with their system time; the byte code they compile is kept between the repeats.
"""

import os
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.runner import Row, cpu_s
from pyscrape.config.check import check_bytes
from tests.helpers.hostile_configs import CASES

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "tests" / "data" / "config" / "kube_prometheus.good.yml"


def child_cpu_s(*arguments: str, repeats: int = 5) -> float:
    """CPU seconds of a Python process with these arguments: the best of `repeats`."""
    best = float("inf")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-X", f"pycache_prefix={cache}", *arguments]
        for _ in range(repeats):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            best = min(best, spent_s)
    return best


def large_config(lines: int) -> bytes:
    """One job of a real configuration again and again, each under its own name."""
    job = CONFIG.read_text().split("scrape_configs:\n", 1)[1]
    per_job = job.count("\n")
    jobs = (job.replace("node-exporter/0", f"node-exporter/{number}") for number in range(lines // per_job))
    return ("scrape_configs:\n" + "".join(jobs)).encode()


def measure(full: bool) -> list[Row]:
    bare_s = child_cpu_s("-c", "pass")
    check_s = child_cpu_s("-m", "pyscrape", "check", str(CONFIG))
    rows = [Row("check of a small file, beyond a bare interpreter", (check_s - bare_s) * 1e3, "ms", "45")]
    for lines in (2_000, 20_000) if full else (2_000,):
        text = large_config(lines)
        milliseconds = cpu_s(partial(check_bytes, text), repeats=3) * 1e3
        rows.append(Row(f"check of about {lines:,} lines", milliseconds, "ms", f"{lines // 20:,}"))
    spent = {name: cpu_s(partial(check_bytes, text), repeats=1) for name, text in CASES.items()}
    shown = list(spent) if full else sorted(spent, key=lambda name: -spent[name])[:3]
    rows += [Row(f"hostile: {name}", spent[name], "s", "2") for name in shown]
    return rows
