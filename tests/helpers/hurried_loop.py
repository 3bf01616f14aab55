"""An event loop on which time passes faster than on the wall, with real sockets: an hour's schedule in a minute."""

import asyncio
import selectors
import time


class _HurriedSelector(selectors.DefaultSelector):
    """Waits a fraction of what it is asked to."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            timeout /= self._factor
        return super().select(timeout)


class HurriedLoop(asyncio.SelectorEventLoop):
    """`factor` seconds of the loop pass in one of the wall; `wall_s` is a clock that keeps step with it."""

    def __init__(self, factor: float) -> None:
        super().__init__(_HurriedSelector(factor))
        self._factor = factor
        self._began_s = time.monotonic()
        self._began_wall_s = time.time()

    def time(self) -> float:
        return (time.monotonic() - self._began_s) * self._factor

    def wall_s(self) -> float:
        return self._began_wall_s + self.time()
