"""Objects as a busy cluster has them: pods of Deployments, nodes, services with endpoints and slices, ingresses.

Sizes were matched to a real API server: a pod is about 7.9 KB of compact JSON of which 45 % are managedFields, a
node 4.4 KB, a service 1.3 KB. Everything follows from the numbers asked for: the same call gives the same cluster.
"""

from collections.abc import Iterator
from typing import Any

Manifest = dict[str, Any]

CREATED = "2026-01-01T00:00:00Z"
NAMESPACES = 20


def namespace_of(service: int) -> str:
    return f"team-{service % NAMESPACES}"


def _fields(names: list[str], depth: str) -> Manifest:
    """A managedFields tree as servers write it: one key per field that a manager owns."""
    return {"f:metadata": {"f:labels": {".": {}, **{f"f:{name}": {} for name in names}}}, depth: {
        f"f:{name}": {".": {}, "f:name": {}, "f:value": {}, "f:resources": {".": {}, "f:limits": {}, "f:requests": {}}}
        for name in names
    }}  # fmt: skip


def managed_fields(version: str, names: list[str]) -> list[Manifest]:
    return [
        {
            "manager": manager, "operation": "Update", "apiVersion": version, "time": CREATED, "fieldsType": "FieldsV1",
            "fieldsV1": _fields(names, depth),
        }
        for manager, depth in (("kube-controller-manager", "f:spec"), ("kubelet", "f:status"))
    ]  # fmt: skip


def uid(number: int, kind: int) -> str:
    return f"{number:08x}-{kind:04x}-4000-8000-{number * 7919 % 16**12:012x}"


def pod(number: int, *, nodes: int, services: int, phase: str = "Running", revision: int = 1) -> Manifest:
    service = number % services
    app, namespace, node = f"app-{service}", namespace_of(service), number % nodes
    name, ip = (
        f"{app}-6d4cf56db6-{number:05x}",
        f"10.{64 + number // 65536}.{number // 256 % 256}.{number % 256}",
    )
    environment = [{"name": f"SETTING_{n}", "value": f"value-{n}-of-{app}"} for n in range(22)]
    resources = {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}}
    mount = {
        "name": "kube-api-access",
        "readOnly": True,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    }

    def container(called: str, ports: list[Manifest], env: list[Manifest]) -> Manifest:
        return {
            "name": called, "image": f"registry.example.com/{app}/{called}:v1.{service % 30}.0", "ports": ports,
            "env": env, "resources": resources, "volumeMounts": [mount], "imagePullPolicy": "IfNotPresent",
            "livenessProbe": {"httpGet": {"path": "/-/healthy", "port": "http", "scheme": "HTTP"}, "timeoutSeconds": 1},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        }  # fmt: skip

    conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name, "generateName": f"{app}-6d4cf56db6-", "namespace": namespace, "uid": uid(number, 1),
            "creationTimestamp": CREATED,
            "labels": {
                "app": app, "app.kubernetes.io/name": app, "app.kubernetes.io/version": f"1.{service % 30}",
                "pod-template-hash": "6d4cf56db6", "team": namespace, "revision": str(revision),
            },
            "annotations": {
                "prometheus.io/scrape": "true", "prometheus.io/port": "9102", "checksum/config": uid(service, 9),
            },
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{app}-6d4cf56db6", "uid": uid(service, 2),
                "controller": True, "blockOwnerDeletion": True,
            }],
            "managedFields": managed_fields("v1", [f"setting-{n}-{app}" for n in range(12)]),
        },
        "spec": {
            "containers": [
                container("main", [
                    {"name": "http", "containerPort": 8080, "protocol": "TCP"},
                    {"name": "metrics", "containerPort": 9102, "protocol": "TCP"},
                ], environment),
            ],
            "volumes": [{"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            ]}}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "serviceAccountName": app, "nodeName": f"node-{node}", "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"}
                for key in ("not-ready", "unreachable")
            ],
        },
        "status": {
            "phase": phase, "hostIP": f"10.1.{node // 256}.{node % 256}", "podIP": ip, "podIPs": [{"ip": ip}],
            "startTime": CREATED, "qosClass": "Burstable",
            "conditions": [
                {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": CREATED}
                for kind in conditions
            ],
            "containerStatuses": [{
                "name": "main", "state": {"running": {"startedAt": CREATED}}, "lastState": {}, "ready": True,
                "restartCount": 0, "image": f"registry.example.com/{app}/main:v1.{service % 30}.0", "started": True,
                "imageID": f"registry.example.com/{app}/main@sha256:{uid(service, 7) * 2:.64}",
                "containerID": f"containerd://{number:064x}",
            }],
        },
    }  # fmt: skip


def node(number: int) -> Manifest:
    name, ip = f"node-{number}", f"10.1.{number // 256}.{number % 256}"
    labels = {
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": f"zone-{number % 3}", "node.kubernetes.io/instance-type": "m5.2xlarge",
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name, "uid": uid(number, 3), "creationTimestamp": CREATED, "labels": labels,
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
            "managedFields": managed_fields("v1", [f"field-{n}" for n in range(8)]),
        },
        "spec": {"providerID": f"aws:///eu-1a/i-{number:017x}", "podCIDR": f"10.{number // 256}.{number % 256}.0/24"},
        "status": {
            "capacity": {"cpu": "8", "memory": "32Gi", "pods": "110"},
            "conditions": [
                {"type": kind, "status": status, "lastHeartbeatTime": CREATED, "lastTransitionTime": CREATED,
                 "reason": f"Kubelet{kind}", "message": "kubelet says so"}
                for kind, status in (("MemoryPressure", "False"), ("DiskPressure", "False"), ("Ready", "True"))
            ],
            "addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "images": [{"names": [f"registry.example.com/app-{n}/main:v1"], "sizeBytes": 10**7 + n} for n in range(20)],
        },
    }  # fmt: skip


