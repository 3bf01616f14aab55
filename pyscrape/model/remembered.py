"""What was made of label codes, remembered for as long as they stay the same.

A store gives a selector the same matrix of codes, which nobody may write, until a series comes or goes. What is made of
one (its groups, its JSON) is kept beside it; both stay in memory together, so that no other matrix can take its place.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import LabelFrame

T = TypeVar("T")
Integers = NDArray[np.signedinteger]


def _protect(result: object) -> None:
    """Nobody may write what is remembered."""
    for part in result if isinstance(result, tuple) else (result,):
        array = part.codes if isinstance(part, LabelFrame) else part
        if isinstance(array, np.ndarray):
            array.flags.writeable = False


class Remembered(Generic[T]):
    """At most so many results, for matrices of at most so many series; safe to share between threads."""

    def __init__(self, most: int, most_series: int) -> None:
        self._most = most
        self._most_series = most_series
        self._kept: dict[tuple[Hashable, ...], tuple[tuple[Integers, ...], T]] = {}

    def of(self, codes: tuple[Integers, ...], key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives for the codes, and `key` beside them: what it gave the last time, where they cannot have
        changed. It may depend on nothing else.
        """
        for one in codes:
            if one.flags.writeable or one.base is not None or len(one) > self._most_series:
                return make()
        place = (*map(id, codes), key)
        known = self._kept.get(place)
        if known is None:
            known = codes, make()
            _protect(known[1])
            if len(self._kept) >= self._most:
                self._kept.clear()
            self._kept[place] = known
        return known[1]
