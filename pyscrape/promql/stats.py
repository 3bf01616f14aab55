"""What a query cost: the API's `stats`, and per expression what `explain` shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pyscrape.model.blocks import LabelFrame, Times
from pyscrape.promql.ast import Node


@dataclass(slots=True)
class NodeStats:
    """One expression's share: how often it was computed, the most steps and series it gave, seconds with all that was
    computed for it, and without (`own_seconds`).

    Where a query runs `detailed`, also how many samples it gave (a range: those that its windows saw) and how many
    distinct values each label of its series has.
    """

    calls: int = 0
    steps: int = 0
    series: int = 0
    seconds: float = 0.0
    own_seconds: float = 0.0
    samples: int = 0
    label_values: Mapping[str, int] = field(default_factory=dict)

    def add(self, shape: tuple[int, ...], seconds: float, own_seconds: float) -> None:
        """Count one computation."""
        self.calls += 1
        self.steps = max(self.steps, shape[0])
        self.series = max(self.series, shape[1])
        self.seconds += seconds
        self.own_seconds += own_seconds

    def describe(self, frame: LabelFrame, samples: int) -> None:
        """Note the labels of a value and how many samples it has."""
        self.samples += samples
        if len(frame) < self.series:
            return  # of several computations the widest is told
        self.label_values = {
            frame.symbols.text(name): int(np.count_nonzero(np.unique(frame.codes[:, place])))
            for place, name in enumerate(frame.names)
        }


@dataclass(slots=True)
class QueryStats:
    """Counters of one query; times in seconds. `per_step` (samples seen by each step) only where asked for.

    `read_s` is the part of `eval_s` in which the store was asked.
    """

    detailed: bool = False

    steps: int = 0
    samples: int = 0
    peak_samples: int = 0
    series_read: int = 0
    queue_s: float = 0.0
    prepare_s: float = 0.0
    eval_s: float = 0.0
    read_s: float = 0.0
    sort_s: float = 0.0
    per_step: Times = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    nodes: dict[tuple[int, int, str], NodeStats] = field(default_factory=dict)

    @staticmethod
    def key(node: Node) -> tuple[int, int, str]:
        """Under what `nodes` has an expression: its place and kind, since equal expressions share a value."""
        return node.start, node.end, type(node).__name__

    def node(self, node: Node) -> NodeStats:
        """The counters of an expression."""
        return self.nodes.setdefault(self.key(node), NodeStats())

    def saw(self, per_step: Times | int) -> None:
        """Count samples that each step of the query looked at; a number: so many at every step."""
        if isinstance(per_step, int):
            self.samples += per_step * self.steps
        else:
            self.samples += int(per_step.sum())
        self.per_step += per_step

    def to_prometheus(self, times_ms: Times | None = None) -> dict[str, object]:
        """The API's `stats` object; with `times_ms` also the samples of each step."""
        samples: dict[str, object] = {
            "totalQueryableSamples": self.samples,
            "peakSamples": self.peak_samples,
        }
        if times_ms is not None:
            samples["totalQueryableSamplesPerStep"] = [
                [at / 1000, seen] for at, seen in zip(times_ms.tolist(), self.per_step.tolist(), strict=True)
            ]
        return {
            "timings": {
                "evalTotalTime": self.prepare_s + self.eval_s + self.sort_s,
                "resultSortTime": self.sort_s,
                "queryPreparationTime": self.prepare_s,
                "innerEvalTime": self.eval_s,
                "execQueueTime": self.queue_s,
                "execTotalTime": self.queue_s + self.prepare_s + self.eval_s + self.sort_s,
            },
            "samples": samples,
        }
