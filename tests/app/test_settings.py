"""What flags and configuration come to, before anything runs."""

import logging
import resource
from pathlib import Path

import pytest

from pyscrape.app import runtime
from pyscrape.app.flags import Flags, FlagValue
from pyscrape.app.keeping import Keeping
from pyscrape.app.loading import load, notes
from pyscrape.app.memory import raise_file_limit
from pyscrape.app.settings import web_options
from pyscrape.config import parse_config

NONE = parse_config("")
THREE_HOURS = parse_config("storage: {tsdb: {retention: {time: 3h}}}")


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "/metrics"),
        ({"web.route-prefix": "prom/"}, "/prom/metrics"),
        ({"web.external-url": "http://h.example/a/b/"}, "/a/b/metrics"),
        ({"web.external-url": "http://h.example/a", "web.route-prefix": "/"}, "/metrics"),
    ],
)
def test_without_a_configuration_it_scrapes_itself_where_its_metrics_are(
    given: dict[str, FlagValue], path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = Flags(given)
    (job,) = load(flags).config.scrape_configs
    assert job.metrics_path == path == f"{web_options(flags).prefix}/metrics"
    assert job.scheme == "http"


def test_it_scrapes_itself_by_tls_where_it_answers_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("web.yml").write_text("tls_server_config: {cert_file: a.crt, key_file: a.key}\n")
    (job,) = load(Flags({"web.config.file": "web.yml"})).config.scrape_configs
    assert (job.scheme, job.http.tls_config.insecure_skip_verify) == ("https", True)


def test_how_long_samples_are_kept() -> None:
    for given, config, kept in (
        ({}, NONE, "1d"),
        ({"storage.tsdb.retention.time": 7_200_000}, NONE, "2h"),
        ({"storage.tsdb.retention.time": 0}, NONE, "1d"),
        ({"storage.tsdb.retention.time": 7_200_000}, THREE_HOURS, "3h"),
    ):
        assert Keeping(Flags(given), config).retention == kept


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("otlp: {promote_scope_metadata: true}", "otlp: the OTLP receiver is not supported"),
        ("runtime: {gogc: 50}", "runtime.gogc has no meaning: there is no Go runtime here"),
        ("runtime: {gogc: 75}", ""),
    ],
)
def test_what_a_configuration_asks_for_in_vain_is_said(text: str, said: str) -> None:
    assert notes(parse_config(text)) == ([said] if said else [])


def test_a_system_that_refuses_more_files(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_what: int, _limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _what: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    with caplog.at_level(logging.WARNING):
        raise_file_limit()
    assert "ulimit -n" in caplog.text


async def test_a_working_directory_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    info = runtime.runtime_info(
        start_s=0, now_s=0, reload_ok=True, reload_error="", last_config_s=0, retention="1d", flags=Flags({})
    )
    assert str(info["CWD"]).startswith("<error retrieving current working directory")
