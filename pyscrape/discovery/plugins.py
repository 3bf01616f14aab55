"""Discoveries that are not part of this package: found by entry points, configured and checked like all others.

A distribution adds one under the group `pyscrape.discovery`; the entry point's name N gives the field `N_sd_configs`:

    [project.entry-points."pyscrape.discovery"]
    csv = "my_package.csv_discovery:PLUGIN"

and PLUGIN is a `DiscoveryPlugin`. `pyscrape help discovery-plugins` has a worked example. Entry points are looked at
only when a configuration has a field `..._sd_configs` that nobody else knows.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from pyscrape.discovery.groups import Discoverer, DiscoveryStatus, TargetGroup, UpdateGroups
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
    """What makes a discoverer of a plugin's settings; None for settings that are no plugin's.

    What it finds is looked at before anybody else sees it: `checked`.
    """
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        plugin = find(entry.name + SUFFIX)
        if plugin is not None and plugin.settings is settings:
            make = plugin.discoverer
            return lambda config: _CheckedDiscoverer(make(config))
    return None


def checked(groups: Iterable[TargetGroup]) -> Sequence[TargetGroup]:
    """The groups that a plugin found.

    Raises:
        TypeError: they are none, or a label's name or value is no text.

    >>> checked([TargetGroup("a.csv", ({"__address__": "db:1", "__meta_rack": 7},))])
    Traceback (most recent call last):
        ...
    TypeError: target group 'a.csv': the label '__meta_rack' of a target is 7, which is no text
    """
    groups = list(groups)
    for group in groups:
        if not isinstance(group, TargetGroup):
            raise TypeError(f"{group!r} is no TargetGroup")
        for labels in (group.labels, *group.targets):
            for name, value in labels.items():
                if not isinstance(name, str) or not isinstance(value, str):
                    raise TypeError(
                        f"target group {group.source!r}: the label {name!r} of a target is {value!r}, which is no text"
                    )
    return groups


class _CheckedDiscoverer:
    """A plugin's discoverer; groups that are none are its own failure, not that of whoever reads them later."""

    def __init__(self, discoverer: Discoverer) -> None:
        self._discoverer = discoverer

    @property
    def status(self) -> DiscoveryStatus:
        return self._discoverer.status

    async def run(self, update: UpdateGroups) -> None:
        await self._discoverer.run(lambda groups: update(checked(groups)))
