"""`--web.config.file` in a running server: users and headers change with the file, mistakes change nothing."""

import asyncio
from pathlib import Path

import bcrypt
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pyscrape.app.flags import Flags
from pyscrape.app.loading import load
from pyscrape.app.server import Server
from pyscrape.app.web_config import WebGuard, WebSecurity, web_security
from pyscrape.web.tls import TLSError


def users(path: Path, **passwords: str) -> None:
    lines = [
        f"  {name}: {bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"
        for name, password in passwords.items()
    ]
    path.write_text("basic_auth_users:\n" + "".join(lines))


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def test_users_change_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyscrape.app.server.SECURITY_LOOK_S", 0.02)
    path = tmp_path / "web.yml"
    (tmp_path / "prometheus.yml").write_text("scrape_configs: []\n")
    users(path, ann="old")
    flags = Flags({"config.file": str(tmp_path / "prometheus.yml"), "web.config.file": str(path)})
    server = Server(flags, load(flags), web_security(str(path)))
    server._guard = WebGuard(Starlette(routes=[Route("/", hello)]), web_security(str(path)))
    watching = asyncio.create_task(server._renew_security())
    transport = httpx.ASGITransport(app=server._guard)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as http:

        async def status(user: str, password: str) -> int:
            return (await http.get("/", auth=(user, password))).status_code

        assert [await status("ann", "old"), await status("bob", "new")] == [200, 401]
        await asyncio.sleep(0.1)
        users(path, bob="new")
        await asyncio.sleep(0.2)
        assert [await status("ann", "old"), await status("bob", "new")] == [401, 200]
        path.write_text("basic_auth_users: [")
        await asyncio.sleep(0.2)
        assert [await status("ann", "old"), await status("bob", "new")] == [401, 200]
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    server.mode.close()


class Unrenewable:
    """A certificate whose files are gone, and come back at the fourth look."""

    settings = None

    def __init__(self) -> None:
        self.looks = 0

    def renew(self) -> bool:
        self.looks += 1
        if self.looks != 4:
            raise TLSError("tls_server_config: no such file")
        return True


async def test_a_certificate_that_cannot_be_renewed_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pyscrape.app.server.SECURITY_LOOK_S", 0.001)
    (tmp_path / "prometheus.yml").write_text("scrape_configs: []\n")
    path = tmp_path / "web.yml"
    users(path, ann="old")
    flags = Flags({"config.file": str(tmp_path / "prometheus.yml"), "web.config.file": str(path)})
    tls = Unrenewable()
    server = Server(flags, load(flags), WebSecurity(tls=tls))  # type: ignore[arg-type]  # a fake
    with caplog.at_level("INFO", "pyscrape"):
        watching = asyncio.create_task(server._renew_security())
        while tls.looks < 8:
            await asyncio.sleep(0.001)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    server.mode.close()
    told = [record.getMessage() for record in caplog.records if "certificate" in record.getMessage()]
    refused = "Cannot renew the server's certificate"
    assert told == [refused, "Renewed the server's certificate", refused]
