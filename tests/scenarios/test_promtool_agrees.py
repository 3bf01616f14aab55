"""promtool and `pyscrape check` agree on which configurations are valid.

The program beside us may be older than the Prometheus that is matched, and may be built without some discoveries:
a file that it refuses for nothing but a field that it does not know is left to the corpus' own verdict.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pyscrape.config.check import Options, check_file

CORPUS = Path(
    os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[2].parent / "shared" / "conformance")
)
DATA = Path(__file__).parents[1] / "data" / "config"
FOLDERS = {
    "corpus": CORPUS / "config" / "testdata",
    "tutorial": CORPUS.parent / "tutorial",
    "mistakes": CORPUS.parent / "tutorial" / "mistakes",
    "own": DATA,
}
FILES = [(name, path.name) for name, folder in FOLDERS.items() for path in sorted(folder.glob("*.yml"))]

# Where the two differ on purpose or by version, and why.
DIFFERENT = {
    ("tutorial", "configmap.yml"): "promtool does not look into manifests",
    ("mistakes", "configmap_taget_label.yml"): "promtool does not look into manifests",
    ("corpus", "kubernetes_selectors_pod.good.yml"): "node selectors for pods are newer",
    ("corpus", "remote_write_queue_capacity_zero.bad.yml"): "the queue is checked by newer versions only",
    (
        "corpus",
        "remote_write_queue_max_backoff_less_than_min.bad.yml",
    ): "the queue is checked by newer versions only",
    ("corpus", "scrape_config_files_duplicate.bad.yml"): "--syntax-only does not read scrape_config_files",
    (
        "corpus",
        "scrape_config_files_global_duplicate.bad.yml",
    ): "--syntax-only does not read scrape_config_files",
}
_UNKNOWN = re.compile(r"line \d+: field (\w+) not found in type \S+")


def promtool() -> str:
    folder = os.environ.get("PYSCRAPE_PEERS")
    found = shutil.which("promtool", path=folder) if folder else None
    cached = Path.home() / ".cache" / "pyscrape-peers" / "bin"
    found = found or shutil.which("promtool") or shutil.which("promtool", path=str(cached))
    if found is None:
        pytest.skip("promtool is neither in $PYSCRAPE_PEERS nor on the PATH")
    return found


def only_unknown_fields(output: str) -> set[str]:
    """The fields that promtool does not know, when that is all that it has against a file."""
    lines = [line.strip() for line in output.splitlines()]
    complaints = [line for line in lines if line.startswith("line ")]
    found = [_UNKNOWN.fullmatch(line) for line in complaints]
    return {match[1] for match in found if match} if complaints and all(found) else set()


def test_there_are_files() -> None:
    assert sum(name == "own" for name, _ in FILES) >= 20


@pytest.mark.parametrize(("folder", "name"), FILES, ids=[f"{folder}/{name}" for folder, name in FILES])
def test_the_same_verdict(folder: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = promtool()
    monkeypatch.chdir(FOLDERS[folder])
    ours = check_file(name, Options("ignore"))
    if (folder, name) in DIFFERENT:
        pytest.skip(DIFFERENT[folder, name])
    run = subprocess.run(
        [tool, "check", "config", "--syntax-only", name], capture_output=True, text=True, check=False
    )
    newer = only_unknown_fields(run.stderr)
    if newer and ours.valid:
        pytest.skip(f"this promtool does not know {', '.join(sorted(newer))}")
    assert ours.valid == (run.returncode == 0), run.stderr or [p.message for p in ours.problems]
