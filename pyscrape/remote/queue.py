"""What waits to be sent: rows by reference, bounded by samples, the oldest dropped when it is too much.

A row carries the encoded labels that its series had when it came, so that nothing that happens to the store later
(series forgotten, ids given to others) or to the configuration changes what is sent. Taking a batch keeps each
series' order: a batch is always the oldest of what waits, and its shards are parts by series.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[np.int32]
Times = NDArray[np.int64]
Values = NDArray[np.float64]
Heads = NDArray[np.object_]


class Batch(NamedTuple):
    """Samples in the order in which they came; `columns` are series ids, `heads` their encoded labels."""

    columns: Columns
    times_ms: Times
    values: Values
    heads: Heads

    def __len__(self) -> int:
        return len(self.columns)

    def where(self, chosen: "NDArray[np.bool_] | slice") -> "Batch":
        """Some of the samples."""
        return Batch(self.columns[chosen], self.times_ms[chosen], self.values[chosen], self.heads[chosen])

    def part(self, shards: int, shard: int) -> "Batch":
        """The samples of the series that belong to one of so many shards."""
        return self if shards == 1 else self.where(self.columns % shards == shard)

    def since(self, at_ms: int) -> "Batch":
        """Only samples that are not older."""
        young = self.times_ms >= at_ms
        return self if young.all() else self.where(young)


EMPTY = Batch(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0), np.empty(0, np.object_))


def joined(batches: list[Batch]) -> Batch:
    """Batches one after the other."""
    if len(batches) < 2:
        return batches[0] if batches else EMPTY
    columns, times_ms, values, heads = zip(*batches, strict=True)
    return Batch(*(np.concatenate(arrays) for arrays in (columns, times_ms, values, heads)))


class RowQueue:
    """Rows that wait. `most_samples` bounds memory: at most 28 bytes each, 8 where rows share the rest."""

    def __init__(self, most_samples: int) -> None:
        self.most_samples = most_samples
        self.pending = 0
        self.dropped = 0
        self.newest_ms = 0
        self._rows: deque[Batch] = deque()

    def push(self, batch: Batch) -> None:
        """Add a row. The arrays are not changed by anyone any more."""
        if not len(batch):
            return
        self._rows.append(batch)
        self.pending += len(batch)
        self.newest_ms = max(self.newest_ms, int(batch.times_ms.max()))
        while self.pending > self.most_samples and len(self._rows) > 1:
            oldest = self._rows.popleft()
            self.pending -= len(oldest)
            self.dropped += len(oldest)

    def put_back(self, batch: Batch) -> None:
        """Undo a `take`."""
        if len(batch):
            self._rows.appendleft(batch)
            self.pending += len(batch)

    def take(self, most_samples: int) -> Batch:
        """Remove and give the oldest samples, at most so many."""
        taken: list[Batch] = []
        left = most_samples
        while left and self._rows:
            row = self._rows.popleft()
            if len(row) > left:
                self._rows.appendleft(row.where(slice(left, None)))
                row = row.where(slice(left))
            taken.append(row)
            left -= len(row)
        self.pending -= most_samples - left
        return joined(taken)


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
) -> int:
    """How many shards the next while should have.

    As Prometheus reckons it: enough for what comes in plus a twentieth of the backlog a second; within 30 % of what
    there is nothing changes, and who is more than ten seconds behind does not shrink. `out_rate` is samples sent a
    second while sending, by all shards together.
    """
    if out_rate <= 0:
        return now
    each = out_rate / now
    wanted = (in_rate * kept_ratio + 0.05 * backlog) / each
    if now * 0.7 <= wanted <= now * 1.3:
        return now
    shards = max(least, min(most, int(-(-wanted // 1))))
    return now if shards < now and behind_s > BEHIND_S else shards
