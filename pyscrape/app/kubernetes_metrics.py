"""Kubernetes discovery as families of /metrics: Prometheus' own counters, and what each watched resource is up to.

All of it comes from the discoveries' status; without a Kubernetes discovery nothing of it is imported or shown.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from pyscrape.app.metrics import Family, single
from pyscrape.discovery.manager import DiscoveryManager


def kubernetes_families(discovery: DiscoveryManager) -> Iterable[Family]:
    """The families of all Kubernetes discoveries; a resource that several share counts once."""
    sources = list(_sources(discovery))
    if not sources:
        return
    from pyscrape.discovery.kubernetes.cluster import shared_clusters

    stats = shared_clusters().stats
    yield single(
        "counter", "prometheus_sd_kubernetes_failures_total", "The number of failed WATCH/LIST requests.",
        float(stats.failures_total),
    )  # fmt: skip
    events = [({"role": role, "event": event}, float(n)) for (role, event), n in stats.events_total.items()]
    yield Family(
        "counter", "prometheus_sd_kubernetes_events_total", "The number of Kubernetes events handled.", events
    )
    for name, help_text, field in (
        ("pyscrape_sd_kubernetes_objects", "Objects of a watched resource that are known.", "objects"),
        ("pyscrape_sd_kubernetes_failing", "1 while a resource cannot be watched.", "failing"),
        (
            "pyscrape_sd_kubernetes_forbidden",
            "1 while RBAC refuses list or watch of the resource.",
            "forbidden",
        ),
        (
            "pyscrape_sd_kubernetes_last_list_timestamp_seconds",
            "When the resource was last listed.",
            "lastList",
        ),
    ):
        samples = [(_labels(source), float(cast(float, source[field] or 0))) for source in sources]
        yield Family("gauge", name, help_text, samples)


def _labels(source: Mapping[str, Any]) -> dict[str, str]:
    names = {"group": "group", "resource": "resource", "namespace": "namespace"}
    selectors = {"label_selector": "labelSelector", "field_selector": "fieldSelector"}
    return {label: str(source[name]) for label, name in (names | selectors).items()}


def _sources(discovery: DiscoveryManager) -> Iterator[Mapping[str, Any]]:
    if "pyscrape.discovery.kubernetes.cluster" not in sys.modules:
        return
    seen: set[tuple[str, ...]] = set()
    for _, status, _ in discovery.status():
        for source in cast("list[Mapping[str, Any]]", status.details.get("sources", [])):
            key = (str(status.details.get("server", "")), *_labels(source).values())
            if key not in seen:
                seen.add(key)
                yield source
