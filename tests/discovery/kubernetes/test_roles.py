"""What each role makes of an object, a fact a test: addresses, labels that are there, labels that are not."""

from collections.abc import Mapping
from typing import Any

import pytest

from pyscrape.discovery.kubernetes import target_groups
from tests.discovery.kubernetes import manifests as make

Manifest = dict[str, Any]
K8S = "__meta_kubernetes_"


def targets(role: str, *objects: Manifest, **attach: bool) -> list[dict[str, str]]:
    """All targets with their groups' labels, without the prefix."""
    return [
        {name.removeprefix(K8S): value for name, value in {**group.labels, **target}.items()}
        for group in target_groups(role, objects, attach)
        for target in group.targets
    ]


def addresses(role: str, *objects: Manifest, **attach: bool) -> list[str]:
    return [target["__address__"] for target in targets(role, *objects, **attach)]


def merged(base: Any, changes: Mapping[str, Any]) -> Any:
    """`base` with nested fields replaced: {"status.podIP": ""}."""
    copy = {**base}
    for path, value in changes.items():
        first, _, rest = path.partition(".")
        copy[first] = merged(copy.get(first) or {}, {rest: value}) if rest else value
    return copy


def pod(**changes: Any) -> Manifest:
    return merged(make.pod("p"), {path.replace("__", "."): value for path, value in changes.items()})


# --- node ---

INTERNAL = {"type": "InternalIP", "address": "10.1.0.1"}


@pytest.mark.parametrize(
    ("found", "address"),
    [
        ([INTERNAL], "10.1.0.1:10250"),
        (
            [{"type": "Hostname", "address": "n1"}, {"type": "ExternalIP", "address": "1.2.3.4"}],
            "1.2.3.4:10250",
        ),
        (
            [{"type": "ExternalIP", "address": "1.2.3.4"}, {"type": "InternalDNS", "address": "n1.int"}],
            "n1.int:10250",
        ),
        ([{"type": "InternalIP", "address": "fd00::1"}], "[fd00::1]:10250"),
        (
            [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "InternalIP", "address": "10.0.0.2"}],
            "10.0.0.1:10250",
        ),
    ],
)
def test_node_address(found: list[Manifest], address: str) -> None:
    assert addresses("node", merged(make.node("n1"), {"status.addresses": found})) == [address]


def test_node_without_address_gives_no_group() -> None:
    assert target_groups("node", [merged(make.node("n1"), {"status.addresses": []})]) == []


def test_node_without_kubelet_port() -> None:
    assert addresses("node", merged(make.node("n1"), {"status.daemonEndpoints": {}})) == ["10.1.0.1:0"]


def test_node_labels() -> None:
    node = merged(
        make.node("n1", **{"topology.kubernetes.io/zone": "a"}),
        {
            "spec.providerID": "aws:///i-1",
            "metadata.annotations": {"empty": ""},
            "status.conditions": [
                {"type": "Ready", "status": "True"},
                {"type": "DiskPressure", "status": "False"},
            ],
        },
    )
    (found,) = targets("node", node)
    assert found == {
        "__address__": "10.1.0.1:10250",
        "instance": "n1",
        "node_name": "n1",
        "node_provider_id": "aws:///i-1",
        "node_address_InternalIP": "10.1.0.1",
        "node_condition_ready": "true",
        "node_condition_diskpressure": "false",
        "node_label_topology_kubernetes_io_zone": "a",
        "node_labelpresent_topology_kubernetes_io_zone": "true",
        "node_annotationpresent_empty": "true",
    }


# --- service ---


