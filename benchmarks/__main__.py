"""`python -m benchmarks [NAME...] [--full]`: run the benchmarks of this folder and print one table.

A benchmark is a module with `measure(full: bool) -> list[Row]`; times are CPU seconds of this process, best of
several, on seeded data. `--full` takes the sizes that the README quotes.
"""

import argparse
import importlib
import pkgutil
import sys

import benchmarks
from benchmarks.runner import Row


def names() -> list[str]:
    """The modules of this folder that measure something."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name not in {"__main__", "runner"}
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(names())}; default all")
    parser.add_argument("--full", action="store_true", help="the sizes that the README quotes")
    args = parser.parse_args()
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
