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
from pyscrape.app.web_config import WebGuard, web_security


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
