"""Find every mistake of a configuration at once, each with file, line, column and a remedy.

Takes a prometheus.yml, rule files, target lists, scrape_config_files, relabel unit tests, and ConfigMap or Secret
manifests that hold one of these; what a file is, its content tells. `-` is the standard input.

Exit code: 0 without errors; 1 with at least one (with --strict a warning counts, too); 2 for a file that cannot be
read or wrong usage.

Examples:
  pyscrape check prometheus.yml
  pyscrape check --format github --strict *.yml
  kubectl get configmap prometheus -o yaml | pyscrape check -
  pyscrape check --root ./image /etc/prometheus/prometheus.yml   /etc/... is looked up in ./image/etc/...
  pyscrape check --missing-files=ignore prometheus.yml           secrets are not there in CI
  pyscrape check --explain unknown-label
"""

# pathlib costs a tenth of the time that a whole check may take:
# ruff: noqa: PTH123

import argparse
import gc
import os
import sys
from collections.abc import Sequence

from pyscrape import __version__
from pyscrape.config.check import Options, Report, check_bytes, check_file
from pyscrape.config.lint.run import IDS
from pyscrape.model.problems import Problem
from pyscrape.model.settings import Decoder, decode_node
from pyscrape.model.yaml_nodes import Node


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="what to check; - is the standard input")
    parser.add_argument(
        "--format",
        choices=("text", "json", "github", "sarif"),
        default="text",
        help="form of the findings [text]",
    )
    parser.add_argument(
        "--agent", action="store_true", help="for `pyscrape run --agent`: refuse what it does not take"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 for warnings, too")
    parser.add_argument(
        "--missing-files",
        choices=("error", "warn", "ignore"),
        default="warn",
        help="what a file is that the configuration names and that is not there [warn]",
    )
    parser.add_argument(
        "--root", default="", metavar="DIR", help="where the described machine's / is on this one"
    )
    parser.add_argument(
        "--lint", default="all", metavar="ID,...", help="lints to run: all, none, or a list of ids [all]"
    )
    parser.add_argument("--explain", metavar="ID", help="explain a kind of finding; `list` names all")


def run(args: argparse.Namespace) -> int:
    if args.explain:
        return _explain(args.explain)
    if not args.files:
        print("pyscrape check: no files given\nTry 'pyscrape check --help'.", file=sys.stderr)
        return 2
    lints = {"all": IDS, "none": frozenset[str]()}.get(args.lint, frozenset(args.lint.split(",")))
    if unknown := sorted(lints - IDS):
        print(
            f"pyscrape check: no lint {', '.join(unknown)}; there are: {', '.join(sorted(IDS))}",
            file=sys.stderr,
        )
        return 2
    options = Options(args.missing_files, args.root, lints, args.agent, relabel_tests=_relabel_tests)
    # A check leaves no cycles worth a collector's passes, which would be a tenth of its time.
    gc.disable()
    try:
        reports, stdin_lines, unreadable = _check_all(args.files, options)
    finally:
        gc.enable()
    _print(args.format, reports, stdin_lines)
    if unreadable:
        return 2
    counted = {"error", "warning"} if args.strict else {"error"}
    return int(any(problem.severity in counted for report in reports for problem in report.problems))


def _check_all(files: Sequence[str], options: Options) -> tuple[list[Report], Sequence[str], bool]:
    """The reports, the lines of the standard input (for excerpts), and whether some file could not be read."""
    reports: list[Report] = []
    stdin_lines: Sequence[str] = ()
    unreadable = False
    for name in files:
        try:
            if name == "-":
                raw = sys.stdin.buffer.read()
                stdin_lines = raw.decode("utf-8", "replace").split("\n")
                reports.append(check_bytes(raw, "-", ".", options))
            else:
                inside = options.root and os.path.isabs(name) and not os.path.exists(name)  # noqa: PTH117, PTH110
                path = options.root.rstrip("/") + name if inside else name
                reports.append(check_file(path, options))
        except OSError as error:
            print(f"pyscrape check: {name}: {error.strerror}", file=sys.stderr)
            unreadable = True
    return reports, stdin_lines, unreadable


def _relabel_tests(root: Node, text_size: int, filename: str) -> tuple[int, list[Problem]]:
    from pyscrape.cli.relabel_cases import RelabelTests  # imports asyncio and more than a check needs

    decoder = Decoder(file=filename, text_size=text_size)
    tests, _ = decode_node(RelabelTests, root, decoder)
    return len(tests.cases), decoder.problems


def _print(form: str, reports: Sequence[Report], stdin_lines: Sequence[str]) -> None:
    if form == "text":
        from pyscrape.config import report

        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        if text := report.as_text(
            reports, lambda path: stdin_lines if path == "-" else _lines_of(path), colour=colour
        ):
            print(text)
    else:
        _print_data(form, reports)


def _print_data(form: str, reports: Sequence[Report]) -> None:
    from pyscrape.config import report_data

    if form == "github":
        if text := report_data.as_github(reports):
            print(text)
        return
    import json

    from pyscrape.config.explanations import explanations

    sarif = form == "sarif"
    data = (
        report_data.as_sarif(reports, __version__, explanations()) if sarif else report_data.as_data(reports)
    )
    print(json.dumps(data, indent=2, ensure_ascii=False))


def _lines_of(path: str) -> Sequence[str]:
    """The lines of a file for excerpts; none where it is gone or compressed."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().split("\n")
    except (OSError, UnicodeDecodeError):
        return ()


def _explain(wanted: str) -> int:
    from pyscrape.config.explanations import explanations

    known = explanations()
    if wanted == "list":
        width = max(map(len, known)) + 2
        print("\n".join(f"{name.ljust(width)}{text.split(chr(10), 1)[0]}" for name, text in known.items()))
        return 0
    if wanted not in known:
        from pyscrape.model.problems import nearest

        meant = nearest(wanted, known)
        hint = f", did you mean {meant}?" if meant else "; --explain list names all"
        print(f"pyscrape check: nothing to explain by the name {wanted}{hint}", file=sys.stderr)
        return 2
    print(f"{wanted}: {known[wanted]}")
    return 0
