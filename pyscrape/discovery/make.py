"""Which discoverer runs which kind of discovery config: one table, each row imported when a config asks for it."""

import importlib
from collections.abc import Callable
from typing import cast

from pyscrape.discovery.groups import Discoverer
from pyscrape.discovery.plugins import maker_of

# The settings' class name -> (module, class of the discoverer that takes these settings).
DISCOVERERS: dict[str, tuple[str, str]] = {
    "ConsulSDConfig": ("pyscrape.discovery.consul", "ConsulDiscoverer"),
    "DNSSDConfig": ("pyscrape.discovery.dns", "DNSDiscoverer"),
    "FileSDConfig": ("pyscrape.discovery.file", "FileDiscoverer"),
    "HTTPSDConfig": ("pyscrape.discovery.http", "HTTPDiscoverer"),
    "KubernetesSDConfig": ("pyscrape.discovery.kubernetes.discoverer", "KubernetesDiscoverer"),
}


class UnsupportedDiscovery(ValueError):  # noqa: N818  # it is a configuration's, not this program's, error
    """A discovery that Prometheus has and this program does not run."""


def supported(config: object) -> bool:
    """Whether this program runs the discovery of `config`."""
    return _own(config) or maker_of(config.__class__) is not None


def _own(config: object) -> bool:
    """Whether it is a discovery of this package: those work however broken an installed plugin is."""
    return type(config).__name__ in DISCOVERERS and type(config).__module__.startswith("pyscrape.")


def make_discoverer(config: object) -> Discoverer:
    """The discoverer for a discovery's settings.

    Raises:
        UnsupportedDiscovery: this program does not run it.
    """
    name = type(config).__name__
    if not _own(config):
        make = maker_of(config.__class__)
        if make is None:
            raise UnsupportedDiscovery(f"{name} is not supported by pyscrape run")
        return make(config)
    module, attribute = DISCOVERERS[name]
    build = cast(Callable[[object], Discoverer], getattr(importlib.import_module(module), attribute))
    return build(config)
