"""The main job in a cluster: a tutorial's configuration as it stands, against an API server with TLS, token and RBAC.

The configuration is not touched; only the service account's folder lies elsewhere and names resolve to this machine.
Time passes thirty times as fast, so that two scrapes of 15 s fit into the test.
"""

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyscrape.app import server as app_server
from pyscrape.app.flags import Flags
from pyscrape.app.loading import Loaded, load
from pyscrape.app.web_config import web_security
from pyscrape.discovery.kubernetes import Clusters, cluster
from pyscrape.model.settings import Settings
from pyscrape.net.fetch import JobClient
from pyscrape.scrape import job as scrape_job
from pyscrape.scrape.pools import ScrapePools
from pyscrape.web.server import bind
from tests.helpers.certificates import Authority
from tests.helpers.fake_kubernetes import FakeKubernetes, rules_of
from tests.helpers.hurried_loop import HurriedLoop
from tests.helpers.kubernetes_tutorial import NODES, TutorialTargets, tutorial_cluster

HURRY = 30.0
ROOT = Path(__file__).parents[2]
TUTORIAL = (
    Path(os.environ.get("PYSCRAPE_CONFORMANCE", ROOT.parent / "shared/conformance")).parent / "tutorial"
)
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
USER = "system:serviceaccount:kube-ops:pyscrape"

pytestmark = pytest.mark.skipif(not TUTORIAL.exists(), reason="no tutorial beside the conformance data")

QUERIES = (
    'sum by (pod_name)(rate(container_cpu_usage_seconds_total{image!="",pod_name!=""}[1m]))',
    "sum(rate(apiserver_request_count[1m]))",
)


def moved(value: Any, folder: str) -> Any:
    """Settings whose paths into the service account's folder lead to `folder` instead."""
    if isinstance(value, str) and value.startswith(SERVICE_ACCOUNT):
        return type(value)(folder + value.removeprefix(SERVICE_ACCOUNT))
    if isinstance(value, tuple):
        return tuple(moved(item, folder) for item in value)
    if isinstance(value, Settings):
        return type(value)(**{name: moved(getattr(value, name), folder) for name in type(value).settings})
    return value


def shipped(*names: str) -> list[Mapping[str, Any]]:
    folder = ROOT / "configs/kubernetes"
    return [document for name in names for document in yaml.safe_load_all((folder / name).read_text())]


class Program:
    """The running program's HTTP API, without blocking the loop that it runs on."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def text(self, path: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        if b"transfer-encoding: chunked" in head.lower():
            body = b"".join(re.split(rb"(?:^|\r\n)[0-9a-fA-F]+\r\n", body))
        return body.decode()

    async def get(self, path: str) -> Any:
        return json.loads(await self.text(path))["data"]

    async def targets(self) -> dict[str, list[dict[str, Any]]]:
        by_job: dict[str, list[dict[str, Any]]] = {}
        for target in (await self.get("/api/v1/targets?state=active"))["activeTargets"]:
            by_job.setdefault(target["scrapePool"], []).append(target)
        return by_job

    async def query(self, text: str) -> list[dict[str, Any]]:
        from urllib.parse import quote

        found: list[dict[str, Any]] = (await self.get("/api/v1/query?query=" + quote(text)))["result"]
        return found


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[HurriedLoop]:
    loop = HurriedLoop(HURRY)
    monkeypatch.setattr(time, "time", loop.wall_s)
    monkeypatch.setattr(app_server, "ScrapePools", partial(ScrapePools, clock=loop.wall_s))
    yield loop
    loop.close()


@asynccontextmanager
async def running(config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, *manifests: str) -> Any:
    """The whole program on `config`, in a cluster that grants what the shipped manifests say."""
    authority = Authority(folder)
    (folder / "token").write_text("tutorial-token\n")
    (folder / "namespace").write_text("kube-ops")
    tls = authority.server("kubernetes.default.svc", "127.0.0.1", *NODES.values())
    api = FakeKubernetes(tutorial_cluster(), tls=tls)
    api.tokens = {"tutorial-token": USER}
    api.rules = {USER: rules_of(shipped(*manifests), USER)}
    async with api, TutorialTargets("tutorial-token", authority.server(*NODES.values())) as answering:
        api.routes += [
            (re.compile(r"^/api/v1/nodes/[^/]+/proxy/metrics/cadvisor$"), answering.proxied),
            (re.compile(r"^/metrics$"), answering.api_server_page),
        ]
        sockets = bind([("127.0.0.1", 0)])
        port = sockets[0].getsockname()[1]
        resolve = answering.routes(api.port, port)
        monkeypatch.setattr(scrape_job, "JobClient", partial(JobClient, resolve=resolve))
        environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(api.port)}
        clusters = Clusters(service_account=folder, environment=environment)
        monkeypatch.setattr(cluster, "_of_this_process", clusters)
        flags = Flags({"config.file": str(config), "web.listen-address": (f"127.0.0.1:{port}",)})
        found = load(flags)
        loaded = Loaded(moved(found.config, str(folder)), found.problems, found.notes)
        server = app_server.Server(flags, loaded, web_security(""))
        task = asyncio.create_task(server.run(sockets, server.services(app_server.web_options(flags))))
        try:
            yield Program(port), api, answering
        finally:
            server._end("the test is over")
            await task
            await clusters.close()


async def until(condition: Any, within_s: float = 120.0) -> None:
    """Wait for an async condition; seconds are the hurried loop's."""
    for _ in range(round(within_s)):
        if await condition():
            return
        await asyncio.sleep(1)
    raise AssertionError("did not happen in time")


