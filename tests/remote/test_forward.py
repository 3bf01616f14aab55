"""What of a row is forwarded: all of it, or what a receiver can take after what it has."""

import asyncio

import numpy as np
import pytest

from pyscrape.app.forward import ForwardingStore, page_metadata
from pyscrape.model.label_columns import by_names
from pyscrape.remote.writers import RemoteWriters
from pyscrape.scrape.pools import ScrapePools
from pyscrape.store import Store
from tests.helpers.virtual_loop import EPOCH_S, run_virtual, wall_clock
from tests.remote.receiver import StrictReceiver, config

AT = round(EPOCH_S * 1000)

ROWS = [
    ("two rows", [(0, [0, 1]), (1, [0, 1])], {"a": [0, 1], "b": [0, 1]}),
    ("a series twice in a row", [(0, [0, 1, 0]), (1, [0, 1, 0])], {"a": [0, 1], "b": [0, 1]}),
    ("a row again", [(5, [0, 1]), (5, [0, 1]), (6, [0])], {"a": [5, 6], "b": [5]}),
    ("times of their own", [([3, 4], [0, 1]), ([3, 5], [0, 1]), ([2, 6], [0, 1])], {"a": [3], "b": [4, 5, 6]}),
    ("several times on a page", [([1, 2, 2, 1], [0, 0, 1, 1]), ([2, 4, 3, 3], [0, 0, 0, 1])],
     {"a": [1, 2, 4], "b": [2, 3]}),
    ("late in part", [(5, [0]), (4, [0, 1]), (6, [0, 1])], {"a": [5, 6], "b": [4, 6]}),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_only_newer_samples_go_on(
    rows: list[tuple[int | list[int], list[int]]], expected: dict[str, list[int]]
) -> None:
    receiver = StrictReceiver()

    async def main() -> None:
        store = Store()
        writers = RemoteWriters(store, clock=wall_clock, endpoint=receiver.endpoint)
        await writers.apply([config()], {})
        table = ForwardingStore(store, writers).table("t")
        ids = table.add_columns_by_name(by_names([{"__name__": "a"}, {"__name__": "b"}]), 2)
        for number, (times, which) in enumerate(rows):
            values = np.arange(len(which), dtype=np.float64) + number
            if isinstance(times, int):
                table.append(AT + times, ids[which], values)
            else:
                table.append_clocked(np.array(times) + AT, ids[which], values)
        await writers.stop()
        await asyncio.sleep(0)

    run_virtual(main())
    assert not receiver.problems
    found = {pairs[0][1]: [at - AT for at, _ in samples] for pairs, samples in receiver.series.items()}
    assert found == expected


def test_no_page_no_metadata() -> None:
    assert list(page_metadata(ScrapePools(Store()))) == []
