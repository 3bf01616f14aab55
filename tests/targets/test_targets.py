"""Targets from groups: whose label wins, which checks fail and how, what makes two targets the same one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.discovery.groups import TargetGroup
from pyscrape.model.duration import Duration
from pyscrape.model.regex import RegexTimeout
from pyscrape.relabel import RelabelTimeout, Rules
from pyscrape.targets import (
    Dropped,
    Failed,
    Target,
    TargetBuilder,
    TargetError,
    populate_labels,
    target_url,
    targets_from_group,
)
from pyscrape.targets.groups import SLICE


def only(
    own: dict[str, str], group: dict[str, str] | None = None, **config: Any
) -> Target | Dropped | Failed:
    """What becomes of one target."""
    built = targets_from_group(TargetGroup("s", (own,), group or {}), {"job_name": "j", **config})
    [found] = [*built.targets, *built.dropped, *built.failed]
    return found


def test_the_target_wins_over_the_group_over_the_job() -> None:
    found = only(
        {"__address__": "a:1", "x": "own", "empty": "", "__metrics_path__": "", "job": ""},
        {"x": "group", "y": "group", "empty": "group", "__scheme__": "https", "__metrics_path__": "/group"},
        scheme="http",
        scrape_interval="30s",
    )
    assert isinstance(found, Target)
    assert dict(found.labels) == {"instance": "a:1", "job": "j", "x": "own", "y": "group"}
    assert found.url == "https://a:1/metrics"
    assert (found.interval, found.timeout) == (Duration(30_000), Duration(10_000))


def test_an_empty_address_of_the_target_is_none() -> None:
    found = only({"__address__": ""}, {"__address__": "a:1"})
    assert isinstance(found, Failed)
    assert found.error == "no address"


def test_a_rule_that_takes_too_long_only_when_it_is_asked_for_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How long a match takes is a matter of the machine's load too: the second time may be too long."""
    drop_all = {"relabel_configs": [{"action": "drop"}], "job_name": "j"}
    builder = TargetBuilder(drop_all)

    def too_long(rules: Rules, _labels: object) -> int:
        raise RelabelTimeout(rules.compiled[0], RegexTimeout("(a+)+", 30))

    monkeypatch.setattr(Rules, "dropped_by", too_long)
    built = builder.build(TargetGroup("s", ({"__address__": "a:1"},)))
    assert [failed.error.startswith("relabel rule 1") for failed in built.failed] == [True]


def test_rules_see_everything_and_meta_labels_vanish() -> None:
    rules = [
        {"source_labels": ["__meta_name", "__scrape_interval__"], "target_label": "seen"},
        {"source_labels": ["__meta_path"], "target_label": "__metrics_path__"},
        {"target_label": "__tmp", "replacement": "kept inside"},
    ]
    found = only({"__address__": "a:1", "__meta_name": "n", "__meta_path": "m"}, relabel_configs=rules)
    assert isinstance(found, Target)
    assert dict(found.labels) == {"instance": "a:1", "job": "j", "seen": "n;1m"}
    assert found.url == "http://a:1/m"
    assert found.discovered["__meta_name"] == "n"


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ({}, "no address"),
        ({"__address__": "http://a"}, '"http://a" is not a valid hostname'),
        (
            {"__address__": "a", "__scrape_interval__": "x"},
            "error parsing scrape interval: not a valid duration",
        ),
        ({"__address__": "a", "__scrape_interval__": "0"}, "scrape interval cannot be 0"),
        ({"__address__": "a", "__scrape_timeout__": "5q"}, 'error parsing scrape timeout: unknown unit "q"'),
        (
            {"__address__": "a", "__scrape_interval__": "10s", "__scrape_timeout__": "20s"},
            'scrape timeout cannot be greater than scrape interval ("20s" > "10s")',
        ),
        (
            {"__address__": "a", "__scrape_native_histograms__": "maybe"},
            "error parsing __scrape_native_histograms__",
        ),
        ({"__address__": "a", "l": "\udcff"}, r'invalid label value for "l": "\xff"'),
    ],
)
def test_errors(labels: dict[str, str], error: str) -> None:
    with pytest.raises(TargetError) as caught:
        populate_labels(labels, {"job_name": "j"})
    assert str(caught.value).startswith(error)
    found = only(labels)
    assert isinstance(found, Failed)
    assert found.error == str(caught.value)


