"""The web application: one visible list of routes, and what applies to every answer."""

import re
from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pyscrape.model.regex import RegexTimeout
from pyscrape.web.agent_api import AgentApi
from pyscrape.web.answers import Answer
from pyscrape.web.features_api import FeaturesApi
from pyscrape.web.lifecycle_api import LifecycleApi
from pyscrape.web.notifications import NotificationsApi
from pyscrape.web.openapi import OpenApi
from pyscrape.web.pages.site import Pages
from pyscrape.web.routes import Endpoint, Mount, Runner
from pyscrape.web.self_metrics import SelfMetricsApi
from pyscrape.web.server import Reply
from pyscrape.web.services import AgentServices, Services, WebOptions
from pyscrape.web.status_api import StatusApi
from pyscrape.web.targets_api import TargetsApi

QUERY_THREADS = 4
"""Threads for PromQL; more of them would only take turns. `--query.max-concurrency` below it is kept to."""
WEB_THREADS = 2


class Cors:
    """The headers by which a browser lets pages of other origins read the API (`--web.cors.origin`)."""

    def __init__(self, app: "Direct", options: WebOptions) -> None:
        self._app = app
        self._options = options

    def _headers(self, origin: str) -> list[tuple[bytes, bytes]]:
        if not origin:
            return [(b"vary", b"Origin")]
        headers = [
            (b"access-control-allow-headers", b"Accept, Authorization, Content-Type, Origin"),
            (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
            (b"access-control-expose-headers", b"Date"),
            (b"vary", b"Origin"),
        ]
        try:
            allowed = self._options.cors_origin.matches(origin)
        except RegexTimeout:
            allowed = False  # an origin of which nothing is known gets nothing
        if allowed:
            headers.append((b"access-control-allow-origin", origin.encode("latin-1")))
        return headers

    def at_once(self, scope: Scope) -> Reply | None:
        """See `server.AtOnce`. A page of another origin goes the ordinary way."""
        if any(name == b"origin" for name, _ in scope["headers"]):
            return None
        answer = self._app.at_once(scope)
        return (
            None if answer is None else Reply(answer, self._headers("") if "/api/" in scope["path"] else [])
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "/api/" not in scope["path"]:
            await self._app(scope, receive, send)
            return
        origin = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), "")
        extra = self._headers(origin)
        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": extra})
            await send({"type": "http.response.body", "body": b""})
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await self._app(scope, receive, with_headers)


def mounts(services: AgentServices) -> list[Mount]:
    """Every route of the server or agent."""
    own = _of_a_server(services) if isinstance(services, Services) else AgentApi(services).mounts()
    own += NotificationsApi(services.notifications).mounts()
    parts = (LifecycleApi, TargetsApi, StatusApi, SelfMetricsApi, FeaturesApi, Pages)
    found = [*own, *(mount for part in parts for mount in part(services).mounts())]
    return [*found, OpenApi(found, services.build["version"], services.options.prefix).mount]


def _of_a_server(services: Services) -> list[Mount]:
    """What needs a store or an engine; imported here, so that an agent has neither in memory."""
    from pyscrape.web.admin_api import AdminApi
    from pyscrape.web.federate import FederateApi
    from pyscrape.web.query_api import QueryApi
    from pyscrape.web.rules_api import RulesApi
    from pyscrape.web.series_api import SeriesApi
    from pyscrape.web.status_api import StoreStatusApi
    from pyscrape.web.write_api import WriteApi

    parts = (QueryApi, SeriesApi, StoreStatusApi, RulesApi, WriteApi, AdminApi, FederateApi)
    return [mount for part in parts for mount in part(services).mounts()]


def clean_path(path: str) -> str:
    """A path without empty parts and dots, as Go's servers want it.

    >>> clean_path("//api/./v1/x/../labels/")
    '/api/v1/labels/'
    """
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in {"", "."}:
            kept.append(part)
    end = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return "/" + "/".join(kept) + end


