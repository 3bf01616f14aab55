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


def test_pyyaml_is_whole_after_its_light_import() -> None:
    code = (
        "import pyscrape.model.yaml_nodes, re, yaml; assert re.compile('a').fullmatch('a');"
        "assert yaml.safe_load('{a: [1, 2.5, 2020-01-01, ~, yes], b: {<<: {c: 1}}}')['a'][1:2] == [2.5];"
        "assert yaml.safe_dump({'a': '1', 'b': 'no'}) == '''a: '1'\\nb: 'no'\\n''';"
        "assert not yaml.reader.Reader.NON_PRINTABLE.search('a')"
    )
    with modules_of(code.replace("\n", "\\n")) as modules:
        assert "yaml" in modules
