"""The JSON Schema takes every good file, refuses unknown fields, and describes every field."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from pyscrape.cli.main import main
from pyscrape.config.schema import config_schema
from pyscrape.config.settings import Config
from pyscrape.model.settings import Settings

SCHEMA = config_schema()
VALIDATOR = Draft7Validator(SCHEMA)
DATA = Path(__file__).parents[1] / "data" / "config"
CORPUS = Path(
    os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[2].parent / "shared" / "conformance")
)
GOOD = [*sorted(DATA.glob("*.good.yml")), *sorted((CORPUS / "config" / "testdata").glob("*.good.yml"))]


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_good_files_are_taken(path: Path) -> None:
    loaded = yaml.safe_load(path.read_text()) or {}
    # YAML 1.1 makes dates of some texts and numbers of some keys, which JSON does not have.
    plain = json.loads(json.dumps(loaded, default=str))
    assert [error.message for error in VALIDATOR.iter_errors(plain)] == []


REFUSED: list[dict[str, Any]] = [
    {"scrape_config": []},
    {"global": {"scrape_intervall": "15s"}},
    {"scrape_configs": [{"job_name": "a", "jobName": "a"}]},
    {"scrape_configs": [{"job_name": "a", "relabel_configs": [{"taget_label": "x"}]}]},
    {"scrape_configs": [{"job_name": "a", "relabel_configs": [{"action": "relpace"}]}]},
    {"scrape_configs": [{"job_name": "a", "kubernetes_sd_configs": [{"role": "pods"}]}]},
    {"scrape_configs": [{"job_name": "a", "ec2_sd_configs": [{"regions": "x"}]}]},
    {"scrape_configs": {"job_name": "a"}},
    {"global": {"scrape_interval": "15 seconds"}},
    {"global": {"sample_limit": -1}},
    {"global": {"body_size_limit": "10"}},
    {"remote_write": [{"url": "http://a", "queue_config": {"max_shard": 1}}]},
]


@pytest.mark.parametrize("document", REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_mistakes_are_refused(document: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(document)


def test_any_spelling_of_an_action() -> None:
    for action in ("replace", "Keep", "LABELMAP"):
        assert VALIDATOR.is_valid({"alerting": {"alert_relabel_configs": [{"action": action}]}})


def test_every_field_is_described() -> None:
    for name, shape in {"Config": SCHEMA, **SCHEMA["definitions"]}.items():
        assert shape["description"], name
        for field, described in shape["properties"].items():
            assert described["description"].endswith("."), f"{name}.{field}"


def test_defaults_are_those_of_the_decoder() -> None:
    properties = SCHEMA["definitions"]["ScrapeConfig"]["properties"]
    assert properties["metrics_path"]["default"] == "/metrics"
    assert properties["honor_timestamps"]["default"] is True
    assert SCHEMA["definitions"]["GlobalConfig"]["properties"]["scrape_interval"]["default"] == "1m"
    assert SCHEMA["definitions"]["RemoteWriteConfig"]["properties"]["enable_http2"]["default"] is False
    assert properties["bearer_token"]["deprecated"] is True


def test_every_key_of_every_section_is_there() -> None:
    assert set(SCHEMA["properties"]) == set(Config.keys)
    for cls in _all(Settings):
        if cls.__name__ in SCHEMA["definitions"]:
            assert set(SCHEMA["definitions"][cls.__name__]["properties"]) == set(cls.keys)


def _all(base: type[Settings]) -> list[type[Settings]]:
    return [
        cls
        for sub in base.__subclasses__()
        if sub.__module__.startswith("pyscrape")
        for cls in (sub, *_all(sub))
    ]


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA
