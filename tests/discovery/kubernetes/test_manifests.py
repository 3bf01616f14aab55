"""The shipped manifests: rights that are enough and not more, and a configuration that checks without a finding."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pyscrape.config import check_text
from pyscrape.discovery.kubernetes.labels import Attach
from pyscrape.discovery.kubernetes.objects import NAMESPACES, NODES
from pyscrape.discovery.kubernetes.roles import ROLES
from tests.discovery.kubernetes.conftest import discovering, eventually
from tests.helpers.fake_kubernetes import FakeKubernetes, rules_of

CONFIGS = Path(__file__).parents[3] / "configs/kubernetes"
FILES = sorted(CONFIGS.glob("*.yml"))
USER = "system:serviceaccount:kube-ops:pyscrape"
ATTACHED = {
    "node": "node",
    "namespace": "namespace",
    "deployment": "deployment",
    "job": "job",
    "cronjob": "job",
}


def documents(*names: str) -> list[dict[str, Any]]:
    return [document for name in names for document in yaml.safe_load_all((CONFIGS / name).read_text())]


def cluster_role(name: str) -> list[dict[str, Any]]:
    return next(d["rules"] for d in documents("rbac-per-role.yml") if d["metadata"]["name"] == name)


def granted(rules: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """(group, resource, verb) of everything that the rules allow."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("role", sorted(ROLES))
def test_rights_per_role_are_exact(role: str) -> None:
    read = [ROLES[role].resource, *ROLES[role].related(Attach()).values()]
    wanted = {(resource.group, resource.plural, verb) for resource in read for verb in ("list", "watch")}
    assert granted(cluster_role(f"pyscrape-sd-{role}")) == wanted


@pytest.mark.parametrize(("attached", "name"), sorted(ATTACHED.items()))
def test_rights_for_metadata_are_exact(attached: str, name: str) -> None:
    read = set(ROLES["pod"].related(Attach(**{attached: True})).values())
    wanted = {(resource.group, resource.plural, verb) for resource in read for verb in ("list", "watch")}
    assert granted(cluster_role(f"pyscrape-attach-{name}")) == wanted


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_rights_are_enough(role: str) -> None:
    """With a RoleBinding in the one namespace, and cluster-wide only what is in no namespace."""
    rules = cluster_role(f"pyscrape-sd-{role}") + cluster_role("pyscrape-attach-namespace")
    in_none = {NODES.plural, NAMESPACES.plural}
    server = FakeKubernetes([])
    server.tokens = {"t": USER}
    server.rules = {
        USER: [{**rule, "namespace": "" if in_none & set(rule["resources"]) else "shop"} for rule in rules]
    }
    config: dict[str, Any] = {
        "role": role,
        "authorization": {"credentials": "t"},
        "attach_metadata": {"namespace": True},
    }
    async with server, discovering(server.url, **config, namespaces={"names": ["shop"]}) as found:
        await eventually(lambda: found.synced)
        assert found.discovery.status.state == "running"


def test_shipped_rights_are_read_only_and_without_the_node_proxy() -> None:
    rules = rules_of(documents("rbac.yml"), USER)
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert not {resource for _, resource, _ in granted(rules)} & {"nodes/proxy", "secrets", "*"}
    assert [rule["nonResourceURLs"] for rule in rules if "nonResourceURLs" in rule] == [["/metrics"]]


def test_node_proxy_is_apart_and_says_what_it_risks() -> None:
    rules = rules_of(documents("cadvisor-proxy.yml"), USER)
    assert granted(rules) == {("", "nodes/proxy", "get")}
    assert "Mind the risk" in (CONFIGS / "cadvisor-proxy.yml").read_text()
    assert "nodes/proxy" not in (CONFIGS / "configmap.yml").read_text()


def test_parts_fit_together() -> None:
    deployment, service = documents("deployment.yml")
    config_map = documents("configmap.yml")[0]
    pod = deployment["spec"]["template"]
    assert pod["spec"]["volumes"][0]["configMap"]["name"] == config_map["metadata"]["name"]
    assert (
        f"--config.file=/etc/prometheus/{next(iter(config_map['data']))}"
        in pod["spec"]["containers"][0]["args"]
    )
    assert pod["spec"]["serviceAccountName"] == USER.rpartition(":")[2]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert {d["metadata"].get("namespace", "kube-ops") for d in documents("rbac.yml", "deployment.yml")} == {
        "kube-ops"
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_check_finds_nothing(path: Path) -> None:
    found = check_text(path.read_text(), filename=str(path), base_dir=str(path.parent))
    notable = [problem for problem in found if problem.severity != "info"]
    # Manifests without a configuration are said to have none.
    assert {problem.id for problem in notable} == (
        set() if path.name == "configmap.yml" else {"no-config-in-manifest"}
    )
