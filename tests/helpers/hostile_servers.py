"""Servers that misbehave, one port each, in a process of their own: `python -m tests.helpers.hostile_servers`.

Prints a JSON object of name to URL once all listen, and serves until its input ends.
"""

import asyncio
import json
import sys
import zlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from tests.helpers.fake_target import Exchange, answering, fake_target
from tests.net.certificates import certificates

GOOD = 10


async def never_answers(exchange: Exchange) -> None:
    await asyncio.sleep(60)


async def one_byte_a_second(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        await exchange.send(b"m")
        await asyncio.sleep(1)


async def endless_body(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        await exchange.send(b"m 1\n" * 250_000)


def made_bomb() -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(squeeze.compress(b"m 1\n" * 262_144) for _ in range(200)) + squeeze.flush()


BOMB = made_bomb()


async def gzip_bomb(exchange: Exchange) -> None:
    await exchange.page(BOMB, headers=("Content-Encoding: gzip",))


async def broken_chunks(exchange: Exchange) -> None:
    await exchange.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"
    )


async def redirect_circle(exchange: Exchange) -> None:
    await exchange.page(b"", status="302 Found", headers=("Location: /metrics",))


async def megabyte_header(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 1_000_000 + b"\r\n\r\n")


async def long_line(exchange: Exchange) -> None:
    await exchange.send(b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nm{a="' + b"x" * 50_000_000)
    exchange.close()


async def long_line_within_the_limit(exchange: Exchange) -> None:
    await exchange.page(b'm{a="' + b"x" * 3_000_000)


async def invalid_utf8(exchange: Exchange) -> None:
    await exchange.page(b'm{a="\xff\xfe"} 1\n')


async def hangs_up(exchange: Exchange) -> None:
    exchange.close()


async def resets(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nm")
    exchange.reset()


async def html(exchange: Exchange) -> None:
    await exchange.page(b"<html>", content_type="text/html")


async def go_tls_port(exchange: Exchange) -> None:
    await exchange.page(b"Client sent an HTTP request to an HTTPS server.\n", status="400 Bad Request")


HANDLERS: tuple[Callable[[Exchange], Awaitable[None]], ...] = (
    never_answers,
    one_byte_a_second,
    endless_body,
    gzip_bomb,
    broken_chunks,
    redirect_circle,
    megabyte_header,
    long_line,
    long_line_within_the_limit,
    invalid_utf8,
    hangs_up,
    resets,
    html,
    go_tls_port,
)


async def midway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A TLS handshake that the server leaves."""
    await reader.read(20)
    writer.close()


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server of plain HTTP that is spoken to in TLS."""
    await reader.read(20)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    writer.close()


async def main() -> None:
    async with AsyncExitStack() as stack:
        urls: dict[str, str] = {}
        for handler in HANDLERS:
            urls[handler.__name__] = (await stack.enter_async_context(fake_target(handler))).url
        for number in range(GOOD):
            urls[f"good_{number}"] = (
                await stack.enter_async_context(fake_target(answering(b"m 1\nn 2\n")))
            ).url
        tls = certificates().server_context()
        urls["untrusted"] = (await stack.enter_async_context(fake_target(answering(b"m 1\n"), tls=tls))).url
        leaving = await stack.enter_async_context(await asyncio.start_server(midway, "127.0.0.1", 0))
        urls["midway"] = f"https://127.0.0.1:{leaving.sockets[0].getsockname()[1]}/metrics"
        plain = await stack.enter_async_context(await asyncio.start_server(refuse, "127.0.0.1", 0))
        urls["plain_port"] = f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}/metrics"
        closed = await asyncio.start_server(midway, "127.0.0.1", 0)
        urls["closed"] = f"http://127.0.0.1:{closed.sockets[0].getsockname()[1]}/metrics"
        closed.close()
        urls["unknown_name"] = "http://no-such-host.invalid:80/metrics"
        print(json.dumps(urls), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
