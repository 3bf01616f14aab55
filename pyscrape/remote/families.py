"""Metadata by metric name, for a protocol that sends it with each series: what all pages say, read now and then."""

from collections.abc import Callable, Iterable

from pyscrape.remote.encode import Metadata
from pyscrape.remote.encode2 import families_of

EVERY_S = 60.0
SOONEST_S = 5.0
"""A name that was never asked for makes it read again, but not sooner than that."""


class FamilyBook:
    """The metadata of every family, found by the names of its series. `clock` gives seconds."""

    def __init__(self, read: Callable[[], Iterable[Metadata]], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._families: dict[str, Metadata] = {}
        self._names: dict[str, Metadata | None] = {}
        self._read_s = float("-inf")

    def of(self, name: str) -> Metadata | None:
        """What is known of the metric `name`."""
        age_s = self._clock() - self._read_s
        if age_s >= EVERY_S or (name not in self._names and age_s >= SOONEST_S):
            self._families = {one.family: one for one in self._read()}
            self._names.clear()
            self._read_s = self._clock()
        if name not in self._names:
            known = self._families
            self._names[name] = next((known[f] for f in families_of(name) if f in known), None)
        return self._names[name]
