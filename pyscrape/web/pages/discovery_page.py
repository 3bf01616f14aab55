"""Service discovery: per job what was found, what was kept, dropped by which rule, and could not be built.

The three lists of a pool together account for every target that was discovered, so nothing is missing here.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pyscrape.relabel.explanation import describe_rule
from pyscrape.scrape.pool import Pool
from pyscrape.web.answers import Answer
from pyscrape.web.pages.render import Renderer
from pyscrape.web.pages.search import Division, Wanted, wanted
from pyscrape.web.pages.shape import label_id, weight
from pyscrape.web.routes import Call
from pyscrape.web.services import AgentServices

ROWS_WITH_ALL_JOBS = 100
STATES = ("active", "dropped", "failed")


@dataclass(frozen=True, slots=True)
class Entry:
    """One discovered target: `labels` is None where it is none; `why` says the reason of that."""

    state: str
    discovered: Mapping[str, str]
    labels: Mapping[str, str] | None
    why: str = ""
    rule_number: int | None = None  # the template reads it
    health: str = ""

    @property
    def id(self) -> str:
        return label_id(self.discovered)

    @property
    def weight(self) -> int:
        """About how many bytes it takes on the page."""
        own = weight(self.labels.items()) if self.labels is not None else 0
        return 600 + weight(self.discovered.items()) + own + len(self.why)


def entries(pool: Pool) -> list[Entry]:
    """Every discovered target of a job, with what became of it."""
    found = [
        Entry("active", loop.target.discovered, dict(loop.target.labels), health=loop.status.health)
        for loop in list(pool.loops.values())
    ]
    for dropped in pool.dropped:
        number = None if dropped.rule_index is None else dropped.rule_index + 1
        found.append(Entry("dropped", dropped.discovered, None, dropped.reason, number))
    found += [Entry("failed", failed.discovered, None, failed.error) for failed in pool.failed]
    return found


@dataclass(frozen=True, slots=True)
class JobView:
    """A job on the page."""

    name: str
    active: int
    dropped: int
    failed: int
    hidden: int
    duplicates: int
    by_rule: list[tuple[int | None, str, str, int]]
    matching: int
    rows: list[Entry]
    first: int

    @property
    def total(self) -> int:
        return self.active + self.dropped + self.failed + self.duplicates


class DiscoveryPage:
    """`/service-discovery`."""

    def __init__(self, services: AgentServices, renderer: Renderer) -> None:
        self._services = services
        self._render = renderer

    def show(self, call: Call) -> Answer:
        want = wanted(call.params)
        pools = sorted(self._services.pools.pools.items())
        division = Division(want, pools, ROWS_WITH_ALL_JOBS, least=5)
        views = []
        for name, pool in division.jobs:
            chosen = [entry for entry in entries(pool) if _fits(entry, want)]
            first, end = division.part(chosen, lambda entry: entry.weight)
            views.append(_view(name, pool, chosen, first, end))
        now_s = self._services.now_s()
        return self._render.page(
            "discovery.html",
            "discovery",
            views=views,
            jobs=[name for name, _ in pools],
            states=STATES,
            want=want,
            single=division.single,
            pages=division.pages,
            page=division.page,
            discoverers=[
                {
                    "status": status,
                    "jobs": jobs,
                    "targets": targets,
                    "success_age": _age(status.last_success_s, now_s),
                    "attempt_age": _age(status.last_attempt_s, now_s),
                }
                for jobs, status, targets in self._services.discovery.status()
            ],
        )


def _age(at_s: float | None, now_s: float) -> float | None:
    return None if at_s is None else now_s - at_s


def _fits(entry: Entry, want: Wanted) -> bool:
    if want.state and entry.state != want.state:
        return False
    if not want.text:
        return True
    sets = (entry.discovered,) if entry.labels is None else (entry.discovered, entry.labels)
    return want.fits(sets, (entry.why,))


def _view(name: str, pool: Pool, chosen: list[Entry], first: int, end: int) -> JobView:
    rules = pool.job.config.relabel_configs
    by_rule = []
    for (index, reason), count in sorted(
        Counter((dropped.rule_index, dropped.reason) for dropped in pool.dropped).items(),
        key=lambda item: -item[1],
    ):
        known = index is not None and index < len(rules)
        rule = describe_rule(rules[index]) if known and index is not None else reason
        by_rule.append((None if index is None else index + 1, rule, reason, count))
    return JobView(
        name=name,
        active=len(pool.loops),
        dropped=pool.dropped_count,
        failed=len(pool.failed),
        hidden=pool.dropped_count - len(pool.dropped),
        duplicates=pool.duplicates,
        by_rule=by_rule,
        matching=len(chosen),
        rows=chosen[first:end],
        first=first,
    )
