"""What lints look at: a job with its place, and a chain of relabel rules with theirs; and what they answer."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from pyscrape.discovery.meta_labels import KnownLabels, known_labels
from pyscrape.discovery.settings import DiscoverySettings
from pyscrape.model.problems import Severity
from pyscrape.model.settings import Section
from pyscrape.relabel.settings import Rule
from pyscrape.scrape.settings import ScrapeConfig

# Actions that look at the names of labels rather than at values.
BY_NAME = {"labelmap", "labeldrop", "labelkeep"}


class Finding(NamedTuple):
    """One thing that a lint found: the section and field it stands at (an item of a list field), and what to do."""

    section: Section
    message: str
    field: str = ""
    hint: str = ""
    item: int = -1


class Link(NamedTuple):
    """A rule of a chain, where it stands, and its number (from 0)."""

    number: int
    rule: Rule
    section: Section


class Chain:
    """Relabel rules that run one after the other.

    `kind` says on what: "target" (before the scrape), "metric" (after it), "write", "alert" or "alertmanager".
    `owner` is the job or alertmanager, where there is one. `whole` is false when some rule could not be read: what
    a rule does not do cannot be said then.
    """

    def __init__(self, kind: str, links: list[Link], owner: DiscoverySettings | None, *, whole: bool) -> None:
        self.kind = kind
        self.links = links
        self.owner = owner
        self.whole = whole
        self._known: KnownLabels | None = None

    @property
    def known(self) -> KnownLabels | None:
        """What labels the discoveries can give; None where targets have no discovery."""
        if self._known is None and self.owner is not None:
            self._known = known_labels(self.owner)
        return self._known


class Job:
    """A scrape job with everything that it inherits, and its place."""

    def __init__(self, config: ScrapeConfig, section: Section) -> None:
        self.config = config
        self.section = section


class Lint(NamedTuple):
    """A lint: its id (the name in ignore comments and `--explain`), its severity, one line, and what finds it."""

    id: str
    severity: Severity
    title: str
    chain: Callable[[Chain], Iterator[Finding]] | None = None
    job: Callable[[Job], Iterator[Finding]] | None = None
    config: Callable[[Section], Iterator[Finding]] | None = None
