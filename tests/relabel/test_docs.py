"""The examples of the documentation's relabel page do what the page says."""

import re
import shlex
from pathlib import Path

import pytest

import pyscrape
from pyscrape.cli.main import main

PAGE = (Path(pyscrape.__file__).parent / "docs" / "relabel.md").read_text(encoding="utf-8")
FILES = re.findall(r"```\w+ title=(\S+)\n(.*?)```", PAGE, re.DOTALL)
SESSIONS = re.findall(r"```console\n\$ (.*?)\n(.*?)```", PAGE, re.DOTALL)
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("command", "output"), SESSIONS, ids=[command for command, _ in SESSIONS])
def test_sessions(
    command: str,
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    main(shlex.split(command)[1:])
    assert capsys.readouterr().out == output


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_programs(number: int) -> None:
    exec(compile(PROGRAMS[number], f"relabel.md, program {number + 1}", "exec"), {})


def test_there_are_examples() -> None:
    assert (len(SESSIONS), len(PROGRAMS)) == (5, 2)
