"""A check stands in commit hooks and editors: it loads little. `python -m benchmarks config` says what it costs."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "tests" / "data" / "config" / "kube_prometheus.good.yml"


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
