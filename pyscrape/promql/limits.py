"""What a query may use: samples in memory and time; and whether anyone still waits for it.

Operators call `check` between pieces of work of some milliseconds; nothing here looks at a clock otherwise.
"""

import time
from collections.abc import Callable

from pyscrape.promql.errors import QueryCanceled, QueryTimeout, TooManySamples


class Limits:
    """The limits of one running query.

    `held` samples are in memory now, `peak` were at most; a sample is a float64 cell of a selection or a result.
    """

    __slots__ = ("_cancelled", "_clock", "_deadline", "_max_samples", "held", "peak")

    def __init__(
        self,
        max_samples: int,
        timeout_s: float | None = None,
        cancelled: Callable[[], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_samples = max_samples
        self._clock = clock
        self._deadline = None if timeout_s is None else clock() + timeout_s
        self._cancelled = cancelled
        self.held = 0
        self.peak = 0

    def check(self) -> None:
        """Raise QueryTimeout or QueryCanceled when it is time to stop."""
        if self._deadline is not None and self._clock() >= self._deadline:
            raise QueryTimeout
        if self._cancelled is not None and self._cancelled():
            raise QueryCanceled

    def room_for(self, samples: int) -> None:
        """Raise TooManySamples unless so many more may be held; called before they are made."""
        if self.held + samples > self._max_samples:
            raise TooManySamples

    def room(self) -> Callable[[int], None]:
        """A way to ask for room piece by piece, while a selection is read; it also raises when it is time to stop."""
        asked = 0

        def more(samples: int) -> None:
            nonlocal asked
            asked += samples
            self.check()
            self.room_for(asked)

        return more

    def hold(self, samples: int) -> None:
        """Count samples that are now in memory."""
        self.room_for(samples)
        self.held += samples
        self.peak = max(self.peak, self.held)

    def release(self, samples: int) -> None:
        """Count samples that are no more."""
        self.held -= samples
