"""promtool asks pyscrape and Prometheus the same and prints the same."""

import subprocess

import pytest

from tests.helpers.processes import Process, peer

COMMANDS = [
    ["instant", "URL", "up", "--time=NOW"],
    ["instant", "URL", "1+1", "--time=NOW"],
    ["instant", "URL", '"text"', "--time=NOW"],
    ["instant", "URL", "sum by (code) (http_requests_total)", "--time=NOW"],
    ["instant", "URL", "sum(", "--time=NOW"],
    ["range", "URL", "sum(temperature_celsius)", "--start=NOW-1", "--end=NOW", "--step=1s"],
    ["range", "URL", "odd", "--start=NOW-1", "--end=NOW", "--step=1s"],
    ["series", "URL", "--match=up", "--match=odd"],
    ["series", "URL", "--match=up{"],
    ["labels", "URL", "job"],
    ["labels", "URL", "nothing"],
    ["labels", "URL", "room", "--match=temperature_celsius"],
    [
        "analyze",
        "--server=URL",
        "--type=histogram",
        "--match=rpc_seconds_bucket",
        "--duration=1m",
        "--time=NOW",
    ],
]
FORMATS = ("promql", "json")


def output(
    program: str, server: Process, command: list[str], form: str, now_s: float
) -> tuple[int, list[str]]:
    times = {"NOW-1": str(int(now_s) - 1), "NOW": str(int(now_s))}
    arguments = []
    for argument in command:
        for name, value in times.items():
            argument = argument.replace(f"={name}", f"={value}")
        arguments.append(argument.replace("URL", server.url))
    run = subprocess.run(
        [program, "query", f"--format={form}", *arguments], capture_output=True, text=True, timeout=30
    )
    lines = (run.stdout + run.stderr).replace(server.url, "URL").splitlines()
    return run.returncode, sorted(lines)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c))
def test_the_same_output(same_page: tuple[Process, Process, float], command: list[str], form: str) -> None:
    ours, theirs, now_s = same_page
    program = peer("promtool")
    expected = output(program, theirs, command, form, now_s)
    found = output(program, ours, command, form, now_s)
    if form == "json" and expected[0] == 0:
        # One long line, whose rows come in no promised order.
        assert sorted("".join(found[1])) == sorted("".join(expected[1]))
    else:
        assert found == expected
