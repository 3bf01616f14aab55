"""Logs: the two forms, and that no secret stands in any of them or in what the API shows."""

import json
import logging
import re
from pathlib import Path

import pytest

from pyscrape.app.log import JsonFormatter, LogfmtFormatter, set_up
from tests.helpers.processes import HOST, fetch, free_port, pyscrape, wait_for

SECRETS = ["s3cr3t-a", "s3cr3t-b", "s3cr3t-c", "s3cr3t-d", "s3cr3t-e", "s3cr3t-f"]


def record(**fields: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {
            "created": 1_700_000_000.25,
            "levelno": logging.WARNING,
            "levelname": "WARNING",
            "module": "loop",
            "lineno": 7,
            "msg": "It %s",
            "args": ("failed",),
            **fields,
        }
    )


def test_logfmt() -> None:
    line = LogfmtFormatter().format(record(job="a b", err='say "x"', n=3, empty="", lines="1\n2"))
    assert line == (
        'time=2023-11-14T22:13:20.250Z level=WARN source=loop.py:7 msg="It failed" '
        r'job="a b" err="say \"x\"" n=3 empty="" lines="1\n2"'
    )


def test_json() -> None:
    line = JsonFormatter().format(record(job="a b", path=Path("/x")))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "WARN",
        "source": "loop.py:7",
        "msg": "It failed",
        "job": "a b",
        "path": "/x",
    }


@pytest.mark.parametrize(("level", "form"), [("loud", "json"), ("info", "xml")])
def test_unknown_levels_and_forms(level: str, form: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        set_up(level, form)


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_no_secret_in_logs_or_answers(tmp_path: Path, form: str) -> None:
    """Nobody listens where this one scrapes, looks and writes: all of it fails, at the most talkative level."""
    nobody = f"{HOST}:{free_port()}"
    (tmp_path / "pw").write_text(SECRETS[4])
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        f"remote_write: [{{url: 'http://ann:{SECRETS[0]}@{nobody}/w', authorization: {{credentials: {SECRETS[1]}}}}}]\n"
        "scrape_configs:\n"
        f"  - {{job_name: a, basic_auth: {{username: ann, password: {SECRETS[2]}}},"
        f" static_configs: [{{targets: ['{nobody}']}}]}}\n"
        f"  - {{job_name: b, bearer_token: {SECRETS[3]}, static_configs: [{{targets: ['{nobody}']}}]}}\n"
        f"  - {{job_name: c, basic_auth: {{username: ann, password_file: pw}},"
        f" http_sd_configs: [{{url: 'http://ann:{SECRETS[5]}@{nobody}/sd', refresh_interval: 1s}}]}}\n"
    )
    with pyscrape(
        config,
        f"--log.format={form}",
        "--log.level=debug",
        "--web.enable-lifecycle",
        "--storage.remote.flush-deadline=100ms",
    ) as server:
        wait_for("failures", lambda: len(server.query("up == 0")) == 2)
        assert fetch(server.url + "/-/reload", "POST")[0] == 200
        config.write_text(config.read_text() + "  - {job_name: a}\n")
        assert fetch(server.url + "/-/reload", "POST")[0] == 500
        paths = ["/metrics", "/targets", "/status", "/service-discovery", "/relabel"]
        paths += [
            f"/api/v1/{p}" for p in ("targets", "discovery", "status/config", "status/log", "status/flags")
        ]
        paths += [
            "/api/v1/status/remote_write",
            "/api/v1/status/runtimeinfo",
            "/api/v1/scrape_pools/config?scrapePool=a",
        ]
        answers = {path: fetch(server.url + path)[1].decode() for path in paths}
    said = server.logged()
    lines = said.splitlines()
    assert len(lines) > 5
    for line in lines:
        if form == "json":
            assert {"time", "level", "source", "msg"} <= set(json.loads(line))
        else:
            assert re.match(r"time=\S+Z level=(DEBUG|INFO|WARN|ERROR) source=\S+:\d+ msg=", line), line
    for place, text in {"the log": said, **answers}.items():
        assert [secret for secret in SECRETS if secret in text] == [], place
