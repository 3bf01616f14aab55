"""Real programs for scenario tests: found by `$PYSCRAPE_PEERS` or PATH, started on loopback, ended by their pid."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HOST = "127.0.0.1"


def peer(name: str) -> str:
    """The path of a real program; the test is skipped in words where it is missing."""
    folder = os.environ.get("PYSCRAPE_PEERS", str(Path.home() / ".cache" / "pyscrape-peers"))
    found = shutil.which(name, path=f"{folder}/bin{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip(f"{name} is neither under $PYSCRAPE_PEERS nor on PATH")
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Process:
    """A running program: its HTTP port, its log and the process itself."""

    port: int
    log: Path
    popen: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def get(self, path: str, **params: str) -> Any:
        """The decoded JSON of a GET; API errors come back as their JSON too."""
        query = "?" + urllib.parse.urlencode(params) if params else ""
        _, body = fetch(self.url + path + query)
        return json.loads(body)

    def query(self, expression: str, at_s: float | None = None) -> list[dict[str, Any]]:
        """The result of an instant query."""
        params = {"query": expression} | ({"time": str(at_s)} if at_s is not None else {})
        answer = self.get("/api/v1/query", **params)
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def logged(self) -> str:
        return self.log.read_text(errors="replace")


def fetch(
    url: str, method: str = "GET", data: bytes | None = None, timeout_s: float = 30
) -> tuple[int, bytes]:
    """Status and body, also of errors."""
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def wait_for(what: str, condition: Callable[[], object], timeout_s: float = 30, every_s: float = 0.1) -> Any:
    """Wait until `condition()` is true and return it; real programs have their own clocks."""
    end = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < end:
        try:
            last = condition()
        except (OSError, AssertionError, KeyError, IndexError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(every_s)
    raise AssertionError(f"{what} did not happen within {timeout_s} s; last: {last!r}")


@contextmanager
def started(
    command: Sequence[str], folder: Path, port: int, ready: str = "/", name: str = "", timeout_s: float = 30
) -> Iterator[Process]:
    """Run `command` until the block ends; waits until `ready` answers 200 on `port`."""
    log = folder / f"{name or Path(command[0]).name}-{port}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            list(command), stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder
        )
    process = Process(port, log, popen)
    try:
        if ready:

            def answers() -> bool:
                assert popen.poll() is None, f"{command[0]} ended: {process.logged()[-2000:]}"
                return fetch(process.url + ready, timeout_s=5)[0] == 200

            wait_for(f"{name or command[0]} ready", answers, timeout_s)
        yield process
    finally:
        popen.terminate()
        try:
            popen.wait(15)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait(5)


@contextmanager
def pyscrape(config: Path, *flags: str, port: int | None = None) -> Iterator[Process]:
    """`pyscrape run` on a configuration."""
    port = port or free_port()
    command = [
        sys.executable,
        "-m",
        "pyscrape",
        "run",
        f"--config.file={config}",
        f"--web.listen-address={HOST}:{port}",
        *flags,
    ]
    with started(command, config.parent, port, "/-/ready", "pyscrape") as process:
        yield process


@contextmanager
def prometheus(config: Path, *flags: str, port: int | None = None) -> Iterator[Process]:
    """The real Prometheus on a configuration, its data beside it."""
    program = peer("prometheus")
    port = port or free_port()
    command = [
        program,
        f"--config.file={config}",
        f"--web.listen-address={HOST}:{port}",
        f"--storage.tsdb.path={config.parent / f'prometheus-{port}'}",
        "--log.level=warn",
        *flags,
    ]
    with started(command, config.parent, port, "/-/ready", "prometheus") as process:
        yield process
