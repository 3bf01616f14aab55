"""`pyscrape run`: builds the parts, owns their tasks, reloads and shuts down.

The order of a start: configuration, sockets, parts, web server, then targets. The order of an end: discovery, then
the scrape loops, the web server last, so that the last queries still find everything.
"""

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pyscrape import __version__
from pyscrape.app import log
from pyscrape.app.discovery_metrics import discovery_families
from pyscrape.app.flags import Flags
from pyscrape.app.forward import page_metadata
from pyscrape.app.kubernetes_metrics import kubernetes_families
from pyscrape.app.loading import Loaded, config_path, describe_source, load
from pyscrape.app.memory import TRIM_EVERY_S, collect_less_often, give_back, limit_arenas, raise_file_limit
from pyscrape.app.metrics import OwnMetrics
from pyscrape.app.mode import make_mode
from pyscrape.app.own_metrics import (
    ReloadState,
    build_families,
    remote_families,
    scrape_families,
    web_families,
)
from pyscrape.app.runtime import BUILD, runtime_info
from pyscrape.app.service_log import ServiceLog
from pyscrape.app.settings import listen_addresses, web_options
from pyscrape.app.systemd import notify_manager
from pyscrape.app.watch import checksum, watch, watched_files
from pyscrape.app.web_config import WebGuard, WebSecurity, web_security
from pyscrape.config.load import ConfigError
from pyscrape.config.printing import as_yaml
from pyscrape.discovery.make import make_discoverer, supported
from pyscrape.discovery.manager import DiscoveryManager, WantedJob
from pyscrape.discovery.static import static_groups
from pyscrape.model.problems import Problem
from pyscrape.model.settings import dump
from pyscrape.remote.writers import RemoteWriters
from pyscrape.scrape.pools import ScrapePools
from pyscrape.web.app import create_app
from pyscrape.web.notifications import STARTING, STOPPING, Notifications
from pyscrape.web.query_log import QueryLog
from pyscrape.web.routes import WebStats
from pyscrape.web.server import ListenError, WebServer, bind
from pyscrape.web.services import AgentServices, ReloadOutcome, WebOptions
from pyscrape.web.tls import TLSError

logger = logging.getLogger("pyscrape")
# Findings of the check may be many: they are a part of their own in the service log.
config_logger = logging.getLogger("pyscrape.config")

T = TypeVar("T")

SECURITY_LOOK_S = 10.0
SHORTEST_WATCH_S = 1.0
# A busy query thread gives the loop its turn after so long at most.
SWITCH_INTERVAL_S = 0.002


def serve(flags: Flags) -> int:
    """Run until a signal ends it; the exit code: 0 asked to end, 1 could not run, 2 wrong flags or configuration."""
    try:
        log.set_up(flags.text("log.level"), flags.text("log.format"))
        for remark in flags.remarks():
            logger.warning(remark)
        options = web_options(flags)
        addresses = listen_addresses(flags)
    except ValueError as error:
        logger.error(str(error))
        return 2
    web_config = flags.text("web.config.file")
    security = _start_from(web_config, "web.config.file", lambda: web_security(web_config))
    if security is None:
        return 2
    loaded = _start_from(config_path(flags), "config.file", lambda: load(flags))
    if loaded is None:
        return 2
    try:
        sockets = bind(addresses)
    except ListenError as error:
        logger.error(str(error))
        return 1
    limit_arenas(agent=flags.on("agent"))
    raise_file_limit()
    collect_less_often()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    server = Server(flags, loaded, security)
    log.remember(server.service_log)
    query_log = loaded.config.global_.query_log_file
    try:
        server.query_log.use(query_log)
    except OSError as error:
        logger.error("opening query_log_file failed", extra={"file": query_log, "err": error.strerror})
        return 1
    try:
        server.mode.open()
    except (OSError, ValueError) as error:
        extra = {"path": str(server.mode.folder and server.mode.folder.parent), "err": str(error)}
        logger.error("opening storage failed", extra=extra)
        return 1
    with asyncio.Runner() as runner:
        return runner.run(server.run(sockets, server.services(options)))


