"""Fetching over real sockets: what comes back, what a hostile or broken server leads to, what is kept open."""

import asyncio
import gzip
import socket
import zlib
from typing import Any

import httpx
import pytest

from pyscrape.model.settings import from_mapping
from pyscrape.net.errors import ExchangeError
from pyscrape.net.fetch import Body, JobClient
from pyscrape.net.settings import HTTPClientConfig
from pyscrape.net.transport import ScrapeTransport
from tests.helpers.fake_target import Exchange, Handler, answering, fake_target
from tests.helpers.memory_transport import MemoryTransport, Page

PAGE = b"".join(b'metric_%d{a="b"} %d\n' % (i, i) for i in range(3))


async def fetch(url: str, *, timeout_s: float = 2.0, limit: int = 0, **config: Any) -> Body:
    client = JobClient(HTTPClientConfig(**config), [("Accept-Encoding", "gzip")])
    fetcher = client.fetcher(url)
    try:
        return await fetcher.fetch(asyncio.get_running_loop().time() + timeout_s, limit)
    finally:
        fetcher.close()


async def failure(handler: Handler, *, timeout_s: float = 0.3, limit: int = 0) -> tuple[str, str, bool]:
    async with fake_target(handler) as target:
        with pytest.raises(ExchangeError) as caught:
            await fetch(target.url, timeout_s=timeout_s, limit=limit)
    return caught.value.reason, caught.value.text, caught.value.while_reading


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [0, 1, 100, 262_000, 300_000, 3_000_000])
@pytest.mark.parametrize("way", ["length", "chunked", "to_end", "gzip", "members", "dripped"])
async def test_bodies_arrive_whole(size: int, way: str) -> None:
    body = (PAGE * (size // len(PAGE) + 1))[:size]

    async def handler(exchange: Exchange) -> None:
        if way == "chunked":
            await exchange.send(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, 70_000)
            )
        elif way == "to_end":
            await exchange.send(b"HTTP/1.0 200 OK\r\n\r\n" + body)
            exchange.close()
        elif way == "gzip":
            await exchange.page(body, compress=True)
        elif way == "members":
            half = len(body) // 2
            packed = gzip.compress(body[:half]) + gzip.compress(body[half:])
            await exchange.page(packed, headers=("Content-Encoding: gzip",))
        elif way == "dripped":
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            for part in (head[:3], head[3:20], head[20:-1], head[-1:] + body[:1], body[1:]):
                await exchange.send(part)
                await asyncio.sleep(0.001)
        else:
            await exchange.page(body)

    async with fake_target(handler) as target:
        found = await fetch(target.url)
    assert found.status == 200
    assert found.content == body


async def test_one_connection_serves_many_scrapes() -> None:
    async with fake_target(answering(PAGE)) as target:
        fetcher = JobClient(HTTPClientConfig()).fetcher(target.url)
        for _ in range(5):
            body = await fetcher.fetch(asyncio.get_running_loop().time() + 2)
            assert body.content == PAGE
        fetcher.close()
        assert (len(target.requests), target.connections) == (5, 1)


async def test_a_connection_that_was_closed_while_idle_is_replaced() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.page(PAGE)
        exchange.close()

    async with fake_target(handler) as target:
        fetcher = JobClient(HTTPClientConfig()).fetcher(target.url)
        for _ in range(4):
            body = await fetcher.fetch(asyncio.get_running_loop().time() + 2)
            assert body.content == PAGE
        fetcher.close()
        assert target.connections == 4


async def test_interim_answers_are_skipped() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        await exchange.page(PAGE)

    async with fake_target(handler) as target:
        assert (await fetch(target.url)).content == PAGE


async def silent(exchange: Exchange) -> None:
    await asyncio.sleep(10)


async def one_byte_at_a_time(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        await exchange.send(b"a")
        await asyncio.sleep(0.02)


async def slow_head(exchange: Exchange) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 1000:
        await exchange.send(bytes((byte,)))
        await asyncio.sleep(0.02)


async def endless(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await exchange.send(PAGE * 1000)
        await asyncio.sleep(0)


async def bomb(exchange: Exchange) -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(200)) + squeeze.flush()
    await exchange.page(packed, headers=("Content-Encoding: gzip",))


async def too_long(exchange: Exchange) -> None:
    await exchange.page(bytes(2_000_000))


async def bad_chunk(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n")


async def cut_chunks(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
    exchange.close()


async def cut_body(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    exchange.close()


async def resetting(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    exchange.reset()


async def hanging_up(exchange: Exchange) -> None:
    exchange.close()


async def big_head(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\n" + b"X-Long: %s\r\n" % (b"a" * 1_000_000) + b"\r\n")


async def not_http(exchange: Exchange) -> None:
    await exchange.send(b"220 mail.example.com ESMTP\r\n")


async def tls_alert(exchange: Exchange) -> None:
    await exchange.send(b"\x15\x03\x01\x00\x02\x02\x16")


async def bad_gzip(exchange: Exchange) -> None:
    await exchange.page(b"this is no gzip", headers=("Content-Encoding: gzip",))


async def cut_gzip(exchange: Exchange) -> None:
    await exchange.page(gzip.compress(PAGE)[:-9], headers=("Content-Encoding: gzip",))


async def bad_checksum(exchange: Exchange) -> None:
    await exchange.page(gzip.compress(PAGE)[:-8] + bytes(8), headers=("Content-Encoding: gzip",))


async def circle(exchange: Exchange) -> None:
    await exchange.page(b"", status="302 Found", headers=("Location: /metrics",))


TIMEOUT = "context deadline exceeded"
BROKEN = "net/http: HTTP/1.x transport connection broken: "


@pytest.mark.parametrize(
    ("handler", "limit", "reason", "text", "while_reading"),
    [
        (silent, 0, "timeout", TIMEOUT, False),
        (slow_head, 0, "timeout", TIMEOUT, False),
        (one_byte_at_a_time, 0, "timeout", TIMEOUT, True),
        (endless, 1_000_000, "body_limit", "body size limit exceeded", True),
        (bomb, 10_000_000, "body_limit", "body size limit exceeded", True),
        (too_long, 1_000_000, "body_limit", "body size limit exceeded", True),
        (bad_chunk, 0, "protocol", "invalid byte in chunk length", True),
        (cut_chunks, 0, "reset", "unexpected EOF", True),
        (cut_body, 0, "reset", "unexpected EOF", True),
        (resetting, 0, "reset", "", True),
        (hanging_up, 0, "reset", "EOF", False),
        (big_head, 0, "head_limit", "net/http: server response headers exceeded", False),
        (not_http, 0, "protocol", BROKEN + 'malformed HTTP response "220 mail.example.com ESMTP"', False),
        (tls_alert, 0, "protocol", BROKEN + r'malformed HTTP response "\x15\x03\x01\x00\x02\x02\x16"', False),
        (bad_gzip, 0, "gzip", "gzip: invalid header", True),
        (bad_checksum, 0, "gzip", "gzip: invalid checksum", True),
        (cut_gzip, 0, "gzip", "unexpected EOF", True),
        (circle, 0, "redirect", "stopped after 10 redirects", False),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_a_hostile_server_gives_its_reason(
    handler: Handler, limit: int, reason: str, text: str, while_reading: bool
) -> None:
    found = await failure(handler, limit=limit, timeout_s=2.0 if limit else 0.3)
    assert (found[0], found[2]) == (reason, while_reading)
    assert found[1].startswith(text)


async def test_nobody_listens() -> None:
    async with fake_target(answering(b"")) as target:
        url = target.url
    with pytest.raises(ExchangeError) as caught:
        await fetch(url)
    assert caught.value.reason == "refused"
    assert caught.value.text == f"dial tcp {url[7:-8]}: connect: connection refused"


async def test_the_name_does_not_resolve() -> None:
    async def resolve(host: str, port: int) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    client = JobClient(HTTPClientConfig(), resolve=resolve)  # type: ignore[arg-type]
    with pytest.raises(ExchangeError) as caught:
        await client.fetcher("http://nowhere.test/metrics").fetch(asyncio.get_running_loop().time() + 1)
    assert (caught.value.reason, caught.value.text) == ("dns", "dial tcp: lookup nowhere.test: no such host")


async def test_an_answer_that_is_not_200_is_an_answer() -> None:
    async with fake_target(answering(b"x" * 100_000, status="503 Try Later")) as target:
        body = await fetch(target.url)
    assert (body.status, body.phrase, len(body.content)) == (503, "Try Later", 4096)


async def test_redirects_carry_credentials_to_the_same_host_only() -> None:
    seen: list[str | None] = []

    async def landing(exchange: Exchange) -> None:
        seen.append(exchange.header("Authorization"))
        await exchange.page(PAGE)

    async with fake_target(landing) as second:

        async def first_handler(exchange: Exchange) -> None:
            seen.append(exchange.header("Authorization"))
            if exchange.path == "/landed":
                await exchange.page(PAGE)
            else:
                to = {"/metrics": "/landed"}.get(exchange.path, f"http://localhost:{second.port}/metrics")
                await exchange.page(b"", status="302 Found", headers=(f"Location: {to}",))

        async with fake_target(first_handler) as first:
            auth = {"authorization": {"credentials": "s3cret"}}
            config = from_mapping(HTTPClientConfig, auth)
            for path in ("/metrics", "/away"):
                fetcher = JobClient(config).fetcher(f"http://127.0.0.1:{first.port}{path}")
                body = await fetcher.fetch(asyncio.get_running_loop().time() + 2)
                assert body.content == PAGE
                fetcher.close()
    assert seen == ["Bearer s3cret", "Bearer s3cret", "Bearer s3cret", None]


async def test_a_redirect_to_nowhere_is_an_answer() -> None:
    async with fake_target(answering(b"", status="301 Moved Permanently")) as target:
        assert (await fetch(target.url)).status == 301


@pytest.mark.parametrize("location", ["ftp://a/b", "http://[::1/b", "http:///b", "http://a:x/b"])
async def test_a_redirect_that_leads_to_no_page(location: str) -> None:
    reason, _, _ = await failure(answering(b"", status="302 Found", headers=(f"Location: {location}",)))
    assert reason == "redirect"


async def test_a_redirect_says_where_it_came_from() -> None:
    async def once(exchange: Exchange) -> None:
        moved = exchange.path == "/metrics"
        await exchange.page(PAGE, status="302 Found" if moved else "200 OK", headers=("Location: /landed",))

    async with fake_target(once) as target:
        assert (await fetch(target.url)).content == PAGE
        assert [b"Referer: " in request for request in target.requests] == [False, True]
        assert f"Referer: {target.url}\r\n".encode() in target.requests[1]


async def test_redirects_may_be_forbidden() -> None:
    async with fake_target(circle) as target:
        assert (await fetch(target.url, follow_redirects=False)).status == 302


async def test_any_httpx_transport_gives_the_same() -> None:
    """The plain way over the httpx interface agrees with the direct one."""
    transport = MemoryTransport(
        lambda request: Page(gzip.compress(PAGE), headers={"Content-Encoding": "gzip", "X-Page": "1"})
    )
    client = JobClient(HTTPClientConfig(), [("Accept", "text/plain")], transport=lambda: transport)
    body = await client.fetcher("http://a.test/metrics?x=1").fetch(asyncio.get_running_loop().time() + 1)
    assert (body.status, body.content, body.content_type) == (200, PAGE, "text/plain; version=0.0.4")
    assert transport.requests[0].headers["Accept"] == "text/plain"
    assert transport.requests[0].url == "http://a.test/metrics?x=1"


async def test_the_scrape_transport_serves_an_httpx_client() -> None:
    async with fake_target(answering(PAGE, compress=True)) as target:
        async with httpx.AsyncClient(transport=ScrapeTransport()) as client:
            for _ in range(2):
                response = await client.get(target.url)
                assert (response.status_code, response.content) == (200, PAGE)
        assert target.connections == 1


async def test_requests_are_what_prometheus_sends() -> None:
    async with fake_target(answering(PAGE)) as target:
        await fetch(target.url + "?b=1&a=%20x")
    head = target.requests[0].decode().split("\r\n")
    assert head[0] == "GET /metrics?b=1&a=%20x HTTP/1.1"
    assert head[1] == f"Host: 127.0.0.1:{target.port}"
    assert head[2].startswith("User-Agent: Prometheus/")
    assert "Accept-Encoding: gzip" in head