@pytest.mark.parametrize(
    ("spec", "labels"),
    [
        ({}, {"service_type": "ClusterIP", "service_cluster_ip": "10.96.0.1"}),
        ({"clusterIP": "None"}, {"service_cluster_ip": "None"}),
        (
            {"type": "ExternalName", "externalName": "db.example.com"},
            {"service_external_name": "db.example.com"},
        ),
        ({"type": "LoadBalancer", "loadBalancerIP": "1.2.3.4"}, {"service_loadbalancer_ip": "1.2.3.4"}),
        ({"type": "NodePort", "loadBalancerIP": "1.2.3.4"}, {"service_loadbalancer_ip": None}),
        ({"type": "ExternalName"}, {"service_cluster_ip": None}),
    ],
)
def test_service_labels(spec: Manifest, labels: Mapping[str, str | None]) -> None:
    service = make.service("s")
    (found,) = targets("service", {**service, "spec": {**service["spec"], **spec}})
    assert {name: found.get(name) for name in labels} == labels
    assert found["__address__"] == "s.default.svc:80"


def test_load_balancer_addresses_that_were_granted_win() -> None:
    granted = {"status.loadBalancer.ingress": [{"ip": "1.1.1.1"}, {"hostname": "x"}, {"ip": "2.2.2.2"}]}
    service = merged(
        make.service("s"), {"spec.type": "LoadBalancer", "spec.loadBalancerIP": "9.9.9.9", **granted}
    )
    assert targets("service", service)[0]["service_loadbalancer_ip"] == "1.1.1.1,2.2.2.2"


def test_service_without_ports_gives_no_targets() -> None:
    assert targets("service", merged(make.service("s"), {"spec.ports": None})) == []


# --- pod ---


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, ["10.0.0.1:80"]),
        ({"status__podIP": ""}, []),
        ({"status__podIP": "fd00::1"}, ["[fd00::1]:80"]),
        ({"spec__containers": [{"name": "c"}]}, ["10.0.0.1"]),
        ({"spec__containers": [{"name": "c"}], "status__podIP": "fd00::1"}, ["fd00::1"]),
        (
            {"spec__initContainers": [{"name": "i", "ports": [{"containerPort": 81}]}]},
            ["10.0.0.1:80", "10.0.0.1:81"],
        ),
        ({"spec__initContainers": [{"name": "i"}]}, ["10.0.0.1:80", "10.0.0.1"]),
        ({"status__phase": "Succeeded"}, ["10.0.0.1:80"]),
        ({"spec__containers": None}, []),
    ],
)
def test_pod_addresses(changes: Mapping[str, Any], found: list[str]) -> None:
    assert addresses("pod", pod(**changes)) == found


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([{"type": "Ready", "status": "True"}], "true"),
        ([{"type": "Ready", "status": "False"}], "false"),
        ([{"type": "Ready", "status": "Unknown"}], "unknown"),
        ([{"type": "Initialized", "status": "True"}], "unknown"),
        (None, "unknown"),
    ],
)
def test_pod_readiness(conditions: Any, ready: str) -> None:
    assert targets("pod", pod(status__conditions=conditions))[0]["pod_ready"] == ready


def test_pod_container_ids_are_of_their_own_kind() -> None:
    """A container and an init container may have the same name."""
    found = targets(
        "pod",
        pod(
            spec__initContainers=[{"name": "c"}],
            status__containerStatuses=[{"name": "c", "containerID": "x://1"}],
            status__initContainerStatuses=[{"name": "c", "containerID": "x://2"}],
        ),
    )
    assert [(t["pod_container_init"], t["pod_container_id"]) for t in found] == [
        ("false", "x://1"),
        ("true", "x://2"),
    ]


def test_controller_is_the_owner_that_says_so() -> None:
    owners = [{"kind": "A", "name": "a"}, {"kind": "B", "name": "b", "controller": True}]
    (found,) = targets("pod", pod(metadata__ownerReferences=owners))
    assert (found["pod_controller_kind"], found["pod_controller_name"]) == ("B", "b")


