"""Input that means harm: an error within bounds, in a process of its own.

What it costs, `python -m benchmarks config` says; here a limit only guards against a check that never ends.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.hostile_configs import CASES

CHECK = """
import sys
from pyscrape.config.check import check_bytes
report = check_bytes(sys.stdin.buffer.read())
# Not getrusage: a child starts with its parent's peak there.
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(report.valid, len(report.problems), peak_kb, report.problems[0].message[:100] if report.problems else "")
"""


@pytest.mark.parametrize("name", CASES)
def test_hostile(name: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CHECK], input=CASES[name], capture_output=True, timeout=60, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode()[-500:]
    valid, problems, peak_kb, _ = run.stdout.decode().split(" ", 3)
    assert valid == "False"
    assert 1 <= int(problems) <= 1_000
    assert int(peak_kb) - len(CASES[name]) // 1024 < 200_000
