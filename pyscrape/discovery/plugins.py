"""Discoveries that are not part of this package: found by entry points, configured and checked like all others.

A distribution adds one under the group `pyscrape.discovery`; the entry point's name N gives the field `N_sd_configs`:

    [project.entry-points."pyscrape.discovery"]
    csv = "my_package.csv_discovery:PLUGIN"

and PLUGIN is a `DiscoveryPlugin`. `pyscrape help discovery-plugins` has a worked example. Entry points are looked at
only when a configuration has a field `..._sd_configs` that nobody else knows.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from pyscrape.discovery.groups import Discoverer
from pyscrape.model.settings import Settings

GROUP = "pyscrape.discovery"
SUFFIX = "_sd_configs"


class DiscoveryPlugin(NamedTuple):
    """A discovery: the class of its settings (one list item), and what makes a discoverer of them."""

    settings: type[Settings]
    discoverer: Callable[[Any], Discoverer]


class PluginError(TypeError):
    """An entry point of the group gives something that is no `DiscoveryPlugin`."""


@cache
def find(field: str) -> DiscoveryPlugin | None:
    """The plugin whose discoveries stand under `field`, None where there is none.

    Raises:
        PluginError: an entry point of that name is no plugin.
    """
    if not field.endswith(SUFFIX):
        return None
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=field.removesuffix(SUFFIX)):
        found = entry.load()
        if not isinstance(found, DiscoveryPlugin):
            raise PluginError(f"{entry.value} (entry point {entry.name} of {GROUP}) is no DiscoveryPlugin")
        return found
    return None


def maker_of(settings: type[Any]) -> Callable[[Any], Discoverer] | None:
    """What makes a discoverer of a plugin's settings; None for settings that are no plugin's."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        plugin = find(entry.name + SUFFIX)
        if plugin is not None and plugin.settings is settings:
            return plugin.discoverer
    return None
