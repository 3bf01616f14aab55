"""How a handler is written and mounted: a handler is a plain function from a call to an answer.

Handlers do not await. The ones that may take long run in a worker thread, so that the loop that scrapes is never
held up; the others run at once. PromQL has threads of its own: slow queries do not keep targets or federation waiting.
A handler that must await something (reload) says so by being a coroutine function.
"""

import asyncio
import inspect
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from pyscrape.model.regex import RegexTimeout
from pyscrape.web.answers import GZIP_FROM_BYTES, Answer, ApiError, Stream, compressed, failure, not_ready
from pyscrape.web.forms import (
    MULTIPART,
    URLENCODED,
    Fields,
    TooManyFieldsError,
    media_type,
    split_multipart,
    split_query,
)
from pyscrape.web.params import Params

logger = logging.getLogger("pyscrape.web")

MOST_FORM_BYTES = 10 << 20
BODY_S = 30.0
PATIENCE_S = 0.1
"""Most answers are ready by then; only for longer ones it is worth looking whether the client is still there."""
FORM_FAULT = "error parsing form values"
LONG_FORM_BYTES = 1 << 16

_PARAMETER = re.compile(r"\{(\w+)[^}]*\}")

Place = Literal["loop", "thread", "query"]

AT_HAND = "pyscrape.at_hand"
"""Key of a request's scope: what the mount's glance gave, where it was asked already."""


class Flag:
    """A `threading.Event` that nobody waits for, without its lock."""

    __slots__ = ("_set",)

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set


@dataclass(slots=True)
class Call:
    """One request, decoded: parameters of query string and form, the path's parts, headers, the body.

    `wrong_form`: what was wrong with the query string or form, of which the rest was read; most endpoints do not care.
    `cancelled` is set when the client has gone away; long work looks at it between its pieces. `waited_s`: for how
    long the call waited for a thread.
    """

    params: Params
    path: dict[str, str]
    method: str
    raw_headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""
    client_host: str = ""
    wrong_form: str = ""
    cancelled: Flag = field(default_factory=Flag)
    waited_s: float = 0.0

    def require_form(self) -> None:
        """Refuse a query string or form of which something is wrong, as the endpoints do that read it themselves."""
        if self.wrong_form:
            raise ApiError("bad_data", f"{FORM_FAULT}: {self.wrong_form}")

    def header(self, name: str, default: str = "") -> str:
        """The first value of a header, whose `name` is in lower case."""
        return header_of(self.raw_headers, name.encode(), default)


def header_of(headers: Sequence[tuple[bytes, bytes]], name: bytes, default: str = "") -> str:
    """The first value of a header in the form in which ASGI gives them (names in lower case)."""
    return next((value.decode("latin-1") for key, value in headers if key == name), default)


Handler = Callable[[Call], Answer] | Callable[[Call], Awaitable[Answer | Stream]]
Glance = Callable[[Call], Answer | None]
"""Gives an answer that is at hand or worked out in a moment, else None; takes a millisecond or two at most."""