class Misses:
    """What is answered where no route fits: Go's router's answers.

    Its redirects below /api/ lose the prefix and lead nowhere; these lead to the endpoint.
    """

    def __init__(self, mounts: Sequence[Mount], prefix: str) -> None:
        self._patterns = [(compile_path(prefix + mount.path)[0], mount) for mount in mounts]
        self._by_lower = {(prefix + mount.path).lower(): prefix + mount.path for mount in mounts}

    def _methods(self, path: str) -> set[str]:
        """The methods of all routes that have the path."""
        fitting = (mount.methods for pattern, mount in self._patterns if pattern.match(path))
        return {method for methods in fitting for method in methods}

    def _meant(self, path: str, method: str) -> tuple[str, int] | None:
        """(path, status) of a redirect: for dots, too many slashes and wrong case. Who asks for `..` gets none."""
        if ".." in path.split("/"):
            return None
        cleaned = clean_path(path)
        if cleaned != path:
            return cleaned, 301
        shorter = path.removesuffix("/")
        for candidate in (shorter, self._by_lower.get(shorter.lower(), path)):
            if candidate != path and method in self._methods(candidate):
                return candidate, 301 if method == "GET" else 307
        return None

    async def unknown(self, request: Request, error: Exception) -> Response:  # Starlette's signature
        """404, but for a path of which it can be seen what was meant."""
        meant = self._meant(request.url.path, request.method)
        if meant is None:
            return PlainTextResponse("404 page not found\n", 404)
        path, status = meant
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(path + query, status)

    async def wrong_method(self, request: Request, error: Exception) -> Response:
        """405 with the methods that there are; who asks for those gets them."""
        methods = {*self._methods(request.url.path), "OPTIONS"}
        headers = {"allow": ", ".join(sorted(methods))}
        if request.method == "OPTIONS":
            return Response(b"", 200, headers)
        return PlainTextResponse("Method Not Allowed\n", 405, headers)


def _home(prefix: str) -> Callable[[Request], Awaitable[Response]]:
    """Leads those who left the route prefix out to it."""

    async def redirect(request: Request) -> Response:
        return RedirectResponse(prefix + "/", 302)

    return redirect


class Direct:
    """Gives requests to their endpoint at once: a look into a dictionary, or the few patterns of paths with parameters,
    where the router and what a framework wraps it in try some fifty patterns. What is not there, and every wrong
    method, goes the router's way.
    """

    def __init__(self, app: ASGIApp, endpoints: Sequence[Endpoint], prefix: str) -> None:
        self._app = app
        self._fixed: dict[tuple[str, str], Endpoint] = {}
        self._patterns: list[tuple[re.Pattern[str], Endpoint]] = []
        for endpoint in endpoints:
            path = prefix + endpoint.mount.path
            if "{" in path:
                self._patterns.append((compile_path(path)[0], endpoint))
                continue
            for method in endpoint.mount.methods:
                self._fixed[method, path] = endpoint

    def at_once(self, scope: Scope) -> Answer | None:
        """See `server.AtOnce`."""
        endpoint = self._find(scope)
        return None if endpoint is None else endpoint.at_once(scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._find(scope) if scope["type"] == "http" else None
        await (endpoint or self._app)(scope, receive, send)

    def _find(self, scope: Scope) -> Endpoint | None:
        method, path = scope["method"], scope["path"]
        known = self._fixed.get((method, path))
        if known is not None:
            return known
        for pattern, endpoint in self._patterns:
            found = pattern.match(path)
            if found is not None and method in endpoint.mount.methods:
                scope["path_params"] = found.groupdict()
                return endpoint
        return None


def _route(prefix: str, endpoint: Endpoint) -> Route:
    mount = endpoint.mount
    route = Route(prefix + mount.path, endpoint, name=mount.path)
    # Named afterwards: Starlette adds HEAD to every GET, which Prometheus answers with 405.
    route.methods = set(mount.methods)
    return route


def create_app(services: AgentServices) -> Cors:
    """The ASGI application over the running parts."""
    options = services.options
    queries = min(QUERY_THREADS, options.max_concurrency)
    runner = Runner(WEB_THREADS, queries, services.stats, services.ready, services.stopping)
    # Those with parameters come first: the router tries one after the other, and the others are found without it.
    table = sorted(mounts(services), key=lambda mount: "{" not in mount.path)
    endpoints = [runner.endpoint(mount) for mount in table]
    routes = [_route(options.prefix, endpoint) for endpoint in endpoints]
    if options.prefix:
        routes += [Route(path, _home(options.prefix), methods=["GET"]) for path in ("/", options.prefix)]
    misses = Misses(table, options.prefix)
    app = Starlette(routes=routes, exception_handlers={404: misses.unknown, 405: misses.wrong_method})
    app.router.redirect_slashes = False
    return Cors(Direct(app, endpoints, options.prefix), options)
