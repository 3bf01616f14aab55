"""Each series' labels in the form in which they are sent, made when a series first comes."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from pyscrape.relabel.engine import RelabelTimeout
from pyscrape.relabel.plans import Rules, compile_rules
from pyscrape.remote.rows import Columns, Row
from pyscrape.remote.settings import RemoteWriteConfig
from pyscrape.store.index import SeriesIndex

logger = logging.getLogger("pyscrape.remote")

DROPPED = None
"""In the place of a series that is not sent."""


class SeriesSource(Protocol):
    """Where ids come from: the store, or what an agent has in its place."""

    @property
    def index(self) -> SeriesIndex:
        """The labels of ids."""

    @property
    def epoch(self) -> int:
        """Counts up when ids may have been given to other series."""


class SeriesHeads:
    """Labels of series ids: external labels where absent, then the rules, then encoded."""

    def __init__(
        self,
        source: SeriesSource,
        config: RemoteWriteConfig,
        external: Mapping[str, str],
        encode: Callable[[Mapping[str, str]], Any],
    ) -> None:
        self._source = source
        self._external = dict(external)
        self._encode = encode
        rules = config.write_relabel_configs
        self._rules: Rules | None = compile_rules(rules, "utf8") if rules else None
        # Of targets whose rows change: the next row has most of the last one's series. Of all others a row is enough.
        self._heads: dict[int, Any] = {}
        self._seen = np.zeros(1024, np.bool_)
        self._changed = False
        # Rows by the identity of their columns, in two generations: what has not come for some rounds is forgotten.
        self._young: dict[int, Row] = {}
        self._old: dict[int, Row] = {}
        self._asked = 0
        self._epoch = source.epoch

    def row(self, columns: Columns) -> Row:
        """The columns that are sent, with their heads. Ids must be those of this moment."""
        if self._epoch != self._source.epoch:
            # Ids may have been given to other series.
            self._heads = {}
            self._seen[:] = False
            self._young, self._old = {}, {}
            self._epoch = self._source.epoch
        self._asked += 1
        if self._asked > 64 + 4 * len(self._young):
            self._young, self._old, self._asked = {}, self._young, 0
            if not self._changed:
                self._heads = {}
            self._changed = False
        key = id(columns)
        row = self._young.get(key) or self._old.get(key)
        if row is None or row.whole is not columns:
            row = self._make_row(columns)
        self._young[key] = row
        return row

    def _make_row(self, columns: Columns) -> Row:
        wanted = columns.tolist()
        new = sorted({column for column in wanted if column not in self._heads})
        made = self._heads if self._seen_before(columns) else {}
        if new:
            frame = self._source.index.frame(np.array(new, np.int32))
            for position, column in enumerate(new):
                made[column] = self._make(dict(frame.labels(position)))
        heads = [made[column] if column in made else self._heads[column] for column in wanted]
        if DROPPED not in heads:
            return Row(columns, None, columns, heads)
        chosen = np.array([head is not DROPPED for head in heads], np.bool_)
        return Row(columns, chosen, columns[chosen], [head for head in heads if head is not DROPPED])

    def _seen_before(self, columns: Columns) -> bool:
        """Whether some of the series were in another row."""
        most = int(columns.max(initial=0))
        if most >= len(self._seen):
            self._seen = np.concatenate((self._seen, np.zeros(2 * most - len(self._seen), np.bool_)))
        before = bool(self._seen[columns].any())
        self._seen[columns] = True
        self._changed |= before
        return before

    def _make(self, labels: dict[str, str]) -> Any:
        sent = self.sent(labels)
        return DROPPED if sent is None else self._encode(sent)

    def sent(self, labels: dict[str, str]) -> Mapping[str, str] | None:
        """The labels that a series is sent with; None for one that is not sent. `labels` is changed."""
        for name, value in self._external.items():
            labels.setdefault(name, value)
        if self._rules is not None:
            try:
                relabeled = self._rules.apply(labels)
            except RelabelTimeout as error:
                text = "A write relabel rule took too long; the series is not sent"
                logger.error(text, extra={"err": str(error)})
                return None
            labels = relabeled or {}
        return labels if any(labels.values()) else None
