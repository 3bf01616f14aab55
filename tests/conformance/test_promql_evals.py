"""The .test scripts of Prometheus, run against the engine, and the scripts that check the runner itself."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.promql_script import ScriptError, Verdict, run_script

FOLDER = (
    Path(os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[2].parent / "shared" / "conformance"))
    / "promql"
)
if not FOLDER.is_dir():
    pytest.skip(f"no conformance corpus at {FOLDER}", allow_module_level=True)
INDEX = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))["files"]
FILES = {entry["file"]: entry for entry in INDEX if (FOLDER / entry["file"]).is_file()}
SELFTEST = FOLDER / "dsl_selftest.json"
# What evals may need and this engine has not.
MISSING = {"reads_native_histograms", "native_histograms_in_result"}


@cache
def verdicts(file: str) -> dict[int, Verdict]:
    text = (FOLDER / file).read_text(encoding="utf-8")
    return {verdict.line: verdict for verdict in run_script(text)}


@pytest.mark.parametrize("file", sorted(FILES))
def test_evals(file: str) -> None:
    needs = {entry["line"]: set(entry["needs"]) for entry in FILES[file]["evals_list"]}
    answers = verdicts(file)
    assert len(answers) == FILES[file]["evals"]
    judged = [verdict for line, verdict in answers.items() if not needs.get(line, set()) & MISSING]
    assert judged
    wrong = [verdict for verdict in judged if verdict.problem is not None]
    assert not wrong, "\n".join(f"{file}:{v.line}: {v.query}\n    {v.problem}" for v in wrong)


@pytest.mark.skipif(not SELFTEST.is_file(), reason="the corpus has no self test")
def test_the_runner_itself() -> None:
    cases: list[dict[str, Any]] = json.loads(SELFTEST.read_text(encoding="utf-8"))["cases"]
    cases = [case for case in cases if "{{" not in case["script"]]  # no native histograms
    assert len(cases) > 50
    wrong = []
    for case in cases:
        try:
            problems = [v.problem for v in run_script(case["script"]) if v.problem is not None]
        except ScriptError as error:
            problems = [str(error)]
        if (not problems) != case["pass"]:
            wrong.append((case["name"], case.get("error"), problems))
    assert not wrong, "\n".join(map(str, wrong))
