"""Credentials and headers: what is sent, read again when its file changes, and asked for over OAuth2."""

import asyncio
import base64
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from pyscrape.model.settings import from_mapping
from pyscrape.net.client import open_client
from pyscrape.net.errors import ExchangeError
from pyscrape.net.fetch import Fetcher, JobClient
from pyscrape.net.settings import HTTPClientConfig
from tests.helpers.fake_target import Exchange, answering, fake_target


def fetcher_of(url: str, config: dict[str, object]) -> Fetcher:
    return JobClient(from_mapping(HTTPClientConfig, config)).fetcher(url)


async def sent_by(config: dict[str, object], name: str = "Authorization") -> list[str]:
    """The values of a header that a fetch sends."""
    found: list[str] = []

    async def handler(exchange: Exchange) -> None:
        for line in exchange.request.decode().split("\r\n"):
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                found.append(value)
        await exchange.page(b"m 1\n")

    async with fake_target(handler) as target:
        fetcher = fetcher_of(target.url, config)
        await fetcher.fetch(asyncio.get_running_loop().time() + 2)
        fetcher.close()
    return found


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("config", "header"),
    [
        ({}, []),
        ({"basic_auth": {"username": "u", "password": "p"}}, [basic("u:p")]),
        ({"basic_auth": {"username": "ü"}}, [basic("ü:")]),
        ({"authorization": {"credentials": "t"}}, ["Bearer t"]),
        ({"authorization": {"type": "Token", "credentials": "t"}}, ["Token t"]),
        ({"bearer_token": "t"}, ["Bearer t"]),
    ],
    ids=str,
)
async def test_authorization(config: dict[str, object], header: list[str]) -> None:
    assert await sent_by(config) == header


async def test_files_are_read_for_every_request(tmp_path: Path) -> None:
    token = tmp_path / "token"
    async with fake_target(answering(b"m 1\n")) as target:
        fetcher = fetcher_of(target.url, {"authorization": {"credentials_file": str(token)}})

        async def sent() -> str:
            await fetcher.fetch(asyncio.get_running_loop().time() + 2)
            return target.requests[-1].decode().partition("Authorization: ")[2].partition("\r\n")[0]

        token.write_text("one\n")
        assert await sent() == "Bearer one"
        token.write_text("  two ")
        assert await sent() == "Bearer two"
        token.unlink()
        with pytest.raises(ExchangeError) as caught:
            await sent()
        fetcher.close()
    assert caught.value.reason == "credentials"
    assert caught.value.text == (
        f"unable to read authorization credentials: unable to read file {token}: open {token}: "
        "no such file or directory"
    )


async def test_headers_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from file\n")
    config: dict[str, object] = {
        "http_headers": {
            "X-One": {"values": ["a", "b"], "secrets": ["c"], "files": [str(tmp_path / "secret")]}
        }
    }
    assert await sent_by(config, "X-One") == ["a", "b", "c", "from file"]


async def test_clients_of_discoveries_send_every_value_of_a_header() -> None:
    config = from_mapping(HTTPClientConfig, {"http_headers": {"X-One": {"values": ["a", "b"]}}})
    async with fake_target(answering(b"{}")) as target, open_client(config) as client:
        await client.get(target.url, headers={"x-one": "replaced", "X-Two": "kept"})
        [request] = target.requests
    sent = [line for line in request.decode().split("\r\n") if line.lower().startswith("x-")]
    assert sent == ["X-Two: kept", "X-One: a", "X-One: b"]


async def test_many_scrapes_ask_for_one_token() -> None:
    async with fake_target(answering(b'{"access_token": "t"}', content_type="application/json")) as tokens:
        oauth2 = {"client_id": "id", "client_secret": "s", "token_url": tokens.url}
        client = JobClient(from_mapping(HTTPClientConfig, {"oauth2": oauth2}))
        found = await asyncio.gather(*(client.credentials.headers() for _ in range(20)))
        await client.aclose()
        assert found == [[("Authorization", "Bearer t")]] * 20
        assert len(tokens.requests) == 1


