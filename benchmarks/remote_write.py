"""What forwarding costs: rows of 5,000 series queued, and made into compressed requests of 2,000 samples."""

import numpy as np

from benchmarks.runner import Row, cpu_s
from pyscrape.model.settings import from_mapping
from pyscrape.remote.blocks import make_block
from pyscrape.remote.encode import series_head
from pyscrape.remote.exemplars import ExemplarQueue
from pyscrape.remote.heads import SeriesHeads
from pyscrape.remote.protocol import Message, Message1, Message2
from pyscrape.remote.rows import Batch
from pyscrape.remote.settings import RemoteWriteConfig
from pyscrape.remote.waves import requests_of
from pyscrape.store import Store

SERIES = 5000
AT = 1_700_000_000_000


def _labels(target: int) -> list[dict[str, str]]:
    return [
        {
            "__name__": f"http_requests_total_{k // 50}", "instance": f"127.0.0.1:{9000 + target}", "job": "bench",
            "code": str(200 + k % 5), "handler": f"/api/v1/path{k % 50}", "method": "get",
        }
        for k in range(SERIES)
    ]  # fmt: skip


def measure(full: bool) -> list[Row]:
    """Microseconds of CPU a sample, and bytes on the wire."""
    targets = 20 if full else 4
    found = []
    for name, message in (("1.0", Message1()), ("2.0", Message2(tuple, lambda: 0.0))):
        found += _of_protocol(name, message, targets)
    heads = [series_head(labels) for labels in _labels(0)[:1000]]
    found.append(Row("make a block, once a series", cpu_s(lambda: make_block(heads)) * 1e6 / 1000, "us"))
    return found


def _of_protocol(name: str, message: Message, targets: int) -> list[Row]:
    store = Store()
    heads = SeriesHeads(store, from_mapping(RemoteWriteConfig, {"url": "http://receiver/"}), {}, message.head)
    values = np.random.default_rng(1).random(SERIES) * 1000
    columns = [store.table(str(n)).add_columns(_labels(n)) for n in range(targets)]
    batches = [Batch(heads.row(one), AT, values) for one in columns]

    def send() -> int:
        requests = requests_of(batches, 1, 2000, message, ExemplarQueue(1))
        return sum(len(request.body) for request in requests)

    samples = targets * SERIES
    size = send()
    first = cpu_s(send, 1)
    for _ in range(10 * targets):
        size = send()
    again = cpu_s(send, 9)
    return [
        Row(f"{name}: a row that came before", again * 1e6 / samples, "us a sample"),
        Row(f"{name}: the second time", first * 1e6 / samples, "us a sample"),
        Row(f"{name}: on the wire", size / samples, "bytes a sample"),
    ]