def owned(kind: str, name: str, api: str = "apps/v1", by: tuple[str, str] | None = None) -> Manifest:
    owners = [{"kind": by[0], "name": by[1], "controller": True}] if by else []
    return {
        "apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "default", "ownerReferences": owners},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("attach", "owner", "labels"),
    [
        ({"deployment": True}, ("ReplicaSet", "rs"), {"pod_deployment_name": "d"}),
        ({"deployment": True}, ("ReplicaSet", "unknown"), {}),
        ({"deployment": True}, ("Job", "j"), {}),
        ({"job": True}, ("Job", "j"), {"pod_job_name": "j"}),
        ({"cronjob": True}, ("Job", "j"), {"pod_cronjob_name": "cj"}),
        ({"job": True, "cronjob": True}, ("Job", "j"), {"pod_job_name": "j", "pod_cronjob_name": "cj"}),
        ({}, ("Job", "j"), {}),
    ],
)
def test_workload_names(
    attach: Mapping[str, bool], owner: tuple[str, str], labels: Mapping[str, str]
) -> None:
    owners = [{"kind": owner[0], "name": owner[1], "controller": True}]
    makers = (
        owned("ReplicaSet", "rs", by=("Deployment", "d")),
        owned("Job", "j", "batch/v1", by=("CronJob", "cj")),
    )
    (found,) = targets("pod", pod(metadata__ownerReferences=owners), *makers, **attach)
    shown = ("pod_deployment_name", "pod_job_name", "pod_cronjob_name")
    assert {name: found[name] for name in shown if name in found} == labels


def test_attached_node_and_namespace() -> None:
    related = make.node("n1", zone="a"), make.namespace("default", team="t")
    (found,) = targets("pod", pod(), *related, node=True, namespace=True)
    assert (found["node_name"], found["node_label_zone"], found["namespace_label_team"]) == ("n1", "a", "t")
    assert "node_address_InternalIP" not in found


def test_pods_of_unknown_nodes_are_left_out_where_nodes_are_attached() -> None:
    assert targets("pod", pod(), node=True) == []
    assert len(targets("pod", pod())) == 1


# --- endpoints and slices ---


@pytest.mark.parametrize(
    ("role", "objects"),
    [
        ("endpoints", [make.endpoints("s", "a", "b")]),
        ("endpointslice", [make.endpoint_slice("s-1", "s", "a", "b")]),
    ],
)
def test_pods_behind_a_service(role: str, objects: list[Manifest]) -> None:
    """Their other ports become targets too; a pod that is unknown keeps its address alone."""
    known = merged(
        make.pod("a", tier="front"),
        {
            "spec.containers": [
                {
                    "name": "c",
                    "image": "c:1",
                    "ports": [{"name": "web", "containerPort": 80, "protocol": "TCP"}],
                },
                {"name": "side", "image": "s:1", "ports": [{"containerPort": 90}]},
            ]
        },
    )
    a, b, extra = targets(role, *objects, known, make.service("s", app="s"))
    assert (a["__address__"], b["__address__"], extra["__address__"]) == (
        "10.0.0.1:80",
        "10.0.0.2:80",
        "10.0.0.1:90",
    )
    assert (a["pod_container_name"], a["pod_container_port_name"], a["pod_label_tier"]) == (
        "c",
        "web",
        "front",
    )
    assert "pod_name" not in b
    assert extra["pod_container_name"] == "side"
    assert not [name for name in extra if name.startswith(("endpoint_", "endpointslice_endpoint"))]
    assert {t["service_label_app"] for t in (a, b, extra)} == {"s"}


def test_last_container_with_the_port_wins_and_the_protocol_is_the_role_s() -> None:
    """Endpoints show their own protocol, slices the container's."""
    with_init = pod(
        spec__containers=[{"name": "c", "ports": [{"containerPort": 80, "protocol": "UDP", "name": "x"}]}],
        spec__initContainers=[{"name": "i", "ports": [{"containerPort": 80, "protocol": "SCTP"}]}],
    )
    endpoints = make.endpoints("s", "p")
    endpoints["subsets"][0]["ports"][0]["protocol"] = "TCP"
    (found,) = targets("endpoints", endpoints, with_init)
    assert (found["pod_container_name"], found["pod_container_port_protocol"]) == ("i", "TCP")
    assert "pod_container_port_name" not in found
    (found,) = targets("endpointslice", make.endpoint_slice("s-1", "s", "p"), with_init)
    assert (found["pod_container_name"], found["pod_container_port_protocol"]) == ("i", "SCTP")


