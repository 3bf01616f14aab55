"""Relabeling: Kubernetes-like targets through the classic rules of service endpoints, hostile patterns, the import.

Targets have 25 to 40 labels each, four fifths of them the scrape annotation, every address and pod its own. Rules are
loaded anew for each repetition: plans and remembered results are made within the time that is measured. The same rules
again show what remembering gains.
"""

import json
import random
import subprocess
import sys
import time
import tracemalloc

from benchmarks.runner import Row, cpu_s
from pyscrape.model.regex import RegexTimeout, compile_re2
from pyscrape.relabel import explain, load_relabel_configs, relabel

META = "__meta_kubernetes_"
ANNOTATION = META + "service_annotation_prometheus_io_"
RULES = f"""
- {{source_labels: [{ANNOTATION}scrape], action: keep, regex: true}}
- {{source_labels: [{ANNOTATION}scrape_slow], action: drop, regex: true}}
- {{source_labels: [{ANNOTATION}scheme], action: replace, target_label: __scheme__, regex: (https?)}}
- {{source_labels: [{ANNOTATION}path], action: replace, target_label: __metrics_path__, regex: (.+)}}
- source_labels: [__address__, {ANNOTATION}port]
  action: replace
  target_label: __address__
  regex: (.+?)(?::\\d+)?;(\\d+)
  replacement: $1:$2
- {{action: labelmap, regex: {ANNOTATION}param_(.+), replacement: __param_$1}}
- {{action: labelmap, regex: {META}service_label_(.+)}}
- {{source_labels: [{META}namespace], action: replace, target_label: namespace}}
- {{source_labels: [{META}service_name], action: replace, target_label: service}}
- {{source_labels: [{META}pod_node_name], action: replace, target_label: node}}
"""
HOSTILE = ("(a+)+b", "(a|aa)+b", "(.*)(.*)(.*)(.*)(.*)[^a]x")
NAMESPACES = ("default", "kube-system", "monitoring", "payments", "checkout", "search", "edge")


def target(number: int, random_source: random.Random) -> dict[str, str]:
    """One discovered target, ten of which share a service."""
    service = f"svc-{number // 10}"
    pod, node = f"{service}-7f9c6d5b8-{number * 7919 % 2**20:05x}", f"node-{number % 300}"
    meta = {
        "namespace": NAMESPACES[number // 10 % len(NAMESPACES)], "service_name": service, "endpoints_name": service,
        "endpoint_port_name": "http-metrics", "endpoint_port_protocol": "TCP", "endpoint_ready": "true",
        "endpoint_address_target_kind": "Pod", "endpoint_address_target_name": pod, "endpoint_node_name": node,
        "pod_name": pod, "pod_ip": f"10.{number // 62500}.{number // 250 % 250}.{number % 250}", "pod_node_name": node,
        "pod_uid": f"{number:08x}-2f1b-4c3d-9e8f-{number * 1000003:012x}", "pod_phase": "Running",
        "pod_host_ip": f"10.200.{number % 300 // 250}.{number % 250}", "pod_ready": "true",
        "pod_controller_kind": "ReplicaSet", "pod_controller_name": f"{service}-7f9c6d5b8",
        "pod_container_name": "app", "pod_container_port_name": "http", "pod_container_port_number": "8080",
        "service_label_app_kubernetes_io_name": service, "service_labelpresent_app_kubernetes_io_name": "true",
        "service_label_team": f"team-{number // 10 % 17}", "service_labelpresent_team": "true",
    }  # fmt: skip
    labels = {META + name: value for name, value in meta.items()}
    group = number // 10
    if group % 5:
        labels |= {ANNOTATION + "scrape": "true", ANNOTATION + "port": "9102"}
    if group % 7 == 3:
        labels[ANNOTATION + "path"] = "/actuator/prometheus"
    if group % 11 == 4:
        labels[ANNOTATION + "scheme"] = "https"
    for extra in range(random_source.randrange(5)):
        labels[f"{META}pod_label_extra_{extra}"] = f"value-{random_source.randrange(50)}"
    return {
        "job": "kubernetes-service-endpoints", "__scheme__": "http", "__metrics_path__": "/metrics",
        "__scrape_interval__": "1m", "__scrape_timeout__": "10s", **labels,
        "__address__": f"{labels[META + 'pod_ip']}:8080",
    }  # fmt: skip


def hostile_ms(pattern: str, values: int) -> tuple[float, float]:
    """The longest and the whole time of matching distinct texts of about 10,000 characters."""
    compile_re2.cache_clear()
    compiled = compile_re2(pattern)
    longest = whole = 0.0
    for number in range(values):
        text = "a" * (10_000 - number) + "ca" + pattern[-1]  # it ends as the pattern may
        begin = time.process_time()
        try:
            compiled.captures(text)
        except RegexTimeout:
            pass  # refused is an answer; only the time counts here
        spent = (time.process_time() - begin) * 1e3
        longest, whole = max(longest, spent), whole + spent
    return longest, whole


def import_ms() -> float:
    """CPU milliseconds that `import pyscrape.relabel` with its functions adds to a bare interpreter."""
    code = (
        "import time; t = time.process_time(); import pyscrape.relabel as r; r.relabel; r.load_relabel_configs; "
        "r.explain; print(time.process_time() - t)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(5)]
    return min(float(run.stdout) for run in runs) * 1e3


def remembered_kib(targets: list[dict[str, str]]) -> float:
    """What rules hold after these targets beyond what they held before."""
    tracemalloc.start()
    try:
        rules = load_relabel_configs(RULES)
        before = tracemalloc.get_traced_memory()[0]
        for labels in targets:
            relabel(labels, rules)
        return (tracemalloc.get_traced_memory()[0] - before) / 1024
    finally:
        tracemalloc.stop()


def measure(full: bool) -> list[Row]:
    count = 20_000 if full else 5_000
    source = random.Random(3)
    targets = [target(number, source) for number in range(count)]

    def fresh() -> None:
        rules = load_relabel_configs(RULES)
        for labels in targets:
            relabel(labels, rules)

    warm_rules = load_relabel_configs(RULES)

    def warm() -> None:
        for labels in targets:
            relabel(labels, warm_rules)

    text = json.dumps(targets)

    def others() -> float:
        """Equal targets of other objects, so that nothing about a text is known from the last time."""
        read = json.loads(text)
        return cpu_s(lambda: [relabel(labels, warm_rules) for labels in read], 1)

    def explained() -> None:
        for labels in targets[:500]:
            explain(labels, warm_rules)

    rows = [
        Row(
            f"{count:,} targets, rules loaded anew",
            cpu_s(fresh) / count * 1e6,
            "us a target",
            "4.1 (Go's own)",
        ),
        Row(f"{count:,} targets, the same rules", cpu_s(warm) / count * 1e6, "us a target"),
        Row(
            f"{count:,} targets read anew, the same rules, results kept",
            min(others() for _ in range(5)) / count * 1e6,
            "us a target",
        ),
        Row(f"remembered after {count:,} targets", remembered_kib(targets), "KiB"),
        Row("explained", cpu_s(explained) / 500 * 1e6, "us a target"),
        Row("import pyscrape.relabel", import_ms(), "ms", "60"),
    ]
    for pattern in HOSTILE:
        longest, whole = hostile_ms(pattern, 1_000)
        rows.append(Row(f"{pattern} on 10,000 characters, longest", longest, "ms", "100"))
        rows.append(Row(f"{pattern} on 1,000 such texts", whole, "ms", "1,000"))
    return rows
