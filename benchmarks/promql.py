"""The query engine alone: blocks from memory, so that neither the store's decoding nor HTTP is in the figures."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from benchmarks.runner import Row, cpu_s
from pyscrape.model.blocks import Block, LabelFrame, Newest, Room, Selection, newest_of, unlimited
from pyscrape.model.matcher import Matcher
from pyscrape.model.symbols import Symbols
from pyscrape.model.value import ABSENT_BITS
from pyscrape.promql import Engine

STEP_MS = 15_000
START_MS = 1_700_000_000_000


class Blocks:
    """One answer for every selector: `instances` tables of `columns` series, ragged or on one clock."""

    def __init__(self, instances: int, columns: int, rows: int, *, ragged: bool) -> None:
        random = np.random.default_rng(3)
        symbols = Symbols()
        names = tuple(map(symbols.code, ("__name__", "instance", "code", "n")))
        codes, blocks = [], []
        for instance in range(instances):
            for column in range(columns):
                texts = ("x_total", f"i{instance}", str(column % 5), str(column))
                codes.append([symbols.code(text) for text in texts])
            times = START_MS + STEP_MS * np.arange(rows) + (137 * instance % STEP_MS if ragged else 0)
            values = np.cumsum(random.random((rows, columns)), axis=0)
            if ragged:
                values.view(np.uint64)[random.random(values.shape) < 0.01] = ABSENT_BITS
            series = np.arange(instance * columns, (instance + 1) * columns)
            blocks.append(Block(series, times, values))
        self._selection = Selection(
            LabelFrame(names, np.array(codes, dtype=np.int32), symbols), tuple(blocks)
        )

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        room: Room = unlimited,
        *,
        ragged: bool = False,
    ) -> Selection:
        return self._selection

    def newest(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Newest:
        times, values, _ = newest_of(self._selection.blocks, len(self._selection.frame))
        return Newest(self._selection.frame, times, values)


QUERIES = (
    ("rate", "rate(x_total[5m])"),
    ("sum by rate", "sum by (code) (rate(x_total[5m]))"),
    ("instant selector", "x_total"),
    ("avg_over_time 10m", "avg_over_time(x_total[10m])"),
    ("quantile_over_time", "quantile_over_time(0.9, x_total[5m])"),
    ("topk", "topk(5, x_total)"),
    ("join", "x_total / on (instance, n) x_total"),
)


def measure(full: bool) -> list[Row]:
    """Nanoseconds per series and step; dense: 2 tables, ragged: 50 with their own clocks and 1 % gaps."""
    series, steps = (10_000, 240) if full else (1_000, 240)
    rows = []
    for kind, instances, ragged in (("dense", 2, False), ("ragged", 50, True)):
        engine = Engine(Blocks(instances, series // instances, steps + 60, ragged=ragged))
        end = (START_MS + STEP_MS * (steps + 60)) / 1000
        start = end - (steps - 1) * STEP_MS / 1000

        for name, query in QUERIES:
            expr = engine.parse(query)
            seconds = cpu_s(partial(engine.range, expr, start, end, 15))
            goal = "32" if query == "rate(x_total[5m])" and not ragged else ""
            rows.append(
                Row(f"{name}, {kind}", seconds / (series * steps) * 1e9, "ns a series and step", goal)
            )
    return rows
