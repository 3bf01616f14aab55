"""Label sets as codes, and the number by which they are looked up.

A group of label sets with the same names is a matrix of integers from here on. Its keys are sums of code times a factor
of the label's name, so that they need no order and no shape, and take a fixed number of numpy calls.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.shapes import Shape

Codes = NDArray[np.int32]
Keys = NDArray[np.uint64]
Places = NDArray[np.intp]

_SHIFT = np.uint64(32)
_TOP = np.uint64(1 << 63)


class Coded(NamedTuple):
    """Label sets of one shape. `codes`: [1 + names x label sets], the metric name's (0 where there is none) first."""

    shape: Shape
    codes: Codes
    places: Places

    def some(self, chosen: NDArray[np.bool_]) -> "Coded":
        """Those of the label sets that are `chosen`."""
        return Coded(self.shape, self.codes[:, chosen], self.places[chosen])


def keys_of(shape: Shape, codes: Codes) -> Keys:
    """The keys of label sets: equal for equal ones, hardly ever for others; 2 or more."""
    keys: Keys = shape.factors.dot(codes.astype(np.uint64))
    # The factors scatter the high bits; a table looks at the low ones. More mixing would spread them no better.
    keys ^= keys >> _SHIFT
    keys |= _TOP
    return keys


def keys_of_all(groups: Sequence[Coded], size: int) -> Keys:
    """The keys of all label sets, by place."""
    if len(groups) == 1:
        return keys_of(groups[0].shape, groups[0].codes)
    keys = np.empty(size, np.uint64)
    for group in groups:
        keys[group.places] = keys_of(group.shape, group.codes)
    return keys
