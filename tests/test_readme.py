"""The README does what it says: its examples run, its table of flags is the program's, its limits are named."""

import re
from pathlib import Path

import pytest

from pyscrape.app.flags import FLAGS, print_value
from pyscrape.cli.main import COMMANDS

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.split("\n", 1)[0])
def test_examples_run(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {})


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_every_flag_stands_in_it(flag: object) -> None:
    from pyscrape.app.flags import Flag

    assert isinstance(flag, Flag)
    if flag.support in {"moot", "no"}:
        assert f"`--{flag.name}`" in README
        return
    row = re.search(rf"\| `--{re.escape(flag.name)}` \| (.*?) \| (.*?) \|", README)
    assert row is not None, "a row of the table of options is missing"
    assert row[2] == flag.help
    if flag.name != "storage.memory.max":
        assert row[1] == print_value(flag, flag.default)


def test_every_command_stands_in_it() -> None:
    for command in COMMANDS:
        assert f"pyscrape {command.name}" in README


def test_it_opens_with_two_commands() -> None:
    commands = [line for line in README.splitlines()[:16] if line.startswith("    ")]
    assert len(commands) == 2
    assert "pyscrape run" in commands[0] and "pytest" in commands[1]
