"""What becomes of a page: read by the target's reader, bound to its series, appended, its metadata and exemplars kept.

Binding goes in steps between which other targets may be served; on a page like the last one there is
none, and everything is done at once.
"""

import logging
from collections.abc import Iterator

from pyscrape.exposition.page import PageReader, Row
from pyscrape.model.labels import Labels
from pyscrape.scrape.failure import ScrapeRefusedError
from pyscrape.scrape.interfaces import ExemplarSink
from pyscrape.scrape.metadata import MetadataCache
from pyscrape.scrape.report import Report
from pyscrape.scrape.series import NO_TIME, Accounting, TargetSeries
from pyscrape.scrape.stats import ScrapeStats

logger = logging.getLogger("pyscrape.scrape")

_LOST_TEXTS = (
    ("out_of_order", "Error on ingesting out-of-order samples"),
    ("duplicates", "Error on ingesting samples with different value but same timestamp"),
    ("out_of_bounds", "Error on ingesting samples that are too old or are too far into the future"),
)


class Intake:
    """Takes one target's pages. `name` is the target in log lines."""

    __slots__ = ("_exemplars", "_name", "_stats", "_warned", "metadata", "reader", "series")

    def __init__(
        self, name: str, series: TargetSeries, stats: ScrapeStats, exemplars: ExemplarSink | None
    ) -> None:
        self.series = series
        self.reader = PageReader()
        self.metadata = MetadataCache()
        self._name = name
        self._stats = stats
        self._exemplars = exemplars
        self._warned: tuple[str, ...] = ()

    def continued(self, name: str, *, keep_page: bool) -> "Intake":
        """The intake of a loop that goes on in this one's series; with `keep_page` it knows the last page too."""
        after = Intake(name, self.series, self._stats, self._exemplars)
        after.metadata = self.metadata
        if keep_page:
            after.reader = self.reader
        return after

    def append(self, row: Row, at_ms: int, report: Report) -> None:
        """Append a page whose layout is bound. Raises ScrapeRefusedError, with the report's counts filled in."""
        found = self.series.ingest(row, at_ms, report)
        if self._warned or found.duplicates or found.out_of_order or found.out_of_bounds:
            self._note_lost(found)
        self.metadata.update(row.metadata)
        if row.exemplars and self._exemplars is not None:
            self._keep_exemplars(self._exemplars, row, at_ms)
        self._stats.pyscrape_scrape_samples_total += report.kept
        self._stats.pyscrape_scrape_body_bytes_total += report.body_bytes

    def judge(self, report: Report) -> ScrapeRefusedError | None:
        """Take note of what a page that did not parse showed before its mistake, as Prometheus does.

        Gives the refusal of a series that came even before the mistake.
        """
        beginning = self.reader.take_beginning()
        return None if beginning is None else self.series.judge(beginning, report)

    def bind(self, row: Row) -> Iterator[None]:
        """Steps after which `append` takes the row."""
        return self.series.bind(row.layout)

    def _note_lost(self, found: Accounting) -> None:
        """Count samples that could not be stored; a line in the log when the kinds of them change."""
        stats = self._stats
        stats.prometheus_target_scrapes_sample_duplicate_timestamp_total += found.duplicates
        stats.prometheus_target_scrapes_sample_out_of_order_total += found.out_of_order
        stats.prometheus_target_scrapes_sample_out_of_bounds_total += found.out_of_bounds
        kinds = tuple(kind for kind, _ in _LOST_TEXTS if getattr(found, kind))
        if kinds != self._warned:
            for kind, text in _LOST_TEXTS:
                if kind in kinds:
                    logger.warning("%s: %s, num_dropped=%d", self._name, text, getattr(found, kind))
        self._warned = kinds

    def _keep_exemplars(self, sink: ExemplarSink, row: Row, at_ms: int) -> None:
        for sample, exemplar in row.exemplars:
            labels = self.series.stored_labels(sample)
            if labels is None:
                continue
            own_ms = exemplar.timestamp_ms
            if own_ms is None:
                timed = row.times_ms is not None and row.times_ms[sample] != NO_TIME
                own_ms = int(row.times_ms[sample]) if timed and row.times_ms is not None else at_ms
            kept = sink.add(
                Labels(labels), exemplar.labels, exemplar.value, own_ms, exemplar.timestamp_ms is not None
            )
            if not kept:
                self._stats.prometheus_target_scrapes_exemplar_out_of_order_total += 1
