"""When a target is scraped: an absolute schedule, spread over the interval by the target's identity.

The first scrape is at the next wall-clock moment whose time modulo the interval is the target's offset, so that
restarts and reloads keep each target's place. Later ticks are counted from the first, never by adding sleeps.

Places are a tenth of the interval apart (`MOST_PLACE_S` at most) and shared, where Prometheus gives every target
a moment of its own: whoever wakes up for one page finds neither code nor data in the processor's caches, which costs
more than the page itself. 100 targets of 1,000 series every 5 s, a tenth of them new: 1.43 us a sample with 10 moments,
1.63 with 20, 2.13 with 100.
"""

import hashlib
import socket
from collections.abc import Mapping

from pyscrape.model.labels import Labels, format_labels

# A start that is later than this is recorded as it is; one that is not is recorded as the tick itself, because equal
# distances between samples compress best.
TOLERANCE_S = 0.002

MOST_PLACE_S = 0.5
_PLACES = 10


def offset_seed(external_labels: Mapping[str, str]) -> int:
    """Differs between replicas with different external labels or host names, so that they spread."""
    text = socket.getfqdn() + format_labels(Labels(external_labels))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def first_delay_s(target_hash: int, seed: int, interval_s: float, now_s: float) -> float:
    """Seconds from `now_s` (unix time) to a target's first scrape, below the interval."""
    place_s = min(MOST_PLACE_S, interval_s / _PLACES)
    offset_s = ((target_hash ^ seed) % int(interval_s * 1e9)) / 1e9
    return (offset_s // place_s * place_s - now_s) % interval_s


def next_tick(tick: int, first_s: float, interval_s: float, now_s: float) -> int:
    """The number of the tick to wait for after tick number `tick`: the next, or the first that is not past."""
    overdue = int((now_s - first_s) // interval_s)
    # One tick that was missed is made up for at once, as Go's ticker does; more are skipped.
    return max(tick + 1, overdue)


def sample_time_ms(aligned_s: float, started_s: float, interval_s: float) -> int:
    """The timestamp of a scrape that was due at `aligned_s` and began at `started_s` (unix seconds)."""
    late_s = started_s - aligned_s
    at_s = aligned_s if late_s <= min(TOLERANCE_S, interval_s / 100) else started_s
    return round(at_s * 1000)
