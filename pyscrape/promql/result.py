"""The answer to a query: raw matrices for who encodes fast, the API's shape for who wants values."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.blocks import LabelFrame, Times, Values
from pyscrape.promql.format import format_float, format_sample
from pyscrape.promql.panels import Mask
from pyscrape.promql.stats import QueryStats


class ResultType(Enum):
    """The API's resultType."""

    SCALAR = "scalar"
    STRING = "string"
    VECTOR = "vector"
    MATRIX = "matrix"


@dataclass(frozen=True, slots=True)
class SeriesSamples:
    """One series of a range vector: samples with their own times."""

    times_ms: Times
    values: Values


@dataclass(frozen=True, slots=True)
class Result:
    """What a query answered.

    VECTOR and MATRIX: `frame` has a label set per series, `times_ms` is [steps], `values` [steps x series] in C or
    Fortran order, `present` the same shape or None where every series has a value at every step; every series has
    at least one, and a matrix is sorted by labels. A range vector (an instant query for `x[5m]`) is a MATRIX whose
    `samples` hold each series' own times instead. SCALAR: `values` is [1 x 1]. STRING: `text`.
    Times are in ms since 1970. `warnings` and `infos` are what the API says beside the answer, as texts.
    """

    type: ResultType
    frame: LabelFrame
    times_ms: Times
    values: Values
    present: Mask | None = None
    samples: tuple[SeriesSamples, ...] | None = None
    text: str = ""
    warnings: list[str] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)
    stats: QueryStats = field(default_factory=QueryStats)

    def told(self, warnings: list[str], infos: list[str], stats: QueryStats) -> "Result":
        """The same answer with what is to be said about it."""
        return Result(
            self.type,
            self.frame,
            self.times_ms,
            self.values,
            self.present,
            self.samples,
            self.text,
            warnings,
            infos,
            stats,
        )

    def __len__(self) -> int:
        """How many series there are."""
        return len(self.frame)

    def series(self, index: int) -> SeriesSamples:
        """The samples of one series."""
        if self.samples is not None:
            return self.samples[index]
        column = self.values[:, index]
        if self.present is None:
            return SeriesSamples(self.times_ms, column)
        there = self.present[:, index]
        return SeriesSamples(self.times_ms[there], column[there])

    def limited(self, limit: int) -> "Result":
        """The first `limit` series, with the API's warning when some are left out; 0 means all."""
        if not limit or len(self) <= limit or self.type not in (ResultType.VECTOR, ResultType.MATRIX):
            return self
        return Result(
            self.type,
            LabelFrame(self.frame.names, self.frame.codes[:limit], self.frame.symbols),
            self.times_ms,
            self.values[:, :limit],
            None if self.present is None else self.present[:, :limit],
            None if self.samples is None else self.samples[:limit],
            self.text,
            [*self.warnings, "results truncated due to limit"],
            self.infos,
            self.stats,
        )

    def to_prometheus(self) -> dict[str, object]:
        """The API's `data`: {"resultType": ..., "result": ...}; values are strings, times seconds."""
        return {"resultType": self.type.value, "result": self._result()}

    def _result(self) -> list[object]:
        if self.type is ResultType.STRING:
            return [_seconds(self.times_ms)[0], self.text]
        if self.type is ResultType.SCALAR:
            return [_seconds(self.times_ms)[0], format_float(float(self.values[0, 0]))]
        if self.type is ResultType.VECTOR:
            at = _seconds(self.times_ms)[0]
            row = self.values[0].tolist()
            return [
                {"metric": dict(self.frame.labels(k)), "value": [at, format_sample(value)]}
                for k, value in enumerate(row)
            ]
        return [
            {"metric": dict(self.frame.labels(k)), "values": _points(self.series(k))}
            for k in range(len(self.frame))
        ]


def _points(samples: SeriesSamples) -> list[list[object]]:
    texts = map(format_sample, samples.values.tolist())
    return [[at, text] for at, text in zip(_seconds(samples.times_ms), texts, strict=True)]


def _seconds(times_ms: NDArray[np.int64]) -> list[float | int]:
    """Seconds with up to three decimals, whole ones as integers."""
    return [at // 1000 if at % 1000 == 0 else at / 1000 for at in times_ms.tolist()]
