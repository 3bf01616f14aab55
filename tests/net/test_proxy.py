"""Which requests go through which proxy, and that they really do."""

import asyncio
import sys

import pytest

from pyscrape.model.settings import from_mapping
from pyscrape.net.errors import ExchangeError
from pyscrape.net.fetch import JobClient
from pyscrape.net.proxy import excluded, proxy_for
from pyscrape.net.settings import HTTPClientConfig
from tests.helpers.fake_target import Exchange, answering, fake_target


@pytest.mark.parametrize(
    ("host", "port", "no_proxy", "direct"),
    [
        ("a.example.com", 80, "", False),
        ("a.example.com", 80, "*", True),
        ("a.example.com", 80, "example.com", True),
        ("example.com", 80, "example.com", True),
        ("badexample.com", 80, "example.com", False),
        ("example.com", 80, ".example.com", False),
        ("a.example.com", 80, ".example.com", True),
        ("a.example.com", 80, "*.example.com", True),
        ("a.example.com", 80, "b.com, example.com:80", True),
        ("a.example.com", 81, "example.com:80", False),
        ("10.1.2.3", 80, "10.0.0.0/8", True),
        ("11.1.2.3", 80, "10.0.0.0/8", False),
        ("10.1.2.3", 80, "10.1.2.3", True),
        ("::1", 80, "::1", True),
        ("A.Example.COM", 80, "example.com", True),
    ],
)
def test_no_proxy(host: str, port: int, no_proxy: str, direct: bool) -> None:
    assert excluded(host, port, no_proxy) is direct


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_for("http://a/", from_environment=True) is None
    monkeypatch.setenv("HTTP_PROXY", "p:3128")
    monkeypatch.setenv("NO_PROXY", "b")
    assert proxy_for("http://a/", from_environment=True) == "http://p:3128"
    assert proxy_for("https://a/", from_environment=True) is None
    assert proxy_for("http://b/", from_environment=True) is None
    assert proxy_for("http://localhost/", from_environment=True) is None
    assert proxy_for("http://127.0.0.1/", from_environment=True) is None
    assert proxy_for("http://a/") is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machine_is_asked_directly_where_hosts_are_excluded(host: str) -> None:
    """So does Prometheus 3.5: a `proxy_url` alone is asked for everything."""
    assert proxy_for(f"http://{host}/", proxy_url="http://p", no_proxy="example.com") is None
    assert proxy_for(f"http://{host}/", proxy_url="http://p") == "http://p"


async def test_a_refusal_through_a_proxy_is_an_answer_whatever_its_encoding() -> None:
    async def refusing(exchange: Exchange) -> None:
        body = b"not gzip, " * 5000
        head = b"HTTP/1.1 503 Busy\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        await exchange.send(head % len(body) + body)

    async with fake_target(refusing) as proxy:
        client = JobClient(from_mapping(HTTPClientConfig, {"proxy_url": f"http://127.0.0.1:{proxy.port}"}))
        body = await client.fetcher("http://target.test/").fetch(asyncio.get_running_loop().time() + 2)
        await client.aclose()
    assert (body.status, body.wire_bytes) == (503, 50_000)
    assert body.content.startswith(b"not gzip") and len(body.content) < 50_000


async def test_a_scrape_goes_through_the_proxy() -> None:
    async with fake_target(answering(b"m 1\n", compress=True)) as proxy:
        config = from_mapping(HTTPClientConfig, {"proxy_url": f"http://127.0.0.1:{proxy.port}"})
        client = JobClient(config)
        fetcher = client.fetcher("http://target.test:9100/metrics?x=1")
        body = await fetcher.fetch(asyncio.get_running_loop().time() + 2)
        await client.aclose()
        assert body.content == b"m 1\n"
        assert proxy.requests[0].startswith(b"GET http://target.test:9100/metrics?x=1 HTTP/1.1\r\n")


async def test_a_host_of_no_proxy_is_asked_directly() -> None:
    async with fake_target(answering(b"m 1\n")) as target:
        config = from_mapping(HTTPClientConfig, {"proxy_url": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"})
        client = JobClient(config)
        body = await client.fetcher(target.url).fetch(asyncio.get_running_loop().time() + 2)
        await client.aclose()
        assert body.content == b"m 1\n"


async def failure(config: dict[str, object], url: str) -> tuple[str, str]:
    """Class and text of a scrape that fails."""
    client = JobClient(from_mapping(HTTPClientConfig, config))
    with pytest.raises(ExchangeError) as caught:
        await client.fetcher(url).fetch(asyncio.get_running_loop().time() + 2)
    await client.aclose()
    return caught.value.reason, caught.value.text


async def test_a_proxy_that_is_not_there() -> None:
    async with fake_target(answering(b"")) as gone:
        port = gone.port
    assert await failure({"proxy_url": f"http://127.0.0.1:{port}"}, "http://target.test/metrics") == (
        "proxy", f"proxyconnect tcp: dial tcp 127.0.0.1:{port}: connect: connection refused"
    )  # fmt: skip


async def test_socks_proxies_need_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    reason, text = await failure({"proxy_url": "socks5://127.0.0.1:1"}, "http://target.test/metrics")
    assert reason == "proxy"
    assert "pip install 'httpx[socks]'" in text


async def test_headers_of_connect_go_with_connect_only() -> None:
    async def refusing(exchange: Exchange) -> None:
        await exchange.page(
            b"m 1\n", status="403 Forbidden" if exchange.request[:7] == b"CONNECT" else "200 OK"
        )

    async with fake_target(refusing) as proxy:
        config = {"proxy_url": f"http://u:p@127.0.0.1:{proxy.port}", "proxy_connect_header": {"X-P": ["1"]}}
        client = JobClient(from_mapping(HTTPClientConfig, config))
        await client.fetcher("http://target.test/metrics").fetch(asyncio.get_running_loop().time() + 2)
        await client.aclose()
        assert await failure(config, "https://target.test/metrics") == (
            "proxy", "proxyconnect tcp: 403 Forbidden"
        )  # fmt: skip
    plain, tunnel = proxy.requests
    assert b"Proxy-Authorization: Basic dTpw" in plain and b"X-P" not in plain
    assert b"Proxy-Authorization: Basic dTpw" in tunnel and b"X-P: 1" in tunnel


async def test_a_redirect_may_lead_to_a_host_behind_the_proxy() -> None:
    async with fake_target(answering(b"m 1\n")) as proxy:
        headers = ("Location: http://target.test/metrics",)
        async with fake_target(answering(b"", status="302 Found", headers=headers)) as first:
            config = {"proxy_url": f"http://127.0.0.1:{proxy.port}", "no_proxy": "127.0.0.1"}
            client = JobClient(from_mapping(HTTPClientConfig, config))
            body = await client.fetcher(first.url).fetch(asyncio.get_running_loop().time() + 2)
            await client.aclose()
    assert body.content == b"m 1\n"
    assert [len(first.requests), len(proxy.requests)] == [1, 1]
