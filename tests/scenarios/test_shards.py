"""Two and four shards, agents by the shipped rules, scrape the same 200 targets into one VictoriaMetrics.

Every shard says who it is in a header of its scrapes, so that the targets know by whom they were asked.
"""

import asyncio
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from tests.helpers.processes import HOST, Process, fetch, free_port, peer, pyscrape, started, wait_for
from tests.remote.test_sharded_configs import VARIANTS, of_shard, template

TARGETS = 200


class Targets:
    """200 servers in one thread; target n has three series, whose values never change."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[int, str]] = Counter()
        self.addresses: list[str] = []
        self.loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(
            target=self.loop.run_until_complete, args=(self._serve(),), daemon=True
        )
        self._thread.start()
        self._up.wait(10)

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        servers = []
        writers: set[asyncio.StreamWriter] = set()
        for number in range(TARGETS):

            async def answer(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int = number
            ) -> None:
                writers.add(writer)
                try:
                    while head := await reader.readuntil(b"\r\n\r\n"):
                        [shard] = re.findall(rb"(?i)x-shard: (\S+)", head)
                        self.asked[number, shard.decode()] += 1
                        page = "".join(f'm{{k="{k}"}} {number * 10 + k}\n' for k in range(3)).encode()
                        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n")
                        writer.write(b"Content-Length: %d\r\n\r\n" % len(page) + page)
                except (asyncio.IncompleteReadError, ConnectionError):
                    writer.close()
                    writers.discard(writer)

            servers.append(await asyncio.start_server(answer, HOST, 0))
        self.addresses = [f"{HOST}:{server.sockets[0].getsockname()[1]}" for server in servers]
        self._up.set()
        await self._end.wait()
        for one in (*servers, *writers):
            one.close()
        await asyncio.sleep(0.1)  # until the handlers have seen it

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self.loop.close()

    def owners(self) -> dict[int, set[str]]:
        """By target, who asked it."""
        found: dict[int, set[str]] = {number: set() for number in range(TARGETS)}
        for number, shard in list(self.asked):
            found[number].add(shard)
        return found


def shard_config(shard: str, targets: list[str], rules: list[Any], folder: Path, url: str = "") -> Path:
    folder.mkdir()
    job = {
        "job_name": "bench",
        "http_headers": {"X-Shard": {"values": [shard]}},
        "static_configs": [{"targets": targets}],
        "relabel_configs": rules,
    }
    config: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [job],
    }
    if url:
        queue = {"batch_send_deadline": "500ms"}
        config["remote_write"] = [{"url": f"{url}/api/v1/write", "queue_config": queue}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def shards(count: int, targets: Targets, folder: Path, url: str) -> Iterator[None]:
    """So many agents with the hashmod rules of the shipped configuration, as its init container writes them."""
    targets.asked.clear()
    with ExitStack() as stack:
        started_together = []
        for ordinal in range(count):
            own = folder / f"{count}-{ordinal}"
            shipped = yaml.safe_load(of_shard(template(VARIANTS[0]), ordinal, count, folder))
            [job] = [job for job in shipped["scrape_configs"] if job["job_name"] == "kubernetes-pods"]
            path = shard_config(str(ordinal), targets.addresses, job["relabel_configs"][-2:], own, url)
            started_together.append(pyscrape(path, "--agent", f"--storage.agent.path={own / 'data'}"))
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(stack.enter_context, started_together))
        wait_for("every target", lambda: all(targets.owners().values()))
        time.sleep(2)  # real programs on real clocks
        yield


def answers(server: Process, at_s: float) -> list[Any]:
    """What a server says to some queries over everything, in an order of its own."""
    found = []
    for query in (
        "m",
        "up",
        "count(m)",
        "sum(m)",
        "sum by (k) (m)",
        "count(up == 1)",
        "topk(3, m)",
        'm{k="2"} * 2',
    ):
        _, body = fetch(f"{server.url}/api/v1/query?query={quote(query)}&time={at_s:.3f}")
        rows = json.loads(body)["data"]["result"]
        found.append(sorted((sorted(row["metric"].items()), float(row["value"][1])) for row in rows))
    return found


def test_shards_divide_the_targets_and_their_union_is_one_run(tmp_path: Path) -> None:
    port = free_port()
    command = [
        peer("victoria-metrics"),
        f"-storageDataPath={tmp_path / 'vm'}",
        f"-httpListenAddr={HOST}:{port}",
    ]
    # Answers at once, not after the half minute that it leaves to late samples.
    command += ["-search.latencyOffset=0s"]
    targets = Targets()
    with ExitStack() as stack:
        stack.callback(targets.close)
        store = stack.enter_context(started(command, tmp_path, port, "/health", "victoria-metrics"))
        with pyscrape(shard_config("whole", targets.addresses, [], tmp_path / "whole")) as whole:
            wait_for("the whole", lambda: whole.query("count(up == 1)")[0]["value"][1] == str(TARGETS))
            expected = answers(whole, time.time())
        assert len(expected[0]) == 3 * TARGETS
        owners = {}
        for count in (2, 4):
            with shards(count, targets, tmp_path, store.url):
                owners[count] = targets.owners()
                assert all(len(asked) == 1 for asked in owners[count].values()), "each target by one shard"
                assert {shard for asked in owners[count].values() for shard in asked} == set(
                    map(str, range(count))
                )
                at_s = time.time()
            wait_for(f"the union of {count}", lambda at_s=at_s: answers(store, at_s) == expected, 30, 0.5)
        moved = [number for number in range(TARGETS) if owners[2][number] != owners[4][number]]
        print(f"of {TARGETS} targets {len(moved)} moved from 2 shards to 4")
        assert all(owners[4][number] <= {"2", "3"} for number in moved), "to new shards only"
        assert 0.35 * TARGETS <= len(moved) <= 0.65 * TARGETS
