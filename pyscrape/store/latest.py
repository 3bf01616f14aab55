"""The newest sample of every series, in two vectors by id, for questions about this moment.

`up` over ten thousand targets is ten thousand tables, and a look into each costs more than the answer. So every
append also writes its row here: a scatter of two vectors, about two nanoseconds a sample. What the vectors cannot
know (samples that were taken out or came from disk, a series of several tables, a moment in the past) the store
finds in the tables, which is the plain way.

One thread writes and takes no lock; readers look at `_version`, which is odd while a row is being written.
"""

import time

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import Times, Values
from pyscrape.model.value import ABSENT_BITS
from pyscrape.store.arrays import ById, Stretches

Ids = NDArray[np.int32]

NEVER = -(2**63)
_UNKNOWN = 2**63 - 1
"""Time of a series whose newest sample has to be looked for: later than any question."""
_TRIES = 20


class Latest:
    """Newest samples by id."""

    __slots__ = ("_times", "_values", "_version", "dropped_ms", "losses")

    def __init__(self) -> None:
        self._times = ById(np.int64)
        self._values = ById(np.float64)
        self._version = 0
        self.dropped_ms = NEVER
        """Nothing is known of samples until then: chunks that reached so far are gone."""
        self.losses = 0
        """Counts up when samples go, by whatever way: a sample that was seen is there until then."""

    @property
    def nbytes(self) -> int:
        return self._times.nbytes + self._values.nbytes

    def fit(self, capacity: int) -> None:
        """Make room for ids below `capacity`, and give back what is above it."""
        start = self._times.size
        if capacity == start:
            return
        self._version += 1
        if capacity > start:
            self._times.resize(capacity)
            self._values.resize(capacity)
            self._times.data[start:capacity] = NEVER
        else:
            self._times.cut(capacity)
            self._values.cut(capacity)
        self._version += 1

    def renew(self, ids: Ids) -> None:
        """Ids that go to new series, which have no sample yet."""
        self._times.data[ids] = NEVER

    def release(self, stretches: Stretches) -> None:
        """No series has these ids. Nobody asks for such, so what is read of them may change without a version."""
        for column in (self._times, self._values):
            column.release(stretches)

    def put(self, place: slice | NDArray[np.integer], at_ms: int, values: Values) -> None:
        """The newest samples of some series; see `Layout.place`."""
        if not isinstance(place, slice):
            place = place.astype(np.intp, copy=False)  # else numpy would do it for each vector, and slower
        self._version += 1
        self._values.data[place] = values
        self._times.data[place] = at_ms
        self._version += 1

    def put_late(self, ids: Ids, at_ms: int, values: Values) -> None:
        """Samples that may be older than others of their series."""
        newer = at_ms > self._times.data[ids]
        self.put(ids[newer], at_ms, values[newer])

    def drop(self, until_ms: int) -> None:
        """Chunks whose samples reached so far are gone."""
        self.losses += 1
        self.dropped_ms = max(self.dropped_ms, until_ms)

    def forget(self, ids: Ids) -> None:
        """Series without a sample."""
        self.losses += 1
        self._version += 1
        self._times.data[ids] = NEVER
        self._version += 1

    def doubt(self, ids: Ids) -> None:
        """Series of which older samples came or newer ones went."""
        self.losses += 1
        self._version += 1
        self._times.data[ids] = _UNKNOWN
        self._version += 1

    def of(self, ids: Ids, end_ms: int) -> tuple[Times, Values, NDArray[np.bool_]]:
        """(times, values, which of them are not known to be the newest until `end_ms`); NEVER: no sample."""
        for _ in range(_TRIES):
            version = self._version
            if version % 2 == 0:
                times, values = self._times.data[ids], self._values.data[ids]
                if self._version == version:
                    break
            time.sleep(0)
        else:
            times, values = np.full(len(ids), _UNKNOWN), np.zeros(len(ids))
        unsure = (times > end_ms) | (values.view(np.uint64) == np.uint64(ABSENT_BITS))
        unsure |= (times <= self.dropped_ms) & (times != NEVER)
        return times, values, unsure
