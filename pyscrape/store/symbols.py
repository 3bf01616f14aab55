"""The store's symbols: texts in blocks, a hash table from texts to codes, and in front of both what is at hand.

New series have label values that others had just before, and some that are new: a dict finds the first in one call,
and a sieve says of nearly all others that they are not in the table. What may be is looked for by its hash, and
compared. New texts are at hand until some thousands are put into blocks together; what else is at hand goes after some
minutes, or when there is too much of it.

A string is given back in two steps. First it is retired: new series that carry it get a new code, a query that still
holds the old code can still read it. Its memory goes in a second step, when no such query can be left.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.symbols import NAME
from pyscrape.store.arrays import ById, stretches_of
from pyscrape.store.fingerprints import MISSING, FingerprintTable, Keys
from pyscrape.store.sieve import Sieve
from pyscrape.store.texts import BLOCK, Texts

Codes = NDArray[np.int32]

_AT_HAND = 4096
_FEW = 64
_TOP = np.uint64(1 << 63)
_FIRST = ("", "__name__")
_LEAST_STRETCH = 4096
_OBJECT_BYTES = 150  # of a string that is at hand: itself, its code, its place in a dict


class StoreSymbols:
    """Every label name and value once, as a small integer; codes are never given to another string.

    Whoever gives out codes or retires them holds the index' lock; strings are read, and looked for, by any thread.
    """

    __slots__ = (
        "_at_hand",
        "_codes",
        "_fresh",
        "_hash",
        "_live",
        "_lock",
        "_lodgers",
        "_sieve",
        "_table",
        "_texts",
        "_told",
        "given",
    )

    def __init__(self, at_hand: int = _AT_HAND, hash_of: Callable[[str], int] = hash) -> None:
        """At most about `at_hand` strings of blocks are at hand, and twice as many new ones."""
        self._at_hand = at_hand
        self._hash = hash_of
        self._lock = threading.Lock()  # for all but a look into the two dicts
        self._texts = Texts()
        self._fresh = list(_FIRST)  # texts of the codes after those
        self._table = FingerprintTable()  # hash -> code, of texts in blocks
        self._sieve = Sieve(self._table.keys())
        self._lodgers = {text: code for code, text in enumerate(_FIRST)}  # at hand for good
        self._codes = dict(self._lodgers)  # at hand: code by text
        self._told = dict(enumerate(_FIRST))  # at hand: text by code
        self._live = ById(np.bool_)  # by code: whether it is found by its text
        self._live.extend(np.ones(len(_FIRST), np.bool_))
        self.given = len(_FIRST)
        """How many codes were ever given out; every code is smaller."""

    # --- strings to codes ---

    def codes(self, texts: Sequence[str]) -> list[int]:
        """The codes of many strings, new ones included; same order."""
        try:
            return list(map(self._codes.__getitem__, texts))
        except KeyError:
            with self._lock:
                self._bring(texts)
                return list(map(self._codes.__getitem__, texts))

    def code(self, text: str) -> int:
        """The code of a string, given out now if it is new."""
        code = self._codes.get(text)
        return self.codes([text])[0] if code is None else code

    def find(self, text: str) -> int | None:
        """The code of a string, None where it has none."""
        code = self._codes.get(text)
        if code is None:
            with self._lock:
                settled = self._settled([text])
                self._codes.update(settled)
            code = settled.get(text)
        return code

    def _bring(self, texts: Sequence[str]) -> None:
        """Have all of them at hand."""
        if len(self._fresh) >= max(BLOCK, self._at_hand):
            self._settle()
        if len(self._codes) > self._at_hand + len(self._fresh) + len(self._lodgers):
            self._let_go()
        known = self._codes
        new = [text for text in dict.fromkeys(texts) if text not in known]
        settled = self._settled(new)
        if settled:
            known.update(settled)
            new = [text for text in new if text not in settled]
        given, self.given = self.given, self.given + len(new)
        known.update(zip(new, range(given, self.given), strict=True))
        self._fresh += new
        self._live.resize(self.given)
        self._live.data[given : self.given] = True

    def _settled(self, texts: Sequence[str]) -> dict[str, int]:
        """The codes of those strings that stand in the table."""
        keys = self._keys(texts)
        places = self._sieve.maybe(keys)
        if not len(places):
            return {}
        maybe = list(map(texts.__getitem__, places.tolist()))
        if len(maybe) <= _FEW:
            codes = list(map(self._table.get, keys[places].tolist()))
        else:
            codes = self._table.find(keys[places])[0].tolist()
        return self._texts.those(maybe, codes)

    def _keys(self, texts: Sequence[str]) -> Keys:
        return np.fromiter(map(self._hash, texts), np.int64, len(texts)).view(np.uint64) | _TOP

    def _settle(self) -> None:
        """Put new texts into blocks and into the table, as far as they fill blocks."""
        count = len(self._fresh) // BLOCK * BLOCK
        if not count:
            return
        texts, self._fresh = self._fresh[:count], self._fresh[count:]
        codes = np.arange(self._texts.size, self._texts.size + count, dtype=np.int32)
        for begin in range(0, count, BLOCK):
            self._texts.append(texts[begin : begin + BLOCK])
        places = (self._live.data[codes] & (codes > NAME)).nonzero()[0]
        keys = self._keys(texts)[places]
        found, slots = self._table.find(keys)
        alone = found == MISSING
        ordered = np.sort(keys)
        if not (ordered[1:] != ordered[:-1]).all():
            first = np.unique(keys, return_index=True)[1]
            alone[np.setdiff1d(np.arange(len(keys)), first)] = False
        # Of strings with one hash the first stands in the table.
        for place in places[~alone].tolist():
            self._lodgers[texts[place]] = codes.item(place)
        self._table.insert(keys[alone], codes[places[alone]], slots[alone])
        self._sieve.add(keys)
        if self._sieve.full:
            self._sieve = Sieve(self._table.keys())

    # --- codes to strings ---

    def text(self, code: int) -> str:
        """The string behind a code.

        Raises:
            KeyError: it was given back.
        """
        text = self.known(code)
        if text is None:
            raise KeyError(f"symbol {code} was given back")
        return text

    def known(self, code: int) -> str | None:
        """The string behind a code, None where it was given back."""
        text = self._told.get(code)
        return self._read(code) if text is None else text

    def _read(self, code: int) -> str | None:
        with self._lock:
            [text] = self._some(np.array([code]))
            if not text and code:
                return None
            if len(self._told) > self._at_hand:
                self._told = dict(enumerate(_FIRST))
            self._told[code] = text
            return text

    def texts(self, codes: Sequence[int]) -> list[str]:
        """The strings of many codes; empty where they were given back."""
        if len(codes) <= self._at_hand:
            with suppress(KeyError):
                return list(map(self._told.__getitem__, codes))
        asked = np.array(codes, np.int32)
        if (asked[1:] > asked[:-1]).all():
            return self._remembered(asked)
        distinct, places = np.unique(asked, return_inverse=True)
        return list(map(self._remembered(distinct).__getitem__, places.tolist()))

    def _remembered(self, codes: Codes) -> list[str]:
        """`distinct_texts`, at hand from now on where they are not many."""
        texts = self.distinct_texts(codes)
        if _FEW < len(codes) <= self._at_hand // 2:
            with self._lock:
                if len(self._told) > self._at_hand:
                    self._told = dict(enumerate(_FIRST))
                self._told.update(
                    (code, text) for code, text in zip(codes.tolist(), texts, strict=True) if text
                )
        return texts

    def distinct_texts(self, codes: Codes) -> list[str]:
        """`texts` of codes that ascend."""
        if len(codes) <= _FEW:
            return [self.known(code) or "" for code in codes.tolist()]
        edges = np.searchsorted(codes, np.arange(0, self.given + BLOCK, BLOCK)).tolist()
        texts: list[str] = []
        for begin, end in pairwise(edges):
            if begin < end:
                with self._lock:
                    texts += self._some(codes[begin:end])
        return texts

    def there(self, codes: Codes) -> tuple[list[int], list[str]]:
        """Those of some codes, which ascend, that were not given back, and their strings."""
        texts = self.distinct_texts(codes)
        known = [place for place, text in enumerate(texts) if text or not codes[place]]
        return codes[known].tolist(), [texts[place] for place in known]

    def _some(self, codes: NDArray[np.integer]) -> list[str]:
        """The strings of codes of one block, or of those that are in none yet."""
        size = self._texts.size
        if int(codes[0]) < size:
            return self._texts.some(codes)
        fresh = self._fresh
        return [fresh[code] for code in (codes - size).tolist()]

    def lengths(self) -> NDArray[np.int64]:
        """How many characters the string of each code has; 0 where it was given back."""
        with self._lock:
            fresh = np.array([*map(len, self._fresh)], np.int64)
            return np.concatenate((self._texts.lengths(), fresh))

    # --- giving back ---

    @property
    def live(self) -> NDArray[np.bool_]:
        """By code, whether it is found by its string: it was not retired. Not a copy."""
        return self._live.view

    def retire(self, codes: Codes) -> Codes:
        """Stop finding these ascending codes by their string; returns those that were found until now."""
        codes = codes[self._live.data[codes] & (codes > NAME)]
        texts = self.distinct_texts(codes)
        with self._lock:
            self._table.remove(self._keys(texts), codes)
            gone = dict(zip(texts, codes.tolist(), strict=True))
            for known in (self._codes, self._lodgers):
                for text in known.keys() & gone.keys():
                    if known[text] == gone[text]:
                        del known[text]
            self._live.data[codes] = False
        return codes

    def forget(self, codes: Codes) -> None:
        """Drop the strings of retired codes."""
        with self._lock:
            codes = codes[~self._live.data[codes]]
            size = self._texts.size
            for code in codes.tolist():
                self._told.pop(code, None)
            for place in (codes[codes >= size] - size).tolist():
                self._fresh[place] = ""
            self._texts.drop(codes[codes < size])

    def tidy(self) -> None:
        """Let go of what was at hand, and of the room of what was forgotten."""
        with self._lock:
            self._settle()
            self._let_go()
            self._table.fit()
            if self._sieve.added > 2 * self._table.size + BLOCK:
                self._sieve = Sieve(self._table.keys())
            self._texts.release()
            self._live.release(stretches_of(~self._live.view, _LEAST_STRETCH))

    def _let_go(self) -> None:
        """Keep at hand only what must be."""
        first = self._texts.size
        live = self._live.data[first : self.given].tolist()
        codes = {text: first + k for k, text in enumerate(self._fresh) if live[k]}
        self._codes = {**self._lodgers, **codes}
        self._told = dict(enumerate(_FIRST))

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated for what is at hand."""
        settled = self._texts.nbytes + self._table.nbytes + self._sieve.nbytes + self._live.nbytes
        return settled + _OBJECT_BYTES * (len(self._codes) + len(self._told))