def test_addresses_that_are_not_ready() -> None:
    endpoints = make.endpoints("s", "a")
    endpoints["subsets"][0]["notReadyAddresses"] = [{"ip": "10.0.0.9"}]
    assert [(t["__address__"], t["endpoint_ready"]) for t in targets("endpoints", endpoints)] == [
        ("10.0.0.1:80", "true"),
        ("10.0.0.9:80", "false"),
    ]


@pytest.mark.parametrize(
    ("ports", "found"),
    [([{"port": 80}], ["10.0.0.1:80"]), ([{"name": "x"}], ["10.0.0.1"]), ([], []), (None, [])],
)
def test_slice_ports(ports: Any, found: list[str]) -> None:
    assert addresses("endpointslice", {**make.endpoint_slice("s-1", "s", "a"), "ports": ports}) == found


@pytest.mark.parametrize("policy", ["PreferDualStack", "RequireDualStack", "SingleStack"])
def test_dual_stack_gives_each_pod_once(policy: str) -> None:
    service = merged(make.service("s"), {"spec.ipFamilyPolicy": policy, "spec.ipFamilies": ["IPv6", "IPv4"]})
    groups = target_groups("endpointslice", [service, make.endpoint_slice("s-4", "s", "a")])
    assert len(groups) == 1, "the group stays, without targets"
    assert bool(groups[0].targets) == (policy == "SingleStack")


# --- ingress ---


@pytest.mark.parametrize(
    ("host", "tls", "scheme"),
    [
        ("a.example.com", ["a.example.com"], "https"),
        ("a.wild.com", ["*.wild.com"], "https"),
        ("*.wild.com", ["*.wild.com"], "https"),
        ("a.b.wild.com", ["*.wild.com"], "http"),
        ("b.example.com", ["a.example.com"], "http"),
        ("a.example.com", None, "http"),
    ],
)
def test_ingress_scheme(host: str, tls: Any, scheme: str) -> None:
    meta = {"name": "i", "namespace": "default"}
    ingress = {
        "kind": "Ingress",
        "metadata": meta,
        "spec": {"tls": [{"hosts": tls}], "rules": [{"host": host}]},
    }
    (found,) = targets("ingress", ingress)
    assert (found["ingress_scheme"], found["ingress_path"], found["__address__"]) == (scheme, "/", host)


# --- the library's front ---


def test_lists_are_opened_and_other_kinds_passed_over() -> None:
    listed = {
        "kind": "PodList",
        "apiVersion": "v1",
        "items": [{k: v for k, v in pod().items() if k != "kind"}],
    }
    mixed = {"kind": "List", "items": [make.pod("q"), {"kind": "Secret", "metadata": {"name": "s"}}]}
    assert addresses("pod", listed, mixed) == ["10.0.0.1:80", "10.0.0.1:80"]


def test_a_manifest_without_a_namespace_is_in_default() -> None:
    manifest = make.pod("p")
    del manifest["metadata"]["namespace"]
    assert [group.source for group in target_groups("pod", [manifest])] == ["pod/default/p"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: target_groups("pods", []), "unknown Kubernetes SD role 'pods'"),
        (lambda: target_groups("pod", [], {"nodes": True}), "unknown field 'nodes' of attach_metadata"),
        (
            lambda: target_groups("pod", [pod(status__podIP=7)]),
            "Pod 'p': Expected `str`, got `int` - at `$.status.podIP`",
        ),
        (
            lambda: target_groups("pod", [{"kind": "Pod", "metadata": 7}]),
            "Pod '?': Expected `object`, got `int`",
        ),
        (
            lambda: target_groups("pod", [{"kind": "PodList", "items": [7]}]),
            "items of PodList must be a list",
        ),
        (lambda: target_groups("pod", [{"kind": "List", "items": 7}]), "items of List must be a list"),
        (lambda: target_groups("pod", ["x"]), "must be a mapping"),  # type: ignore[list-item]
    ],
)
def test_mistakes_are_named(call: Any, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        call()
    assert said in str(caught.value)
