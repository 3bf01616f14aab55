"""Kubernetes service discovery: objects of an API server become target groups.

`objects` decodes, `roles` turns objects into groups (pure functions), `watch` and `reflector` keep a copy of
a resource up to date, `scope` knows which groups a change touches, `discoverer` hands groups over.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyscrape.discovery.kubernetes.cluster import Clusters
    from pyscrape.discovery.kubernetes.discoverer import KubernetesDiscoverer
    from pyscrape.discovery.kubernetes.labels import Attach
    from pyscrape.discovery.kubernetes.roles import target_groups

__all__ = ["Attach", "Clusters", "KubernetesDiscoverer", "target_groups"]

_HOMES = {
    "Attach": "labels",
    "Clusters": "cluster",
    "KubernetesDiscoverer": "discoverer",
    "target_groups": "roles",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
