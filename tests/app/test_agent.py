"""The agent: what it refuses, answers, forwards and forgets, and what it does not have in memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pyscrape.app.agent import AgentSeries, AgentTable, AgentTables
from pyscrape.app.flags import Flags
from pyscrape.exposition.lint import lint_page
from pyscrape.model.label_columns import by_names
from pyscrape.remote.writers import RemoteWriters
from pyscrape.scrape.interfaces import Columns
from pyscrape.web.agent_api import PATHS
from tests.helpers.processes import HOST, fetch, free_port, pyscrape, wait_for
from tests.helpers.virtual_loop import EPOCH_S, run_virtual, wall_clock
from tests.remote.receiver import StrictReceiver, config

AT = round(EPOCH_S * 1000)


def columns_of(table: AgentTable, *labels: dict[str, str]) -> Columns:
    """Columns of new series."""
    return table.add_columns_by_name(by_names(labels), len(labels))


FLAGS = [
    (["--agent", "--storage.tsdb.path=x"], 'can not be used in agent mode: ["--storage.tsdb.path"]'),
    (
        ["--agent", "--query.timeout=1m", "--query.max-samples=9"],
        'can not be used in agent mode: ["--query.max-samples" "--query.timeout"]',
    ),
    (["--storage.agent.path=x"], 'can only be used in agent mode: ["--storage.agent.path"]'),
]


@pytest.mark.parametrize(("arguments", "said"), FLAGS)
def test_flags_of_the_other_mode(arguments: list[str], said: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pyscrape", "run", *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr.strip()) == (3, f"The following flag(s) {said}")


def test_a_feature_of_servers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text("rule_files: [a.yml]\n")
    for command, code in (("run", 2), ("check", 1)):
        arguments = [f"--config.file={path}"] if command == "run" else [str(path)]
        ended = subprocess.run(
            [sys.executable, "-m", "pyscrape", command, "--agent", *arguments],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == code
        assert "field rule_files is not allowed in agent mode" in ended.stdout + ended.stderr


def test_no_store_no_engine_and_no_pages_in_memory(tmp_path: Path) -> None:
    code = """
import sys
from pyscrape.app.flags import Flags
from pyscrape.app.loading import load
from pyscrape.app.server import Server
from pyscrape.app.settings import web_options
from pyscrape.app.web_config import web_security
from pyscrape.web.app import create_app
flags = Flags({"agent": True, "storage.agent.path": sys.argv[1]})
server = Server(flags, load(flags), web_security(""))
server.mode.open()
create_app(server.services(web_options(flags)))
server.mode.close()
print(*sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded = set(run.stdout.split())
    assert "pyscrape.remote.writers" in loaded
    store = {
        f"pyscrape.store.{name}" for name in ("store", "table", "durable", "selection", "chunk", "codec")
    }
    engine = {
        f"pyscrape.promql.{name}" for name in ("engine", "evaluator", "functions", "aggregations", "windows")
    }
    routes = {"pyscrape.web.query_api", "pyscrape.web.federate"}
    asked_for = {"pyscrape.promql.parser", "pyscrape.web.pages.render", "jinja2", "bcrypt"}
    assert loaded & (store | engine | routes | asked_for) == set()


def test_what_it_answers_and_sends(tmp_path: Path) -> None:
    """A real process: the API in Prometheus' words, and up in the queue of its endpoint, which does not answer."""
    own = free_port()
    path = tmp_path / "prometheus.yml"
    path.write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        f"remote_write: [{{url: 'http://user:secret@{HOST}:9/'}}]\n"
        f"scrape_configs: [{{job_name: own, static_configs: [{{targets: ['{HOST}:{own}']}}]}}]\n"
    )
    with pyscrape(path, "--agent", f"--storage.agent.path={tmp_path / 'data'}", port=own) as agent:
        for name, methods in PATHS:
            where = f"{agent.url}/api/v1/{name.replace('{name}', 'job')}"
            status, body = fetch(where, method=methods[0], data=b"" if methods[0] == "POST" else None)
            text = '{"status":"error","errorType":"execution","error":"unavailable with Prometheus Agent"}'
            assert (status, body.decode()) == (422, text), name
        assert fetch(agent.url + "/federate?match[]=up") == (
            500,
            b"unsupported operation with WAL-only storage",
        )
        assert fetch(agent.url + "/-/ready") == (200, b"Prometheus Agent is Ready.\n")
        for page in ("/", "/agent", "/targets", "/service-discovery", "/relabel", "/status"):
            assert fetch(agent.url + page)[0] == 200, page
        assert fetch(agent.url + "/query")[0] == 404

        def waiting() -> object:
            [one] = agent.get("/api/v1/status/remote_write")["data"]["endpoints"]
            return one if one["pendingSamples"] and one["lastError"] else None

        one = wait_for("samples in the queue", waiting)
        assert one["state"] == "retrying"
        assert "secret" not in str(one)
        assert b"Remote write" in fetch(agent.url + "/status")[1]
        metrics = fetch(agent.url + "/metrics")[1]
        assert b"prometheus_agent_samples_appended_total" in metrics
        assert b"prometheus_tsdb" not in metrics
        assert lint_page(metrics) == []
    assert list((tmp_path / "data" / "remote").glob("*/*.requests")), "what could not be sent is on disk"


