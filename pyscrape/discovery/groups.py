"""What every discovery produces: target groups, and the interface by which it hands them over."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

UpdateGroups = Callable[[Sequence["TargetGroup"]], None]
"""Called with the groups that changed; a group replaces the one of the same source; no targets = gone."""


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """Targets that came from one source (a pod, a file, a DNS name) and the labels that they share.

    Every target has `__address__`; a target's own labels win over the group's.
    """

    source: str
    targets: tuple[Mapping[str, str], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class DiscoveryStatus:
    """How one discoverer is doing; times are unix seconds, None = never.

    `state`: "starting" until it has found everything once, then "running", or "failing" while its last look did.
    """

    kind: str
    state: str = "starting"
    last_success_s: float | None = None
    last_attempt_s: float | None = None
    last_error: str = ""
    advice: str = ""
    details: dict[str, object] = field(default_factory=dict)
    problems: Sequence[str] = ()
    """What of the last look failed (a file, a name) while the rest of it did not."""
    counts: Counter[str] = field(default_factory=Counter)
    """How often things happened; /metrics adds them up over all discoverers (`discovery.totals`)."""
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """How long things took, likewise."""


class Discoverer(Protocol):
    """Finds targets until it is cancelled.

    `run` calls `update` from the event loop: first with everything it found (an empty sequence when it looked
    and found nothing, so that waiting for the first full sync ends), later with changed groups only. A failure
    to look is kept in `status` and retried; groups given before stay valid. A discoverer whose `run` raised is run
    again, and begins with everything again.
    """

    @property
    def status(self) -> DiscoveryStatus: ...

    async def run(self, update: UpdateGroups) -> None: ...
