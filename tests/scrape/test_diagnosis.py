"""`pyscrape scrape`: what the diagnosis finds, and how the command line says it."""

import asyncio
import json

import pytest

from pyscrape.cli.main import main
from pyscrape.scrape.diagnosis import Diagnosis, diagnose
from tests.helpers.fake_target import Exchange, Handler, answering, fake_target
from tests.scrape.world import scrape_config

PAGE = b"""# HELP http_requests Requests.
# TYPE http_requests counter
http_requests{code="200",path="/a"} 5
http_requests{code="500",path="/b"} 1
http_requests{code="500",path="/c"} 1
plain 1 1700000000000
"""


async def diagnosed(handler: Handler, **fields: object) -> Diagnosis:
    async with fake_target(handler) as target:
        return await diagnose(target.url, scrape_config(**fields))


async def test_a_good_page() -> None:
    found = await diagnosed(answering(PAGE, compress=True))
    assert found.failure is None
    assert (found.status, found.format, found.body_bytes) == (200, "text/plain", len(PAGE))
    assert found.wire_bytes < len(PAGE)
    assert (found.samples, found.with_timestamp, found.kept) == (4, 1, 4)
    assert [(family.name, family.type, family.samples) for family in found.families] == [
        ("http_requests", "counter", 3),
        ("plain", "untyped", 1),
    ]
    assert [(use.name, use.values) for use in found.labels] == [("path", 3), ("code", 2)]
    messages = [(finding.metric, finding.message) for finding in found.findings]
    assert ("http_requests", 'counter metrics should have "_total" suffix') in messages
    assert ("plain", "no help text") in messages


async def test_what_the_job_makes_of_it() -> None:
    rules = [
        {"source_labels": ["__name__"], "regex": "plain", "action": "drop"},
        {"regex": "path", "action": "labeldrop"},
    ]
    found = await diagnosed(
        answering(PAGE), metric_relabel_configs=rules, sample_limit=2, body_size_limit="1KB"
    )
    assert (found.kept, found.dropped, found.collapsed) == (3, {"plain": 1}, 1)
    assert found.failure is not None and found.failure.text == "sample limit exceeded"
    assert found.findings_of_limits[0] == "sample_limit: 3 of 2 (150%)"


async def test_a_page_that_does_not_parse_shows_the_place() -> None:
    found = await diagnosed(answering(b"good 1\nbroken{a=} 2\n"))
    assert found.failure is not None and found.failure.reason == "parse"
    assert found.samples == 1
    lines = found.place.splitlines()
    assert "line 2, column" in lines[0]
    assert "broken{a=} 2" in lines[1]
    assert lines[2].strip() == "^"
    assert (found.kept, found.findings) == (1, [])
    found = await diagnosed(answering(b'good{a="1",a="2"} 1\nbroken{a=} 2\n'))
    assert found.failure is not None and found.failure.reason == "invalid_series"


async def test_how_near_the_limits_are() -> None:
    limits = {"label_limit": 8, "label_name_length_limit": 16, "label_value_length_limit": 50}
    found = await diagnosed(answering(PAGE), body_size_limit="1KB", **limits)
    assert found.findings_of_limits[1:] == [
        "label_limit: 5 of 8 (62%)",
        "label_name_length_limit: 8 of 16 (50%)",
        "label_value_length_limit: 15 of 50 (30%)",
    ]


async def hang_up(exchange: Exchange) -> None:
    exchange.close()


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (hang_up, "reset"),
        (answering(b"", status="404 Not Found"), "http_4xx"),
        (answering(b"<html>", content_type="text/html"), "content_type"),
        (answering(b'a{b="1",b="2"} 1\n'), "invalid_series"),
    ],
)
async def test_failures(handler: Handler, reason: str) -> None:
    found = await diagnosed(handler)
    assert found.failure is not None
    assert found.failure.reason == reason
    assert found.failure.advice


async def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    async with fake_target(answering(PAGE)) as target:
        assert await asyncio.to_thread(main, ["scrape", target.url]) == 0
        shown = capsys.readouterr().out
        assert "up: the scrape would succeed" in shown
        assert "http_requests  counter" in shown
        assert await asyncio.to_thread(main, ["scrape", f"127.0.0.1:{target.port}", "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["samples"] == 4
    assert await asyncio.to_thread(main, ["scrape", target.url]) == 1
    shown = capsys.readouterr().out
    assert "DOWN (refused)" in shown
    assert "hint: nothing listens on this port" in shown
    assert main(["scrape", "x", "--job", "j"]) == 2
