"""A store of a few series in a dict, for tests of the engine alone; its blocks have the shapes that a store's have."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pyscrape.model.blocks import Block, LabelFrame, Newest, Room, Selection, newest_of, unlimited
from pyscrape.model.labels import Labels
from pyscrape.model.matcher import Matcher
from pyscrape.model.symbols import Symbols
from pyscrape.model.value import ABSENT

Samples = Mapping[int, float]


class MemoryStorage:
    """Series as dicts of time in ms -> value.

    `grouped` puts series that share a label's value on one time axis (holes are ABSENT), as a target's table does;
    None gives every series a block of its own.
    """

    def __init__(self, grouped: str | None = "job") -> None:
        self.symbols = Symbols()
        self.series: dict[Labels, dict[int, float]] = {}
        self._grouped = grouped

    def append(self, labels: Mapping[str, str], times_ms: Iterable[int], values: Iterable[float]) -> None:
        """Add samples to a series; a time given twice keeps the later value."""
        samples = self.series.setdefault(Labels(labels), {})
        samples.update(zip(map(int, times_ms), map(float, values), strict=True))

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        room: Room = unlimited,
        *,
        ragged: bool = False,
    ) -> Selection:
        """See promql.storage.Storage."""
        chosen = [
            (labels, {at: value for at, value in samples.items() if start_ms < at <= end_ms})
            for labels, samples in self.series.items()
            if all(m.matches(labels.get(m.name, "")) for m in matchers)
        ]
        chosen = [(labels, samples) for labels, samples in chosen if samples]
        room(sum(len(samples) for _, samples in chosen))
        code = self.symbols.code
        names = sorted({name for labels, _ in chosen for name in labels})
        codes = np.array(
            [[code(labels.get(name, "")) for name in names] for labels, _ in chosen], dtype=np.int32
        ).reshape(len(chosen), len(names))
        frame = LabelFrame(tuple(map(code, names)), codes, self.symbols)
        groups: dict[object, list[int]] = {}
        for row, (labels, _) in enumerate(chosen):
            groups.setdefault(row if self._grouped is None else labels.get(self._grouped), []).append(row)
        return Selection(
            frame, tuple(_block(rows, [chosen[row][1] for row in rows]) for rows in groups.values())
        )

    def newest(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Newest:
        """See promql.storage.Storage."""
        selection = self.select(matchers, start_ms, end_ms)
        times, values, found = newest_of(selection.blocks, len(selection.frame))
        assert found.all()
        return Newest(selection.frame, times, values)


def _block(rows: Sequence[int], samples: Sequence[Samples]) -> Block:
    times = sorted({at for one in samples for at in one})
    # filled as integers: a float array would quiet the signalling NaN of a staleness marker
    values = np.array([[one.get(at, ABSENT) for one in samples] for at in times], dtype=np.float64)
    return Block(np.array(rows, dtype=np.int64), np.array(times, dtype=np.int64), values)
