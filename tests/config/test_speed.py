"""What a check may cost: it stands in commit hooks and editors."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyscrape.config.check import check_bytes

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "tests" / "data" / "config" / "kube_prometheus.good.yml"
# A loaded machine may take a multiple of these; what is asserted here is the order of magnitude.
SLACK = 2.5


def best_of(runs: int, timed: Callable[[], float]) -> float:
    return min(timed() for _ in range(runs))


def child_cpu_ms(*command: str, cache: Path) -> float:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "PYTHONPYCACHEPREFIX": str(cache)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def test_a_check_takes_little_more_than_python_itself(tmp_path: Path) -> None:
    bare = best_of(5, lambda: child_cpu_ms(sys.executable, "-c", "pass", cache=tmp_path))
    check = best_of(
        5, lambda: child_cpu_ms(sys.executable, "-m", "pyscrape", "check", str(CONFIG), cache=tmp_path)
    )
    assert check - bare < 45 * SLACK


def large_config(lines: int) -> str:
    job = CONFIG.read_text().split("scrape_configs:\n", 1)[1]
    per_job = job.count("\n")
    jobs = (job.replace("node-exporter/0", f"node-exporter/{number}") for number in range(lines // per_job))
    return "scrape_configs:\n" + "".join(jobs)


def test_a_large_file() -> None:
    text = large_config(2_000).encode()
    assert text.count(b"\n") > 1_900

    def once() -> float:
        started = time.process_time()
        assert check_bytes(text).valid
        return (time.process_time() - started) * 1e3

    assert best_of(3, once) < 100 * SLACK


@contextmanager
def modules_of(code: str) -> Iterator[set[str]]:
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    yield set(run.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        f"from pyscrape.config import check_text; check_text(open({str(CONFIG)!r}).read())",
        "from pyscrape.config import parse_config; parse_config('scrape_configs: [{job_name: a}]')",
        "from pyscrape.config.schema import config_schema; config_schema()",
    ],
)
def test_light_imports(code: str) -> None:
    with modules_of(code) as modules:
        assert not {"numpy", "httpx", "kubernetes", "regex", "asyncio", "dataclasses"} & modules
