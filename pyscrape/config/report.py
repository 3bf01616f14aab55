"""The findings of a check as text for people; `report_data` has the forms for programs."""

import re
from collections.abc import Callable, Sequence

from pyscrape.config.check import Report
from pyscrape.model.problems import Problem, caret

_COLOURS = {
    "error": "31",
    "warning": "33",
    "info": "36",
    "hint": "32",
    "valid": "32",
    "dim": "2",
    "bold": "1",
}

# Fields whose values no log of a pipeline should hold, wherever a finding points.
_HIDDEN_FIELDS = (
    r"(?i)((?:password|passphrase|credentials|secrets?|token|(?:client|application|secret)_(?:secret|key)|access_key|"
    r"consumer_key|private_key|key_passphrase|service_account_key|client_certificate_key)[\"']?\s*:\s*)"
    r"(\"[^\"]*\"?|'[^']*'?|\[[^\]]*\]?|[^\s,}#][^,}#]*)"
)
# A Secret's values: whole configurations with all that they hold.
_HIDDEN_BASE64 = r"(:\s*[\"']?)([A-Za-z0-9+/]{60,}={0,2})"
# A token where a mapping is wanted.
_HIDDEN_SECTION = r"(?i)((?:authorization|basic_auth)[\"']?\s*:\s*)([^\s{#&*][^#]*)"
_HIDDEN_USERINFO = r"(://[^:/@\s]*:)([^@/\s]+)(?=@)"

ReadLines = Callable[[str], Sequence[str]]


def as_text(reports: Sequence[Report], read_lines: ReadLines, *, colour: bool = False) -> str:
    """For people: each file's findings with the source line and a caret, then a line that sums up."""

    def paint(text: str, name: str) -> str:
        return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if colour else text

    blocks = []
    for report in reports:
        blocks += [_problem_text(problem, read_lines, paint) for problem in report.problems]
        blocks.append(_summary(report, paint))
    return "\n".join(blocks)


def _problem_text(problem: Problem, read_lines: ReadLines, paint: Callable[[str, str], str]) -> str:
    place = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    job = f" (job {problem.job})" if problem.job else ""
    head = f"{paint(place, 'bold')}: {paint(problem.severity, problem.severity)}: {problem.message} [{problem.id}]{job}"
    lines = [head]
    source = read_lines(problem.file) if problem.line else ()
    if 0 < problem.line <= len(source):
        gutter = f"{problem.line:>6} | "
        excerpt = without_secrets(source[problem.line - 1].rstrip("\r"))
        if "<secret>" in problem.message:
            kept = excerpt[: problem.column - 1]
            excerpt = kept + "*" * (len(excerpt) - len(kept))
        shown, mark = caret(excerpt, problem.column).split("\n")
        margin = paint(" " * (len(gutter) - 2) + "| ", "dim")
        lines += [
            paint(gutter, "dim") + shown,
            f"{margin}{paint(mark, 'error')} {paint(problem.path, 'dim')}".rstrip(),
        ]
    # A suggestion that the message makes already need not be made twice.
    if problem.hint and problem.hint not in problem.message:
        lines.append(f"       {paint('hint:', 'hint')} {problem.hint}")
    return "\n".join(lines) + "\n"


def without_secrets(line: str) -> str:
    """A line of a configuration with what it holds of secrets as asterisks, everything else in its place.

    >>> without_secrets("basic_auth: {username: a, password: hunter2}")
    'basic_auth: {username: a, password: *******}'
    """
    for pattern in (_HIDDEN_FIELDS, _HIDDEN_SECTION, _HIDDEN_BASE64, _HIDDEN_USERINFO):
        line = re.sub(pattern, lambda found: found[1] + "*" * len(found[2]), line)
    return line


def _summary(report: Report, paint: Callable[[str, str], str]) -> str:
    counts = []
    for severity in ("error", "warning", "info"):
        number = sum(problem.severity == severity for problem in report.problems)
        if number:
            word = "note" if severity == "info" else severity
            counts.append(paint(f"{number} {word}{'' if number == 1 else 's'}", severity))
    state = paint("valid", "valid") if report.valid else paint("not valid", "error")
    holds = f" ({'; '.join(report.holds)})" if report.holds and report.valid else ""
    return f"{paint(report.file, 'bold')}: {state}{holds}" + (f", {', '.join(counts)}" if counts else "")
