"""The series of one target: pages in, rows of its table out, and a staleness marker for whatever ends.

A page whose layout is the last one's costs no work per sample here: the column numbers are the same array object as
last time and the values are one copy. When the layout changes, only samples that are new to it get labels (a
`Binding` remembers the column of every sample); they may be bound in slices, so that a first page of 200,000 series
does not hold up other targets.

A scrape that is refused changes nothing but the markers: what was there ends, the page is forgotten or, when only a
limit refused it, kept as already judged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyscrape.exposition.page import Layout, Row
from pyscrape.model.value import STALE_BITS
from pyscrape.scrape.births import Births, moved_on
from pyscrape.scrape.columns import firsts, members, without
from pyscrape.scrape.failure import ScrapeRefusedError
from pyscrape.scrape.interfaces import Columns, SampleTable, Times, Values
from pyscrape.scrape.report import Report, report_labels, write_report
from pyscrape.scrape.samples import SampleRules

UNBOUND = -2
DROPPED = -1
NO_TIME = np.iinfo(np.int64).min
# How far in the future a sample's own timestamp may lie.
MAX_AHEAD_MS = 600_000
_MOST_GONE = 1000

Indices = NDArray[np.int64]
_NO_COLUMNS: Columns = np.empty(0, np.int32)
# Not an empty view: that would keep what it is a view of, 8 bytes a series.
_NOT_BORN: Indices = np.empty(0, np.int64)


@dataclass(slots=True, eq=False)
class Shape:
    """The columns of a row: some samples', then the report's.

    `visible`: which report values the row has, None = all. A page that shows a series of the report's own name and
    labels came first and hides it.
    """

    samples: Columns
    row: Columns
    visible: Indices | None


@dataclass(slots=True, eq=False)
class Binding:
    """What a layout's samples mean in the table.

    `column_of`: per sample its column, DROPPED or UNBOUND. `first`: the samples that are stored when none carries a
    time of its own, None = all; the first of equal series wins. `kept`: how many samples relabeling left; `born`:
    which samples are new with this layout and not yet counted.
    """

    layout: Layout
    column_of: Columns
    first: Indices | None
    shape: Shape
    kept: int
    born: Indices
    complete: bool = True
    refused: ScrapeRefusedError | None = None
    refused_at: int = -1
    succession: "Succession | None" = None


@dataclass(slots=True, eq=False)
class Succession:
    """What the change of a layout says of the row before, if that had these very columns: which are on no page now."""

    before: Columns
    ended: Columns


@dataclass(slots=True, eq=False)
class Split:
    """A binding's samples by whether they carry a timestamp; valid while the same ones do."""

    clocked: NDArray[np.bool_]
    plain: Indices
    shape: Shape
    timed: Indices
    timed_columns: Columns
    stored: Indices
    all_columns: Columns
    duplicates: int


@dataclass(slots=True)
class Accounting:
    """Samples of a page that were not stored, by reason."""

    duplicates: int = 0
    out_of_order: int = 0
    out_of_bounds: int = 0


@dataclass(frozen=True, slots=True)
class SeriesOptions:
    """How a job wants its samples treated; 0 = no limit."""

    honor_timestamps: bool = True
    track_timestamps_staleness: bool = False
    sample_limit: int = 0
    timeout_s: float = 10.0
    extra_report: bool = False


