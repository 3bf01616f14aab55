"""Run relabel unit tests that are kept beside a configuration.

Examples:
  pyscrape test kubernetes.relabel.yml
  pyscrape test tests/ --junit report.xml      every *.relabel.yml below tests/
  pyscrape help relabel                 what such a file holds
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement

from pyscrape.cli.relabel_cases import CaseResult, TestFileError, read_tests


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="files of relabel tests, or folders with *.relabel.yml"
    )
    parser.add_argument("--junit", metavar="FILE", help="write the results as JUnit XML too")
    parser.add_argument("--verbose", "-v", action="store_true", help="explain the rules of passed cases too")


def run(args: argparse.Namespace) -> int:
    results: list[tuple[CaseResult, float]] = []
    paths, unreadable = find_files(args.files)
    for path in paths:
        try:
            file = read_tests(path)
        except TestFileError as error:
            print("\n".join(map(str, error.problems)), file=sys.stderr)
            unreadable = True
            continue
        except (OSError, UnicodeDecodeError) as error:
            print(f"pyscrape test: {path}: {error}", file=sys.stderr)
            unreadable = True
            continue
        for case in file.tests.cases:
            begin = time.perf_counter()
            results.append((file.run(case), time.perf_counter() - begin))
            _print(results[-1][0], args.verbose)
    failed = sum(not result.passed for result, _ in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    if args.junit:
        try:
            write_junit(Path(args.junit), results)
        except OSError as error:
            print(f"pyscrape test: {args.junit}: {error.strerror}", file=sys.stderr)
            unreadable = True
    if unreadable:
        return 2
    return 1 if failed else 0


def find_files(names: Sequence[str]) -> tuple[list[Path], bool]:
    """The files that the arguments mean, folders searched; and whether a folder had none."""
    paths: list[Path] = []
    empty = False
    for name in names:
        found = sorted(Path(name).rglob("*.relabel.y*ml")) if Path(name).is_dir() else [Path(name)]
        if not found:
            print(f"pyscrape test: no *.relabel.yml below {name}", file=sys.stderr)
            empty = True
        paths += found
    return paths, empty


def _print(result: CaseResult, verbose: bool) -> None:
    print(f"{'ok  ' if result.passed else 'FAIL'} {result.file}:{result.line} {result.name}")
    for failure in result.failures:
        print(f"     {failure}")
    if result.details and (verbose or not result.passed):
        print("\n".join(f"       | {line}" for line in result.details.splitlines()))


def write_junit(path: Path, results: Sequence[tuple[CaseResult, float]]) -> None:
    """Write results in JUnit's XML, one suite a file; times are seconds."""
    root = Element("testsuites")
    for file in dict.fromkeys(result.file for result, _ in results):
        cases = [(result, spent_s) for result, spent_s in results if result.file == file]
        failed = sum(not result.passed for result, _ in cases)
        total_s = sum(spent_s for _, spent_s in cases)
        counts = {"tests": str(len(cases)), "failures": str(failed), "errors": "0", "time": f"{total_s:.6f}"}
        suite = SubElement(root, "testsuite", {"name": file, **counts})
        for result, spent_s in cases:
            element = SubElement(
                suite, "testcase", name=_xml_text(result.name), classname=file, file=file, line=str(result.line),
                time=f"{spent_s:.6f}",
            )  # fmt: skip
            if not result.passed:
                failure = SubElement(element, "failure", message=_xml_text(result.failures[0]))
                failure.text = _xml_text("\n".join([*result.failures, "", result.details]))
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _xml_text(text: str) -> str:
    """`text` without the characters that XML 1.0 cannot hold."""
    return "".join(
        c if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff") else "\ufffd" for c in text
    )
