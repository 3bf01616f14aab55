"""Prometheus' and VictoriaMetrics' relabel tests, as far as their meaning is Prometheus'."""

from typing import Any

import pytest

from pyscrape.model.names import sanitize_label_name
from pyscrape.relabel import RelabelConfigError, explain, load_relabel_configs, relabel
from pyscrape.relabel.settings import rule_mistake
from tests.conformance.relabel_cases import WITHOUT, cases

CASES = [*cases("relabel.json"), *cases("relabel_vm.json")]

pytestmark = pytest.mark.skipif(not CASES, reason=WITHOUT)


def of_kind(*kinds: str) -> list[Any]:
    none = pytest.param(
        {}, marks=pytest.mark.skip(f"{WITHOUT}; or it has none of {', '.join(kinds)}"), id="none"
    )
    return [pytest.param(case, id=case["name"]) for case in CASES if case["kind"] in kinds] or [none]


@pytest.mark.parametrize("case", of_kind("relabel"))
def test_relabel(case: dict[str, Any]) -> None:
    rules = load_relabel_configs(case["relabel_configs"], scheme=case["scheme"])
    expected = case["labels_out"]
    if expected is not None:
        expected = {name: value for name, value in expected.items() if value}
    assert relabel(case["labels_in"], rules) == expected
    assert explain(case["labels_in"], rules).result == expected


@pytest.mark.parametrize("case", of_kind("validate"))
def test_validate(case: dict[str, Any]) -> None:
    if not case["yaml_reachable"]:
        fields = {
            "action": "",
            "regex": "",
            "target_label": "",
            "replacement": "",
            "modulus": 0,
            "separator": "",
        }
        mistake = rule_mistake(fields, given=set(), scheme=case["scheme"])
        assert mistake is not None and case["error_contains"] in mistake[0]
    elif case["ok"]:
        load_relabel_configs([case["relabel_config"]], scheme=case["scheme"])
    else:
        with pytest.raises(RelabelConfigError) as refused:
            load_relabel_configs([case["relabel_config"]], scheme=case["scheme"])
        assert case.get("error_contains", "") in str(refused.value)


@pytest.mark.parametrize("case", of_kind("target_label_legacy_valid"))
def test_legacy_target_label(case: dict[str, Any]) -> None:
    # Only templates are judged by this pattern; every text of these cases holds a dollar sign.
    rule = {"source_labels": ["x"], "target_label": case["target_label"]}
    if case["valid"]:
        load_relabel_configs([rule], scheme="legacy")
    else:
        with pytest.raises(RelabelConfigError, match="invalid 'target_label' for replace action"):
            load_relabel_configs([rule], scheme="legacy")


@pytest.mark.parametrize("case", of_kind("yaml_roundtrip"))
def test_yaml(case: dict[str, Any]) -> None:
    (rule,) = load_relabel_configs("- " + case["yaml"].replace("\n", "\n  "))
    read = {name: getattr(rule, name) for name in case["parsed"]}
    assert read == {k: tuple(v) if isinstance(v, list) else v for k, v in case["parsed"].items()}


@pytest.mark.parametrize("case", of_kind("regexp_null"))
def test_null_regex(case: dict[str, Any]) -> None:
    (rule,) = load_relabel_configs(f"- {{target_label: x, regex: {case['yaml'].strip()}}}")
    assert rule.regex == ""


@pytest.mark.parametrize("case", of_kind("sanitize_label_name"))
def test_sanitize(case: dict[str, Any]) -> None:
    assert sanitize_label_name(case["in"]) == case["out"]


def test_every_kind_is_run() -> None:
    run = {
        "relabel", "validate", "target_label_legacy_valid", "yaml_roundtrip", "regexp_null", "json_roundtrip",
        "sanitize_label_name",
        "sanitize_metric_name",  # which nothing here needs
    }  # fmt: skip
    assert {case["kind"] for case in CASES} <= run


@pytest.mark.parametrize("case", of_kind("json_roundtrip"))
def test_json(case: dict[str, Any]) -> None:
    # The JSON form of a pattern is its text alone, which is what a rule keeps.
    (rule,) = load_relabel_configs([{"target_label": "x", "regex": case.get("regex", "(.*)")}])
    assert isinstance(rule.regex, str)
