"""The findings of a check in the forms that programs read: JSON, GitHub annotations, SARIF."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyscrape.config.check import Report
from pyscrape.model.problems import Problem

_GITHUB = {"error": "error", "warning": "warning", "info": "notice"}
_SARIF = {"error": "error", "warning": "warning", "info": "note"}


def as_data(reports: Sequence[Report]) -> dict[str, Any]:
    """For programs: the JSON form as plain data."""
    return {
        "files": [
            {
                "file": report.file,
                "kind": report.kind,
                "contents": list(report.holds),
                "valid": report.valid,
                "problems": [_problem_data(problem, report.file) for problem in report.problems],
            }
            for report in reports
        ]
    }


def _problem_data(problem: Problem, file: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "severity": problem.severity,
        "id": problem.id,
        "message": problem.message,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "job": problem.job,
        "hint": problem.hint,
    }
    if problem.file != file:
        shown["file"] = problem.file
    return shown


def as_github(reports: Sequence[Report]) -> str:
    """Workflow commands that GitHub shows as annotations of a change."""
    lines = []
    for problem in (problem for report in reports for problem in report.problems):
        place = f"file={_property(problem.file)}"
        if problem.line:
            place += f",line={problem.line},col={problem.column}"
        text = problem.message + (
            f" ({problem.hint})" if problem.hint and problem.hint not in problem.message else ""
        )
        lines.append(f"::{_GITHUB[problem.severity]} {place},title={_property(problem.id)}::{_escaped(text)}")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def as_sarif(reports: Sequence[Report], version: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """SARIF 2.1.0, which code-scanning services read; `texts` explains each kind of finding, title first."""
    problems = [problem for report in reports for problem in report.problems]
    used = sorted({problem.id for problem in problems})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "pyscrape check",
                        "version": version,
                        "rules": [_sarif_rule(name, texts.get(name, name)) for name in used],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(problem) for problem in problems],
            }
        ],
    }


def _sarif_rule(name: str, text: str) -> dict[str, Any]:
    title, _, _ = text.partition("\n")
    return {
        "id": name,
        "shortDescription": {"text": title},
        "help": {"text": text, "markdown": text},
    }


def _sarif_result(problem: Problem) -> dict[str, Any]:
    from urllib.parse import quote

    location: dict[str, Any] = {"artifactLocation": {"uri": quote(problem.file.replace("\\", "/"))}}
    if problem.line:
        location["region"] = {"startLine": problem.line, "startColumn": max(problem.column, 1)}
    hint = f" ({problem.hint})" if problem.hint and problem.hint not in problem.message else ""
    return {
        "ruleId": problem.id,
        "level": _SARIF[problem.severity],
        "message": {"text": problem.message + hint},
        "locations": [{"physicalLocation": location}],
    }
