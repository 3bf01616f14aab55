"""Where the series are: the greatest metrics, labels and pairs, for `/api/v1/status/tsdb`."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from pyscrape.model.symbols import EMPTY, NAME
from pyscrape.store.store import Store

SLICE_SERIES = 50_000


def cardinality(store: Store, limit: int) -> Mapping[str, object]:
    """The API's object: head statistics and four lists of the `limit` greatest, each `{"name", "value"}`.

    Series are looked at in slices, so that a million of them need no more memory than some.
    """
    index = store.index
    ids = index.match(())
    pairs: dict[int, Counter[int]] = {}
    for start in range(0, len(ids), SLICE_SERIES):
        frame = index.frame(ids[start : start + SLICE_SERIES])
        for place, name in enumerate(frame.names):
            codes, counts = np.unique(frame.codes[:, place], return_counts=True)
            found = dict(zip(codes.tolist(), counts.tolist(), strict=True))
            found.pop(EMPTY, None)
            if found:
                pairs.setdefault(name, Counter()).update(found)
    text = index.symbols.text
    metrics = {text(code): count for code, count in pairs.get(NAME, Counter()).items()}
    by_pair = {f"{text(name)}={text(code)}": n for name, codes in pairs.items() for code, n in codes.items()}
    memory = {text(name): sum(len(text(code).encode()) for code in codes) for name, codes in pairs.items()}
    stats = store.stats()
    return {
        "headStats": {
            "numSeries": stats.series,
            "numLabelPairs": len(by_pair),
            "chunkCount": stats.chunks,
            "minTime": stats.min_ms or 0,
            "maxTime": stats.max_ms or 0,
        },
        "seriesCountByMetricName": _greatest(metrics, limit),
        "labelValueCountByLabelName": _greatest(
            {text(name): len(codes) for name, codes in pairs.items()}, limit
        ),
        "memoryInBytesByLabelName": _greatest(memory, limit),
        "seriesCountByLabelValuePair": _greatest(by_pair, limit),
    }


def _greatest(counts: Mapping[str, int], limit: int) -> list[dict[str, object]]:
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))[:limit]
    return [{"name": name, "value": count} for name, count in rows]
