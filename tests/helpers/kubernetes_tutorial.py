"""The cluster of a classic tutorial, small: three nodes with node exporters and kubelets, control plane, annotated
services. What answers on these addresses is `TutorialTargets`; names and addresses lead there by a resolver."""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyscrape.net.transport import Address
from tests.helpers.fake_kubernetes import Request

Manifest = dict[str, Any]

NODES = {"master": "127.0.1.1", "node01": "127.0.1.2", "node02": "127.0.1.3"}
KUBE_STATE_METRICS = "127.0.2.10"
REDIS = ("127.0.2.20", "127.0.2.21")
DNS = "127.0.2.30"


def _node(name: str, address: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _pod(namespace: str, name: str, ip: str, ports: Iterable[int], node: str = "node01") -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name.rpartition("-")[0]}},
        "spec": {
            "nodeName": node,
            "containers": [
                {"name": "main", "ports": [{"containerPort": port, "protocol": "TCP"} for port in ports]}
            ],
        },
        "status": {"phase": "Running", "podIP": ip, "hostIP": NODES[node]},
    }


def _service(
    namespace: str,
    name: str,
    ports: dict[str, int],
    pods: Sequence[Manifest] = (),
    addresses: Sequence[str] = (),
    **annotations: str,
) -> list[Manifest]:
    """A Service with its Endpoints: of pods, or of bare addresses."""
    meta = {"name": name, "namespace": namespace, "labels": {"app": name}}
    of_pods = [
        {
            "ip": pod["status"]["podIP"],
            "nodeName": pod["spec"]["nodeName"],
            "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod["metadata"]["name"]},
        }
        for pod in pods
    ]
    listed = [{"name": port_name, "port": port, "protocol": "TCP"} for port_name, port in ports.items()]
    shown = {f"prometheus.io/{key}": value for key, value in annotations.items()}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**meta, "annotations": shown},
            "spec": {"type": "ClusterIP", "clusterIP": "None", "ports": listed},
        },
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": meta,
            "subsets": [{"addresses": [*of_pods, *({"ip": ip} for ip in addresses)], "ports": listed}],
        },
    ]


def tutorial_cluster() -> list[Manifest]:
    """All objects. kube-state-metrics is as tutorials have it: headless, two ports, no port annotation."""
    state = _pod("kube-system", "kube-state-metrics-0", KUBE_STATE_METRICS, (8080, 8081))
    redis = [_pod("kube-ops", f"redis-{n}", ip, (6379, 9121)) for n, ip in enumerate(REDIS)]
    dns = _pod("kube-system", "coredns-0", DNS, (53, 9153))
    master = [NODES["master"]]
    return [
        *(_node(name, address) for name, address in NODES.items()),
        state,
        *redis,
        dns,
        *_service("default", "kubernetes", {"https": 6443}, addresses=master),
        *_service("kube-system", "kube-scheduler", {"http-metrics": 10251}, addresses=master),
        *_service("kube-system", "kube-controller-manager", {"http-metrics": 10252}, addresses=master),
        *_service(
            "kube-system",
            "kube-state-metrics",
            {"http-metrics": 8080, "telemetry": 8081},
            [state],
            scrape="true",
        ),
        *_service("kube-ops", "redis", {"redis": 6379, "metrics": 9121}, redis, scrape="true", port="9121"),
        *_service("kube-system", "kube-dns", {"dns": 53, "metrics": 9153}, [dns], scrape="true", port="9153"),
        *_service("kube-ops", "unannotated", {"http": 80}, redis),
    ]


TOKEN_PATHS = {"/metrics", "/metrics/cadvisor"}


@dataclass
class TutorialTargets:
    """One HTTP and one HTTPS server that are everything which is scraped; `routes` says who leads where.

    Pages depend on the address that was asked for; counters grow with every scrape. The kubelets' side wants the
    service account's token.
    """

    token: str
    tls: ssl.SSLContext
    http_port: int = 0
    https_port: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    _servers: list[asyncio.Server] = field(default_factory=list)

    async def __aenter__(self) -> "TutorialTargets":
        for context in (None, self.tls):
            server = await asyncio.start_server(
                lambda reader, writer, secure=context is not None: self._serve(reader, writer, secure),
                "127.0.0.1", 0, ssl=context,
            )  # fmt: skip
            self._servers.append(server)
        self.http_port, self.https_port = (server.sockets[0].getsockname()[1] for server in self._servers)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for server in self._servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secure: bool) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                path = lines[0].split(" ")[1]
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
                status, body = self._answer(headers["host"], path, headers.get("authorization", ""), secure)
                text = body.encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Type: text/plain; version=0.0.4\r\n"
                    f"Content-Length: {len(text)}\r\n\r\n".encode()
                    + text
                )
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    def _answer(self, host: str, path: str, authorization: str, secure: bool) -> tuple[int, str]:
        count = self.asked[host + path] = self.asked.get(host + path, 0) + 1
        if secure and authorization != f"Bearer {self.token}":
            return 401, "Unauthorized"
        if not path.startswith("/metrics"):
            return 404, "not found"
        return 200, page(host, count)

    async def proxied(self, request: Request) -> tuple[int, str, bytes]:
        """A kubelet's cAdvisor page by way of the API server."""
        node = request.path.split("/")[4]
        count = self.asked[request.path] = self.asked.get(request.path, 0) + 1
        return 200, "text/plain; version=0.0.4", cadvisor_page(node, count).encode()

    async def api_server_page(self, request: Request) -> tuple[int, str, bytes]:
        """The API server's own /metrics."""
        count = self.asked[request.path] = self.asked.get(request.path, 0) + 1
        text = (
            f'# TYPE apiserver_request_count counter\napiserver_request_count{{verb="LIST"}} {count * 30}\n'
        )
        return 200, "text/plain; version=0.0.4", text.encode()

    def routes(self, api_port: int, own_port: int) -> "Routes":
        return Routes(self.http_port, self.https_port, api_port, own_port)


def page(host: str, count: int) -> str:
    """An exporter's page: a counter that grows, and who answers."""
    return f'# TYPE scrapes_total counter\nscrapes_total {count}\n# TYPE who gauge\nwho{{host="{host}"}} 1\n'


def cadvisor_page(node: str, count: int) -> str:
    return "# TYPE container_cpu_usage_seconds_total counter\n" + "".join(
        f'container_cpu_usage_seconds_total{{image="{image}",pod_name="{pod}"}} {count * seconds}\n'
        for image, pod, seconds in (
            (f"redis:{node}", f"redis-{node}", 3.0),
            ("coredns", f"coredns-{node}", 1.5),
            ("", f"redis-{node}", 9.0),
            ("pause", "", 9.0),
        )
    )


@dataclass
class Routes:
    """The resolver: every name and address of the cluster, by port, to a server on this machine."""

    http_port: int
    https_port: int
    api_port: int
    own_port: int

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        to = {443: self.api_port, 6443: self.api_port, 9090: self.own_port, 10250: self.https_port}
        return [(socket.AF_INET, ("127.0.0.1", to.get(port, self.http_port)))]
