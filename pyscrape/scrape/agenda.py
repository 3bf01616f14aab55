"""One timer for all targets: a heap of moments, of which only the earliest is known to the event loop.

The loop's own timers are Python objects that compare in Python and wake it one by one; with 10,000 targets that would
be a good part of a scrape's cost (benchmarks/scrape_loop.py). Here a wake-up serves everything that is due, and
entries whose reason is gone (a deadline that was met) are dropped instead of waking anybody.
"""

import asyncio
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

# How many entries one wake-up serves before the event loop gets a turn.
BATCH = 64
# Timers may come early by the clock's resolution.
_EARLY_S = 1e-6


class Entrant(Protocol):
    """What waits in an agenda. A token tells its entries apart."""

    def wants(self, token: int) -> bool:
        """Whether the entry still has a reason."""

    def due(self, token: int, at_s: float) -> None:
        """Its moment, `at_s` in loop time, has come. Must not raise."""


class Agenda:
    """Calls entrants at their moments, in loop time."""

    __slots__ = ("_armed_s", "_count", "_heap", "_loop", "_timer")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, Entrant]] = []
        self._count = count()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_s = float("inf")

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, at_s: float, entrant: Entrant, token: int) -> None:
        """Call `entrant.due(token, at_s)` at `at_s`, if it still wants it then."""
        heappush(self._heap, (at_s, next(self._count), token, entrant))
        if at_s < self._armed_s:
            self._arm(at_s)

    def close(self) -> None:
        """Call nobody any more."""
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_s = at_s
        self._timer = self._loop.call_at(at_s, self._serve)

    def _serve(self) -> None:
        heap = self._heap
        # Nobody arms the timer while entries are served: the end of this does.
        self._armed_s = float("-inf")
        self._timer = None
        now_s = self._loop.time() + _EARLY_S
        for _ in range(BATCH):
            if not heap or heap[0][0] > now_s:
                break
            at_s, _, token, entrant = heappop(heap)
            if entrant.wants(token):
                entrant.due(token, at_s)
        while heap and not heap[0][3].wants(heap[0][2]):
            heappop(heap)
        self._armed_s = float("inf")
        if heap:
            self._arm(heap[0][0])
