"""A command that changes conditions of the package, one at a time, and asks whether a test notices.

    python -m tests.mutants [--seed 1] [--count 40] [--only 3,17]

A mutant is one change of one condition: a comparison turned (`<` to `<=`, `==` to `!=`), its number moved by one, `and`
for `or`, a `not` taken away, the condition of an `if` negated. Each is tried in a copy of the tree with the fast tests
of its module, and counts as killed when one fails or they do not end in time. Survivors are listed: each is a missing
test, or a change that no answer depends on (a guard of a fast way, say). The exit code is 0 when nine of ten are
killed.

The same seed over the same sources makes the same mutants; `--only` runs some of them again, by number. Recorded cases
take part where they are found (README, Development).
"""

import argparse
import ast
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("relabel", "exposition", "targets", "promql")
SHARE_KILLED = 0.9
CPU_LIMIT_S = 60
WALL_LIMIT_S = 240
MEMORY_LIMIT_BYTES = 4 << 30

# The tests that run for a module, cheap ones first: by the longest prefix of its path that stands here.
_LANGUAGE = (
    "tests/promql/test_lexer.py tests/promql/test_printer.py tests/promql/test_parser.py"
    " tests/conformance/test_promql_parser.py tests/properties/test_promql_parser.py"
)
_EVALUATION = (
    "tests/promql/test_engine.py tests/promql/test_functions.py tests/promql/test_series.py tests/promql/test_topk.py"
    " tests/promql/test_windows.py tests/promql/test_ragged.py tests/promql/test_plan.py tests/promql/test_frames.py"
    " tests/conformance/test_promql_evals.py tests/promql/test_explain.py"
    " tests/promql/test_against_slow.py tests/properties/test_promql_engine.py"
    " --deselect tests/properties/test_promql_engine.py::test_the_deepest_query_is_answered"
)
_LANGUAGE_MODULES = (
    *("check", "cursor", "faults", "json", "lexer"),
    *("literals", "parser", "printer", "selector_parser", "span_parser", "tokens"),
)
TESTS: dict[str, str] = {
    "relabel/": "tests/relabel tests/conformance/test_relabel.py tests/properties/test_relabel.py"
    " tests/properties/test_simple_regex.py tests/cli/test_test.py",
    "relabel/page.py": "tests/web/test_pages_relabel.py tests/relabel",
    "exposition/": "tests/exposition tests/conformance/test_textparse.py tests/conformance/test_openmetrics_suite.py"
    " tests/conformance/test_content_type.py tests/properties/test_exposition.py",
    "targets/": "tests/targets tests/conformance/test_targets.py tests/config/test_load.py",
    "targets/manifests.py": "tests/targets tests/cli/test_explain.py tests/cli/test_test.py",
    "promql/": _EVALUATION,
    **{f"promql/{name}.py": _LANGUAGE for name in _LANGUAGE_MODULES},
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: bytes `start` to `end` of a file of the package become `after`."""

    file: str
    line: int
    start: int
    end: int
    kind: str
    before: str
    after: str

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]

    def __str__(self) -> str:
        return f"pyscrape/{self.file}:{self.line}: {_short(self.before)}  ->  {_short(self.after)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else line[:87] + "..."


_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def _turned(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            ops = [*node.ops[:k], _TURNED[type(op)](), *node.ops[k + 1 :]]
            yield ast.Compare(node.left, ops, node.comparators)


def _moved(node: ast.expr) -> Iterator[ast.expr]:
    if not isinstance(node, ast.Compare):
        return
    for k, side in enumerate(node.comparators):
        if isinstance(side, ast.Constant) and type(side.value) is int:
            sides = [*node.comparators[:k], ast.Constant(side.value + 1), *node.comparators[k + 1 :]]
            yield ast.Compare(node.left, node.ops, sides)


def _joined_otherwise(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def _affirmed(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand


def _negated(node: ast.expr) -> Iterator[ast.expr]:
    yield ast.UnaryOp(ast.Not(), node)


# How an expression may be changed; `negated` is for what stands behind an `if`.
KINDS: dict[str, Callable[[ast.expr], Iterator[ast.expr]]] = {
    "comparison": _turned,
    "constant": _moved,
    "and/or": _joined_otherwise,
    "not": _affirmed,
    "negated": _negated,
}


def conditions(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The expressions of a module that can be changed, with the kinds of change.

    Assertions are left out, as they hold whatever the input is; so are imports for type checkers, and what stands in
    an f-string, whose places Python 3.11 does not tell.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Assert | ast.JoinedStr):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.If | ast.IfExp):
            yield "negated", node.test
        if isinstance(node, ast.expr):
            yield from ((kind, node) for kind in KINDS if kind != "negated")
        yield from conditions(node)


def mutants_of(path: Path) -> Iterator[Mutant]:
    """All mutants of a file."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    file = str(path.relative_to(ROOT / "pyscrape"))
    for kind, node in conditions(ast.parse(source)):
        assert node.end_lineno is not None and node.end_col_offset is not None
        start, end = (
            starts[node.lineno - 1] + node.col_offset,
            starts[node.end_lineno - 1] + node.end_col_offset,
        )
        for other in KINDS[kind](node):
            yield Mutant(
                file, node.lineno, start, end, kind, source[start:end].decode(), f"({ast.unparse(other)})"
            )


def chosen(seed: int, count: int) -> list[Mutant]:
    """`count` mutants: the packages in turn, in each the kinds in turn, no line twice."""
    rng = random.Random(seed)
    heaps: dict[tuple[str, str], list[Mutant]] = {}
    for package in PACKAGES:
        found = [m for path in sorted((ROOT / "pyscrape" / package).glob("*.py")) for m in mutants_of(path)]
        for kind in KINDS:
            heaps[package, kind] = [mutant for mutant in found if mutant.kind == kind]
            rng.shuffle(heaps[package, kind])
    mutants: list[Mutant] = []
    seen: set[tuple[str, int]] = set()
    turns = itertools.cycle(itertools.product(KINDS, PACKAGES))
    while len(mutants) < count and any(heaps.values()):
        kind, package = next(turns)
        heap = heaps[package, kind]
        while heap and (heap[-1].file, heap[-1].line) in seen:
            heap.pop()
        if heap:
            mutants.append(heap.pop())
            seen.add((mutants[-1].file, mutants[-1].line))
    return mutants


def tests_for(file: str) -> list[str]:
    """The arguments of pytest for a file of the package."""
    return TESTS[max((prefix for prefix in TESTS if file.startswith(prefix)), key=len)].split()


def _bounds() -> None:
    """A mutant may loop for ever, or fill a list: the process of its tests may not."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[str, str, float]:
    """Run tests in a tree: "passed", "failed" or "hung", what failed first, seconds of CPU."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    ]
    command += ["--hypothesis-profile=mutants", *tests]
    env = os.environ | {"PYTHONPATH": str(tree), "PYSCRAPE_CONFORMANCE": str(_recorded_cases())}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        command,
        cwd=tree,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_bounds,
    )
    try:
        output, _ = process.communicate(timeout=WALL_LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    first = next(
        (line for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))), output[-500:]
    )
    if process.returncode == 5:  # pytest's "no tests collected"
        raise SystemExit(f"no tests in {tests}:\n{output}")
    outcome = "passed" if process.returncode == 0 else "hung" if process.returncode < 0 else "failed"
    return outcome, first, cpu_s


