"""Every flag of Prometheus' command line works, is accepted with a line that says why it has no meaning here, or says
that it is not supported; none is unknown."""

import re
import subprocess
from argparse import ArgumentParser

import pytest

from pyscrape.app.flags import BY_NAME, FLAGS, Flags, FlagValue, print_value
from pyscrape.cli.main import Parser
from pyscrape.cli.run import configure, given_flags
from tests.helpers.processes import peer

HIDDEN = [
    "storage.tsdb.min-block-duration",
    "storage.tsdb.max-block-duration",
    "storage.tsdb.max-block-chunk-segment-size",
    "storage.tsdb.wal-segment-size",
    "storage.tsdb.wal-compression",
    "storage.tsdb.wal-compression-type",
    "storage.tsdb.allow-overlapping-compaction",
    "storage.tsdb.samples-per-chunk",
    "storage.tsdb.delayed-compaction.max-percent",
    "storage.agent.wal-segment-size",
    "storage.agent.wal-truncate-frequency",
    "scrape.adjust-timestamps",
    "scrape.timestamp-tolerance",
    "scrape.discovery-reload-interval",
]
"""What `prometheus --help` does not list, and takes all the same."""

OTHER = [
    "storage.tsdb.allow-overlapping-blocks",
    "config.auto-reload",
    "web.enable-otlp-receiver",
    "web.search.max-limit",
]
"""What releases before and after 3.5 have as well."""


def parser() -> ArgumentParser:
    found = Parser(prog="pyscrape run")
    configure(found)
    return found


def accepted() -> set[str]:
    return {name.removeprefix("--") for name in parser()._option_string_actions}


def test_every_flag_that_prometheus_lists_is_taken() -> None:
    listed = subprocess.run([peer("prometheus"), "--help"], capture_output=True, text=True, check=False)
    flags = re.findall(
        r"^ {2}(?:-\w,|   ) --(\[no-\])?([\w.-]+)", listed.stdout + listed.stderr, re.MULTILINE
    )
    wanted = {name for _, name in flags} | {f"no-{name}" for no, name in flags if no}
    assert len(wanted) > 50
    assert wanted - accepted() - {"no-help", "no-version"} == set()


@pytest.mark.parametrize("name", [*HIDDEN, *OTHER])
def test_so_are_those_that_it_does_not_list(name: str) -> None:
    assert name in accepted()


def test_a_command_line_with_all_of_them() -> None:
    """Each given once, with its default: those without an effect say so, one line each, and no other does."""
    arguments = []
    for flag in FLAGS:
        text = print_value(flag, flag.default)
        if flag.kind == "bool":
            arguments.append(f"--{flag.name}" if flag.default else f"--no-{flag.name}")
        elif text and flag.kind != "size":
            arguments.append(f"--{flag.name}={text}")
    flags = given_flags(parser().parse_args(arguments))
    assert len(flags.given) > 50
    quiet = [name for name in flags.given if BY_NAME[name].support in {"yes", "own"}]
    remarks = flags.remarks()
    assert len(remarks) == len(flags.given) - len(quiet)
    assert not [line for line in remarks if line.split()[0].removeprefix("--") in quiet]


@pytest.mark.parametrize(
    "flag", [flag for flag in FLAGS if flag.support in {"moot", "no"}], ids=lambda f: f.name
)
def test_what_has_no_effect_says_why(flag: object) -> None:
    name = next(one.name for one in FLAGS if one is flag)
    [line] = Flags({name: BY_NAME[name].default}).remarks()
    assert line.startswith(f"--{name} ") and line.endswith(BY_NAME[name].why) and BY_NAME[name].why


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("--config.fil", "--config.file"),
        ("--web.listen-adress", "--web.listen-address"),
        ("--storage.tsdb.retention", "--storage.tsdb.retention.time"),
        ("--web.enable-lifecycles", "--web.enable-lifecycle"),
        ("--storage.tsdb.wal-compresion", "--storage.tsdb.wal-compression"),
    ],
)
def test_others_are_refused_with_a_suggestion(
    capsys: pytest.CaptureFixture[str], name: str, near: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([f"{name}=x"])
    assert ended.value.code == 2
    assert f"unknown flag {name}, did you mean {near}?" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out.startswith("pyscrape, version ")


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ("auto-reload-config", []),
        ("search-api", ["--enable-feature=search-api is not supported: /api/v1/search/* is not served"]),
        (
            "type-and-unit-labels",
            ["--enable-feature=type-and-unit-labels is not supported: series get no __type__ and __unit__"],
        ),
        ("no-such", ["--enable-feature=no-such is not known here and has no effect"]),
    ],
)
def test_features(feature: str, said: list[str]) -> None:
    assert Flags({"enable-feature": (feature,)}).remarks() == said


@pytest.mark.parametrize(
    ("given", "on"),
    [({}, False), ({"config.auto-reload": True}, True), ({"enable-feature": ("auto-reload-config",)}, True)],
)
def test_who_asks_for_reloads(given: dict[str, FlagValue], on: bool) -> None:
    assert Flags(given).auto_reload is on
