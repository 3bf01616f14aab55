"""The discoveries that look again and again: one loop, which each kind gives a way to look.

The first look is at once, later ones an interval apart with a little jitter, so that many of them do not ask at the
same moment. A look that fails keeps what was found before. One that fails in part (a file, a name) says so too, beside
what it found.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from pyscrape.discovery.groups import DiscoveryStatus, TargetGroup, UpdateGroups
from pyscrape.discovery.target_lists import changes

logger = logging.getLogger("pyscrape.discovery")

JITTER = 0.05
MANY_GROUPS = 2000
"""From so many on they are compared in a thread, so that scrapes are not held up."""


class LookError(Exception):
    """A look that failed as a whole; the text is for people."""


class Looker(Protocol):
    """One kind of discovery: `look` gives all groups there are now, or raises LookError."""

    kind: str
    interval_s: float

    async def look(self) -> Iterable[TargetGroup]: ...

    async def wait(self, seconds: float) -> None:
        """Wait until it is time to look again: so many seconds, or sooner when something is known to have changed."""


class RefreshDiscoverer:
    """Runs a `Looker` for ever (see `discovery.groups.Discoverer`).

    `status`: one that the looker shares, to count in it and to tell of what failed in part.
    """

    def __init__(
        self,
        looker: Looker,
        *,
        status: DiscoveryStatus | None = None,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._looker = looker
        self._clock = clock
        self._jitter = jitter
        self._known: dict[str, TargetGroup] = {}
        self._begins = True
        """Whether the next hand-over is the first of a run, and therefore of everything."""
        self.status = status or DiscoveryStatus(looker.kind)

    async def run(self, update: UpdateGroups) -> None:
        """Look, hand over what changed, wait; until cancelled."""
        self._known, self._begins = {}, True
        while True:
            await self.refresh(update)
            spread = 1 + JITTER * (2 * self._jitter() - 1)
            await self._looker.wait(self._looker.interval_s * spread)

    async def refresh(self, update: UpdateGroups) -> None:
        """One look."""
        status = self.status
        status.last_attempt_s = self._clock()
        began_s = time.perf_counter()
        try:
            found = list(await self._looker.look())
        except LookError as error:
            status.counts["refresh_failures"] += 1
            if status.last_error != str(error):
                logger.error(
                    "Unable to refresh target groups", extra={"discovery": status.kind, "err": str(error)}
                )
            status.state, status.last_error = "failing", str(error)
            status.details["failures"] = status.counts["refresh_failures"]
            return
        finally:
            status.counts["refresh"] += 1
            status.seconds["refresh"] += time.perf_counter() - began_s
        problems = "; ".join(status.problems)
        if status.last_error and not problems:
            logger.info("Target groups are refreshed again", extra={"discovery": status.kind})
        status.state, status.last_error = "failing" if problems else "running", problems
        status.last_success_s = self._clock()
        if len(found) < MANY_GROUPS:
            changed = changes(self._known, found)
        else:
            changed = await asyncio.to_thread(changes, self._known, found)
        self._known = {group.source: group for group in found}
        begins, self._begins = self._begins, False
        if changed or begins:
            update(changed)


async def sleep(seconds: float) -> None:
    """The `wait` of a looker that knows of no changes."""
    await asyncio.sleep(seconds)
