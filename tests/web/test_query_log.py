"""`query_log_file`: what a line holds, and what happens to the file."""

import json
from pathlib import Path

import pytest

from pyscrape.web.query_log import QueryLog
from tests.helpers.web_client import NOW_S, client_of, make_services, store_with


async def test_every_query_that_was_evaluated_is_a_line(tmp_path: Path) -> None:
    log = QueryLog()
    path = tmp_path / "queries.log"
    log.use(str(path))
    services = make_services(
        store_with({"up job=a": lambda _: 1.0, "up job=b": lambda _: 1.0}), query_log=log
    )
    async with client_of(services) as client:
        await client.get("/api/v1/query", query="up", time=NOW_S)
        await client.post("/api/v1/query_range", query="sum(up)", start=NOW_S - 60.5, end=NOW_S, step=15)
        await client.get("/api/v1/query", query="up{")  # never evaluated
        await client.get("/api/v1/query", query="up * on(x) up", time=NOW_S)
        await client.get("/api/v1/query_range", query="up", start=1e12, end=1e12, step=1)
    log.use("")
    instant, ranged, doubled, far = map(json.loads, path.read_text().splitlines())
    at = "2023-11-14T22:13:20.000Z"
    assert instant["params"] == {"query": "up", "start": at, "end": at, "step": 0}
    assert (instant["time"], instant["level"], instant["msg"]) == (at, "INFO", "promql query logged")
    assert instant["httpRequest"] == {"clientIP": "127.0.0.1", "method": "GET", "path": "/api/v1/query"}
    assert instant["stats"]["samples"]["totalQueryableSamples"] == 2
    assert instant["stats"]["timings"].keys() >= {"evalTotalTime", "execQueueTime", "execTotalTime"}
    assert "error" not in instant
    assert ranged["params"] == {
        "query": "sum(up)",
        "start": "2023-11-14T22:12:19.500Z",
        "end": at,
        "step": 15,
    }
    assert ranged["httpRequest"] == {"clientIP": "127.0.0.1", "method": "POST", "path": "/api/v1/query_range"}
    assert ranged["stats"]["samples"]["totalQueryableSamples"] > 1
    assert "duplicate series" in doubled["error"] or "many-to-many" in doubled["error"]
    assert doubled["stats"]["samples"] == {"totalQueryableSamples": 2, "peakSamples": 2}  # until it failed
    assert doubled["stats"]["timings"]["innerEvalTime"] > 0
    assert far["params"]["end"] == "1000000000000.0"


def test_a_reload_opens_the_file_anew(tmp_path: Path) -> None:
    log = QueryLog()
    path = tmp_path / "queries.log"
    log.use(str(path))
    log.write({"a": 1})
    path.rename(tmp_path / "rotated")
    log.use(str(path))
    log.write({"a": 2})
    with pytest.raises(OSError, match="none"):
        log.use(str(tmp_path / "none" / "x"))
    assert log.on, "one that cannot be opened changes nothing"
    log.use("")
    log.write({"a": 3})
    assert not log.on
    assert (tmp_path / "rotated").read_text() == '{"a":1}\n'
    assert path.read_text() == '{"a":2}\n'


def test_a_full_disk_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    log = QueryLog()
    log.use("/dev/full")
    for _ in range(3):
        log.write({"a": 1})
    assert [record.message for record in caplog.records] == ["cannot write query_log_file"]
    assert not log.on
