"""Labels: the immutable name of a series or target.

A label with an empty value is the same as no label (Prometheus' data model), so `Labels` drops it when
it is made. Where millions of series are kept, the store holds integer codes instead (`symbols`, `blocks`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import overload

from pyscrape.model.names import quoted

METRIC_NAME = "__name__"
BUCKET_LABEL = "le"
QUANTILE_LABEL = "quantile"


class Labels(Mapping[str, str]):
    """A sorted, hashable set of label pairs.

    >>> Labels({"job": "node", "__name__": "up", "zone": ""})
    {__name__="up", job="node"}
    """

    __slots__ = ("_hash", "_map", "pairs")

    pairs: tuple[tuple[str, str], ...]

    @overload
    def __init__(self, labels: Mapping[str, str]) -> None: ...
    @overload
    def __init__(self, labels: Iterable[tuple[str, str]] = ()) -> None: ...
    def __init__(self, labels: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        items = labels.items() if isinstance(labels, Mapping) else labels
        self.pairs = tuple(sorted([pair for pair in items if pair[1]]))
        self._map: dict[str, str] | None = None
        self._hash: int | None = None

    @property
    def mapping(self) -> Mapping[str, str]:
        """The labels as one plain dict, quicker to look into than this class; shared, so not to be changed."""
        if self._map is None:
            self._map = dict(self.pairs)
        return self._map

    def __getitem__(self, name: str) -> str:
        return self.mapping[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self.pairs)
        return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Labels):
            return self.pairs == other.pairs
        if isinstance(other, Mapping):
            return self.pairs == Labels(other).pairs
        return NotImplemented

    def __lt__(self, other: "Labels") -> bool:
        return self.pairs < other.pairs

    def __repr__(self) -> str:
        return format_labels(self)


def format_labels(labels: Mapping[str, str]) -> str:
    """Labels as Prometheus prints them in messages.

    >>> print(format_labels({"job": 'a"b', "__name__": "up", "bell": "\\a"}))
    {__name__="up", bell="\\a", job="a\\"b"}
    """
    return "{" + ", ".join(f"{name}={quoted(value)}" for name, value in sorted(labels.items())) + "}"
