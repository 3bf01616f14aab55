"""`pyscrape help`: every topic can be read, and the topics that list what there is leave nothing out."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

import pyscrape.app
from pyscrape.app.flags import FEATURES, FLAGS
from pyscrape.app.own_metrics import REMOTE_ROWS
from pyscrape.cli.help import topics
from pyscrape.cli.main import main
from pyscrape.config.lint.run import IDS
from pyscrape.config.schema import config_schema
from pyscrape.scrape.stats import ScrapeStats
from pyscrape.web.app import mounts
from tests.helpers.web_client import make_services

APP = Path(pyscrape.app.__file__).parent


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["help", *words]) == 0
    return capsys.readouterr().out


def test_every_topic_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    listed = shown(capsys)
    assert len(topics()) > 12
    for topic, title in topics().items():
        assert f"  {topic} " in listed and title in listed
        assert shown(capsys, topic).startswith(f"# {title}\n")


def test_an_unknown_topic_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "relable"]) == 2
    assert "did you mean relabel?" in capsys.readouterr().err


def test_every_flag_and_feature(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "flags")
    for flag in FLAGS:
        assert f"| `--{flag.name}` |" in text
    for feature in FEATURES:
        assert f"| `{feature}` |" in text


def test_every_section_and_field_of_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    sections = shown(capsys, "configuration").split("\n## ")
    schema = config_schema()
    by_name = {section.split("\n", 1)[0]: section for section in sections[1:]}
    assert set(by_name) == {"The file", *schema["definitions"]}
    for name, section in {"The file": schema, **schema["definitions"]}.items():
        rows = re.findall(r"^\| `([^`]+)` \| [^|]+ \|[^|]*\| (.+) \|$", by_name[name], re.MULTILINE)
        assert [field for field, _ in rows] == list(section["properties"])


def test_every_lint(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "lint")
    assert len(IDS) > 20
    for lint in IDS:
        assert re.search(rf"^## .*\b{re.escape(lint)}\b", text, re.MULTILINE), lint


def metric_names() -> set[str]:
    """Every metric of the server's own: the names that the app's modules hold, and those of counted fields."""
    texts = "\n".join(path.read_text() for path in APP.glob("*.py"))
    named = set(re.findall(r'"((?:prometheus|pyscrape)_[a-z_]+)"', texts))
    counted = {one.name for one in fields(ScrapeStats)}
    return named | counted | {f"prometheus_remote_storage_{name}" for _, name, _, _ in REMOTE_ROWS}


def test_every_metric(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "metrics")
    documented = set(
        re.findall(r"^\| `([a-z_]+)` \| (?:counter|gauge|histogram|summary) \|", text, re.MULTILINE)
    )
    assert documented == metric_names()


def test_every_route(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "api") + shown(capsys, "pages")
    for mount in mounts(make_services()):
        path = mount.path.replace("{name:path}", "{name}")
        if path not in {"/", "/favicon.ico", "/static/{digest}/{name}"}:
            assert f"`{path}" in text, path
