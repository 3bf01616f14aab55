"""The layers of ARCHITECTURE.md, held by reading every import of the package; and how long its parts are.

python -m tests.test_architecture        prints the ten longest functions and modules
"""

import ast
import re
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


# Functions over 60 lines, and why each is better whole.
LONG_FUNCTIONS = {
    "app/own_metrics.py store_families": "a list: one metric family of the store after the other, no branch",
}
# Circles that are closed only inside a function which is called seldom, and spare the others an import.
LAZY_CIRCLES = [
    # What it takes to say what an unknown field may have meant is read when there is one.
    {"pyscrape.model.settings", "pyscrape.model.unknown_fields"},
    # The kubernetes package takes half a second; only those pay who have a kubeconfig.
    {"pyscrape.discovery.kubernetes.cluster", "pyscrape.discovery.kubernetes.kubeconfig"},
]


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def edges(node: ast.AST, known: set[str], *, lazy: bool) -> set[str]:
    """The modules that a module imports when it runs; `lazy`: those too that its functions import."""
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            found |= {alias.name for alias in child.names}
        elif isinstance(child, ast.ImportFrom) and child.module is not None:
            full = {f"{child.module}.{alias.name}" for alias in child.names}
            found |= {name if name in known else child.module for name in full}
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not lazy:
            continue
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            found |= set().union(*(edges(other, known, lazy=lazy) for other in child.orelse))
        else:
            found |= edges(child, known, lazy=lazy)
    return found & known


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Sets of modules that reach each other."""
    reach = {name: set(others) for name, others in graph.items()}
    for middle in reach:
        for name, others in reach.items():
            if middle in others:
                reach[name] = others | reach[middle]
    found: list[set[str]] = []
    for name, others in reach.items():
        ring = {other for other in others if name in reach[other]}
        if name in others and ring not in found:
            found.append(ring)
    return found


def test_imports_make_no_circle() -> None:
    trees = {name_of(path): ast.parse(path.read_text()) for path in modules()}

    def graph(*, lazy: bool) -> dict[str, set[str]]:
        return {name: edges(tree, set(trees), lazy=lazy) - {name} for name, tree in trees.items()}

    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [{"b", "c"}]
    assert circles(graph(lazy=False)) == []
    assert sorted(map(sorted, circles(graph(lazy=True)))) == sorted(map(sorted, LAZY_CIRCLES))


def function_lengths() -> dict[str, int]:
    """Lines of every function of the package, by module and name, decorators aside."""
    return {
        f"{path.relative_to(PACKAGE)} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def module_lengths() -> dict[str, int]:
    return {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in modules()}


def test_long_functions_have_a_reason() -> None:
    assert {name for name, lines in function_lengths().items() if lines > 60} == set(LONG_FUNCTIONS)


def test_no_module_is_too_long() -> None:
    assert not {path: lines for path, lines in module_lengths().items() if lines > 800}


def test_the_way_of_a_sample_is_as_written() -> None:
    text = (PACKAGE.parent / "ARCHITECTURE.md").read_text()
    way = text.partition("## The way of a sample")[2].partition("A query goes the way back")[0]
    hops = re.split(r"^\d\. ", way, flags=re.MULTILINE)[1:]
    assert len(hops) == 7
    for hop in hops:
        # What the module itself takes and gives is named before anything in brackets or a second sentence.
        head = re.sub(r"\([^)]*\)", "", re.split(r"[.;:] (?:On the|The|by|the newest)", hop)[0])
        file, *names = re.findall(r"`([^`]+)`", head)
        source = (PACKAGE / file).read_text()
        assert len(source.splitlines()) < 450, file
        assert names and [name for name in names if not re.search(rf"\b{name}\b", source)] == [], file
    for file in re.findall(r"`(\w+/[\w/]+\.py)`", text):
        assert (PACKAGE / file).exists() or (PACKAGE.parent / file).exists(), file


if __name__ == "__main__":
    for lengths in (function_lengths(), module_lengths()):
        for name in sorted(lengths, key=lambda name: -lengths[name])[:10]:
            print(f"{lengths[name]:4} {name:55} {LONG_FUNCTIONS.get(name, '')}".rstrip())
        print()
