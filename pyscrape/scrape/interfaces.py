"""What the scraper needs of the parts that are handed to it: a place for samples, and one for exemplars.

The store fulfils `TableStore`; tests use small fakes.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pyscrape.discovery.groups import TargetGroup
from pyscrape.model.label_columns import LabelColumns
from pyscrape.model.labels import Labels

Columns = NDArray[np.int32]
Values = NDArray[np.float64]
Times = NDArray[np.int64]


class Appended(Protocol):
    """What became of the samples of one append."""

    @property
    def out_of_order(self) -> int: ...
    @property
    def duplicates(self) -> int: ...


class SampleTable(Protocol):
    """The series of one target. Arrays that are handed over are never changed afterwards by either side."""

    def add_columns_by_name(self, labels: Sequence[LabelColumns], size: int) -> Columns:
        """A column per label set, by place: these are 0 to `size`, each once.

        Labels that already have a live column get that one again; those with an empty value do not count.
        """

    def append(self, at_ms: int, columns: Columns, values: Values, *, distinct: bool = False) -> Appended:
        """Samples of one moment. The same `columns` object means the same series as last time.

        `distinct`: no column stands twice, as the caller knows; else it is looked at.
        """

    def append_clocked(self, times_ms: Times, columns: Columns, values: Values) -> Appended:
        """Samples with their own timestamps."""

    def retire(self, columns: Columns) -> None:
        """These get no more samples; their labels may come back under another column."""

    def close(self) -> None:
        """The target is gone; its samples stay until retention takes them."""


class TableStore(Protocol):
    """Where tables come from."""

    def table(self, name: str) -> SampleTable: ...


class ExemplarSink(Protocol):
    """Where exemplars go."""

    def add(
        self, series: Labels, labels: Mapping[str, str], value: float, at_ms: int, has_time: bool
    ) -> bool:
        """Keep an exemplar; False when it is out of order."""


Groups = Mapping[str, Sequence[TargetGroup]]
