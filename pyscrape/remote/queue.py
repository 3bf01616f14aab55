"""What waits to be sent: rows by reference, bounded by samples, the oldest dropped when it is too much.

A row carries the encoded labels that its series had when it came, so that nothing that happens to the store later
(series forgotten, ids given to others) or to the configuration changes what is sent. Taking keeps each series'
order: rows come out in the order in which they came, and shards are parts by series.
"""

from collections import deque
from collections.abc import Sequence

from pyscrape.remote.rows import Batch


class RowQueue:
    """Rows that wait. `most_samples` bounds memory: 8 bytes each, 16 with times of their own."""

    def __init__(self, most_samples: int) -> None:
        self.most_samples = most_samples
        self.pending = 0
        self.dropped = 0
        self.newest_ms = 0
        self._rows: deque[Batch] = deque()

    def push(self, batch: Batch) -> None:
        """Add a row. The arrays are not changed by anyone any more."""
        if not batch.samples:
            return
        self._rows.append(batch)
        self.pending += batch.samples
        self.newest_ms = max(self.newest_ms, batch.newest_ms)
        while self.pending > self.most_samples and len(self._rows) > 1:
            oldest = self._rows.popleft()
            self.pending -= oldest.samples
            self.dropped += oldest.samples

    def put_back(self, batches: Sequence[Batch]) -> None:
        """Undo a `take`."""
        self._rows.extendleft(reversed(batches))
        self.pending += sum(batch.samples for batch in batches)

    def take(self, samples: int) -> list[Batch]:
        """Remove and give the oldest rows: whole ones, until they have so many samples."""
        taken: list[Batch] = []
        count = 0
        while self._rows and count < samples:
            taken.append(self._rows.popleft())
            count += taken[-1].samples
        self.pending -= count
        return taken


BEHIND_S = 10.0


def desired_shards(
    *,
    now: int,
    least: int,
    most: int,
    in_rate: float,
    out_rate: float,
    kept_ratio: float,
    backlog: float,
    behind_s: float = 0.0,
) -> tuple[int, float]:
    """How many shards the next while should have, and how many would be enough, whatever the limits say.

    As Prometheus reckons it: enough for what comes in plus a twentieth of the backlog a second; within 30 % of what
    there is nothing changes, and who is more than ten seconds behind does not shrink. `out_rate` is samples sent a
    second while sending, by all shards together.
    """
    if out_rate <= 0:
        return now, float(now)
    each = out_rate / now
    wanted = (in_rate * kept_ratio + 0.05 * backlog) / each
    if now * 0.7 <= wanted <= now * 1.3:
        return now, wanted
    shards = max(least, min(most, int(-(-wanted // 1))))
    return now if shards < now and behind_s > BEHIND_S else shards, wanted
