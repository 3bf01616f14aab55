"""Which metrics, labels and pairs make the most series: `/api/v1/status/tsdb`."""

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.symbols import NAME
from pyscrape.store.index import SeriesIndex
from pyscrape.store.shapes import FREE

Ranking = list[dict[str, object]]


def cardinality(index: SeriesIndex, limit: int) -> dict[str, Ranking]:
    """The `limit` largest of each kind, in the words of Prometheus' API."""
    with index.lock:
        given = index.symbols.given
        metrics = np.bincount(index.metric_codes(), minlength=given)
        metrics[0] = 0
        counts: dict[int, NDArray[np.int64]] = {NAME: metrics}
        for shape in index.shapes:
            used = shape.series.view != FREE
            for place, name in enumerate(shape.names):
                of_value = counts.get(name)
                if of_value is None:
                    of_value = counts[name] = np.zeros(given, np.int64)
                values = shape.values.view[place]
                of_value += np.bincount(values[used], minlength=given)
    text = index.symbols.known
    lengths = index.symbols.lengths()[:given]
    distinct = {name: int((found > 0).sum()) for name, found in counts.items()}
    size = {name: int((lengths * found).sum()) for name, found in counts.items()}
    pairs: list[tuple[str, int]] = []
    for name, found in counts.items():
        pairs += [(f"{text(name)}={text(code)}", int(found[code])) for code in _largest(found, limit)]
    return {
        "seriesCountByMetricName": _ranking(
            [(text(c) or "", int(metrics[c])) for c in _largest(metrics, limit)], limit
        ),
        "labelValueCountByLabelName": _ranking([(text(c) or "", n) for c, n in distinct.items()], limit),
        "memoryInBytesByLabelName": _ranking([(text(c) or "", n) for c, n in size.items()], limit),
        "seriesCountByLabelValuePair": _ranking(pairs, limit),
    }


def _largest(counts: NDArray[np.int64], limit: int) -> list[int]:
    """Places of the largest counts that are not zero."""
    places = np.flatnonzero(counts)
    if len(places) > limit:
        places = places[np.argpartition(counts[places], -limit)[-limit:]]
    largest: list[int] = places.tolist()
    return largest


def _ranking(rows: list[tuple[str, int]], limit: int) -> Ranking:
    rows = sorted((row for row in rows if row[1]), key=lambda row: (-row[1], row[0]))
    return [{"name": name, "value": value} for name, value in rows[:limit]]
