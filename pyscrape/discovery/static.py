"""Static configuration as target groups: what `static_configs` says, at load, with the index as the source."""

from collections.abc import Sequence

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.settings import StaticConfig


def static_groups(configs: Sequence[StaticConfig]) -> tuple[TargetGroup, ...]:
    """One group per list item: `{targets: ["a:1"], labels: {env: x}}` -> source "0", `__address__` a:1."""
    return tuple(
        TargetGroup(
            str(index), tuple({"__address__": address} for address in config.targets), dict(config.labels)
        )
        for index, config in enumerate(configs)
    )