class TargetSeries:
    """One target's series in its table. Not to be used by two scrapes at once."""

    __slots__ = (
        "_binding",
        "_judged",
        "_left",
        "_present",
        "_report_columns",
        "_seen",
        "_split",
        "_target",
        "options",
        "rules",
        "table",
    )

    def __init__(
        self, table: SampleTable, target: Mapping[str, str], rules: SampleRules, options: SeriesOptions
    ) -> None:
        self.table = table
        self.rules = rules
        self.options = options
        self._target = target
        self._binding: Binding | None = None
        self._split: Split | None = None
        # The columns that the last row ended with a sample in: those that a missing page ends. In the ordinary
        # case the very array of the binding, so that "nothing ended" is one comparison of objects.
        self._present: Columns = _NO_COLUMNS
        # Columns of pages that are bound no more which were not all in the last row: nothing else would give them back.
        self._left: Columns = _NO_COLUMNS
        # What a refused page had shown until it was refused: the columns of series that were there before, and the
        # texts of new ones, which count as added only once.
        self._seen: Columns = _NO_COLUMNS
        self._judged: set[bytes] = set()
        # Made by the first scrape: a target that is never scraped costs the store nothing, and 20,000 targets
        # that are found at once cost it nothing at once.
        self._report_columns: Columns | None = None

    @property
    def _report(self) -> Columns:
        """The columns of the report series."""
        if self._report_columns is None:
            report = report_labels(self._target, self.options.extra_report)
            self._report_columns = self.table.add_columns_by_name([report], len(report.places))
        return self._report_columns

    @property
    def live(self) -> int:
        """How many series the last row held, report series aside."""
        return len(self._present)

    @property
    def columns(self) -> Columns:
        """The columns that would end now, report series included."""
        if self._report_columns is None:
            return self._present
        return np.concatenate((self._present, without(self._report_columns, self._present)))

    def rebase(self, rules: SampleRules, options: SeriesOptions, *, forget_page: bool) -> None:
        """Go on under changed settings. With `forget_page` every series is judged anew at the next page.

        Series that the new rules no longer give end with the first page that lacks them.
        """
        self.rules = rules
        before = self._report_columns
        changed = options.extra_report != self.options.extra_report
        self.options = options
        if changed and before is not None:
            self._report_columns = None
            self._present = np.concatenate((self._present, without(before, self._report)))
            forget_page = True
        if forget_page:
            self._unbind()
        elif self._binding is not None and self._binding.refused is not None:
            self._binding.refused, self._binding.complete = None, False
            self._binding.born = _NOT_BORN

    # A page's samples to columns.

    def bound(self, layout: Layout) -> bool:
        """Whether pages of this layout may be given to `ingest` at once."""
        known = self._binding
        return known is not None and known.layout is layout and (known.complete or known.refused is not None)

    def bind(self, layout: Layout) -> Iterator[None]:
        """Steps after which `ingest` takes pages of this layout; no step is long.

        A layout that cannot be taken is remembered with its reason, which `ingest` raises.
        """
        if self.bound(layout):
            return
        known = self._binding
        same = known is not None and known.layout is layout
        column_of = known.column_of if known is not None and same else carried_over(known, layout)
        # Until this is done no page is bound: a caller that stops in between starts anew with the next page.
        self._unbind()
        births = Births()
        yield from births.judge(layout, (column_of == UNBOUND).nonzero()[0], self.rules)
        if births.dropped:
            column_of[births.dropped] = DROPPED
        born_at = np.array(births.kept, np.int64)
        born = self._births(layout, born_at)
        if births.refused is not None:
            at = births.refused_at
            kept = int(np.count_nonzero(column_of[:at] >= 0)) + len(births.kept)
            self._note_judged(layout, born)
            none = Shape(_NO_COLUMNS, _NO_COLUMNS, None)
            self._binding = Binding(layout, column_of, None, none, kept, born, False, births.refused, at)
            return
        self._judged = set()
        if births.kept:
            column_of[born_at] = self._add_columns(births)
        kept, first, shape = shape_of(column_of, self._report)
        binding = Binding(layout, column_of, first, shape, kept, born)
        if known is not None and first is None and not same:
            binding.succession = succession(known, layout, column_of[born_at])
        self._binding = binding

    def _unbind(self) -> None:
        """Forget the bound page. What ends after a row that held all of it is in `_present`; the rest is noted."""
        binding = self._binding
        if binding is not None and not (binding.complete and binding.shape.samples is self._present):
            self._left = np.union1d(self._left, kept_columns(binding))
        self._binding = self._split = None

    def _births(self, layout: Layout, born: Indices) -> Indices:
        """Which of the samples that were bound now count as added."""
        if len(layout.repeats):
            born = np.setdiff1d(born, layout.repeats, assume_unique=True)
        if self._judged:
            born = born[[layout.text(index) not in self._judged for index in born.tolist()]]
        return born

    def _add_columns(self, births: Births) -> Columns:
        """Columns of new series; the report's own are made with the first of them, which costs less than alone."""
        size = len(births.kept)
        if self._report_columns is not None:
            return self.table.add_columns_by_name(births.labels, size)
        report = report_labels(self._target, self.options.extra_report)
        labels = [*births.labels, *moved_on([report], size)]
        columns = self.table.add_columns_by_name(labels, size + len(report.places))
        self._report_columns = columns[size:]
        return columns[:size]

    # Rows.

    def ingest(self, row: Row, at_ms: int, report: Report) -> Accounting:
        """Append a bound page and the report as one row at `at_ms`, filling in the report's counts.

        Raises ScrapeRefusedError (counts filled in all the same) where a limit or a series refuses the page; nothing is
        appended then.
        """
        binding = self._binding
        assert binding is not None and binding.layout is row.layout, "bind comes before ingest"
        if binding.refused is not None:
            report.scraped, report.kept = binding.refused_at + 1, binding.kept
            report.added, binding.born = len(binding.born), _NOT_BORN
            self._seen = binding.column_of[: binding.refused_at]
            raise binding.refused
        report.scraped, report.kept = binding.layout.size, binding.kept
        if row.times_ms is not None and self.options.honor_timestamps:
            clocked = row.times_ms != NO_TIME
            if clocked.any():
                return self._ingest_clocked(binding, row, row.times_ms, clocked, at_ms, report)
        shape = binding.shape
        self._check_limit(binding, binding.first, len(shape.samples), report)
        report.added, binding.born = len(binding.born), _NOT_BORN
        values = row.values if binding.first is None else row.values[binding.first]
        found = self._append_row(binding, shape, shape.samples, values, at_ms, report)
        found.duplicates += binding.kept - len(shape.samples)
        return found

    def _check_limit(self, binding: Binding, stored: Indices | None, size: int, report: Report) -> None:
        limit = self.options.sample_limit
        if limit and size > limit:
            within = np.arange(limit) if stored is None else stored[:limit]
            report.added = int(np.isin(binding.born, within).sum())
            self._seen = binding.column_of[within]
            binding.born = _NOT_BORN
            raise ScrapeRefusedError("limit", "sample limit exceeded")

    def _append_row(
        self, binding: Binding, shape: Shape, present: Columns, values: Values, at_ms: int, report: Report
    ) -> Accounting:
        """One row: samples, report, and markers for what was present and is not in `present`."""
        follows = binding.succession if present is binding.shape.samples else None
        distinct = True
        if present is self._present:
            ended = gone = _NO_COLUMNS
        elif follows is not None and follows.before is self._present:
            ended = gone = follows.ended
        else:
            # A page that no longer shows a series of the report's own name gives it back to the report.
            ended = without(without(self._present, present), self._report)
            gone = without(ended, kept_columns(binding))
            distinct = not len(ended)
        size, columns = len(shape.samples), shape.row
        whole = np.empty(len(columns) + len(ended), np.float64)
        whole[:size] = values
        self._write_report(whole[size : len(columns)], shape, report)
        if len(ended):
            whole[len(columns) :] = stale_values(len(ended))
            columns = np.concatenate((columns, ended))
        appended = self.table.append(at_ms, columns, whole, distinct=distinct)
        self._present = present
        if len(self._left):
            self._give_back(gone)
        elif len(gone):
            self.table.retire(gone)
        return Accounting(appended.duplicates, appended.out_of_order)

    def _give_back(self, ended: Columns) -> None:
        """Retire what has ended, once its markers are appended; what the bound page has keeps its columns."""
        if len(self._left):
            ended, self._left = np.union1d(ended, self._left), _NO_COLUMNS
        if not len(ended):
            return
        if self._binding is not None:
            ended = without(ended, kept_columns(self._binding))
        ended = without(without(ended, self._present), self._report)
        if len(ended):
            self.table.retire(ended)

    def _write_report(self, into: Values, shape: Shape, report: Report) -> None:
        if shape.visible is None:
            write_report(into, report, self.options.timeout_s, self.options.sample_limit)
            return
        values = np.empty(len(self._report), np.float64)
        write_report(values, report, self.options.timeout_s, self.options.sample_limit)
        into[:] = values[shape.visible]

    def _ingest_clocked(
        self,
        binding: Binding,
        row: Row,
        times: Times,
        clocked: NDArray[np.bool_],
        at_ms: int,
        report: Report,
    ) -> Accounting:
        """A page of which some lines carry their own timestamps: those are appended at these."""
        split = self._split
        if split is None or not np.array_equal(split.clocked, clocked):
            split = self._split = make_split(binding, clocked, self._report)
        timed, columns = split.timed, split.timed_columns
        stored = split.stored
        self._check_limit(binding, stored, len(stored), report)
        own_times = times[timed]
        late = own_times > at_ms + MAX_AHEAD_MS
        out_of_bounds = int(np.count_nonzero(late))
        report.added, born = len(binding.born), binding.born
        if out_of_bounds:
            report.added -= int(np.isin(born, timed[late]).sum())
            own_times, timed, columns = own_times[~late], timed[~late], columns[~late]
        binding.born = _NOT_BORN
        found = Accounting(split.duplicates, 0, out_of_bounds)
        present = split.all_columns if self.options.track_timestamps_staleness else split.shape.samples
        # Before the row: a series that had no time of its own until now gets its marker at the scrape's time.
        if len(timed):
            appended = self.table.append_clocked(own_times, columns, row.values[timed])
            found.out_of_order += appended.out_of_order
            found.duplicates += appended.duplicates
        rest = self._append_row(binding, split.shape, present, row.values[split.plain], at_ms, report)
        found.out_of_order += rest.out_of_order
        found.duplicates += rest.duplicates
        return found

    def judge(self, layout: Layout, report: Report) -> ScrapeRefusedError | None:
        """Take note of the series that a page showed before the mistake that made it unreadable.

        `append_refused` is to follow. Gives the refusal of a series that came even before the mistake.
        """
        texts = layout.texts()
        known = self._binding
        there = (
            {} if known is None else dict(zip(known.layout.texts(), known.column_of.tolist(), strict=True))
        )
        column_of = np.array([there.get(text, UNBOUND) for text in texts], np.int32)
        births = Births()
        births.judge_one_by_one(layout, (column_of == UNBOUND).nonzero()[0], self.rules)
        refused = births.refused
        end = layout.size if refused is None else births.refused_at
        bound = np.array(births.kept, np.int64)
        kept = np.union1d((column_of[:end] >= 0).nonzero()[0], bound)
        limit = self.options.sample_limit
        within = kept[:limit] if limit else kept
        born = np.intersect1d(self._births(layout, bound), within)
        report.scraped, report.kept = end + (refused is not None), len(kept)
        report.added = len(born)
        self._note_judged(layout, born)
        self._seen = column_of[within]
        return refused

    def _note_judged(self, layout: Layout, born: Indices) -> None:
        """Remember series that counted as added on a page that is refused."""
        if len(self._judged) > 2 * layout.size + _MOST_GONE:
            # Pages that are refused for ever would make it grow with all that ever was on them.
            self._judged.intersection_update(layout.texts())
        self._judged.update(layout.text(index) for index in born.tolist())

    def append_without_page(self, at_ms: int, report: Report) -> None:
        """The row of a scrape that gave no samples: markers for all that was there, and the report."""
        present, binding = self._present, self._binding
        shape = binding.shape if binding is not None and binding.refused is None else None
        if shape is None or shape.samples is not present or shape.visible is not None:
            # Here the report wins: a page's own `up` cannot say that the page is missing.
            shape = make_shape(without(present, self._report), self._report)
        self._append_markers(shape, at_ms, report)
        self._present = _NO_COLUMNS
        self._give_back(present)

    def append_refused(self, at_ms: int, report: Report) -> None:
        """The row after `ingest` or `judge`: series that the page showed until then are not marked, as they are there.

        They end with the next page that lacks them, or with the next scrape that gives none.
        """
        present, seen = self._present, self._seen[self._seen >= 0]
        ended = without(without(present, seen), self._report)
        self._append_markers(make_shape(ended, self._report), at_ms, report)
        self._present = present[members(present, seen)]
        self._give_back(ended)

    def _append_markers(self, shape: Shape, at_ms: int, report: Report) -> None:
        size = len(shape.samples)
        values = np.empty(len(shape.row), np.float64)
        values[:size] = stale_values(size)
        self._write_report(values[size:], shape, report)
        self.table.append(at_ms, shape.row, values)

    def end(self, at_ms: int, keep: Columns) -> None:
        """The target is gone: markers at `at_ms` for every series but those of `keep`, which go on elsewhere."""
        columns = without(self.columns, keep)
        if len(columns):
            self.table.append(at_ms, columns, stale_values(len(columns)))
        self.table.close()

    def stored_labels(self, sample: int) -> dict[str, str] | None:
        """The stored labels of a sample of the bound page, None for one that was dropped."""
        binding = self._binding
        if binding is None or binding.column_of[sample] < 0:
            return None
        return self.rules.apply(binding.layout.labels(sample))


