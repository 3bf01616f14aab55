"""The committed scripts of the query page are what their sources give, and name no host."""

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

WEB = Path(str(files("pyscrape.web")))
BUILT = ("query.js", "query.css", "query-licenses.txt")


def test_a_build_gives_the_same_bytes(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (WEB / "ui" / "node_modules").is_dir():
        pytest.skip("the packages of pyscrape/web/ui are not installed (npm ci)")
    subprocess.run([node, "build.mjs", str(tmp_path)], cwd=WEB / "ui", check=True, timeout=60)
    for name in BUILT:
        assert (tmp_path / name).read_bytes() == (WEB / "static" / name).read_bytes(), (
            f"{name}: run npm run build"
        )


def test_the_lock_file_names_versions_only() -> None:
    text = (WEB / "ui" / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert not re.search(
        r"https?://(?!github\.com|opencollective\.com|marijnhaverbeke|code\.haverbeke)", text
    )


def test_every_package_of_the_bundle_has_its_licence() -> None:
    text = (WEB / "static" / "query-licenses.txt").read_text()
    for name in (
        "uplot",
        "@codemirror/view",
        "@prometheus-io/codemirror-promql",
        "@prometheus-io/lezer-promql",
        "@lezer/lr",
    ):
        assert re.search(rf"^{re.escape(name)} \d+\.\d+\.\d+ \((MIT|Apache-2.0)\)$", text, re.M), name
