"""What the filters of the target pages mean: a text, or label matchers in braces; and which part of a list is shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from pyscrape.model.matcher import Matcher
from pyscrape.promql import QueryParseError, parse_metric_selector
from pyscrape.scrape.pool import Pool
from pyscrape.web.params import Params

PAGE_ROWS = 100
MOST_PAGE_WEIGHT = 900_000
"""Rows of a page stop at about this many bytes of labels, however many there are."""

T = TypeVar("T")

Found = Callable[[Sequence[Mapping[str, str]], Sequence[str]], bool]
"""Whether some label sets and texts of one target fit."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filter of a request; `error` says why the text is no selector."""

    text: str
    job: str
    state: str
    page: int
    fits: Found
    error: str = ""

    def link(self, **changes: object) -> str:
        """The query string of this filter with some fields changed."""
        fields = {"q": self.text, "job": self.job, "state": self.state, "page": self.page} | changes
        return urlencode({name: value for name, value in fields.items() if value not in ("", 1)})

    @property
    def narrow(self) -> bool:
        """Whether anything is filtered."""
        return bool(self.text or self.job or self.state)


def wanted(params: Params) -> Wanted:
    """The filter that a request asks for; `scrapePool` and `search` are Prometheus' names of it."""
    text = (params.first("q") or params.first("search")).strip()
    job = params.first("job") or params.first("scrapePool")
    page_text = params.first("page")
    page = int(page_text) if page_text.isascii() and page_text.isdigit() and len(page_text) < 7 else 1
    fits, error = _fits(text)
    return Wanted(text, job, params.first("state") or params.first("health"), max(1, page), fits, error)


def _fits(text: str) -> tuple[Found, str]:
    if text.startswith("{"):
        try:
            return _by_matchers(parse_metric_selector(text)), ""
        except QueryParseError as error:
            return _nothing, str(error)
    return _by_words(text.lower().split()), ""


def _nothing(_labels: Sequence[Mapping[str, str]], _texts: Sequence[str]) -> bool:
    return False


def _by_matchers(matchers: Sequence[Matcher]) -> Found:
    def matched(labels: Sequence[Mapping[str, str]], _texts: Sequence[str]) -> bool:
        return any(all(m.matches(each.get(m.name, "")) for m in matchers) for each in labels)

    return matched


def _by_words(words: Sequence[str]) -> Found:
    def contains(labels: Sequence[Mapping[str, str]], texts: Sequence[str]) -> bool:
        parts = [f'{name}="{value}"' for each in labels for name, value in each.items()]
        whole = "\n".join([*texts, *parts]).lower()
        return all(word in whole or word.replace("=", '="', 1) in whole for word in words)

    return contains


def cuts(weights: Sequence[int], most: int = PAGE_ROWS, budget: int = MOST_PAGE_WEIGHT) -> list[int]:
    """Where the pages of a list begin: each has `most` rows, fewer where they are heavy (bytes, `budget`).

    >>> cuts([1, 1, 5, 5, 1], most=3, budget=6)
    [0, 2, 3]
    """
    starts, held, count = [0], 0, 0
    for index, weight in enumerate(weights):
        if count and (count == most or held + weight > budget):
            starts.append(index)
            held = count = 0
        held += weight
        count += 1
    return starts


class Division:
    """What of the jobs' lists stands on a page: of one job the page that is asked for, of several their beginnings.

    Several share `rows` rows, of which each may have its part, or `least`.
    """

    def __init__(self, want: Wanted, pools: Sequence[tuple[str, Pool]], rows: int, least: int) -> None:
        self.jobs = [(name, pool) for name, pool in pools if not want.job or name == want.job]
        self.single = bool(want.job) or len(self.jobs) == 1
        self.pages = 1
        self._wanted_page = want.page
        self._each = max(least, rows // max(1, len(self.jobs)))
        self._left = rows

    @property
    def page(self) -> int:
        """The page that is shown, from 1: the last where one behind it was asked for."""
        return min(self._wanted_page, self.pages)

    def part(self, found: Sequence[T], weigh: Callable[[T], int]) -> tuple[int, int]:
        """Where the shown part of the next job's list begins and ends."""
        if self.single:
            starts = cuts([weigh(one) for one in found])
            self.pages = len(starts)
            return starts[self.page - 1], [*starts, len(found)][self.page]
        mine = found[: min(self._each, self._left)]
        end = [
            *cuts([weigh(one) for one in mine], self._each, MOST_PAGE_WEIGHT // len(self.jobs)),
            len(mine),
        ][1]
        self._left -= end
        return 0, end