def service(number: int) -> Manifest:
    app = f"app-{number}"
    ip = f"10.96.{number // 256}.{number % 256}"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": app, "namespace": namespace_of(number), "uid": uid(number, 4), "creationTimestamp": CREATED,
            "labels": {"app": app, "team": namespace_of(number)},
            "annotations": {"prometheus.io/scrape": "true" if number % 10 == 0 else "false"},
            "managedFields": managed_fields("v1", ["app", "team"]),
        },
        "spec": {
            "type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "selector": {"app": app},
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "ports": [
                {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"},
                {"name": "metrics", "port": 9102, "targetPort": 9102, "protocol": "TCP"},
            ],
        },
        "status": {"loadBalancer": {}},
    }  # fmt: skip


PORTS = [
    {"name": "http", "port": 8080, "protocol": "TCP"},
    {"name": "metrics", "port": 9102, "protocol": "TCP"},
]


def _target_ref(found: Manifest) -> Manifest:
    meta = found["metadata"]
    return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


def endpoints(number: int, pods: list[Manifest]) -> Manifest:
    app = f"app-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": app, "namespace": namespace_of(number), "uid": uid(number, 5), "creationTimestamp": CREATED,
            "labels": {"app": app, "team": namespace_of(number)},
            "managedFields": managed_fields("v1", ["app"]),
        },
        "subsets": [{
            "addresses": [
                {"ip": p["status"]["podIP"], "nodeName": p["spec"]["nodeName"], "targetRef": _target_ref(p)}
                for p in pods
            ],
            "ports": PORTS,
        }],
    }  # fmt: skip


def endpoint_slice(number: int, pods: list[Manifest]) -> Manifest:
    app = f"app-{number}"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{app}-x7k2p", "namespace": namespace_of(number), "uid": uid(number, 6),
            "creationTimestamp": CREATED,
            "labels": {"kubernetes.io/service-name": app, "app": app},
            "managedFields": managed_fields("discovery.k8s.io/v1", ["app", "kubernetes.io/service-name"]),
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [p["status"]["podIP"]], "nodeName": p["spec"]["nodeName"], "targetRef": _target_ref(p),
                "conditions": {"ready": True, "serving": True, "terminating": False}, "zone": "zone-1",
            }
            for p in pods
        ],
        "ports": PORTS,
    }  # fmt: skip


def ingress(number: int) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": f"app-{number}", "namespace": namespace_of(number), "uid": uid(number, 8)},
        "spec": {
            "ingressClassName": "nginx",
            "tls": [{"hosts": [f"app-{number}.example.com"], "secretName": "tls"}],
            "rules": [
                {
                    "host": f"app-{number}.example.com",
                    "http": {"paths": [{"path": "/", "pathType": "Prefix"}]},
                }
            ],
        },
    }


def cluster(
    pods: int = 5000, nodes: int = 500, services: int = 1000, ingresses: int = 10
) -> Iterator[Manifest]:
    """A whole cluster; every pod belongs to a service, every service to a namespace."""
    for number in range(NAMESPACES):
        yield {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": f"team-{number}", "labels": {"n": str(number)}},
        }
    for number in range(nodes):
        yield node(number)
    behind: dict[int, list[Manifest]] = {number: [] for number in range(services)}
    for number in range(pods):
        made = pod(number, nodes=nodes, services=services)
        behind[number % services].append(made)
        yield made
    for number in range(services):
        yield service(number)
        yield endpoints(number, behind[number])
        yield endpoint_slice(number, behind[number])
    for number in range(ingresses):
        yield ingress(number)