@pytest.mark.parametrize("in_body", [False, True])
async def test_oauth2_tokens_are_fetched_once(in_body: bool) -> None:
    asked: list[dict[str, list[str]]] = []

    async def tokens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                break
            length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
            fields = parse_qs((await reader.readexactly(length)).decode())
            asked.append(fields)
            good = "client_secret" in fields if in_body else basic("id:secret") in head
            body = b'{"access_token": "abc", "token_type": "bearer", "expires_in": 3600}' if good else b"{}"
            status = "200 OK" if good else "401 Unauthorized"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(tokens, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token"
    oauth2 = {"client_id": "id", "client_secret": "secret", "token_url": url, "scopes": ["a", "b"]}
    async with fake_target(answering(b"m 1\n")) as target:
        client = JobClient(from_mapping(HTTPClientConfig, {"oauth2": oauth2}))
        fetcher = client.fetcher(target.url)
        for _ in range(3):
            await fetcher.fetch(asyncio.get_running_loop().time() + 2)
        fetcher.close()
        await client.aclose()
        assert all(b"Authorization: Bearer abc\r\n" in request for request in target.requests)
    server.close()
    assert len(asked) == (2 if in_body else 1)
    assert asked[-1]["grant_type"] == ["client_credentials"]
    assert asked[-1]["scope"] == ["a b"]


@pytest.mark.parametrize(
    "config",
    [
        {"basic_auth": {"username": "u", "password_ref": "x"}},
        {"authorization": {"credentials_ref": "x"}},
        {"oauth2": {"client_id": "i", "token_url": "http://a/", "client_secret_ref": "x"}},
        {"tls_config": {"ca_ref": "x"}},
    ],
    ids=str,
)
async def test_references_to_a_secret_manager_fail_the_scrape(config: dict[str, object]) -> None:
    client = JobClient(from_mapping(HTTPClientConfig, config))
    with pytest.raises(ExchangeError, match="cannot use secret ref without manager"):
        await client.fetcher("https://127.0.0.1:1/").fetch(asyncio.get_running_loop().time() + 1)
    await client.aclose()


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"access_token=abc&token_type=bearer&expires_in=60", "application/x-www-form-urlencoded", ""),
        (b'{"access_token": "abc", "expires_in": "soon"}', "application/json", ""),
        (b"{}", "application/json", "oauth2: server response missing access_token"),
        (b"[1]", "application/json", "oauth2: server response missing access_token"),
        (b"hello", "text/html", "oauth2: server response missing access_token"),
    ],
)
async def test_answers_of_token_servers(body: bytes, content_type: str, error: str) -> None:
    async with (
        fake_target(answering(body, content_type=content_type)) as tokens,
        fake_target(answering(b"m 1\n")) as target,
    ):
        oauth2 = {"client_id": "id", "client_secret": "s", "token_url": tokens.url}
        client = JobClient(from_mapping(HTTPClientConfig, {"oauth2": oauth2}))
        try:
            await client.fetcher(target.url).fetch(asyncio.get_running_loop().time() + 2)
        except ExchangeError as caught:
            assert (caught.reason, caught.text) == ("credentials", error)
        else:
            assert not error
            assert b"Authorization: Bearer abc\r\n" in target.requests[0]
        await client.aclose()


async def test_a_token_server_that_is_not_there() -> None:
    oauth2 = {"client_id": "id", "client_secret": "s", "token_url": "http://127.0.0.1:1/t"}
    client = JobClient(from_mapping(HTTPClientConfig, {"oauth2": oauth2}))
    with pytest.raises(ExchangeError) as caught:
        await client.fetcher("http://127.0.0.1:1/").fetch(asyncio.get_running_loop().time() + 2)
    await client.aclose()
    assert (
        caught.value.text == 'Post "http://127.0.0.1:1/t": dial tcp 127.0.0.1:1: connect: connection refused'
    )


async def test_oauth2_that_refuses_is_a_failure_of_credentials() -> None:
    async with fake_target(answering(b"no", status="403 Forbidden")) as refusing:
        oauth2 = {"client_id": "id", "client_secret": "s", "token_url": refusing.url}
        client = JobClient(from_mapping(HTTPClientConfig, {"oauth2": oauth2}))
        with pytest.raises(ExchangeError) as caught:
            await client.fetcher(refusing.url).fetch(asyncio.get_running_loop().time() + 2)
        await client.aclose()
    assert caught.value.reason == "credentials"
    assert caught.value.text.startswith("oauth2: cannot fetch token: 403 Forbidden")


async def test_clients_of_discoveries_carry_the_same(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    config = from_mapping(HTTPClientConfig, {"authorization": {"credentials_file": str(token)}})
    async with fake_target(answering(b"{}")) as target, open_client(config) as client:
        await client.get(target.url)
        token.write_text("two")
        await client.get(target.url)
        assert [b"Bearer one" in request for request in target.requests] == [True, False]
        assert b"Bearer two" in target.requests[1]
        assert target.connections == 1
