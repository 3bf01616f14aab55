"""An httpx transport that answers from a function: pages without sockets, for loops in virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

TEXT = "text/plain; version=0.0.4"


@dataclass(slots=True)
class Page:
    """One answer. `delay_s` passes before its head, `error` is raised instead of answering."""

    body: bytes | str = b""
    status: int = 200
    content_type: str | None = TEXT
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    error: Exception | None = None


Answer = Callable[[httpx.Request], Page]


class MemoryTransport(httpx.AsyncBaseTransport):
    """Answers requests by `answer` and remembers them with the loop time of each."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(asyncio.get_running_loop().time())
        page = self.answer(request)
        if page.delay_s:
            await asyncio.sleep(page.delay_s)
        if page.error is not None:
            raise page.error
        body = page.body.encode() if isinstance(page.body, str) else page.body
        headers = dict(page.headers)
        if page.content_type is not None:
            headers["Content-Type"] = page.content_type
        return httpx.Response(page.status, headers=headers, stream=httpx.ByteStream(body), request=request)
