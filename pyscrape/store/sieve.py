"""A sieve in front of a table of fingerprints: a bit says of most keys that they are not there.

What is new has to be looked for first, and a table that is half full needs several looks: a third of the time.
"""

import numpy as np

from pyscrape.store.fingerprints import Keys, Slots

_LEAST_BITS = 1024
_ROOM_BITS = 32
_BITS = np.array([1, 2, 4, 8, 16, 32, 64, 128], np.uint8)


class Sieve:
    """Which keys were surely not added.

    >>> sieve = Sieve(np.array([1 << 20 | 5, 6], np.uint64))
    >>> sieve.maybe(np.array([5, 7, 6], np.uint64)).tolist()
    [0, 2]
    """

    __slots__ = ("_bits", "_mask", "added")

    def __init__(self, keys: Keys) -> None:
        """A sieve for these keys and three times as many more."""
        room = _LEAST_BITS
        while room < _ROOM_BITS * len(keys):
            room *= 2
        self._mask = np.uint64(room - 1)
        self._bits = np.zeros(room // 8, np.uint8)
        self.added = 0
        """How many keys it was made for or told of; some may be gone."""
        self.add(keys)

    @property
    def nbytes(self) -> int:
        return self._bits.nbytes

    @property
    def full(self) -> bool:
        """Whether it lets so much through that a new one should be made."""
        return self.added * _ROOM_BITS > 4 * 8 * len(self._bits)

    def add(self, keys: Keys) -> None:
        bits = (keys & self._mask).view(np.int64)
        np.bitwise_or.at(self._bits, bits >> 3, _BITS[bits & 7])
        self.added += len(keys)

    def maybe(self, keys: Keys) -> Slots:
        """The places of keys that may have been added."""
        bits = (keys & self._mask).view(np.int64)
        places: Slots = (self._bits[bits >> 3] & _BITS[bits & 7]).nonzero()[0]
        return places
