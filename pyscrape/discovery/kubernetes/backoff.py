"""How long to wait before asking an API server again: pure arithmetic over the failures so far.

Waits grow from a quarter second and stop growing early, because what matters after an outage is how soon targets
are right again; jitter keeps many watches from returning as one. A refusal that only a human can mend (401, 403,
404) may wait longer than a server that is down.
"""

import random
from collections.abc import Callable

FIRST_S = 0.25
LONGEST_S = 3.0
LONGEST_REFUSED_S = 10.0
# A server may ask for more patience than that, but not for ever.
LONGEST_ASKED_S = 60.0

REFUSALS = {400, 401, 403, 404, 405, 406, 422}


class Backoff:
    """Counts failures of the same class in a row. `uniform` gives the jitter (0..1)."""

    def __init__(self, uniform: Callable[[], float] = random.random) -> None:
        self._uniform = uniform
        self._class: object = None
        self._failures = 0

    def next_s(self, status: int | None = None, retry_after_s: float | None = None) -> float:
        """The wait after one more failure; `status` None means that no answer came at all."""
        refused = status in REFUSALS
        if refused != self._class:
            self._class, self._failures = refused, 0
        longest = LONGEST_REFUSED_S if refused else LONGEST_S
        wait_s = min(longest, FIRST_S * 2.0 ** min(self._failures, 16)) * (0.5 + self._uniform() / 2)
        self._failures += 1
        if retry_after_s is not None:
            asked_s = min(retry_after_s, LONGEST_ASKED_S)
            wait_s = max(wait_s, asked_s * (1 + self._uniform() / 10))
        return wait_s

    def reset(self) -> None:
        """All is well again."""
        self._failures = 0