WANTED = {
    "prometheus": {"http://localhost:9090/metrics"},
    "traefik": {"http://traefik-ingress-service.kube-system.svc.cluster.local:8080/metrics"},
    "redis": {"http://redis.kube-ops.svc.cluster.local:9121/metrics"},
    "kubernetes-nodes": {f"http://{ip}:9100/metrics" for ip in NODES.values()},
    "kubernetes-kubelet": {f"https://{ip}:10250/metrics" for ip in NODES.values()},
    "kubernetes_cAdvisor": {
        f"https://kubernetes.default.svc:443/api/v1/nodes/{name}/proxy/metrics/cadvisor" for name in NODES
    },
    "kubernetes-apiserver": {"https://127.0.1.1:6443/metrics"},
    "kubernetes-scheduler": {"http://127.0.1.1:10251/metrics"},
    "kubernetes-controller-manager": {"http://127.0.1.1:10252/metrics"},
    "kubernetes-service-endpoints": {
        "http://127.0.2.10:8080/metrics", "http://127.0.2.10:8081/metrics",
        "http://127.0.2.20:9121/metrics", "http://127.0.2.21:9121/metrics", "http://127.0.2.30:9153/metrics",
    },
}  # fmt: skip


def test_tutorial_as_it_stands(hurried: HurriedLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        rights = ("rbac.yml", "cadvisor-proxy.yml")
        async with running(TUTORIAL / "prometheus.yml", tmp_path, monkeypatch, *rights) as (program, api, _):

            async def found() -> bool:
                targets = await program.targets()
                return {job: {t["scrapeUrl"] for t in some} for job, some in targets.items()} == WANTED

            async def all_up() -> bool:
                targets = [t for some in (await program.targets()).values() for t in some]
                return bool(targets) and all(t["health"] == "up" for t in targets)

            async def answered() -> bool:
                found = [len(await program.query(text)) for text in QUERIES]
                return found == [2 * len(NODES), 1]

            await until(found)
            await until(all_up)
            await until(answered)
            by_pod = {
                row["metric"]["pod_name"]: float(row["value"][1]) for row in await program.query(QUERIES[0])
            }
            assert set(by_pod) == {f"{app}-{node}" for app in ("redis", "coredns") for node in NODES}
            # Each scrape adds 3 seconds; what has no image or no pod is not in the answer. A window that is not full of
            # samples yet gives less.
            assert 0 < by_pod["redis-master"] < 1.3 * 3 / 15
            (row,) = await program.query(QUERIES[1])
            assert 0 < float(row["value"][1]) < 1.3 * 30 / 15
            (node,) = [
                t for t in (await program.targets())["kubernetes-nodes"] if "127.0.1.2" in t["scrapeUrl"]
            ]
            assert node["labels"]["kubernetes_io_hostname"] == "node01"
            kubernetes = [
                row for row in await program.get("/api/v1/discovery") if row["kind"] == "kubernetes"
            ]
            assert {row["state"] for row in kubernetes} == {"running"}
            # One reflector each for nodes, endpoints, services and pods, whatever the number of jobs.
            listed = Counter(r.path for r in api.requests if "sendInitialEvents" in r.params)
            assert set(listed.values()) == {1} and len(listed) == 4

    asyncio.Runner(loop_factory=lambda: hurried).run(run())


def test_cadvisor_needs_its_variant(
    hurried: HurriedLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without cadvisor-proxy.yml everything but the node proxy is granted."""

    async def run() -> None:
        async with running(TUTORIAL / "prometheus.yml", tmp_path, monkeypatch, "rbac.yml") as (program, _, _):

            async def decided() -> bool:
                targets = [t for some in (await program.targets()).values() for t in some]
                return len(targets) > 15 and all(t["health"] != "unknown" for t in targets)

            await until(decided)
            down = {
                job for job, some in (await program.targets()).items() for t in some if t["health"] == "down"
            }
            assert down == {"kubernetes_cAdvisor"}
            errors = {t["lastError"] for t in (await program.targets())["kubernetes_cAdvisor"]}
            assert errors == {"server returned HTTP status 403 Forbidden"}

    asyncio.Runner(loop_factory=lambda: hurried).run(run())


def test_missing_right_shows_everywhere(
    hurried: HurriedLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the right to read endpoints, the rule that is missing stands in log, metrics and API."""

    async def run() -> None:
        async with running(TUTORIAL / "prometheus.yml", tmp_path, monkeypatch, "rbac.yml") as (
            program,
            api,
            _,
        ):
            rules = api.rules[USER]
            api.rules[USER] = [rule for rule in rules if "endpoints" not in rule.get("resources", ())]
            api.rules[USER].append(
                {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["list", "watch"]}
            )
            api.cut()

            async def refused() -> bool:
                shown = await program.text("/metrics")
                return (
                    re.search(r'pyscrape_sd_kubernetes_forbidden{.*resource="endpoints"} 1.0', shown)
                    is not None
                )

            await until(refused)
            advices = "\n".join(row["advice"] for row in await program.get("/api/v1/discovery"))
            rule = '- apiGroups: [""]\n  resources: ["endpoints"]\n  verbs: ["list", "watch"]'
            assert rule in advices
            assert any(rule in getattr(record, "hint", "") for record in caplog.records)
            everything = (
                await program.text("/metrics") + repr(await program.get("/api/v1/discovery")) + caplog.text
            )
            assert "tutorial-token" not in everything

    asyncio.Runner(loop_factory=lambda: hurried).run(run())