def _start_from(path: str, flag: str, read: Callable[[], T]) -> T | None:
    """What `read` makes of a configuration file; None, and everything that is wrong in the log, where it is no good."""
    try:
        return read()
    except ConfigError as error:
        log_problems(error.problems)
        logger.error("Error loading config (--%s=%s)", flag, path)
    except (OSError, ValueError) as error:
        logger.error("Error loading config (--%s=%s): %s", flag, path, error)
    except Exception:  # a discovery plugin that cannot be imported, for one
        logger.exception("Error loading config (--%s=%s)", flag, path)
    return None


def log_problems(problems: list[Problem] | tuple[Problem, ...]) -> None:
    """One line for each finding of the check."""
    levels = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}
    for problem in problems:
        place = f"{problem.file}:{problem.line}:{problem.column}"
        extra = {"place": place, "id": problem.id} | ({"hint": problem.hint} if problem.hint else {})
        config_logger.log(levels[problem.severity], problem.message, extra=extra)


def log_findings(loaded: Loaded) -> None:
    """What a check finds in a configuration that was taken, and what of it is not done here."""
    log_problems(loaded.problems)
    for note in loaded.notes:
        logger.warning("Not supported: %s", note)


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the server ends."""

    reason: str


class Server:
    """The running program."""

    def __init__(self, flags: Flags, loaded: Loaded, security: WebSecurity) -> None:
        self._flags = flags
        self._security = security
        self._loaded = loaded
        self._start_s = time.time()
        self._ready = False
        self._stop: asyncio.Future[Stop] | None = None
        self._guard: WebGuard | None = None
        self._reload_lock = asyncio.Lock()
        self._reload_asked = False
        self.notifications = Notifications(flags.number("web.max-notifications-subscribers"), time.time)
        self.query_log = QueryLog()
        self.service_log = ServiceLog()
        self._reload_state = ReloadState(self.notifications)
        self.mode = make_mode(flags, loaded.config)
        self.writers = RemoteWriters(
            self.mode.series,
            lambda: page_metadata(self.pools),
            flags.number("storage.remote.flush-deadline") / 1000,
            self.mode.folder,
        )
        self.pools = ScrapePools(self.mode.tables(self.writers), exemplars=self.mode.exemplars(self.writers))
        self.discovery = DiscoveryManager(make_discoverer, self.pools.update)
        self.web_stats = WebStats()
        self.metrics = OwnMetrics(
            [
                build_families,
                self._reload_state.families,
                lambda: scrape_families(self.pools),
                self.mode.families,
                lambda: web_families(self.web_stats),
                lambda: remote_families(self.writers),
                lambda: discovery_families(self.discovery),
                lambda: kubernetes_families(self.discovery),
            ]
        )

    def services(self, options: WebOptions) -> AgentServices:
        """What the web layer is given."""
        return self.mode.services(
            options=options,
            pools=self.pools,
            discovery=self.discovery,
            now_s=time.time,
            ready=lambda: self._ready,
            reload=self.reload,
            quit=lambda: self._end("asked by /-/quit"),
            config_yaml=lambda: self._loaded.config.to_yaml(),
            flags=self._flags.printed(),
            build=BUILD,
            runtime=self._runtime,
            metrics=self.metrics.render,
            job_yaml=lambda job: as_yaml(dump(job)),
            external_labels=lambda: self._loaded.config.global_.external_labels,
            notes=lambda: self._loaded.notes,
            problems=lambda: self._loaded.problems,
            stats=self.web_stats,
            stopping=lambda: self._stop is not None and self._stop.done(),
            notifications=self.notifications,
            query_log=self.query_log,
            remote_write=self.writers.status,
            log=self.service_log.entries,
        )

    async def run(self, sockets: list[Any], services: AgentServices) -> int:
        """Everything, until a signal or `/-/quit`."""
        self._stop = asyncio.get_running_loop().create_future()
        self._heed_signals()
        web = self._web_server(sockets, services)
        logger.info(
            "Starting pyscrape", extra={"version": __version__, "config": describe_source(self._flags)}
        )
        log_findings(self._loaded)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(web.serve(), name="web server")
                work = self._work(tasks)
                await self._begin(web, sockets)
                stop = await self._stop
                logger.info("Stopping", extra={"reason": stop.reason})
                await self._wind_down(work)
                web.stop()
        except asyncio.CancelledError:
            logger.warning("Stopped at once; samples that waited for remote write are lost")
            return 1
        except BaseExceptionGroup as group:
            for error in group.exceptions:
                logger.error("A part of the server failed", exc_info=error)
            return 1
        finally:
            self.mode.close()
            self.query_log.use("")
        logger.info("See you next time!")
        return 0

    def _heed_signals(self) -> None:
        loop, main = asyncio.get_running_loop(), asyncio.current_task()
        assert main is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end_by_signal, number.name, main)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)

    def _web_server(self, sockets: list[Any], services: AgentServices) -> WebServer:
        self._guard = WebGuard(create_app(services), self._security)
        return WebServer(
            self._guard,
            sockets,
            tls=self._security.tls.context if self._security.tls is not None else None,
            admits=self._security.tls.admits if self._security.tls is not None else None,
            idle_s=self._flags.number("web.read-timeout") / 1000,
            most_connections=self._flags.number("web.max-connections"),
        )

    def _work(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """What runs until the end begins; the web server lives longer."""
        return [
            tasks.create_task(self.pools.run(), name="scrape pools"),
            tasks.create_task(self.mode.maintain(), name="store maintenance"),
            tasks.create_task(self._give_memory_back(), name="memory"),
            tasks.create_task(self._renew_security(), name="web configuration watch"),
            tasks.create_task(self._watch_config(), name="configuration watch"),
        ]

    async def _begin(self, web: WebServer, sockets: list[Any]) -> None:
        """Put the configuration in force, and say that the server is ready."""
        self.notifications.add(STARTING)
        await web.started()
        async with self._reload_lock:
            await self._apply(self._loaded)
        gc.freeze()
        self._ready = True
        self.notifications.delete(STARTING)
        notify_manager("READY=1")
        addresses = ", ".join(f"{s.getsockname()[0]}:{s.getsockname()[1]}" for s in sockets)
        logger.info("Server is ready to receive web requests.", extra={"address": addresses})

    async def _wind_down(self, work: list[asyncio.Task[None]]) -> None:
        """End everything but the web server, in the order in which samples come."""
        self._ready = False
        self.notifications.add(STOPPING)
        notify_manager("STOPPING=1")
        await self.discovery.stop()
        for task in work:
            task.cancel()
        await self.writers.stop()
        self.notifications.close()

    async def reload(self) -> ReloadOutcome:
        """Take the configuration in again; a broken one changes nothing."""
        async with self._reload_lock:
            path = config_path(self._flags)
            if self._stop is not None and self._stop.done():
                return ReloadOutcome("the server is stopping")
            try:
                loaded = await asyncio.to_thread(load, self._flags)
            except ConfigError as error:
                log_problems(error.problems)
                return self._refuse(
                    path, "; ".join(_line(p) for p in error.problems if p.severity == "error"), error.problems
                )
            except OSError as error:
                return self._refuse(path, str(error), [])
            except Exception as error:  # a discovery plugin that cannot be imported, for one
                logger.exception("The configuration could not be read")
                return self._refuse(path, f"{type(error).__name__}: {error}", [])
            try:
                await self._apply(loaded)
            except Exception as error:
                # Whatever a part has against it: the reload failed, and the server goes on.
                logger.exception("The new configuration could not be put in force as a whole")
                return self._refuse(path, f"{type(error).__name__}: {error}", list(loaded.problems))
            self._reload_state.succeeded()
            log_findings(loaded)
            logger.info("Completed loading of configuration file", extra={"file": path})
            return ReloadOutcome("", tuple(p._asdict() for p in loaded.problems))

    def _refuse(self, path: str, reason: str, problems: list[Problem]) -> ReloadOutcome:
        text = f'couldn\'t load configuration (--config.file="{path}"): {reason}'
        self._reload_state.failed(reason, problems)
        logger.error("Error reloading config", extra={"err": text})
        return ReloadOutcome(text, tuple(p._asdict() for p in problems))

    async def _apply(self, loaded: Loaded) -> None:
        config = loaded.config
        self.query_log.use(config.global_.query_log_file)
        self.mode.apply(config)
        await self.writers.apply(config.remote_write, config.global_.external_labels)
        jobs = config.scrape_configs
        if "extra-scrape-metrics" in self._flags.many("enable-feature"):
            jobs = tuple(job.replace(extra_scrape_metrics=True) for job in jobs)
        await self.pools.apply(jobs, external_labels=config.global_.external_labels)
        self.discovery.apply(
            {
                job.job_name: WantedJob(
                    static_groups(job.static_configs), tuple(c for c in job.discoveries() if supported(c))
                )
                for job in config.scrape_configs
            }
        )
        self._loaded = loaded

    async def _give_memory_back(self) -> None:
        while True:
            await asyncio.sleep(TRIM_EVERY_S)
            await asyncio.to_thread(give_back)

    async def _renew_security(self) -> None:
        """Take over a certificate whose files changed, and users and headers of a changed `--web.config.file`."""
        path = self._flags.text("web.config.file")
        known = await asyncio.to_thread(checksum, [path]) if path else ""
        refused = ""
        while path:
            await asyncio.sleep(SECURITY_LOOK_S)
            try:
                if self._security.tls is not None and await asyncio.to_thread(self._security.tls.renew):
                    logger.info("Renewed the server's certificate")
                refused = ""
            except TLSError as error:
                if refused != str(error):
                    logger.error("Cannot renew the server's certificate", extra={"err": str(error)})
                refused = str(error)
            found = await asyncio.to_thread(checksum, [path])
            if found != known:
                known = found
                await self._reread_security(path)

    async def _reread_security(self, path: str) -> None:
        assert self._guard is not None
        changed = await asyncio.to_thread(_start_from, path, "web.config.file", lambda: web_security(path))
        if changed is None:
            return
        before, after = (tls and tls.settings for tls in (self._security.tls, changed.tls))
        if before != after:
            logger.warning("A changed tls_server_config needs a restart", extra={"file": path})
        self._security = replace(changed, tls=self._security.tls)
        self._guard.use(self._security)
        logger.info("Completed loading of the web configuration file", extra={"file": path})

    async def _watch_config(self) -> None:
        path = config_path(self._flags)
        if path and self._flags.auto_reload:
            interval_s = max(SHORTEST_WATCH_S, self._flags.number("config.auto-reload-interval") / 1000)
            await watch(interval_s, lambda: watched_files(path, self._loaded.config), self.reload)

    def _end(self, reason: str) -> None:
        if self._stop is not None and not self._stop.done():
            self._stop.set_result(Stop(reason))

    def _end_by_signal(self, name: str, main: asyncio.Task[Any]) -> None:
        """The first signal ends in order; a second one does not wait for what that takes."""
        if self._stop is not None and self._stop.done():
            main.cancel()
        self._end(f"got {name}")

    def _reload_soon(self) -> None:
        """SIGHUP: one reload; more signals before it began ask for the same one."""
        if self._reload_asked:
            return
        self._reload_asked = True
        _keep(self._reload_asked_for())

    async def _reload_asked_for(self) -> None:
        async with self._reload_lock:
            self._reload_asked = False
        await self.reload()

    def _runtime(self) -> dict[str, object]:
        return runtime_info(
            start_s=self._start_s,
            now_s=time.time(),
            reload_ok=self._reload_state.ok,
            reload_error=self._reload_state.error,
            last_config_s=self._reload_state.at_s,
            retention=self.mode.retention,
            flags=self._flags,
        )


def _line(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}:{problem.column}: {problem.message}"


_background: set[asyncio.Task[Any]] = set()


def _keep(work: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine from a signal handler; asyncio keeps only weak references to tasks."""
    task = asyncio.get_running_loop().create_task(work, name="reload by SIGHUP")
    _background.add(task)
    task.add_done_callback(_background.discard)
