"""Type, help and unit of each metric family of one target; a family that vanished is kept for ten more scrapes."""

from collections.abc import Mapping
from typing import NamedTuple

from pyscrape.exposition.entries import Metadata

KEPT_SCRAPES = 10


class _Seen(NamedTuple):
    description: Metadata
    last_scrape: int


class MetadataCache:
    """The families of a target's pages. `update` costs nothing while the page's metadata is the same object.

    What a page does not say about a family it names stays as an earlier page said it.
    """

    __slots__ = ("_known", "_page", "_scrapes", "_vanished")

    def __init__(self) -> None:
        self._page: Mapping[str, Metadata] = {}
        self._known: Mapping[str, Metadata] = {}
        self._vanished: dict[str, _Seen] = {}
        self._scrapes = 0

    def update(self, page: Mapping[str, Metadata]) -> None:
        """Take over the metadata of a page that was scraped well."""
        self._scrapes += 1
        if page is not self._page and page != self._page:
            self._take(page)
        self._page = page
        if self._vanished:
            oldest = self._scrapes - KEPT_SCRAPES
            self._vanished = {
                family: seen for family, seen in self._vanished.items() if seen.last_scrape >= oldest
            }

    def _take(self, page: Mapping[str, Metadata]) -> None:
        before = self._known
        known: dict[str, Metadata] = {}
        for family, description in page.items():
            old = before.get(family)
            if old is None and (seen := self._vanished.pop(family, None)) is not None:
                old = seen.description
            known[family] = description if old is None else _filled(description, old)
        for family, description in before.items():
            if family not in page:
                self._vanished[family] = _Seen(description, self._scrapes - 1)
        self._known = known

    def families(self) -> dict[str, Metadata]:
        """Family to its description, vanished ones included."""
        return {**{family: seen.description for family, seen in self._vanished.items()}, **self._known}


def _filled(new: Metadata, old: Metadata) -> Metadata:
    kind = new.type if new.type not in ("", "unknown") else old.type
    return Metadata(kind, new.help or old.help, new.unit or old.unit)
