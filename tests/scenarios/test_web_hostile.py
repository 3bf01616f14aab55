"""Clients that mean no good, on real sockets: clear refusals, memory that stays flat, everyone else served."""

import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.processes import HOST, Process, fetch, pyscrape


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    config = tmp_path_factory.mktemp("hostile") / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs: []\n")
    with pyscrape(config, "--web.max-connections=200", "--web.enable-remote-write-receiver") as process:
        yield process


def rss_mib(process: Process) -> float:
    text = Path(f"/proc/{process.popen.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def raw(server: Process, request: bytes, timeout_s: float = 10) -> bytes:
    """The first bytes that come back for a request, empty when the connection is closed without any."""
    with socket.create_connection((HOST, server.port), timeout=timeout_s) as client:
        try:
            client.sendall(request)
            return client.recv(4096)
        except (ConnectionResetError, BrokenPipeError):
            return b""


@pytest.mark.parametrize(
    ("request_line", "codes"),
    [
        (b"GET /../../etc/passwd HTTP/1.1", {b"404", b"400"}),
        (b"GET /static/../../etc/passwd HTTP/1.1", {b"404", b"400"}),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", {b"404", b"400"}),
        (b"GET /api/v1/query?query=%ff%fe HTTP/1.1", {b"400"}),
        (b"GET /api/v1/query?query=" + b"(" * 20_000 + b" HTTP/1.1", {b"400"}),
        (b"GET /api/v1/query_range?query=up&start=0&end=1e18&step=1e-9 HTTP/1.1", {b"400"}),
        (b"BREW /coffee HTTP/1.1", {b"405", b"404", b"400"}),
        (b"nonsense", {b"400"}),
    ],
)
def test_odd_requests_get_a_clear_no(server: Process, request_line: bytes, codes: set[bytes]) -> None:
    answer = raw(server, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ")[1] in codes, answer[:200]


def test_a_head_without_end_is_refused(server: Process) -> None:
    before = rss_mib(server)
    answer = raw(server, b"GET / HTTP/1.1\r\n" + b"X-Fill: " + b"a" * 1_000_000)
    assert answer == b"" or b" 431 " in answer[:20] or b" 400 " in answer[:20]
    assert rss_mib(server) < before + 20


def test_a_long_body_that_comes_with_its_head_is_no_long_head(server: Process) -> None:
    query = b"query=1%2B1&ignored=" + b"x" * 1_000_000
    head = (
        b"POST /api/v1/query HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(query)
    )
    assert b" 200 " in raw(server, head + query)[:20]


@pytest.mark.parametrize("path", ["/api/v1/query", "/api/v1/write"])
def test_a_body_of_100_mb_is_refused(server: Process, path: str) -> None:
    before = rss_mib(server)
    connection = http.client.HTTPConnection(HOST, server.port, timeout=20)
    try:
        connection.putrequest("POST", path)
        connection.putheader("Content-Type", "application/x-www-form-urlencoded")
        connection.putheader("Content-Length", str(100 << 20))
        connection.endheaders()
        for _ in range(100):
            connection.send(b"x" * (1 << 20))
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server hung up, as it may
    finally:
        connection.close()
    assert rss_mib(server) < before + 80
    assert fetch(server.url + "/-/healthy")[0] == 200


def test_many_open_connections_do_not_keep_others_out_for_long(server: Process) -> None:
    """Beyond the limit new requests are refused at once; when the idlers go, all is well again."""
    idlers = [socket.create_connection((HOST, server.port)) for _ in range(300)]
    try:
        status, _ = fetch(server.url + "/-/healthy", timeout_s=10)
        assert status in {200, 503}
    finally:
        for idler in idlers:
            idler.close()
    end = time.monotonic() + 10
    while fetch(server.url + "/-/healthy")[0] != 200:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert rss_mib(server) < 300