ROWS = [
    ("two rows", [(0, [0, 1]), (1, [0, 1])], {"a": [0, 1], "b": [0, 1]}, 0),
    ("a series twice in a row", [(0, [0, 1, 0]), (1, [0, 1, 0])], {"a": [0, 1], "b": [0, 1]}, 2),
    ("a row again", [(5, [0, 1]), (5, [0, 1]), (6, [0])], {"a": [5, 6], "b": [5]}, 2),
    ("times of their own", [([3, 4], [0, 1]), ([3, 5], [0, 1])], {"a": [3], "b": [4, 5]}, 1),
    ("late in part", [(5, [0]), (4, [0, 1]), (6, [0, 1])], {"a": [5, 6], "b": [4, 6]}, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "expected", "late"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_only_newer_samples_go_on(
    rows: list[tuple[int | list[int], list[int]]], expected: dict[str, list[int]], late: int
) -> None:
    receiver = StrictReceiver()
    series = AgentSeries()

    async def main() -> None:
        writers = RemoteWriters(series, clock=wall_clock, endpoint=receiver.endpoint)
        await writers.apply([config()], {})
        table = AgentTables(series, writers).table("t")
        ids = columns_of(table, {"__name__": "a"}, {"__name__": "b"})
        for times, which in rows:
            values = np.ones(len(which))
            if isinstance(times, int):
                table.append(AT + times, ids[which], values)
            else:
                table.append_clocked(np.array(times) + AT, ids[which], values)
        await writers.stop()

    run_virtual(main())
    assert not receiver.problems
    found = {pairs[0][1]: [at - AT for at, _ in samples] for pairs, samples in receiver.series.items()}
    assert found == expected
    assert (series.out_of_order, series.appended) == (late, sum(map(len, expected.values())))


def test_series_that_ended_are_forgotten_and_their_ids_used_again() -> None:
    receiver = StrictReceiver()
    series = AgentSeries()

    async def main() -> None:
        writers = RemoteWriters(series, clock=wall_clock, endpoint=receiver.endpoint)
        await writers.apply([config()], {})
        tables = AgentTables(series, writers)
        first, second = tables.table("first"), tables.table("second")
        shared = {"__name__": "shared"}
        old = columns_of(first, shared, *({"__name__": f"old{k}"} for k in range(9)))
        assert columns_of(second, shared).tolist() == old[:1].tolist(), "equal labels are one series"
        first.append(AT, old, np.arange(10.0))
        first.retire(old[1:5])
        assert series.forget_ended() == 4
        first.close()
        assert series.forget_ended() == 5
        assert series.index.series == 1
        new = columns_of(second, *({"__name__": f"new{k}"} for k in range(9)))
        assert set(new.tolist()) == set(old[1:].tolist())
        # a page with a clock of its own that is behind: nothing of these was sent yet
        assert second.append(AT - 1, new, np.arange(9.0)).out_of_order == 0
        await writers.stop()

    run_virtual(main())
    assert not receiver.problems
    names = sorted(dict(pairs)["__name__"] for pairs in receiver.series)
    assert names == sorted(["shared", *(f"old{k}" for k in range(9)), *(f"new{k}" for k in range(9))])


def test_flags_say_what_is_moot() -> None:
    assert Flags({"agent": True}).remarks() == []
