"""Type, help and unit of each metric family of one target; a family that vanished is kept for ten more scrapes."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

KEPT_SCRAPES = 10


class MetadataLike(Protocol):
    """A family's description as the parser gives it."""

    @property
    def type(self) -> str: ...
    @property
    def help(self) -> str: ...
    @property
    def unit(self) -> str: ...


class _Seen(NamedTuple):
    description: MetadataLike
    last_scrape: int


class MetadataCache:
    """The families of a target's pages. `update` costs nothing while the page's metadata is the same object."""

    __slots__ = ("_page", "_scrapes", "_vanished")

    def __init__(self) -> None:
        self._page: Mapping[str, MetadataLike] = {}
        self._vanished: dict[str, _Seen] = {}
        self._scrapes = 0

    def update(self, page: Mapping[str, MetadataLike]) -> None:
        """Take over the metadata of a page that was scraped well."""
        self._scrapes += 1
        if page is not self._page:
            for family, description in self._page.items():
                if family not in page:
                    self._vanished[family] = _Seen(description, self._scrapes - 1)
            for family in page:
                self._vanished.pop(family, None)
            self._page = page
        if self._vanished:
            oldest = self._scrapes - KEPT_SCRAPES
            self._vanished = {
                family: seen for family, seen in self._vanished.items() if seen.last_scrape >= oldest
            }

    def families(self) -> dict[str, MetadataLike]:
        """Family to its description, vanished ones included."""
        return {**{family: seen.description for family, seen in self._vanished.items()}, **self._page}
