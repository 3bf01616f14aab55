"""How a handler is written and mounted: a handler is a plain function from a call to an answer.

Handlers do not await. The ones that may take long run in a worker thread, so that the loop that scrapes is never
held up; the others run at once. A handler that must await something (reload) says so by being a coroutine function.
"""

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from pyscrape.web.answers import Answer, ApiError, compressed, failure
from pyscrape.web.params import Params

logger = logging.getLogger("pyscrape.web")

MOST_FORM_BYTES = 10 << 20
BODY_S = 30.0
PATIENCE_S = 0.1
"""Most answers are ready by then; only for longer ones it is worth looking whether the client is still there."""
FORM = "application/x-www-form-urlencoded"

Place = Literal["loop", "thread"]


@dataclass(slots=True)
class Call:
    """One request, decoded: parameters of query string and form, the path's parts, headers, the body.

    `cancelled` is set when the client has gone away; long work looks at it between its pieces.
    """

    params: Params
    path: dict[str, str]
    method: str
    headers: dict[str, str]
    body: bytes = b""
    cancelled: threading.Event = field(default_factory=threading.Event)


Handler = Callable[[Call], Answer] | Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Mount:
    """One row of the route table."""

    path: str
    handler: Handler
    methods: tuple[str, ...] = ("GET",)
    place: Place = "loop"
    most_body_bytes: int = MOST_FORM_BYTES


async def read_call(request: Request, most_body_bytes: int) -> Call:
    """The request as a `Call`.

    Raises:
        ApiError: the body is longer than the route takes, or is no form.
    """
    items = parse_qsl(request.url.query, keep_blank_values=True)
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
        if request.headers.get("content-type", "").split(";")[0].strip().lower() == FORM:
            try:
                # Fields of the form come first, as in Go's Request.Form.
                items = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict") + items
            except UnicodeDecodeError as error:
                raise ApiError("bad_data", f"error parsing form values: {error}") from error
    return Call(Params(items), dict(request.path_params), request.method, dict(request.headers), body)


class Runner:
    """Turns mounts into routes; owns the threads that long handlers run in."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="query")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def route(self, mount: Mount, prefix: str = "") -> Route:
        async def endpoint(request: Request) -> Response:
            return await self._respond(mount, request)

        return Route(prefix + mount.path, endpoint, methods=list(mount.methods), name=mount.path)

    async def _respond(self, mount: Mount, request: Request) -> Response:
        try:
            call = await read_call(request, mount.most_body_bytes)
            answer = await self._answer(mount, call, request)
        except ApiError as error:
            answer = failure(error)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:
            # One request must not end the server; the traceback goes to the log, not to the client.
            logger.exception("Request failed", extra={"path": request.url.path})
            answer = failure(ApiError("internal", "internal error, see the server's log"))
        return Response(answer.body, answer.status, answer.headers, answer.media_type)

    async def _answer(self, mount: Mount, call: Call, request: Request) -> Answer:
        accept = request.headers.get("accept-encoding", "")
        if inspect.iscoroutinefunction(mount.handler):
            awaited: Answer = await mount.handler(call)
            return compressed(awaited, accept)
        if mount.place == "loop":
            at_once = mount.handler(call)
            assert isinstance(at_once, Answer)
            return compressed(at_once, accept)

        def work() -> Answer:
            answer = mount.handler(call)
            assert isinstance(answer, Answer)
            return compressed(answer, accept)

        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        done, _ = await asyncio.wait({future}, timeout=PATIENCE_S)
        if done:
            return future.result()
        watcher = asyncio.create_task(_watch_client(request, call), name=f"client of {mount.path}")
        try:
            return await future
        finally:
            watcher.cancel()


async def _watch_client(request: Request, call: Call) -> None:
    """Set `call.cancelled` when the client closes its connection."""
    # ASGI has no event for it: a disconnect is seen by asking.
    while not await request.is_disconnected():  # noqa: ASYNC110
        await asyncio.sleep(0.25)
    call.cancelled.set()
