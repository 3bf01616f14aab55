"""Pasted objects where no job says how they are found: the role that their kinds mean, alone or in lists."""

import re
from typing import Any

import pytest

from pyscrape.config import parse_config
from pyscrape.targets.manifests import InputError, guessed_targets, object_targets

NODE: dict[str, Any] = {
    "metadata": {"name": "n"},
    "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.2"}]},
}
POD: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "d"},
    "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]},
    "status": {"podIP": "127.0.0.3"},
}


@pytest.mark.parametrize(
    ("objects", "address"),
    [
        ([{"kind": "Node", **NODE}], "127.0.0.2:0"),
        ([{"kind": "List", "items": [{"kind": "Node", **NODE}]}], "127.0.0.2:0"),
        ([{"kind": "NodeList", "items": [NODE]}], "127.0.0.2:0"),
        ([{"kind": "Node", **NODE}, POD], "127.0.0.3:80"),
        ([{"kind": "ConfigMap"}, POD], "127.0.0.3:80"),
    ],
)
def test_the_role_is_that_of_the_kinds(objects: list[dict[str, Any]], address: str) -> None:
    assert [own["__address__"] for own, _ in guessed_targets(objects)] == [address]


@pytest.mark.parametrize(
    ("manifest", "kind"),
    [
        ({"kind": "Widget", "items": [POD]}, "Widget"),
        ({"kind": "PodList", "items": None}, "PodList"),
        ({"kind": "ConfigMapList", "items": [{}]}, "ConfigMap"),
        ({}, "?"),
    ],
)
def test_other_kinds_are_refused_by_name(manifest: dict[str, Any], kind: str) -> None:
    with pytest.raises(InputError, match=f"discovery reads objects of kind .*; got {kind[:-1]}.$"):
        guessed_targets([manifest])


def test_an_object_without_a_target_says_so() -> None:
    with pytest.raises(InputError, match="discovery of role pod makes no target of these objects"):
        guessed_targets([{**POD, "status": {}}])


JOB = parse_config(
    "scrape_configs: [{job_name: j, kubernetes_sd_configs: [{role: service}, {role: node}]}]"
).scrape_configs[0]


@pytest.mark.parametrize(("objects", "shown"), [([POD, POD], "Pod"), ([POD, {}], "?, Pod"), ([], "nothing")])
def test_objects_of_which_a_job_makes_nothing_are_named(objects: list[dict[str, Any]], shown: str) -> None:
    said = f"discovery of role node, service makes no target of these objects ({shown})"
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        object_targets(JOB, objects)
