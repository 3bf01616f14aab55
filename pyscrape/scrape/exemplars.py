"""Exemplars in a ring of bounded size, shared by all series: the newest push the oldest out."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyscrape.model.labels import Labels


@dataclass(frozen=True, slots=True)
class StoredExemplar:
    """One exemplar of a series; time in milliseconds."""

    series: Labels
    labels: Labels
    value: float
    at_ms: int


# Names and values of an exemplar's labels together, in characters, as OpenMetrics has it.
MAX_LABELS_LENGTH = 128


class ExemplarStore:
    """The last `limit` exemplars. An exemplar equal to its series' last one is skipped, an older one refused.

    One whose labels are longer than the format allows is passed over, too.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._ring: deque[StoredExemplar] = deque()
        self._last: dict[Labels, StoredExemplar] = {}
        self.limit = limit
        self.out_of_order = 0
        self.appended = 0

    def __len__(self) -> int:
        return len(self._ring)

    def add(
        self, series: Labels, labels: Mapping[str, str], value: float, at_ms: int, has_time: bool
    ) -> bool:
        """Keep an exemplar; False when it is out of order. Without a time of its own it must also have news."""
        if not self.limit:
            return True
        if sum(len(name) + len(text) for name, text in labels.items()) > MAX_LABELS_LENGTH:
            return True
        last = self._last.get(series)
        kept = Labels(labels)
        if last is not None:
            same = last.labels == kept and last.value == value
            if same and (not has_time or last.at_ms == at_ms):
                return True
            if at_ms < last.at_ms or (at_ms == last.at_ms and value == last.value):
                self.out_of_order += 1
                return False
        exemplar = StoredExemplar(series, kept, value, at_ms)
        if len(self._ring) >= self.limit:
            oldest = self._ring.popleft()
            if self._last.get(oldest.series) is oldest:
                del self._last[oldest.series]
        self._ring.append(exemplar)
        self._last[series] = exemplar
        self.appended += 1
        return True

    def all(self) -> Iterable[StoredExemplar]:
        """Every exemplar, in the order in which they came."""
        return tuple(self._ring)
