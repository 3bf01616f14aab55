"""The targets: every job's endpoints, whether they are up, and why not.

Server-rendered; the script only asks for the same page again and puts it in place. However many targets there are, a
page has a bounded number of rows: counts are always of all, rows are paged.
"""

from collections import Counter
from dataclasses import dataclass

from pyscrape.scrape.loop import Loop
from pyscrape.scrape.pool import Pool
from pyscrape.web.answers import Answer
from pyscrape.web.pages.render import Renderer
from pyscrape.web.pages.search import Division, Wanted, wanted
from pyscrape.web.pages.shape import cut, label_id, weight
from pyscrape.web.routes import Call
from pyscrape.web.services import AgentServices

ROWS_WITH_ALL_JOBS = 300
LONGEST_LINK = 2_000
STATES = ("down", "unknown", "up")


@dataclass(frozen=True, slots=True)
class PoolView:
    """A job on the page: counts of all its targets, and the rows that the filter leaves and the page has room for."""

    name: str
    counts: Counter[str]
    total: int
    matching: int
    rows: list[dict[str, object]]
    failed: int
    duplicates: int
    first: int


class TargetsPage:
    """`/targets`."""

    def __init__(self, services: AgentServices, renderer: Renderer) -> None:
        self._services = services
        self._render = renderer

    def show(self, call: Call) -> Answer:
        want = wanted(call.params)
        pools = sorted(self._services.pools.pools.items())
        now_s = self._services.now_s()
        division = Division(want, pools, ROWS_WITH_ALL_JOBS, least=20)
        views = []
        for name, pool in division.jobs:
            chosen = _matching(pool, want)
            first, end = division.part(chosen, _weight)
            views.append(_view(name, pool, chosen, first, end, now_s))
        totals: Counter[str] = Counter()
        for _, pool in pools:
            totals.update(loop.status.health for loop in list(pool.loops.values()))
        return self._render.page(
            "targets.html",
            "targets",
            pools=views,
            jobs=[name for name, _ in pools],
            totals=totals,
            total=totals.total(),
            matching=sum(view.matching for view in views),
            states=STATES,
            want=want,
            single=division.single,
            pages=division.pages,
            page=division.page,
        )


def _matching(pool: Pool, want: Wanted) -> list[Loop]:
    """The loops that the filter leaves: those that are down first, then by URL."""
    state = {"healthy": "up", "unhealthy": "down"}.get(want.state.lower(), want.state.lower())
    loops = [
        loop
        for loop in list(pool.loops.values())
        if (not state or loop.status.health == state)
        and (
            not want.text or want.fits((dict(loop.target.labels),), (loop.target.url, loop.status.last_error))
        )
    ]
    order = {health: place for place, health in enumerate(STATES)}
    return sorted(loops, key=lambda loop: (order.get(loop.status.health, 1), loop.target.url))


def _weight(loop: Loop) -> int:
    return 900 + weight(loop.target.labels.pairs) + 2 * len(loop.target.url) + len(loop.status.last_error)


def _view(name: str, pool: Pool, chosen: list[Loop], first: int, end: int, now_s: float) -> PoolView:
    loops = list(pool.loops.values())
    return PoolView(
        name=name,
        counts=Counter(loop.status.health for loop in loops),
        total=len(loops),
        matching=len(chosen),
        rows=[_row(loop, now_s) for loop in chosen[first:end]],
        failed=len(pool.failed),
        duplicates=pool.duplicates,
        first=first,
    )


def _row(loop: Loop, now_s: float) -> dict[str, object]:
    status, target = loop.status, loop.target
    return {
        "url": target.url if len(target.url) <= LONGEST_LINK else "",
        "shown_url": cut(target.url),
        "health": status.health,
        "labels": target.labels.pairs,
        "age": None if status.last_scrape_s is None else now_s - status.last_scrape_s,
        "duration": status.last_duration_s,
        "interval": str(target.interval),
        "timeout": str(target.timeout),
        "samples": status.scraped,
        "body_bytes": status.body_bytes,
        "error": cut(status.last_error),
        "reason": status.reason,
        "advice": cut(status.advice),
        "id": label_id(target.discovered),
    }
