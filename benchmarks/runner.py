"""What every benchmark shares: a row of the table, and CPU time of a call, best of several."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was measured, the figure, its unit, and the goal in words (or "")."""

    what: str
    figure: float
    unit: str
    goal: str = ""


def cpu_s(call: Callable[[], object], repeats: int = 5) -> float:
    """CPU seconds of this process that one `call()` takes: the best of `repeats`, the collector paused."""
    best = float("inf")
    for _ in range(repeats):
        gc.collect()
        gc.disable()
        try:
            begin = time.process_time()
            call()
            best = min(best, time.process_time() - begin)
        finally:
            gc.enable()
    return best
