"""kill -9 under load: everything that was promised is there, everything that is there is right.

`PYSCRAPE_KILLS` sets how often (two by default).
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from pyscrape.store import Store
from tests.store.crash_child import SERIES

KILLS = int(os.environ.get("PYSCRAPE_KILLS", "2"))


def promised_before_death(path: Path, promises: int) -> int:
    """Rows that a child has promised which is killed after so many promises."""
    command = [sys.executable, "-m", "tests.store.crash_child", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        seen = [child.stdout.readline() for _ in range(promises)]
        child.send_signal(signal.SIGKILL)
        lines = [*seen, *child.stdout.read().split("\n")]
    assert child.returncode == -signal.SIGKILL
    return max(int(line) for line in lines[:-1] if line.strip())


def test_kill(tmp_path: Path) -> None:
    chance = random.Random(3)
    for _ in range(KILLS):
        promised = promised_before_death(tmp_path, chance.randint(1, 12))
        store = Store()
        store.open(tmp_path)
        assert store.durability is not None
        assert store.durability.records_left_out == 0
        [block] = store.select([], 0, 2**62).blocks
        rows = len(block.times_ms)
        assert rows >= promised
        assert (block.times_ms == np.arange(1, rows + 1)).all()
        order = [int(store.select([], 0, 1).frame.labels(int(one))["k"]) for one in block.series[:3]]
        expected = np.arange(rows)[:, None] * (np.array(order) + 1) % 1000
        assert (block.values[:, :3] == expected).all()
        assert block.values.shape == (rows, SERIES)
        store.close()
