"""TLS towards a real server: who is trusted, under which name, with which certificate, and what a failure says."""

import asyncio
import os
import shutil
import socket
from pathlib import Path

import pytest

from pyscrape.model.settings import from_mapping
from pyscrape.net.errors import ExchangeError
from pyscrape.net.fetch import JobClient
from pyscrape.net.settings import HTTPClientConfig, TLSConfig
from pyscrape.net.tls import TLSSource
from tests.helpers.fake_target import Exchange, answering, fake_target
from tests.net.certificates import certificates

CERTS = certificates()
CLIENT_TEXT, CLIENT_KEY_TEXT = Path(CERTS.client).read_text(), Path(CERTS.client_key).read_text()
UNTRUSTED = "tls: failed to verify certificate: x509: certificate signed by unknown authority"


async def get(url: str, **tls: object) -> bytes:
    config = from_mapping(HTTPClientConfig, {"tls_config": tls})
    fetcher = JobClient(config).fetcher(url)
    try:
        return (await fetcher.fetch(asyncio.get_running_loop().time() + 2)).content
    finally:
        fetcher.close()


@pytest.mark.parametrize(
    "tls",
    [
        {"ca_file": CERTS.ca},
        {"ca": Path(CERTS.ca).read_text()},
        {"insecure_skip_verify": True},
        {"ca_file": CERTS.ca, "server_name": "target.test"},
        {"ca_file": CERTS.ca, "min_version": "TLS13"},
        {"ca_file": CERTS.ca, "max_version": "TLS12"},
    ],
    ids=["ca_file", "ca", "skip verify", "server_name", "min_version", "max_version"],
)
async def test_good_settings(tls: dict[str, object]) -> None:
    async with fake_target(answering(b"m 1\n"), tls=CERTS.server_context()) as target:
        assert await get(target.url, **tls) == b"m 1\n"


@pytest.mark.parametrize(
    ("tls", "text"),
    [
        ({}, UNTRUSTED),
        ({"ca_file": CERTS.other_ca}, UNTRUSTED),
        (
            {"ca_file": CERTS.ca, "server_name": "other.test"},
            "tls: failed to verify certificate: x509: certificate is",
        ),
    ],
    ids=["no ca", "another ca", "another name"],
)
async def test_a_server_that_is_not_trusted(tls: dict[str, object], text: str) -> None:
    async with fake_target(answering(b"m 1\n"), tls=CERTS.server_context()) as target:
        with pytest.raises(ExchangeError) as caught:
            await get(target.url, **tls)
    assert caught.value.reason == "tls"
    assert caught.value.text.startswith(text)


@pytest.mark.parametrize(
    "tls",
    [
        {"ca_file": "{folder}"},
        {"ca": "no pem: é"},
        {"cert_file": "{folder}", "key_file": "{folder}"},
        {"cert_file": "{folder}", "key": "k"},
        {"cert_file": "{folder}/bytes", "key": "k"},
    ],
    ids=str,
)
def test_what_is_there_and_cannot_be_used_is_said(tls: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    given = {name: text.replace("{folder}", str(tmp_path)) for name, text in tls.items()}
    with pytest.raises(ExchangeError, match=r"unable to use specified (CA|client) cert") as caught:
        TLSSource(from_mapping(TLSConfig, given)).current()
    assert caught.value.reason == "credentials"


@pytest.mark.parametrize("inline", [False, True])
async def test_a_client_certificate(inline: bool) -> None:
    files = {"cert_file": CERTS.client, "key_file": CERTS.client_key}
    texts = {"cert": CLIENT_TEXT, "key": CLIENT_KEY_TEXT}
    async with fake_target(answering(b"m 1\n"), tls=CERTS.server_context(client_wanted=True)) as target:
        tls = texts if inline else files
        assert await get(target.url, ca_file=CERTS.ca, **tls) == b"m 1\n"
        with pytest.raises(ExchangeError) as caught:
            await get(target.url, ca_file=CERTS.ca)
        assert caught.value.reason in ("tls", "reset")


async def test_tls_spoken_to_a_plain_port() -> None:
    async def plain(exchange: Exchange) -> None:
        await exchange.page(b"", status="400 Bad Request")

    async def any_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(any_bytes, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ExchangeError) as caught:
        await get(f"https://127.0.0.1:{port}/metrics")
    server.close()
    assert caught.value.reason == "tls_to_http"
    assert caught.value.text == "http: server gave HTTP response to HTTPS client"


async def test_a_handshake_that_ends_midway() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    with pytest.raises(ExchangeError) as caught:
        await get(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics")
    server.close()
    assert (caught.value.reason, caught.value.text) == ("tls", "EOF")


async def test_a_handshake_that_never_ends() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    config = from_mapping(HTTPClientConfig, {})
    fetcher = JobClient(config).fetcher(f"https://127.0.0.1:{listening.getsockname()[1]}/")
    with pytest.raises(ExchangeError) as caught:
        await fetcher.fetch(asyncio.get_running_loop().time() + 0.2)
    listening.close()
    assert caught.value.reason == "timeout"


async def test_a_changed_ca_file_is_noticed_while_the_connection_is_kept(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    shutil.copy(CERTS.ca, ca)
    async with fake_target(answering(b"m 1\n"), tls=CERTS.server_context()) as target:
        fetcher = JobClient(from_mapping(HTTPClientConfig, {"tls_config": {"ca_file": str(ca)}})).fetcher(
            target.url
        )

        async def fetch() -> bytes:
            return (await fetcher.fetch(asyncio.get_running_loop().time() + 2)).content

        assert await fetch() == await fetch() == b"m 1\n"
        assert target.connections == 1
        shutil.copy(CERTS.other_ca, ca)
        os.utime(ca, (1, 1))
        with pytest.raises(ExchangeError, match="unknown authority"):
            await fetch()
        ca.unlink()
        with pytest.raises(ExchangeError, match="unable to load specified CA cert"):
            await fetch()
        shutil.copy(CERTS.ca, ca)
        assert await fetch() == b"m 1\n"
        fetcher.close()


def test_equal_settings_share_a_context() -> None:
    settings = TLSConfig(ca_file=CERTS.ca)
    first, second = TLSSource(settings), TLSSource(TLSConfig(ca_file=CERTS.ca))
    assert first.current() is second.current() is first.current()
    assert TLSSource(TLSConfig(ca_file=CERTS.other_ca)).current() is not first.current()
