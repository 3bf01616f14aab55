"""What becomes of the samples that are new with a page: their labels as they will be stored, dropped, or refused.

New series mostly have the names of others, so they are judged by name, all of a page at once. Where a rule or a limit
looks at each of them, or one is not ordinary, they are taken one by one, with the same result.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.page import Layout
from pyscrape.exposition.series import DuplicateLabelError
from pyscrape.model.label_columns import LabelColumns, by_names
from pyscrape.scrape.failure import ScrapeRefusedError
from pyscrape.scrape.samples import SampleRules

# Samples between two chances for other targets: about 5 ms.
_AT_ONCE = 512
_AT_ONCE_BY_NAME = 4096

Indices = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Births:
    """The new samples of a layout, as far as they were judged.

    `kept`: those that are stored, `labels` their labels by name (places in `kept`); `dropped`: those that relabeling
    drops. `refused`: why sample `refused_at` refuses the page.
    """

    kept: list[int] = field(default_factory=list)
    labels: list[LabelColumns] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    refused: ScrapeRefusedError | None = None
    refused_at: int = -1

    def judge(self, layout: Layout, samples: Indices, rules: SampleRules) -> Iterator[None]:
        """Steps after which all samples are judged, or one is refused."""
        step = _AT_ONCE if rules.one_by_one else _AT_ONCE_BY_NAME
        for begin in range(0, len(samples), step):
            if begin:
                yield
            some = samples[begin : begin + step]
            if rules.one_by_one or not self.judge_by_name(layout, some, rules):
                self.judge_one_by_one(layout, some, rules)
                if self.refused is not None:
                    return

    def judge_by_name(self, layout: Layout, samples: Indices, rules: SampleRules) -> bool:
        """All at once; False, and nothing done, where they have to be taken one by one."""
        exposed = layout.label_columns(samples)
        if exposed is None:
            return False
        stored: list[LabelColumns] = []
        for columns in exposed:
            made = rules.apply_by_name(columns)
            if made is None:
                return False
            stored.append(made)
        self._keep(samples.tolist(), stored)
        return True

    def judge_one_by_one(self, layout: Layout, samples: Indices, rules: SampleRules) -> None:
        """One by one until one is refused."""
        kept: list[int] = []
        labels: list[dict[str, str]] = []
        apply, label_of = rules.apply, layout.labels
        index = -1
        try:
            for index in samples.tolist():
                made = apply(label_of(index))
                if made is None:
                    self.dropped.append(index)
                else:
                    kept.append(index)
                    labels.append(made)
        except ScrapeRefusedError as error:
            self.refused, self.refused_at = error, index
        except DuplicateLabelError as error:
            self.refused, self.refused_at = ScrapeRefusedError("invalid_series", str(error)), index
        self._keep(kept, by_names(labels))

    def _keep(self, samples: list[int], labels: list[LabelColumns]) -> None:
        self.labels += moved_on(labels, len(self.kept))
        self.kept += samples


def moved_on(labels: list[LabelColumns], by: int) -> list[LabelColumns]:
    """The same label sets at later places."""
    if not by:
        return labels
    return [LabelColumns(names, values, [place + by for place in places]) for names, values, places in labels]
