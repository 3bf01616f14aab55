"""A receiver that is away while pyscrape is killed: what was scraped until then arrives after a restart."""

import json
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

from tests.helpers.processes import HOST, fetch, free_port, peer, pyscrape, started, wait_for


def test_killed_while_the_receiver_is_away(tmp_path: Path) -> None:
    program = peer("victoria-metrics")
    port = free_port()
    config = tmp_path / "prometheus.yml"
    own = free_port()
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "remote_write:\n"
        f"  - {{url: 'http://{HOST}:{port}/api/v1/write', queue_config: {{batch_send_deadline: 500ms}}}}\n"
        f"scrape_configs: [{{job_name: gone, static_configs: [{{targets: ['{HOST}:{own}']}}]}}]\n"
    )
    flags = [f"--storage.tsdb.path={tmp_path / 'data'}"]
    with pyscrape(config, *flags) as first:
        wait_for("the first sample", lambda: first.query("up"))
        time.sleep(5)  # real programs on real clocks
        killed_s = time.time()
        os.kill(first.popen.pid, signal.SIGKILL)
        first.popen.wait(10)
    with ExitStack() as stack:
        command = [program, f"-storageDataPath={tmp_path / 'vm'}", f"-httpListenAddr={HOST}:{port}"]
        store = stack.enter_context(started(command, tmp_path, port, "/health", "victoria-metrics"))
        second = stack.enter_context(pyscrape(config, *flags))

        def arrived() -> list[int]:
            query = f"/api/v1/export?match[]=up&start={killed_s - 60}&reduce_mem_usage=1"
            body = fetch(store.url + query)[1]
            return sorted(at for line in body.splitlines() for at in json.loads(line)["timestamps"])

        def expected() -> list[int]:
            [row] = second.query(f"up[{int(time.time() - killed_s) + 60}s]", time.time())
            return [round(float(at) * 1000) for at, _ in row["values"] if float(at) < killed_s - 1]

        assert len(expected()) >= 3
        wait_for("what was on disk", lambda: set(expected()) <= set(arrived()), 20, 0.5)
        assert len(set(arrived())) == len(arrived())
