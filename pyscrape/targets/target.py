"""What a discovered target becomes: a `Target` to scrape, `Dropped` by a rule, or `Failed` to build.

Nothing vanishes silently: the three lists together account for every target of every group.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pyscrape.model.duration import Duration
from pyscrape.model.labels import Labels


@dataclass(frozen=True, slots=True)
class Target:
    """One endpoint to scrape.

    `labels`: the public ones, attached to every series. `discovered`: before relabeling, with `__meta_*`.
    `key`: 16 hex digits of labels (those with `__` too) and URL; two targets of a job with one key are one target.
    `interval` and `timeout` are in milliseconds. `source` names the group, `unix_socket` the path to connect to in
    place of the URL's host, "" where there is none.
    """

    job: str
    labels: Labels
    discovered: Mapping[str, str]
    url: str
    interval: Duration
    timeout: Duration
    key: str
    source: str = ""
    unix_socket: str = ""

    @property
    def hash(self) -> int:
        """The identity as a 64-bit number: spreads first scrapes over the interval."""
        return int(self.key, 16)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A discovered target that relabeling dropped; `rule_index` counts from 0, None where no rule decided."""

    discovered: Mapping[str, str]
    job: str
    rule_index: int | None
    reason: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """A discovered target that relabeling kept but that cannot be scraped, with Prometheus' reason."""

    discovered: Mapping[str, str]
    error: str
    job: str = ""
    source: str = ""
    index: int = 0

    def __str__(self) -> str:
        return f"instance {self.index} in group {self.source}: {self.error}"