def make_shape(samples: Columns, report: Columns) -> Shape:
    """The row of some samples followed by the report."""
    hidden = members(report, samples)
    if not hidden.any():
        return Shape(samples, np.concatenate((samples, report)), None)
    return Shape(samples, np.concatenate((samples, report[~hidden])), (~hidden).nonzero()[0])


def make_split(binding: Binding, clocked: NDArray[np.bool_], report: Columns) -> Split:
    """Part the samples of a binding by `clocked`; `report` are the report's columns."""
    column_of = binding.column_of
    kept = column_of >= 0
    plain_samples = (kept & ~clocked).nonzero()[0]
    # A series that the page showed before, at whatever time, is not taken again.
    plain = first_of_each(column_of, np.setdiff1d(plain_samples, binding.layout.repeats, assume_unique=True))
    timed = (kept & clocked).nonzero()[0]
    return Split(
        clocked=clocked,
        plain=plain,
        shape=make_shape(column_of[plain], report),
        timed=timed,
        timed_columns=column_of[timed],
        stored=np.union1d(plain, timed),
        all_columns=np.unique(column_of[kept]),
        duplicates=len(plain_samples) - len(plain),
    )


def carried_over(known: Binding | None, layout: Layout) -> Columns:
    """The columns of a new layout's samples that the layout before had; the rest UNBOUND."""
    kept = layout.kept
    if known is None or kept is None or not len(known.column_of):
        return np.full(layout.size, UNBOUND, np.int32)
    column_of = known.column_of.take(kept, mode="clip")
    column_of[kept < 0] = UNBOUND
    return column_of


