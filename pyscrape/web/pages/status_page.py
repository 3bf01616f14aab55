"""The status: this process, what it runs with, what it holds in memory, and what it does not do."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from pyscrape.web.answers import Answer
from pyscrape.web.pages.findings import findings_beside
from pyscrape.web.pages.render import Renderer
from pyscrape.web.pages.shape import cut, moment, number, size
from pyscrape.web.routes import Call
from pyscrape.web.services import AgentServices, LogEntry, Services

MOST_RANKED = 10
MOST_PROBLEMS = 100
MOST_LOGGED = 50
LOGGED_AT_ONCE = 8
MOST_CONFIG_CHARACTERS = 1_000_000
SECTIONS = ("service_log", "runtime", "storage", "remote_write", "cardinality", "config", "flags", "build")
OF_A_STORE = {"storage", "cardinality"}


class StatusPage:
    """`/status`."""

    def __init__(self, services: AgentServices, renderer: Renderer) -> None:
        self._services = services
        self._render = renderer

    async def show(self, call: Call) -> Answer:
        """The page; figures of runtime and queues belong to the loop, the store's are counted aside."""
        services = self._services
        return await asyncio.to_thread(self._page, services.runtime(), services.remote_write())

    def _page(self, runtime: Mapping[str, object], endpoints: Sequence[Mapping[str, object]]) -> Answer:
        services = self._services
        gone = set() if isinstance(services, Services) else set(OF_A_STORE)
        gone |= set() if endpoints else {"remote_write"}
        gone |= set() if services.log() else {"service_log"}
        config = services.config_yaml()
        lines = config[:MOST_CONFIG_CHARACTERS].split("\n")
        problems = tuple(services.problems()[:MOST_PROBLEMS])
        beside = findings_beside(config[:MOST_CONFIG_CHARACTERS], problems)
        entries = services.log()
        return self._render.page(
            "status.html",
            "status",
            sections=[name for name in SECTIONS if name not in gone],
            notes=services.notes(),
            problems=problems,
            entries=[_logged(one, services.now_s()) for one in entries[:MOST_LOGGED]],
            logged_at_once=LOGGED_AT_ONCE,
            hidden_entries=max(0, len(entries) - MOST_LOGGED),
            runtime={name: cut(str(value)) for name, value in runtime.items() if value != ""},
            build=services.build,
            flags=sorted(services.flags.items()),
            endpoints=endpoints,
            storage=storage(services) if isinstance(services, Services) else [],
            rankings=rankings(services) if isinstance(services, Services) else [],
            config=[
                {"text": "\n".join(lines[first:end]), "problems": beside.get(end, ())}
                for first, end in _stretches(len(lines), beside)
            ],
            config_cut=len(config) > MOST_CONFIG_CHARACTERS,
        )


def _logged(one: LogEntry, now_s: float) -> dict[str, object]:
    fields = [(name, cut(value)) for name, value in one.fields.items()]
    age_s = max(0.0, now_s - one.at_s)
    return {"entry": one, "age": age_s, "fields": fields, "message": cut(one.message)}


def _stretches(count: int, ends: Mapping[int, object]) -> Iterator[tuple[int, int]]:
    """Line ranges that end where a finding stands, and the rest."""
    first = 0
    for end in sorted(ends):
        yield first, end
        first = end
    if first < count:
        yield first, count


def storage(services: Services) -> list[tuple[str, str]]:
    stats = services.store.stats()
    kept = stats.samples_appended - stats.evicted
    rows = [
        ("Series", number(stats.series)),
        ("Samples appended", number(stats.samples_appended)),
        ("Chunks", number(stats.chunks)),
        ("Oldest sample", moment(None if stats.min_ms is None else stats.min_ms / 1000)),
        ("Newest sample", moment(None if stats.max_ms is None else stats.max_ms / 1000)),
        ("Memory of the store", size(stats.total_bytes)),
    ]
    rows += [(f"Memory: {part}", size(count)) for part, count in stats.bytes.items()]
    if kept > 0:
        rows.append(("Bytes a sample, everything counted", f"{stats.total_bytes / kept:.2f}"))
    if stats.series:
        rows.append(("Bytes a series, everything counted", number(round(stats.total_bytes / stats.series))))
    rows += [
        ("Refused: out of order", number(stats.out_of_order)),
        ("Refused: duplicates", number(stats.duplicates)),
        ("Refused: too old", number(stats.too_old)),
    ]
    return rows


def rankings(services: Services) -> list[tuple[str, list[tuple[str, int]]]]:
    found = services.store.cardinality(MOST_RANKED)
    ranked_by_name = []
    for name, rows in found.items():
        if isinstance(rows, list):
            ranked = [(cut(str(row["name"])), int(row["value"])) for row in rows]
            ranked_by_name.append((name, ranked))
    return ranked_by_name
