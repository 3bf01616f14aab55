"""Clients that mean no good, on real sockets: clear refusals, memory that stays flat, everyone else served."""

import base64
import http.client
import itertools
import json
import socket
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bcrypt
import pytest

from tests.helpers.processes import HOST, Process, fetch, free_port, pyscrape, started, wait_for


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


PASSWORD = "secret"
ABSURD = [
    "query?query=up&time=1e18", "query?query=up&limit=" + "9" * 40, "query?query=up&timeout=-1e300",
    "query_range?query=up&start=-1e300&end=1e300&step=1e-300", "query_range?query=up&start=0&end=1e15&step=1",
    "query?query=" + "-" * 30_000 + "1", "query?query=" + "sum(" * 5_000, "query?query=%7B__name__%3D~%22(a%7Ca)*b%22",
    "series?match[]=" + "x" * 50_000 + "%7B", "label/" + "%41" * 3_000 + "%20/values?limit=x", "status/tsdb?limit=1e9",
    "query?query=up%5B99999999999999y%5D", "query_exemplars?query=up%7B&start=x", "metadata?limit=x",
]  # fmt: skip


@contextmanager
def guarded(folder: Path) -> Iterator[Process]:
    """A server with a user, that scrapes two pages of its own every second."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    (folder / "web.yml").write_text(f"basic_auth_users: {{ann: {hashed}}}\n")
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
        + "".join(
            f"  - {{job_name: {job}, basic_auth: {{username: ann, password: {PASSWORD}}},"
            f" static_configs: [{{targets: ['{HOST}:{port}']}}]}}\n"
            for job in ("one", "two")
        )
    )
    command = [
        sys.executable, "-m", "pyscrape", "run", f"--config.file={config}", "--web.max-connections=1000",
        f"--web.listen-address={HOST}:{port}", f"--web.config.file={folder / 'web.yml'}",
    ]  # fmt: skip
    with started(command, folder, port, ready="", name="pyscrape") as process:
        wait_for("an answer", lambda: raw(process, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        yield process


def asked(server: Process, paths: Sequence[str], password: str) -> list[int]:
    """The codes of the answers, over connections that are kept as long as the server keeps them."""
    token = base64.b64encode(f"ann:{password}".encode()).decode()
    codes = []
    connection = http.client.HTTPConnection(HOST, server.port, timeout=30)
    for path in paths:
        try:
            connection.request("GET", path, headers={"Authorization": f"Basic {token}"})
            answer = connection.getresponse()
            answer.read()
            codes.append(answer.status)
        except (http.client.HTTPException, ConnectionError):
            connection.close()
    connection.close()
    return codes


def test_all_of_it_at_once_and_scrapes_are_on_time(tmp_path: Path) -> None:
    """Slow heads, open connections by the thousand, long bodies, wrong passwords by the thousand, absurd parameters."""
    with guarded(tmp_path) as server, ExitStack() as opened, ThreadPoolExecutor(8) as clients:
        time.sleep(3)  # a real clock: the first scrapes
        before, begun_s = rss_mib(server), time.time()
        for number in range(600):
            idler = opened.enter_context(socket.create_connection((HOST, server.port), timeout=10))
            if number % 2:
                idler.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        wrong = [
            clients.submit(asked, server, ["/api/v1/query?query=up"] * 250, f"wrong {number % 4}")
            for number in range(8)
        ]
        absurd = asked(server, [f"/api/v1/{path}" for path in ABSURD], PASSWORD)
        for _ in range(1400):  # beyond the limit: let in, and refused when they ask
            idler = opened.enter_context(socket.create_connection((HOST, server.port), timeout=10))
        beyond = raw(server, b"GET /api/v1/query?query=up HTTP/1.1\r\nHost: x\r\n\r\n")
        refused = Counter(code for each in wrong for code in each.result())
        opened.close()
        lasted_s = time.time() - begun_s
        wait_for("an answer", lambda: asked(server, ["/api/v1/query?query=up"], PASSWORD) == [200])
        after = rss_mib(server)
        token = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(
            f"{server.url}/api/v1/query?query=up[{int(lasted_s) + 3}s]",
            headers={"Authorization": f"Basic {token}"},
        )
        with urllib.request.urlopen(request) as answer:
            rows = json.loads(answer.read())["data"]["result"]
    assert len(absurd) == len(ABSURD) and set(absurd) <= {400, 414, 422, 431, 503}, absurd
    assert sum(refused.values()) > 1000 and set(refused) <= {401, 429, 503}, refused
    assert b" 503 " in beyond[:20] or beyond == b"", beyond
    assert after < before + 60, (before, after)
    assert len(rows) == 2
    for row in rows:
        times = [at_s for at_s, _ in row["values"]]
        assert len(times) >= lasted_s and max(b - a for a, b in itertools.pairwise(times)) < 1.5, times
