"""A hash table from 64-bit fingerprints to series ids, held in two arrays and used for many keys at once.

A Python dict would cost about 140 bytes a series; this costs 12 bytes a slot at a load of at most two thirds.
Open addressing, linear probing; key 0 is an empty slot, 1 a removed one.
"""

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Ids = NDArray[np.int32]
Slots = NDArray[np.intp]

_EMPTY = np.uint64(0)
_REMOVED = np.uint64(1)
_FIRST = 1024
MISSING = -1
_MISSING = np.int32(MISSING)
_WINDOW = 16
"""Slots that are looked at together: of a table two thirds full, one key in thirty is in none of as many."""
_AT_ONCE = 2048
_FEW = 12
"""Keys that are placed one by one: a pass of numpy costs as much as that many steps."""


class FingerprintTable:
    """fingerprint -> series id; keys must be greater than 1."""

    __slots__ = ("_ids", "_keys", "_used", "size")

    def __init__(self) -> None:
        self._keys = np.zeros(_FIRST, np.uint64)
        self._ids = np.zeros(_FIRST, np.int32)
        self._used = 0  # slots that are not empty, removed ones included
        self.size = 0

    @property
    def nbytes(self) -> int:
        return self._keys.nbytes + self._ids.nbytes

    def find(self, keys: Keys) -> tuple[Ids, Slots]:
        """The id of every key, MISSING where there is none; and the slot where it is, or may be inserted."""
        if len(keys) <= _AT_ONCE:
            return self._find(keys)
        parts = [self._find(keys[at : at + _AT_ONCE]) for at in range(0, len(keys), _AT_ONCE)]
        return np.concatenate([ids for ids, _ in parts]), np.concatenate([slots for _, slots in parts])

    def _find(self, keys: Keys) -> tuple[Ids, Slots]:
        table, mask = self._keys, len(self._keys) - 1
        wanted = (keys & np.uint64(mask)).astype(np.intp)
        # Where a key probably is, copied as one item: a dozen passes fewer than a step at a time, half the time.
        starts = np.minimum(wanted, len(table) - _WINDOW)
        items: NDArray[np.void] = np.ndarray(
            (len(table) - _WINDOW + 1,), f"V{_WINDOW * 8}", table, strides=(8,)
        )
        windows = items[starts].view(np.uint64).reshape(-1, _WINDOW)
        ends = windows == keys[:, None]
        ends |= windows == _EMPTY
        slots = starts + ends.argmax(axis=1)
        there = table[slots]
        known = there == keys
        far = (there != _EMPTY) > known
        far |= starts != wanted
        for place in far.nonzero()[0].tolist():
            key, slot = keys.item(place), wanted.item(place)
            while (seen := table.item(slot)) != key and seen:
                slot = (slot + 1) & mask
            slots[place], known[place] = slot, seen == key
        ids = np.full(len(keys), _MISSING)
        if known.any():
            ids[known] = self._ids[slots[known]]
        return ids, slots

    def get(self, key: int) -> int:
        """`find` for one key, without the slot."""
        mask = len(self._keys) - 1
        slot = key & mask
        while (seen := self._keys.item(slot)) != key:
            if not seen:
                return MISSING
            slot = (slot + 1) & mask
        return self._ids.item(slot)

    def insert(self, keys: Keys, ids: Ids, slots: Slots) -> None:
        """Add keys that are distinct and not in the table; `slots` is what `find` has just said of them."""
        if (self._used + len(keys)) * 3 > len(self._keys) * 2:
            self._rebuild(self.size + len(keys))
            self._place(keys, ids, (keys & np.uint64(len(self._keys) - 1)).astype(np.intp))
            return
        # These slots are empty. Where several keys want one, the last that is written has it in both vectors.
        self._keys[slots] = keys
        self._ids[slots] = ids
        lost = (self._keys[slots] != keys).nonzero()[0]
        self.size += len(keys) - len(lost)
        self._used += len(keys) - len(lost)
        if len(lost):
            self._place(keys[lost], ids[lost], slots[lost])

    def _place(self, keys: Keys, ids: Ids, slots: Slots) -> None:
        mask = len(self._keys) - 1
        self.size += len(keys)
        self._used += len(keys)
        while len(keys) > _FEW:
            # several keys may want one empty slot: all write, the one that is read back has it
            free = self._keys[slots] == _EMPTY
            self._keys[slots[free]] = keys[free]
            placed = free & (self._keys[slots] == keys)
            self._ids[slots[placed]] = ids[placed]
            keys, ids = keys[~placed], ids[~placed]
            slots = (slots[~placed] + 1) & mask
        for key, one, slot in zip(keys.tolist(), ids.tolist(), slots.tolist(), strict=True):
            while self._keys.item(slot):
                slot = (slot + 1) & mask
            self._keys[slot], self._ids[slot] = key, one

    def remove(self, keys: Keys, ids: Ids) -> None:
        """Take out entries; those that are not there are left alone."""
        mask = len(self._keys) - 1
        slots = (keys & np.uint64(mask)).astype(np.intp)
        while len(keys):
            there = self._keys[slots]
            hit = (there == keys) & (self._ids[slots] == ids)
            self._keys[slots[hit]] = _REMOVED
            self.size -= int(hit.sum())
            on = ~hit & (there != _EMPTY)
            keys, ids = keys[on], ids[on]
            slots = (slots[on] + 1) & mask

    def keys(self) -> Keys:
        """Those that are in the table, in no order."""
        return self._keys[self._keys > _REMOVED]

    def fit(self) -> None:
        """Give back room when hardly any is used."""
        if self.size * 4 < len(self._keys) and len(self._keys) > _FIRST:
            self._rebuild(self.size)

    def _rebuild(self, wanted: int) -> None:
        keys, ids = self._keys, self._ids
        kept = keys > _REMOVED
        keys, ids = keys[kept], ids[kept]
        room = _FIRST
        while room * 2 < wanted * 4:  # at most half full after growing
            room *= 2
        self._keys = np.zeros(room, np.uint64)
        self._ids = np.zeros(room, np.int32)
        self._used = self.size = 0
        self._place(keys, ids, (keys & np.uint64(room - 1)).astype(np.intp))
