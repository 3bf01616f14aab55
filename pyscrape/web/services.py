"""What the web layer is given: the running parts, and what only the application knows.

`app` builds one of these; the web layer imports neither `app` nor `config`.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyscrape.discovery.manager import DiscoveryManager
from pyscrape.model.problems import Problem
from pyscrape.model.regex import Pattern, compile_re2
from pyscrape.scrape.exemplars import ExemplarStore
from pyscrape.scrape.pools import ScrapePools
from pyscrape.scrape.settings import ScrapeConfig
from pyscrape.web.notifications import Notifications
from pyscrape.web.query_log import QueryLog
from pyscrape.web.routes import WebStats

if TYPE_CHECKING:  # an agent has neither in memory
    from pyscrape.promql.engine import Engine
    from pyscrape.store import Store


@dataclass(frozen=True, slots=True)
class WebOptions:
    """The `--web.*` flags as the handlers need them; `prefix` has no slash at its end."""

    enable_lifecycle: bool = False
    enable_admin_api: bool = False
    enable_receiver: bool = False
    accepted_messages: tuple[str, ...] = ("prometheus.WriteRequest", "io.prometheus.write.v2.Request")
    """Of remote write, by their protobuf names."""
    page_title: str = "Prometheus Time Series Collection and Processing Server"
    cors_origin: Pattern = field(default_factory=lambda: compile_re2(".*"))
    prefix: str = ""
    external_url: str = ""
    query_timeout_s: float = 120.0
    lookback_ms: int = 300_000
    storage_path: str = ""
    max_concurrency: int = 20


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the service log: a state change, the part of the program that saw it, and fields beside the text."""

    at_s: float
    level: str
    part: str
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What a reload did: `error` is empty when the new configuration is in force."""

    error: str = ""
    findings: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentServices:
    """The running parts that pages and API show where nothing is kept and no query is answered."""

    options: WebOptions
    pools: ScrapePools
    discovery: DiscoveryManager
    now_s: Callable[[], float]
    ready: Callable[[], bool]
    reload: Callable[[], Awaitable[ReloadOutcome]]
    quit: Callable[[], None]
    config_yaml: Callable[[], str]
    flags: Mapping[str, str]
    build: Mapping[str, str]
    runtime: Callable[[], Mapping[str, object]]
    metrics: Callable[[], tuple[bytes, str]]
    external_labels: Callable[[], Mapping[str, str]] = dict
    job_yaml: Callable[[ScrapeConfig], str] = str
    """A job as prometheus.yml has it."""
    stats: WebStats = field(default_factory=WebStats)
    stopping: Callable[[], bool] = bool
    notifications: Notifications = field(default_factory=lambda: Notifications(16, time.time))
    query_log: QueryLog = field(default_factory=QueryLog)
    notes: Callable[[], tuple[str, ...]] = tuple
    """What the configuration asks for and this program does not do, one sentence each."""
    problems: Callable[[], tuple[Problem, ...]] = tuple
    """What a check finds in the configuration in force."""
    remote_write: Callable[[], Sequence[Mapping[str, object]]] = tuple
    """How each endpoint of remote write is doing."""
    log: Callable[[], Sequence[LogEntry]] = tuple
    """The last state changes, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services(AgentServices):
    """The running parts of a server: with a store, and an engine that answers queries over it."""

    store: "Store"
    engine: "Engine"
    exemplars: ExemplarStore
