"""config/: every good file loads with the expected values, every bad one is refused in Prometheus' words."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyscrape.config import Config, ConfigError, load_config, parse_config
from pyscrape.discovery.settings import DiscoverySettings
from pyscrape.model.kinds import ListKind
from pyscrape.model.settings import SectionKind, Settings, SettingsError, from_mapping
from pyscrape.scrape.settings import media_type
from tests.helpers.plain_settings import differences, is_zero, plain

FOLDER = Path(
    os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[2].parent / "shared" / "conformance")
)
INDEX = FOLDER / "config" / "index.json"
if not INDEX.is_file():
    pytest.skip(f"no conformance corpus at {INDEX}", allow_module_level=True)
CASES = json.loads(INDEX.read_text(encoding="utf-8"))["cases"]
FILES = [case for case in CASES if "kind" not in case]
OTHERS = json.loads((FOLDER / "dns_consul_file_http_sd.json").read_text(encoding="utf-8"))["cases"]
DISCOVERIES = [case for case in OTHERS if case["kind"] == "sd_config"]
PROTOCOLS = [case for case in CASES if case.get("kind") == "scrape_protocol_media_type"]

# Texts that only the Go library says; what is said instead is pinned in tests/config.
OTHER_WORDS = {"unmarshal errors"}


@pytest.fixture(autouse=True)
def _at_the_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER / "config")
    monkeypatch.delenv("GOGC", raising=False)


def load(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Config:
    for name, value in (case.get("env") or {}).items():
        monkeypatch.setenv(name, value)
    if "yaml" in case:
        return parse_config(case["yaml"], case.get("base_dir", "."))
    return load_config(case["file"], agent=bool(case.get("agent_mode")))


def at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if step == "length":
            return len(value)
        value = value[int(step)] if isinstance(value, list) else (value or {}).get(step)
    return value


def test_the_corpus_is_there() -> None:
    assert len(FILES) > 20
    assert PROTOCOLS


@pytest.mark.parametrize("case", [case for case in FILES if case["ok"]], ids=lambda case: case["name"])
def test_good(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(case, monkeypatch)
    found = plain(config)
    for path, value in case.get("expected_paths", {}).items():
        assert at(found, path) == value or (is_zero(value) and is_zero(at(found, path))), path
    if "expected" in case:
        assert differences(case["expected"], found) == []
    if "expected_scrape_configs" in case:
        assert differences(case["expected_scrape_configs"], found["scrape_configs"]) == []
    printed = config.to_yaml()
    if "secret_count" in case:
        assert printed.count("<secret>") == case["secret_count"]
    for text in case.get("must_not_contain_when_marshalled", []):
        assert text not in printed


@pytest.mark.parametrize("case", [case for case in FILES if not case["ok"]], ids=lambda case: case["name"])
def test_bad(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as caught:
        load(case, monkeypatch)
    wanted = case.get("error_contains_all") or [case.get("error_contains") or ""]
    for text in wanted:
        if text in OTHER_WORDS:
            continue
        assert text in str(caught.value) or any(text in problem.message for problem in caught.value.problems)
    assert all(problem.line for problem in caught.value.problems if problem.severity == "error")


def settings_of(field: str) -> type[Settings]:
    kind = DiscoverySettings.settings[field].kind
    assert isinstance(kind, ListKind)
    assert isinstance(kind.item, SectionKind)
    return kind.item.cls


@pytest.mark.parametrize("case", DISCOVERIES, ids=lambda case: case["name"])
def test_discovery_settings(case: dict[str, Any]) -> None:
    given = case["sd_config"] if "sd_config" in case else yaml.load(case["yaml"], Loader=yaml.BaseLoader)
    if not case["ok"]:
        with pytest.raises(SettingsError) as caught:
            from_mapping(settings_of(case["sd"]), given)
        assert case.get("error", "") in str(caught.value)
        return
    found = plain(from_mapping(settings_of(case["sd"]), given))
    assert differences(case.get("expected", found), found) == []


@pytest.mark.parametrize("case", PROTOCOLS, ids=lambda case: case["name"])
def test_media_types(case: dict[str, Any]) -> None:
    assert media_type(case["protocol"]) == (case["media_type"] or "")
