"""Answers given in the callback of their connection: the bytes that the ordinary way sends, and in their order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pyscrape.web import answers, query_api, quick
from pyscrape.web.app import create_app
from pyscrape.web.server import GuardedProtocol, Reply, WebServer, bind
from tests.helpers.web_client import NOW_S, make_services, store_with

STORE = store_with({f"up job=j{k} pod=p%é{k}" + "x" * 40: lambda _: 1.0 for k in range(40)})
MATCH = "match[]=up%7Bjob%3D%22j1%22%7D"
WINDOW = f"start={NOW_S - 60}&end={NOW_S}"


class Ways:
    """The application, which notes what it answered at once."""

    def __init__(self) -> None:
        self._app = create_app(make_services(STORE))
        self.at_once_paths: list[str] = []

    def at_once(self, scope: Any) -> Reply | None:
        reply = self._app.at_once(scope)
        if reply is not None:
            self.at_once_paths.append(scope["path"])
        return reply

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    sockets = bind([("127.0.0.1", 0)])
    server = WebServer(app, sockets, idle_s=5, most_connections=5)
    serving = asyncio.create_task(server.serve(), name="server")
    await server.started()
    reader, writer = await asyncio.open_connection(*sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.stop()
        await serving


async def answer_of(reader: asyncio.StreamReader) -> bytes:
    """Head and body of an answer, without its date."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"date: ")]
    size = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    return b"\r\n".join(lines) + await reader.readexactly(size)


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every query is quick, as far as time goes."""
    monkeypatch.setattr(quick, "QUICK_S", 60.0)
    monkeypatch.setattr(query_api, "MOST_S", 60.0)


CASES = [
    (get(f"/api/v1/query?query=up&time={NOW_S}"), True),
    (get(f"/api/v1/query?query=up&time={NOW_S}", "Accept-Encoding: gzip"), True),
    (get(f"/api/v1/query_range?query=sum(up)&{WINDOW}&step=15"), True),
    (get(f"/api/v1/labels?{WINDOW}"), True),
    (get(f"/api/v1/labels?{MATCH}&{WINDOW}&limit=1"), True),
    (get(f"/api/v1/label/pod/values?{WINDOW}", "Accept-Encoding: deflate"), True),
    (get(f"/api/v1/series?{MATCH}"), True),
    (get("/api/v1/%6cabels"), True),
    (get(f"/api/v1/query?query=up&time={NOW_S}", "Origin: http://b.example"), False),
    (get("/api/v1/query?query=up("), False),
    (get("/api/v1/query_range?query=up"), False),
    (get("/api/v1/labels?limit=x"), False),
    (get("/api/v1/nothing"), False),
    (get("/-/healthy"), False),
    (get("/api/v1/labels", "Content-Length: 0"), False),
    (b"HEAD" + get("/api/v1/labels")[3:], False),
    (b"POST" + get("/api/v1/labels", "Content-Length: 0")[3:], False),
]


@pytest.mark.parametrize(("request_bytes", "at_once"), CASES, ids=[str(case[0][:60]) for case in CASES])
@pytest.mark.usefixtures("patience")
async def test_both_ways_send_the_same(request_bytes: bytes, at_once: bool) -> None:
    assert await asked_both_ways(request_bytes) == at_once


@pytest.mark.parametrize("path", [f"query?query=up&time={NOW_S}", "label/pod/values"])
@pytest.mark.parametrize("headers", [(), ("Accept-Encoding: gzip",)], ids=["plain", "gzip"])
@pytest.mark.usefixtures("patience")
async def test_what_comes_in_pieces_is_sent_by_a_task(
    path: str, headers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "BYTES_OF_PIECE", 64)
    whole = path.startswith("label") and not headers  # printed in one go
    assert await asked_both_ways(get(f"/api/v1/{path}", *headers)) == whole


async def asked_both_ways(request_bytes: bytes) -> bool:
    """Whether a request that comes three times was answered at once; what is sent has to be the same."""
    quickly, ordinary = Ways(), create_app(make_services(STORE))
    head = request_bytes.startswith(b"HEAD")

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await ordinary(scope, receive, send)

    found = []
    for app in (quickly, plain):
        async with served(app) as (reader, writer):
            for _ in range(1 if head else 3):
                writer.write(request_bytes)
                found.append(await (reader.readuntil(b"405") if head else answer_of(reader)))
    assert found[: len(found) // 2] == found[len(found) // 2 :]
    return bool(quickly.at_once_paths)


@pytest.mark.usefixtures("patience")
async def test_requests_sent_together_are_answered_in_their_order_and_one_of_them_at_once() -> None:
    app = Ways()
    async with served(app) as (reader, writer):
        for _ in range(2):
            writer.write(get("/api/v1/labels"))
            await answer_of(reader)
        writer.write(get("/api/v1/labels") * 2 + get("/-/healthy") + get("/api/v1/labels"))
        bodies = [(await answer_of(reader)).partition(b"\r\n\r\n")[2] for _ in range(4)]
    assert [body[:10] for body in bodies] == [b'{"status":'] * 2 + [b"Prometheus"[:10], b'{"status":']
    assert app.at_once_paths == ["/api/v1/labels"] * 2


SAME_HEAD = [
    "/api/v1/labels",
    "/api/v1/label/pod/values",
    "/api/v1/label/job/values?limit=2",
    "/api/v1/labels",
    f"/api/v1/query?query=up&time={NOW_S}",
    f"/api/v1/query?query=up{{job=%22j1%22}}&time={NOW_S}",
    "/api/v1/series?match[]=up&limit=3",
    "/api/v1/label/%70od/values",
    "/api/v1/labels#fragment",
    "//api/v1/labels",
    "/api/v1/labels?limit=x",
    "/-/healthy",
    "/api/v1/label/job/values?limit=2",
    "/api/v1/labels",
]


@pytest.mark.parametrize("headers", [(), ("Accept-Encoding: gzip", "X-A: b")], ids=["bare", "more"])
@pytest.mark.usefixtures("patience")
async def test_a_head_that_is_known_is_answered_as_any_other(headers: tuple[str, ...]) -> None:
    quickly, ordinary = Ways(), create_app(make_services(STORE))

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await ordinary(scope, receive, send)

    found = []
    for app in (quickly, plain):
        async with served(app) as (reader, writer):
            for path in SAME_HEAD * 3:
                writer.write(get(path, *headers))
                found.append(await answer_of(reader))
    assert found[: len(found) // 2] == found[len(found) // 2 :]
    assert len(quickly.at_once_paths) > 2 * 7


@pytest.mark.parametrize("cut", [1, 4, 5, 20, 32, 45, -4, -2, -1])
@pytest.mark.usefixtures("patience")
async def test_a_known_head_in_pieces_and_with_more_behind_it_is_read_as_it_is(cut: int) -> None:
    known, other = get("/api/v1/labels"), get("/api/v1/label/job/values?limit=1", "X: y")
    async with served(Ways()) as (reader, writer):

        async def answers(*parts: bytes, count: int = 1) -> list[bytes]:
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.001)
            return [await answer_of(reader) for _ in range(count)]

        (labels,), (values,) = await answers(known), await answers(other)
        for _ in range(2):
            assert await answers(known) == [labels]
        assert await answers(known[:cut], known[cut:]) == [labels]
        assert await answers(known + other[:cut], other[cut:], count=2) == [labels, values]
        assert await answers(b"\r\n" + known) == [labels]
        assert await answers(known + other, known, count=3) == [labels, values, labels]


async def test_an_idle_connection_is_closed_when_its_time_since_the_last_answer_is_over() -> None:
    sockets = bind([("127.0.0.1", 0)])
    server = WebServer(create_app(make_services(STORE)), sockets, idle_s=5, most_connections=5)
    serving = asyncio.create_task(server.serve(), name="server")
    await server.started()
    reader, writer = await asyncio.open_connection(*sockets[0].getsockname())
    for _ in range(4):
        writer.write(get("/api/v1/labels"))
        await answer_of(reader)
    (connection,) = server._server.server_state.connections
    assert isinstance(connection, GuardedProtocol)
    assert connection._again is not None
    connection.timeout_keep_alive_handler()  # the timer of the first answer
    assert not connection.transport.is_closing()
    assert connection.timeout_keep_alive_task is not None
    assert connection.timeout_keep_alive_task.when() - connection._active_at == pytest.approx(5)
    connection._active_at -= 5
    connection.timeout_keep_alive_handler()
    assert await reader.read() == b""
    writer.close()
    server.stop()
    await serving


@pytest.mark.usefixtures("patience")
async def test_a_request_that_asks_for_its_end_is_the_last() -> None:
    app = Ways()
    async with served(app) as (reader, writer):
        for headers in ((), (), ("Connection: close",)):
            writer.write(get("/api/v1/labels", *headers))
            await answer_of(reader)
        assert await reader.read() == b""
    assert len(app.at_once_paths) == 1


async def test_an_empty_line_before_a_known_head_begins_no_wait_that_ends_the_connection() -> None:
    sockets = bind([("127.0.0.1", 0)])
    server = WebServer(Ways(), sockets, idle_s=5, most_connections=5)
    serving = asyncio.create_task(server.serve(), name="server")
    await server.started()
    reader, writer = await asyncio.open_connection(*sockets[0].getsockname())
    for _ in range(3):
        writer.write(get("/api/v1/labels"))
        await answer_of(reader)
    (connection,) = server._server.server_state.connections
    assert isinstance(connection, GuardedProtocol)
    assert connection._again is not None
    writer.write(b"\r\n")
    while connection._head_timer is None:
        await asyncio.sleep(0)
    writer.write(get("/api/v1/labels"))
    await answer_of(reader)
    assert connection._head_timer is None
    writer.close()
    server.stop()
    await serving
