"""A discovery in good weather: what it asks for, what it shares, how soon it hands over, and how little."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.kubernetes import Clusters, KubernetesDiscoverer
from pyscrape.discovery.manager import DiscoveryManager, WantedJob
from pyscrape.discovery.settings import KubernetesSDConfig
from pyscrape.model.settings import from_mapping
from tests.discovery.kubernetes import manifests as make
from tests.discovery.kubernetes.conftest import discovering, eventually
from tests.helpers.fake_kubernetes import FakeKubernetes
from tests.helpers.kubernetes_objects import cluster


async def test_events_reach_the_jobs_without_being_asked_for() -> None:
    """By way of the manager, which gathers what several discoveries of a job find."""
    clusters = Clusters()
    delivered: dict[str, set[str]] = {}

    def deliver(job: str, groups: Sequence[TargetGroup]) -> None:
        delivered[job] = {group.source for group in groups}

    async with FakeKubernetes([make.pod("a"), make.service("s")]) as server:
        configs = [
            from_mapping(KubernetesSDConfig, {"role": role, "api_server": server.url})
            for role in ("pod", "service")
        ]
        manager = DiscoveryManager(lambda config: KubernetesDiscoverer(config, clusters), deliver)  # type: ignore[arg-type]
        manager.apply({"both": WantedJob((), tuple(configs))})
        await eventually(lambda: delivered.get("both") == {"pod/default/a", "svc/default/s"})
        asked = len(server.requests)
        server.apply(make.pod("b"))
        await eventually(lambda: "pod/default/b" in delivered["both"])
        server.delete("Pod", "a", "default")
        await eventually(lambda: delivered["both"] == {"pod/default/b", "svc/default/s"})
        assert len(server.requests) == asked, "the watches that were open brought it"
        await manager.stop()
        await clusters.close()


async def test_churn_is_gathered() -> None:
    """A thousand changes within a second are a few hand-overs, and the last state is in the last of them."""
    async with FakeKubernetes([make.pod("a")]) as server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        for n in range(100):
            for pod in range(10):
                server.apply(make.pod(f"p{pod}", f"10.0.{n}.{pod}"))
            await asyncio.sleep(0.005)
        await eventually(
            lambda: {t["__address__"] for t in found.targets} >= {f"10.0.99.{n}:80" for n in range(10)}
        )
        assert len(found.updates) < 50


async def test_only_touched_groups_are_handed_over() -> None:
    objects = [
        make.pod("a"),
        make.pod("b"),
        make.endpoints("x", "a"),
        make.endpoints("y", "b"),
        make.service("x"),
    ]
    async with FakeKubernetes(objects) as server, discovering(server.url, role="endpoints") as found:
        await eventually(lambda: found.synced)
        for change, touched in (
            (make.pod("a", tier="new"), {"endpoints/default/x"}),
            (make.service("y", l="new"), {"endpoints/default/y"}),
            (make.endpoints("y", "a", "b"), {"endpoints/default/y"}),
            (make.pod("a", tier="newer"), {"endpoints/default/x", "endpoints/default/y"}),
            (make.pod("c"), set[str]()),
        ):
            await asyncio.sleep(0.25)
            before = len(found.updates)
            server.apply(change)
            if touched:
                await eventually(lambda before=before: len(found.updates) > before)  # type: ignore[misc]
            assert {source for update in found.updates[before:] for source in update} == touched


async def test_discoveries_share_what_they_watch() -> None:
    """Jobs of any role with the same resource, namespace and selectors cost the server one watch."""
    objects = [make.pod("a"), make.endpoints("x", "a"), make.service("x"), make.node("n1")]
    clusters = Clusters()
    async with FakeKubernetes(objects) as server:
        for role in ("pod", "endpoints", "service", "endpoints"):
            async with discovering(server.url, clusters, role=role) as found:
                await eventually(lambda found=found: found.synced)  # type: ignore[misc]
        asked = [request.path for request in server.requests if "sendInitialEvents" in request.params]
        assert sorted(asked) == ["/api/v1/endpoints", "/api/v1/pods", "/api/v1/services"]
        async with discovering(server.url, clusters, namespaces={"names": ["default"]}) as found:
            await eventually(lambda: found.synced)
        assert server.requests[-1].path == "/api/v1/namespaces/default/pods"
        await clusters.close()


async def test_selectors_and_namespaces_are_the_server_s_work() -> None:
    objects = [make.pod("a", app="x"), make.pod("b", app="y"), make.pod("c", namespace="other", app="x")]
    selectors = [{"role": "pod", "label": "app in (x, z)", "field": "status.phase=Running"}]
    async with (
        FakeKubernetes(objects) as server,
        discovering(server.url, selectors=selectors, namespaces={"names": ["default"]}) as found,
    ):
        await eventually(lambda: found.synced)
        assert found.names == {"a"}
        (request,) = server.asked("pods")
        assert request.params["labelSelector"] == "app in (x, z)"
        assert request.params["fieldSelector"] == "status.phase=Running"
        server.apply(make.pod("a", app="y"))  # no longer selected: the server says that it is gone
        await eventually(lambda: found.names == set())


async def test_a_selector_of_a_related_kind_hides_that_kind_alone() -> None:
    objects = [make.pod("a", app="x"), make.endpoints("s", "a"), make.service("s", tier="t")]
    selectors = [{"role": "service", "label": "none=here"}]
    async with (
        FakeKubernetes(objects) as server,
        discovering(server.url, role="endpoints", selectors=selectors) as found,
    ):
        await eventually(lambda: found.synced)
        (target,) = found.targets
        assert target["__meta_kubernetes_pod_label_app"] == "x"
        assert "__meta_kubernetes_service_name" not in target


async def test_status_says_how_it_is_doing() -> None:
    async with FakeKubernetes([make.pod("a"), make.pod("b")]) as server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        status = found.discovery.status
        assert (status.kind, status.state, status.last_error, status.advice) == (
            "kubernetes",
            "running",
            "",
            "",
        )
        assert status.last_success_s is not None and abs(status.last_success_s - time.time()) < 60
        (source,) = status.details["sources"]  # type: ignore[misc]
        assert (source["resource"], source["objects"], source["synced"]) == ("pods", 2, True)
        assert found.clusters.stats.events_total == {("pod", "add"): 2}
        server.apply(make.pod("c"))
        await eventually(lambda: len(found.groups) == 3)
        await eventually(lambda: status.details["sources"][0]["objects"] == 3)  # type: ignore[index]


async def test_every_target_of_a_big_cluster() -> None:
    """A small form of `benchmarks/kubernetes.py`, which says what it costs."""
    async with (
        FakeKubernetes(cluster(pods=400, nodes=40, services=80)) as server,
        discovering(server.url) as found,
    ):
        await eventually(lambda: found.synced)
        assert len(found.targets) == 800


async def test_outside_of_a_cluster_it_says_what_is_missing() -> None:
    clusters = Clusters(environment={})
    async with discovering("", clusters) as found:
        await eventually(lambda: found.discovery.status.last_error != "")
        assert "outside of a cluster set api_server or kubeconfig_file" in found.discovery.status.last_error
        assert found.discovery.status.state == "failing"


@pytest.mark.parametrize("pretty", [False, True])
async def test_lists_may_be_compressed_or_indented(pretty: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeKubernetes((make.pod(f"p{n:03}", pad="x" * 500) for n in range(300)), watch_list=False)
    if pretty:
        import json

        original = server._list

        async def indented(*args):  # type: ignore[no-untyped-def]
            return json.dumps(json.loads(await original(*args)), indent=2).encode()

        monkeypatch.setattr(server, "_list", indented)
    async with server, discovering(server.url) as found:
        await eventually(lambda: found.synced)
        assert len(found.groups) == 300
        assert "gzip" in server.asked("pods")[0].headers["accept-encoding"]