@dataclass(slots=True)
class WebStats:
    """What the web server counted; fields named as Prometheus' metrics are."""

    prometheus_http_requests_total: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By handler (the route's path) and status code."""
    prometheus_engine_queries: int = 0
    prometheus_engine_queries_concurrent_max: int = 0


@dataclass(frozen=True, slots=True)
class Mount:
    """One row of the route table."""

    path: str
    handler: Handler
    methods: tuple[str, ...] = ("GET",)
    place: Place = "loop"
    most_body_bytes: int = MOST_FORM_BYTES
    glance: Glance | None = None
    takes_multipart: bool = False
    before_ready: bool = False
    """Whether it also answers while the server starts or stops; what is not below /api/ or /federate always does."""

    @property
    def handler_name(self) -> str:
        """The path as Prometheus' metrics name it: `/api/v1/label/:name/values`."""
        return _handler_name(self.path)

    @property
    def needs_ready(self) -> bool:
        return not self.before_ready and self.path.startswith(("/api/", "/federate"))


@cache
def _handler_name(path: str) -> str:
    return _PARAMETER.sub(r":\1", path)


async def read_call(request: Request, mount: Mount) -> Call:
    """The request as a `Call`.

    Raises:
        ApiError: the body is longer than the route takes, or has too many fields.
    """
    most_body_bytes = mount.most_body_bytes
    query = request.scope["query_string"]
    asked = await _fields(query) if query else Fields([])
    items, wrong = asked.pairs, asked.wrong
    body = b""
    if request.method in {"POST", "PUT"}:
        chunks = []
        size = 0
        try:
            async with asyncio.timeout(BODY_S):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > most_body_bytes:
                        raise ApiError(
                            "bad_data", f"http: request body too large (limit {most_body_bytes} bytes)"
                        )
                    chunks.append(chunk)
        except TimeoutError as error:
            raise ApiError("timeout", f"the request's body did not arrive within {BODY_S:g} s") from error
        body = b"".join(chunks)
        kind, boundary = media_type(header_of(request.scope["headers"], b"content-type"))
        if kind == URLENCODED:
            form = await _fields(body)
            # Fields of the form come first, as in Go's Request.Form.
            items, wrong = form.pairs + items, form.wrong or wrong
        elif kind == MULTIPART and mount.takes_multipart:
            items = items + await asyncio.to_thread(split_multipart, body, boundary)
    scope = request.scope
    host = scope["client"][0] if scope.get("client") else ""
    path = dict(scope.get("path_params", {}))
    return Call(Params(items), path, scope["method"], scope["headers"], body, host, wrong)


async def _fields(encoded: bytes) -> Fields:
    """Names and values of a query string or form; a long one is taken apart in a thread."""
    text = encoded.decode("utf-8", "replace")
    try:
        if len(encoded) > LONG_FORM_BYTES:
            return await asyncio.to_thread(split_query, text)
        return split_query(text)
    except TooManyFieldsError as error:
        raise ApiError("bad_data", f"{FORM_FAULT}: {error}") from error


class Runner:
    """Turns mounts into routes; owns the threads that long handlers run in, `queries` of them for PromQL."""

    def __init__(
        self,
        threads: int,
        queries: int,
        stats: WebStats,
        ready: Callable[[], bool],
        stopping: Callable[[], bool],
    ) -> None:
        self._ready = ready
        self._stopping = stopping
        self._pools: dict[Place, ThreadPoolExecutor] = {
            "thread": ThreadPoolExecutor(threads, thread_name_prefix="web"),
            "query": ThreadPoolExecutor(queries, thread_name_prefix="query"),
        }
        self._stats = stats
        self._counting = threading.Lock()
        stats.prometheus_engine_queries_concurrent_max = queries

    def endpoint(self, mount: Mount) -> "Endpoint":
        """`mount` as an ASGI application."""
        return Endpoint(self, mount)

    async def respond(self, mount: Mount, request: Request) -> Answer | Stream:
        """What a mount answers to a request, whatever happens."""
        answer: Answer | Stream
        try:
            if mount.needs_ready and not self._ready():
                answer = not_ready(self._stopping())
            else:
                call = await read_call(request, mount)
                answer = await self._answer(mount, call, request)
        except ApiError as error:
            answer = failure(error)
        except RegexTimeout as error:
            answer = failure(ApiError("execution", str(error)))
        except ClientDisconnect:
            answer = Answer(b"", 499)
        except Exception:
            # One request must not end the server; the traceback goes to the log, not to the client.
            logger.exception("Request failed", extra={"path": request.url.path})
            answer = failure(ApiError("internal", "internal error, see the server's log"))
        self._stats.prometheus_http_requests_total[mount.handler_name, answer.status] += 1
        return answer

    def at_once(self, mount: Mount, scope: Scope) -> Answer | None:
        """The answer to a GET without a body, where a glance has it: what `respond` says, without a task. Else None,
        and `respond` goes on from there.
        """
        query = scope["query_string"]
        if mount.glance is None or len(query) > LONG_FORM_BYTES or (mount.needs_ready and not self._ready()):
            return None
        scope[AT_HAND] = None
        try:
            host = scope["client"][0] if scope.get("client") else ""
            path = scope.get("path_params", {})
            asked = split_query(query.decode("utf-8", "replace"))
            call = Call(Params(asked.pairs), path, "GET", scope["headers"], b"", host, asked.wrong)
            glanced = mount.glance(call)
            if glanced is not None and glanced.size >= GZIP_FROM_BYTES:
                glanced = compressed(glanced, call.header("accept-encoding"))
        except Exception:  # the ordinary way meets it again, and says so
            return None
        scope[AT_HAND] = glanced
        if glanced is None or glanced.pieces:  # pieces are sent one after the other, as the client takes them
            return None
        self._stats.prometheus_http_requests_total[mount.handler_name, glanced.status] += 1
        return glanced

    async def _answer(self, mount: Mount, call: Call, request: Request) -> Answer | Stream:
        accept = call.header("accept-encoding")
        if inspect.iscoroutinefunction(mount.handler):
            awaited: Answer | Stream = await mount.handler(call)
            return compressed(awaited, accept) if isinstance(awaited, Answer) else awaited
        if AT_HAND in request.scope:
            at_hand: Answer | None = request.scope[AT_HAND]
        else:
            at_hand = mount.glance(call) if mount.glance is not None else None
        if at_hand is not None:
            return compressed(at_hand, accept)
        if mount.place == "loop":
            at_once = mount.handler(call)
            assert isinstance(at_once, Answer)
            return compressed(at_once, accept)

        future = asyncio.get_running_loop().run_in_executor(
            self._pools[mount.place], self._work, mount, call, accept, time.monotonic()
        )
        watching: list[asyncio.Task[None]] = []

        def watch() -> None:
            watching.append(asyncio.create_task(_watch_client(request, call), name=f"client of {mount.path}"))

        patience = asyncio.get_running_loop().call_later(PATIENCE_S, watch)
        try:
            return await future
        except asyncio.CancelledError:
            call.cancelled.set()  # the server ends: so does the query
            raise
        finally:
            patience.cancel()
            for watcher in watching:
                watcher.cancel()

    def _work(self, mount: Mount, call: Call, accept: str, asked_at: float) -> Answer:
        """In a thread: the answer, compressed."""
        call.waited_s = time.monotonic() - asked_at
        if call.cancelled.is_set():
            raise ApiError("canceled", "query was canceled in query queue")
        querying = mount.place == "query"
        with self._counting:
            self._stats.prometheus_engine_queries += querying
        try:
            answer = mount.handler(call)
            assert isinstance(answer, Answer)
            return compressed(answer, accept)
        finally:
            with self._counting:
                self._stats.prometheus_engine_queries -= querying


class Endpoint:
    """A mount as an ASGI application, without what a framework does for each request."""

    def __init__(self, runner: Runner, mount: Mount) -> None:
        self._runner = runner
        self.mount = mount

    def at_once(self, scope: Scope) -> Answer | None:
        """See `Runner.at_once`."""
        return self._runner.at_once(self.mount, scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._runner.respond(self.mount, Request(scope, receive))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers()})
        if isinstance(answer, Answer):
            # One after the other: what is sent takes memory for one piece, and the loop has its turn between them.
            for piece in answer.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": answer.body})
            return
        await answer.pour(receive, send)


async def _watch_client(request: Request, call: Call) -> None:
    """Set `call.cancelled` when the client closes its connection."""
    # ASGI has no event for it: a disconnect is seen by asking.
    while not await request.is_disconnected():  # noqa: ASYNC110
        await asyncio.sleep(0.25)
    call.cancelled.set()