def test_a_dropped_target_says_by_which_rule() -> None:
    rules = [
        {"target_label": "a", "replacement": "1"},
        {"source_labels": ["a"], "regex": "1", "action": "drop"},
    ]
    found = only({"__address__": "a:1"}, relabel_configs=rules)
    assert isinstance(found, Dropped)
    assert (found.rule_index, found.reason) == (1, "dropped by relabel_configs[1]")
    assert populate_labels({"__address__": "a:1"}, {"relabel_configs": rules}) is None


@pytest.mark.parametrize(
    ("labels", "url"),
    [
        ({"__metrics_path__": "/a b?c=d%20"}, "http://h:1/a%20b%3Fc=d%2520"),
        ({"__metrics_path__": "no/slash"}, "http://h:1/no/slash"),
        ({"__metrics_path__": "*"}, "http://h:1/*"),
        ({"__metrics_path__": "/a*b"}, "http://h:1/a%2Ab"),
        (
            {"__metrics_path__": "/m", "__param_q": "a b&c", "__param_a": "ü"},
            "http://h:1/m?a=%C3%BC&q=a+b%26c",
        ),
        ({"__metrics_path__": "", "__address__": "[::1]:80"}, "http://[::1]:80"),
    ],
)
def test_urls(labels: dict[str, str], url: str) -> None:
    assert target_url({"__scheme__": "http", "__address__": "h:1", **labels}, {}) == url


def test_a_url_without_a_scheme_begins_as_go_s_does() -> None:
    assert target_url({"__address__": "h:1", "__metrics_path__": "/m"}, {}) == "//h:1/m"


def test_identity_is_of_labels_and_url() -> None:
    def key(**labels: str) -> str:
        found = only({"__address__": "a:1", **labels}, params={"x": ["1", "2"]})
        assert isinstance(found, Target)
        return found.key

    assert key() == key() == key(__meta_ignored="x")
    assert len({key(), key(a="1"), key(__metrics_path__="/x"), key(__param_x="9"), key(__hidden="1")}) == 5


@given(
    st.lists(st.dictionaries(st.sampled_from(["__address__", "a", "job", "__scheme__"]), st.text(max_size=5)))
)
def test_every_target_is_accounted_for(targets: list[dict[str, str]]) -> None:
    group = TargetGroup("s", tuple(targets))
    rules = [{"source_labels": ["a"], "regex": "x.*", "action": "drop"}]
    built = targets_from_group(group, {"job_name": "j", "relabel_configs": rules})
    assert len(built.targets) + len(built.dropped) + len(built.failed) == len(targets)
    assert all(target.labels["instance"] and target.labels["job"] for target in built.targets)


@pytest.mark.parametrize(("scheme", "set_by_rule"), [("legacy", False), ("utf8", True)])
def test_the_job_says_which_names_rules_may_set(scheme: str, set_by_rule: bool) -> None:
    rules = [{"source_labels": ["n"], "regex": "(.*)", "target_label": "$1", "replacement": "x"}]
    job = {"job_name": "j", "metric_name_validation_scheme": scheme, "relabel_configs": rules}
    labels = populate_labels({"__address__": "a:1", "n": "a.b"}, job)
    assert labels is not None
    assert ("a.b" in labels) is set_by_rule


@pytest.mark.parametrize(
    ("count", "pauses"), [(0, 0), (1, 0), (SLICE, 0), (SLICE + 1, 1), (2 * SLICE + 1, 2)]
)
def test_a_large_group_is_built_in_slices(count: int, pauses: int) -> None:
    group = TargetGroup("s", tuple({"__address__": f"a:{k}"} for k in range(count)))
    assert len(list(TargetBuilder({"job_name": "j"}).steps(group))) == pauses
