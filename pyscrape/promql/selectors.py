"""Instant look-ups: for every step and series the newest sample that is not too old."""

import numpy as np

from pyscrape.model.blocks import LabelFrame, Newest, Values
from pyscrape.model.value import STALE_BITS
from pyscrape.promql.panels import Mask, Panel
from pyscrape.promql.ragged import RaggedPanel
from pyscrape.promql.values import Vector


def latest(panel: Panel | RaggedPanel) -> tuple[Values, Mask]:
    """The last sample of each lookback window, and where there is one; a staleness marker ends the series."""
    values = panel.at(panel.last())
    if panel.facts.whole:  # no markers
        return values, panel.spread(panel.counts > 0)
    fresh: Mask = values.view(np.uint64) != STALE_BITS
    fresh &= panel.counts > 0
    return values, fresh


def of_newest(newest: Newest, frame: LabelFrame) -> Vector:
    """What `latest` finds at one step, from the newest samples of the series; `frame` has their labels."""
    fresh: Mask = newest.values.view(np.uint64) != STALE_BITS
    values = newest.values[None, :]
    return Vector(frame, values, None if fresh.all() else fresh[None, :]).without_empty()


def times_of_latest(panel: Panel) -> tuple[Values, Mask]:
    """The times in seconds of what `latest` finds."""
    _, fresh = latest(panel)
    seconds = panel.wide(panel.times_ms[panel.last()]) / 1000.0
    return np.broadcast_to(seconds, panel.shape).copy(), fresh
