"""The listening side below the routes: how connections are set up."""

import asyncio
import socket
from typing import Any

from pyscrape.web.server import WebServer, bind


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
