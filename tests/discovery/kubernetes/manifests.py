"""Small objects for tests: what a case is about is an argument, the rest is as plain as can be."""

from typing import Any

Manifest = dict[str, Any]


def pod(name: str, ip: str = "10.0.0.1", namespace: str = "default", **labels: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]},
        "status": {"podIP": ip, "phase": "Running"},
    }


def service(name: str, namespace: str = "default", **labels: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.1", "ports": [{"port": 80}]},
    }


def endpoints(name: str, *pods: str, namespace: str = "default") -> Manifest:
    refs = [
        {
            "ip": f"10.0.0.{n}",
            "nodeName": "n1",
            "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod_name},
        }
        for n, pod_name in enumerate(pods, 1)
    ]
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": name, "namespace": namespace},
        "subsets": [{"addresses": refs, "ports": [{"port": 80}]}],
    }


def endpoint_slice(name: str, of: str, *pods: str, namespace: str = "default") -> Manifest:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": of}},
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [f"10.0.0.{n}"],
                "nodeName": "n1",
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": pod_name},
            }
            for n, pod_name in enumerate(pods, 1)
        ],
        "ports": [{"port": 80}],
    }


def node(name: str, address: str = "10.1.0.1", **labels: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    }


def namespace(name: str, **labels: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
