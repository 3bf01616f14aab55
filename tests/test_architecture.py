"""The layers of ARCHITECTURE.md, held by reading every import of the package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pyscrape"

LAYERS: list[set[str]] = [
    {"cli"},
    {"app"},
    {"config", "web"},
    {"scrape", "rules", "remote"},
    {"targets", "promql"},
    {"discovery", "exposition", "relabel", "store"},
    {"net"},
    {"model"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def area(module: str) -> str:
    """`pyscrape.store.table` -> `store`; the package itself -> ``."""
    return module.split(".")[1] if "." in module else ""


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules() -> list[Path]:
    paths = sorted(PACKAGE.rglob("*.py"))
    assert len(paths) > 20
    return paths


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own in {"__init__", "__main__"}:
        return
    assert own in RANK, f"{own} has no layer"
    for name in imports_of(path):
        if not name.startswith("pyscrape.") or (other := area(name)) == own or other not in RANK:
            continue
        assert RANK[other] > RANK[own], f"{path.relative_to(PACKAGE)} ({own}) imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_outside_libraries_have_one_home(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert "httpx" not in roots or own in {"net"}, "httpx is net's alone"
    assert "kubernetes" not in roots or own == "discovery", "the kubernetes package is discovery's alone"
    assert not roots & {"starlette", "uvicorn"} or own in {"web", "app"}, "the web server is web's alone"


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("import pyscrape.relabel; pyscrape.relabel.relabel", {"numpy", "httpx", "kubernetes", "asyncio"}),
        ("import pyscrape.config; pyscrape.config.check_text", {"numpy", "httpx", "kubernetes"}),
        ("import pyscrape.model.regex", {"numpy", "httpx", "yaml"}),
    ],
)
def test_light_imports(statement: str, refused: set[str]) -> None:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not refused & set(run.stdout.split())


def test_no_module_is_too_long() -> None:
    lengths = {str(path): len(path.read_text().splitlines()) for path in modules()}
    assert not {path: n for path, n in lengths.items() if n > 800}
