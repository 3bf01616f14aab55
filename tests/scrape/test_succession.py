"""What ends with a new layout is found from what changed, and is what comparing all columns finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pyscrape.exposition import PageReader
from pyscrape.model.value import STALE_BITS
from pyscrape.scrape import series as series_module
from pyscrape.scrape.report import Report
from pyscrape.scrape.samples import SampleRules
from pyscrape.scrape.series import SeriesOptions, TargetSeries
from pyscrape.store import Store
from pyscrape.store.layout import Columns
from pyscrape.store.table import AppendResult, Table
from tests.helpers.examples import examples

LINES = st.sampled_from(
    [
        b"a 1",
        b"b 1",
        b"c 1",
        b'd{x="1"} 1',
        b'd{x="1",y=""} 1',
        b"up 1",
        b"t 1 1000",
        b"a 2",
        b'd{ x="1"} 1',
        b"e 1",
    ]
)
PAGES = st.lists(st.lists(LINES, max_size=6), min_size=2, max_size=8)


def stored(pages: list[list[bytes]]) -> dict[str, list[tuple[int, int]]]:
    """Bits of what is stored of these pages, by series; an empty list stands for a scrape that failed."""
    store = Store()
    one = TargetSeries(store.table("t"), {"job": "j"}, SampleRules({"job": "j"}), SeriesOptions())
    reader = PageReader()
    for k, lines in enumerate(pages):
        if lines:
            row = reader.feed(b"\n".join(lines))
            assert list(one.bind(row.layout)) == []
            one.ingest(row, 2000 + k, Report(up=True))
        else:
            one.append_without_page(2000 + k, Report(up=False))
    return {
        str(labels): list(zip(times.tolist(), values.view(np.uint64).tolist(), strict=True))
        for labels, times, values in store.samples([])
    }


@examples(150)
@given(PAGES)
def test_ways_agree(pages: list[list[bytes]]) -> None:
    found = stored(pages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series_module, "succession", lambda *_: None)
        assert stored(pages) == found


@examples(150)
@given(PAGES)
def test_rows_said_to_be_distinct_are(pages: list[list[bytes]]) -> None:
    append = Table.append

    def looked_at(
        table: Table, at_ms: int, columns: Columns, values: NDArray[np.float64], *, distinct: bool = False
    ) -> AppendResult:
        assert not distinct or len(np.unique(columns)) == len(columns)
        return append(table, at_ms, columns, values, distinct=distinct)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Table, "append", looked_at)
        stored(pages)


def test_what_ends_gets_its_marker() -> None:
    found = stored([[b"a 1", b"b 1"], [b"a 1", b"c 1"], [b"b 1"]])
    one = int(np.float64(1).view(np.uint64))
    assert found['{__name__="b", job="j"}'] == [(2000, one), (2001, STALE_BITS), (2002, one)]
    assert found['{__name__="c", job="j"}'] == [(2001, one), (2002, STALE_BITS)]