def succession(known: Binding, layout: Layout, born: Columns) -> Succession | None:
    """What ends where `layout`, with the `born` columns, takes the place of a layout all of whose samples were stored.

    Two looks at the few that changed, instead of at all columns of both pages (10 us instead of 40 on 1,000).
    """
    stored = known.complete and known.first is None and known.shape.visible is None
    if layout.kept is None or not stored:
        return None
    lost = np.ones(len(known.column_of), np.bool_)
    lost[layout.kept[layout.kept >= 0]] = False
    # A series may have come back under another text.
    return Succession(known.shape.samples, without(known.column_of[lost], born))


def first_of_each(column_of: Columns, samples: Indices) -> Indices:
    """Those of `samples` whose column no earlier one has, in the order of the page."""
    first = firsts(column_of[samples])
    return samples if first is None else samples[first]


def shape_of(column_of: Columns, report: Columns) -> tuple[int, Indices | None, Shape]:
    """How many samples have a column; which are stored, None = all: the first of each column; and the row of these."""
    kept = column_of >= 0
    size = int(np.count_nonzero(kept))
    if size == len(column_of):
        # Mostly all columns are distinct, the report's too, which one look tells.
        row = np.concatenate((column_of, report))
        if firsts(row) is None:
            return size, None, Shape(column_of, row, None)
    first = first_of_each(column_of, np.flatnonzero(kept))
    if len(first) == len(column_of):
        return size, None, make_shape(column_of, report)
    return size, first, make_shape(column_of[first], report)


def kept_columns(binding: Binding) -> Columns:
    """The columns of the samples that were not dropped."""
    if binding.complete and binding.kept == binding.layout.size:
        return binding.column_of
    return binding.column_of[binding.column_of >= 0]


def stale_values(size: int) -> Values:
    """`size` staleness markers, set as bits: arithmetic would quiet them."""
    return np.full(size, STALE_BITS, np.uint64).view(np.float64)
