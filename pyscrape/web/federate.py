"""`/federate`: the newest sample of every series that `match[]` chooses, in the text format.

Source: Prometheus' documentation "Federation". A series that ended is left out; external labels stand where the series
has no such label; an absent instance is written out empty, so that the scraping server does not put its own there.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

import numpy as np

from pyscrape.exposition.write import CONTENT_TYPE, Family, Sample, write_text
from pyscrape.model.blocks import Block, Selection
from pyscrape.model.labels import METRIC_NAME, Labels
from pyscrape.model.value import ABSENT_BITS, STALE_BITS
from pyscrape.web.answers import Answer, ApiError, text
from pyscrape.web.routes import Call, Mount
from pyscrape.web.series_api import matcher_sets
from pyscrape.web.services import Services


class Newest(NamedTuple):
    """A series and its newest sample."""

    labels: Labels
    at_ms: int
    value: float


def newest(selection: Selection) -> Iterator[Newest]:
    """The newest sample of every series that has not ended."""
    for block in selection.blocks:
        rows, alive = newest_rows(block)
        for column in np.flatnonzero(alive).tolist():
            row = int(rows[column])
            labels = selection.frame.labels(int(block.series[column]))
            yield Newest(labels, int(block.times_ms[row]), float(block.values[row, column]))


def newest_rows(
    block: Block,
) -> tuple["np.ndarray[tuple[int], np.dtype[np.intp]]", "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    """For each column the row of its newest sample, and whether there is one that is no marker."""
    bits = np.ascontiguousarray(block.values).view(np.uint64)
    there = bits != np.uint64(ABSENT_BITS)
    rows = len(bits) - 1 - there[::-1].argmax(axis=0)
    columns = np.arange(bits.shape[1])
    alive = there.any(axis=0) & (bits[rows, columns] != np.uint64(STALE_BITS))
    return rows, alive


def outside_labels(labels: Labels, external: Mapping[str, str]) -> dict[str, str]:
    """A series' labels as another server shall see them."""
    shown = {name: value for name, value in labels.items() if name != METRIC_NAME}
    shown |= {name: value for name, value in external.items() if name not in labels}
    shown.setdefault("instance", "")
    return shown


class FederateApi:
    def __init__(self, services: Services) -> None:
        self._services = services

    def mounts(self) -> list[Mount]:
        return [Mount("/federate", self.federate, place="thread")]

    def federate(self, call: Call) -> Answer:
        try:
            sets = matcher_sets(call.params)
        except ApiError as error:
            return text(error.message + "\n", 400)
        now_ms = round(self._services.now_s() * 1000)
        start_ms = now_ms - self._services.options.lookback_ms
        found: dict[Labels, Newest] = {}
        for matchers in sets:
            for one in newest(self._services.store.select(matchers, start_ms, now_ms)):
                found[one.labels] = one
        rows = sorted((one for one in found.values() if METRIC_NAME in one.labels), key=_by_name)
        external = self._services.external_labels()
        families = [
            Family(
                name, [Sample(outside_labels(one.labels, external), one.value, one.at_ms) for one in group]
            )
            for name, group in groupby(rows, key=_by_name)
        ]
        return Answer(write_text(families), 200, CONTENT_TYPE)


def _by_name(one: Newest) -> str:
    return one.labels[METRIC_NAME]
