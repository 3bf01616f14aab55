"""`python -m benchmarks [NAME...] [--full]`: run the benchmarks of this folder and print one table.

A benchmark is a module with `measure(full: bool) -> list[Row]`; times are CPU seconds of this process, best of
several, on seeded data. `--full` takes the sizes that the README quotes.

    python -m benchmarks --peers DIR [--lab DIR] [--rows a,check] [--json FILE] [--minutes 24] [--quick]

stands the whole program beside Prometheus, VictoriaMetrics and vmagent, which lie in DIR/bin, and prints each figure
that has a goal with what was reached. It wants the machine for itself, about 25 minutes.
"""

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

import benchmarks
from benchmarks.runner import Row

DEFAULT_LAB = Path(__file__).parents[2] / "shared" / "peers"


def names() -> list[str]:
    """The modules of this folder that measure something."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name not in {"__main__", "runner"} and not module.ispkg
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(names())}; default all")
    parser.add_argument("--full", action="store_true", help="the sizes that the README quotes")
    beside = parser.add_argument_group("beside other programs")
    beside.add_argument("--peers", type=Path, metavar="DIR", help="the programs are in DIR/bin")
    beside.add_argument(
        "--lab", type=Path, metavar="DIR", default=DEFAULT_LAB, help="the peer lab (default: %(default)s)"
    )
    beside.add_argument("--rows", help="comma-separated; default all")
    beside.add_argument(
        "--json", type=Path, default=Path("beside.json"), help="what was found so far: %(default)s"
    )
    beside.add_argument(
        "--minutes", type=float, default=24, help="no further repeats after so many: %(default)s"
    )
    beside.add_argument(
        "--pages",
        type=Path,
        nargs="*",
        default=[],
        help="recorded pages for bytes a sample (default: records some)",
    )
    beside.add_argument(
        "--quick", action="store_true", help="tiny windows and sizes: a trial, nothing to quote"
    )
    args = parser.parse_args()
    return stand_beside(parser, args) if args.peers else measure_parts(args)


def stand_beside(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from benchmarks.beside.run import ROWS, run

    names = args.rows.split(",") if args.rows else list(ROWS)
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if not (args.lab / "lab.py").exists():
        parser.error(f"--lab: there is no lab.py in {args.lab}")
    return run(args.peers, args.lab, names, args.minutes, args.json, args.pages, args.quick)


def measure_parts(args: argparse.Namespace) -> int:
    rows: list[tuple[str, Row]] = []
    for name in args.names or names():
        print(f"... {name}", file=sys.stderr)
        measure = getattr(importlib.import_module(f"benchmarks.{name}"), "measure", None)
        if measure is not None:
            rows += [(name, row) for row in measure(args.full)]
    head = ("benchmark", "what", "figure", "unit", "goal")
    table = [(name, row.what, f"{row.figure:,.3g}", row.unit, row.goal) for name, row in rows]
    widths = [max(len(line[column]) for line in [head, *table]) for column in range(len(head))]
    for line in [head, tuple("-" * width for width in widths), *table]:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
