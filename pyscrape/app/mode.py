"""What differs between a server, which keeps samples and answers queries, and an agent, which forwards them.

`Server` knows this protocol alone; `keeping` and `agent` are imported when they are asked for, so that an agent has no
store and no query engine in memory.
"""

from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Protocol

from pyscrape.app.flags import Flags
from pyscrape.app.metrics import Family
from pyscrape.config.settings import Config
from pyscrape.remote.heads import SeriesSource
from pyscrape.remote.writers import RemoteWriters
from pyscrape.scrape.interfaces import ExemplarSink, TableStore
from pyscrape.web.services import AgentServices


class Mode(Protocol):
    """Made before the event loop runs."""

    @property
    def series(self) -> SeriesSource:
        """What the ids of forwarded samples mean."""

    @property
    def folder(self) -> Path | None:
        """Where what waits to be sent is kept on disk."""

    @property
    def retention(self) -> str:
        """How long samples are kept, such as 1d; empty where none are."""

    def open(self) -> None:
        """Read what is on disk. Raises OSError or ValueError where that cannot be."""

    def tables(self, writers: RemoteWriters) -> TableStore:
        """Where the scraper puts samples."""

    def exemplars(self, writers: RemoteWriters) -> ExemplarSink:
        """Where it puts exemplars."""

    def apply(self, config: Config) -> None:
        """Take over the settings of a configuration."""

    def maintain(self) -> Coroutine[Any, Any, None]:
        """Upkeep, until cancelled."""

    def families(self) -> Iterable[Family]:
        """Its own metrics."""

    def services(self, **common: Any) -> AgentServices:
        """What the web layer is given; `common` are the fields that both modes have."""

    def close(self) -> None:
        """Let go of the disk."""


def make_mode(flags: Flags, config: Config) -> Mode:
    """The mode that `--agent` chooses."""
    if flags.on("agent"):
        from pyscrape.app.agent import Agent

        return Agent(flags, config)
    from pyscrape.app.keeping import Keeping

    return Keeping(flags, config)
