"""The web application: one visible list of routes, and what applies to every answer."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pyscrape.web.admin_api import AdminApi
from pyscrape.web.answers import Answer, text
from pyscrape.web.federate import FederateApi
from pyscrape.web.lifecycle_api import LifecycleApi
from pyscrape.web.pages.site import Pages
from pyscrape.web.query_api import QueryApi
from pyscrape.web.routes import Call, Mount, Runner
from pyscrape.web.rules_api import RulesApi
from pyscrape.web.series_api import SeriesApi
from pyscrape.web.services import Services, WebOptions
from pyscrape.web.status_api import StatusApi
from pyscrape.web.targets_api import TargetsApi
from pyscrape.web.write_api import WriteApi

QUERY_THREADS = 4


class Cors:
    """The headers by which a browser lets pages of other origins read the API (`--web.cors.origin`)."""

    def __init__(self, app: ASGIApp, options: WebOptions) -> None:
        self._app = app
        self._options = options

    def _headers(self, origin: str) -> list[tuple[bytes, bytes]]:
        pattern = self._options.cors_origin
        allowed = "*" if pattern.pattern == ".*" else origin if pattern.fullmatch(origin) else ""
        headers = [
            (b"access-control-allow-headers", b"Accept, Authorization, Content-Type, Origin"),
            (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
            (b"access-control-expose-headers", b"Date"),
            (b"vary", b"Origin"),
        ]
        return [*headers, (b"access-control-allow-origin", allowed.encode())] if allowed else headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "/api/" not in scope["path"]:
            await self._app(scope, receive, send)
            return
        origin = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), "")
        extra = self._headers(origin) if origin else []
        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": extra})
            await send({"type": "http.response.body", "body": b""})
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await self._app(scope, receive, with_headers)


def mounts(services: Services) -> list[Mount]:
    """Every route of the server."""
    parts = (
        LifecycleApi,
        QueryApi,
        SeriesApi,
        TargetsApi,
        StatusApi,
        RulesApi,
        WriteApi,
        AdminApi,
        FederateApi,
        Pages,
    )
    return [mount for part in parts for mount in part(services).mounts()] + [
        Mount("/{rest:path}", _unknown, ("GET", "POST", "PUT", "DELETE"))
    ]


def _unknown(call: Call) -> Answer:
    return text("404 page not found\n", 404)


def create_app(services: Services) -> Starlette:
    """The ASGI application over the running parts."""
    runner = Runner(QUERY_THREADS)
    routes = [runner.route(mount, services.options.prefix) for mount in mounts(services)]
    return Starlette(routes=routes, middleware=[Middleware(Cors, services.options)])