def _recorded_cases() -> Path:
    return Path(os.environ.get("PYSCRAPE_CONFORMANCE", ROOT.parent / "shared" / "conformance"))


def try_mutant(tree: Path, mutant: Mutant) -> tuple[str, str, float]:
    """The tests' verdict on one mutant; the tree is as before afterwards."""
    path = tree / "pyscrape" / mutant.file
    source = path.read_bytes()

    def write(text: bytes) -> None:
        path.write_bytes(text)
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()  # two sources of one length and one second share compiled code

    write(mutant.applied(source))
    try:
        return run_tests(tree, tests_for(mutant.file))
    finally:
        write(source)


def run(mutants: Sequence[tuple[int, Mutant]]) -> list[str]:
    """Try numbered mutants and print a line for each; the survivors' lines."""
    survivors = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "__pycache__", "node_modules"))
        for tests in sorted({" ".join(tests_for(mutant.file)) for _, mutant in mutants}):
            outcome, first, cpu_s = run_tests(tree, tests.split())
            if outcome != "passed":
                raise SystemExit(f"the tests have to pass as they are: {tests}: {first}")
            print(f"unchanged  {cpu_s:4.1f} s  {tests}", flush=True)
        for number, mutant in mutants:
            outcome, first, cpu_s = try_mutant(tree, mutant)
            word = {"passed": "SURVIVED", "failed": "killed", "hung": "killed (hung)"}[outcome]
            by = "" if outcome == "passed" else f"  by {_short(first.removeprefix('FAILED '))}"
            print(f"{number:3} {word}  {cpu_s:4.1f} s  {mutant}{by}", flush=True)
            if outcome == "passed":
                survivors.append(f"{number:3} {mutant}")
    return survivors


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--only", default="", help="numbers of the mutants to run, with commas")
    args = parser.parse_args()
    wanted = {int(number) for number in args.only.split(",") if number}
    mutants = [
        (number, mutant)
        for number, mutant in enumerate(chosen(args.seed, args.count), 1)
        if not wanted or number in wanted
    ]
    if not _recorded_cases().is_dir():
        print("without recorded cases: PYSCRAPE_CONFORMANCE names no directory")
    survivors = run(mutants)
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} killed; survivors: {len(survivors)}")
    print(*survivors, sep="\n", end="\n" if survivors else "")
    return 0 if len(mutants) - len(survivors) >= SHARE_KILLED * len(mutants) else 1


if __name__ == "__main__":
    raise SystemExit(main())
