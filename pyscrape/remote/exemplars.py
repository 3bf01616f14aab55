"""Exemplars that wait for the next sample of their series, with which they are sent; bounded, the oldest dropped."""

from collections.abc import Mapping

import numpy as np

from pyscrape.remote.encode import Exemplar
from pyscrape.remote.protocol import Waiting
from pyscrape.remote.rows import Columns


class ExemplarQueue:
    """By series id. At most `most` wait."""

    def __init__(self, most: int) -> None:
        self.pending = 0
        self.dropped = 0
        self._most = most
        self._waiting: dict[int, Waiting] = {}

    def push(self, column: int, labels: Mapping[str, str], exemplar: Exemplar) -> None:
        """Add one; `labels` are those that the series is sent with."""
        self._waiting.setdefault(column, Waiting(labels, [])).exemplars.append(exemplar)
        self.pending += 1
        while self.pending > self._most:
            oldest = self._waiting.pop(next(iter(self._waiting)))
            self.pending -= len(oldest.exemplars)
            self.dropped += len(oldest.exemplars)

    def inherit(self, other: "ExemplarQueue") -> None:
        """Take over what waits in another."""
        for column, waiting in other._waiting.items():
            for exemplar in waiting.exemplars:
                self.push(column, waiting.labels, exemplar)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self, columns: Columns) -> dict[int, Waiting]:
        """Remove and give those of some series."""
        known = np.fromiter(self._waiting, np.int32, len(self._waiting))
        found = {column: self._waiting.pop(column) for column in known[np.isin(known, columns)].tolist()}
        self.pending -= sum(len(waiting.exemplars) for waiting in found.values())
        return found
