"""Bodies that are read while they arrive: over kept connections, cut, silent, huge, and through a proxy's way."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from pyscrape.net import stream_transport
from pyscrape.net.settings import HTTPClientConfig
from pyscrape.net.streams import StreamError, Streams, open_streams

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answering) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that lets `answer` handle each request's connection; its URL and the request lines so far."""
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked.append(head.split(b"\r\n")[0])
                await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


@asynccontextmanager
async def streams(url: str) -> AsyncIterator[Streams]:
    made = open_streams(url, HTTPClientConfig())
    try:
        yield made
    finally:
        await made.close()


def says(*pieces: bytes, headers: bytes = b"", close: bool = False) -> Answering:
    """Answers 200 with the pieces as chunks."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + headers + b"\r\n")
        for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        if close:
            writer.close()

    return answer


async def fetch(made: Streams, path: str = "/", *, answer_s: float = 1.0, silence_s: float = 1.0) -> bytes:
    async with made.get(path, {}, answer_s=answer_s, silence_s=silence_s) as answer:
        return await answer.read()


async def test_connections_are_kept() -> None:
    ports: set[int] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername")[1])
        await says(b"a", b"b")(reader, writer)

    async with serving(answer) as (url, asked), streams(url) as made:
        assert [await fetch(made, f"/{n}") for n in range(3)] == [b"ab"] * 3
    assert len(ports) == 1
    assert asked == [b"GET /0 HTTP/1.1", b"GET /1 HTTP/1.1", b"GET /2 HTTP/1.1"]


async def test_a_connection_that_was_closed_while_idle_is_replaced() -> None:
    async with serving(says(b"x", close=True)) as (url, asked), streams(url) as made:
        for _ in range(3):
            assert await fetch(made) == b"x"
            await asyncio.sleep(0.01)
    assert len(asked) == 3


async def test_an_answer_that_is_left_early_costs_its_connection() -> None:
    async with serving(says(*[b"x" * 1000] * 2000)) as (url, asked), streams(url) as made:
        for _ in range(2):
            async with made.get("/", {}, answer_s=1, silence_s=1) as answer:
                async for _chunk in answer.chunks():
                    break
        assert len(await fetch(made)) == 2_000_000
    assert len(asked) == 3


async def test_compressed_bodies_are_inflated() -> None:
    body = gzip.compress(b"list" * 10_000)
    async with serving(says(body, headers=b"Content-Encoding: gzip\r\n")) as (url, _), streams(url) as made:
        assert await fetch(made) == b"list" * 10_000


async def test_a_reader_that_falls_behind_stops_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_transport, "MOST_BUFFERED", 100_000)
    sent = 0

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n")
        for _ in range(400):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async with (
        serving(answer) as (url, _),
        streams(url) as made,
        made.get("/", {}, answer_s=1, silence_s=5) as got,
    ):
        await asyncio.sleep(0.2)
        assert sent < 20_000_000, "what is not read stays with the server"
        assert sum([len(chunk) async for chunk in got.chunks()]) == 40_000_000


def failing(kind: str) -> Answering:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match kind:
            case "no answer":
                await asyncio.sleep(1)
            case "nonsense":
                writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
            case "closed":
                writer.close()
            case "cut":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
                await writer.drain()
                writer.transport.abort()
            case "short":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                writer.close()
            case "silent":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
                await asyncio.sleep(1)

    return answer


@pytest.mark.parametrize(
    ("kind", "silent"),
    [
        ("no answer", True),
        ("nonsense", False),
        ("closed", False),
        ("cut", False),
        ("short", False),
        ("silent", True),
    ],
)
async def test_failures_are_one_error(kind: str, silent: bool) -> None:
    async with serving(failing(kind)) as (url, _), streams(url) as made:
        with pytest.raises(StreamError) as caught:
            await fetch(made, answer_s=0.2, silence_s=0.2)
    assert caught.value.silent is silent


async def test_nobody_there() -> None:
    async with serving(says(b"")) as (url, _):
        pass
    async with streams(url) as made:
        with pytest.raises(StreamError, match=r"cannot connect to 127.0.0.1:\d+: Connection refused"):
            await fetch(made)


async def test_abort_from_outside() -> None:
    async with (
        serving(failing("silent")) as (url, _),
        streams(url) as made,
        made.get("/", {}, answer_s=1, silence_s=5) as answer,
    ):
        asyncio.get_running_loop().call_later(0.05, answer.abort)
        with pytest.raises(StreamError) as caught:
            await answer.read()
    assert not caught.value.silent


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nabc")
        writer.close()

    async with serving(answer) as (url, _), streams(url) as made:
        assert await fetch(made) == b"abc"


async def test_both_ways_read_the_same() -> None:
    """httpx's own transport, which proxies need, gives what the direct way gives."""
    pieces = [b"x" * n for n in (1, 70_000, 3)]
    async with serving(says(*pieces)) as (url, _):
        slow = Streams(httpx.AsyncClient(base_url=url, trust_env=False))
        async with streams(url) as fast:
            assert await fetch(fast) == await fetch(slow) == b"".join(pieces)
        await slow.close()


async def test_extra_headers_are_asked_for_each_time() -> None:
    seen: list[str] = []
    values = iter(("one", "two"))

    async def extra() -> dict[str, str]:
        return {"Authorization": f"Bearer {next(values)}"}

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, content=b"ok")

    made = Streams(httpx.AsyncClient(base_url="http://x", transport=httpx.MockTransport(handler)), extra)
    assert [await fetch(made), await fetch(made)] == [b"ok", b"ok"]
    assert seen == ["Bearer one", "Bearer two"]
    await made.close()
