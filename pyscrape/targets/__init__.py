"""From target groups to things that can be scraped: labels, URL, interval, identity.

`populate_labels` is the library's entrance; `TargetBuilder` is what the scrape pools use.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyscrape.targets.groups import BuiltGroup, TargetBuilder, targets_from_group
    from pyscrape.targets.populate import TargetError, populate_labels
    from pyscrape.targets.target import Dropped, Failed, Target
    from pyscrape.targets.url import target_url

__all__ = [
    "BuiltGroup",
    "Dropped",
    "Failed",
    "Target",
    "TargetBuilder",
    "TargetError",
    "populate_labels",
    "target_url",
    "targets_from_group",
]

_HOMES = {
    "BuiltGroup": "groups",
    "Dropped": "target",
    "Failed": "target",
    "Target": "target",
    "TargetBuilder": "groups",
    "TargetError": "populate",
    "populate_labels": "populate",
    "target_url": "url",
    "targets_from_group": "groups",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
