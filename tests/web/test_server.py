"""The listening side below the routes: how connections are set up."""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

import pytest

from pyscrape.web.server import DATE_S, LONG_BYTES, Together, WebServer, bind


async def _empty(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_a_small_answer_does_not_wait_for_the_clients_acknowledgement() -> None:
    sockets = bind([("127.0.0.1", 0)])
    server = WebServer(_empty, sockets, idle_s=5, most_connections=5)
    serving = asyncio.create_task(server.serve(), name="server")
    await server.started()
    reader, writer = await asyncio.open_connection(*sockets[0].getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 204")
    (connection,) = server._server.server_state.connections
    accepted = connection.transport.get_extra_info("socket")
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    writer.close()
    server.stop()
    await serving


class Wire:
    """A transport that keeps what each write gave it."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def test_head_and_body_are_sent_in_one_go() -> None:
    wire: Any = Wire()
    transport = Together(wire, asyncio.get_running_loop())
    transport.write(b"head")
    transport.write(b"body")
    assert wire.writes == []
    await asyncio.sleep(0)
    assert wire.writes == [b"headbody"]
    transport.write(b"head")
    transport.write(b"x" * LONG_BYTES)
    transport.flush()
    assert [len(data) for data in wire.writes[1:]] == [4, LONG_BYTES]
    transport.write(b"end")
    transport.close()
    assert wire.writes[3:] == [b"end"]
    assert wire.closed
    transport.write(b"too late")
    await asyncio.sleep(0)
    assert transport.is_closing()
    assert len(wire.writes) == 4


async def test_an_idle_server_wakes_once_a_second_for_its_date_and_ends_when_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float | None] = []

    async def wait_for(told: Coroutine[None, None, bool], wait_s: float | None) -> bool:
        waits.append(wait_s)
        if len(waits) < 3:
            told.close()
            raise TimeoutError
        server.stop()
        return await told

    server = WebServer(_empty, [], idle_s=5, most_connections=5)
    monkeypatch.setattr("pyscrape.web.server.asyncio.wait_for", wait_for)
    await server._server.main_loop()
    assert waits == [DATE_S] * 3
