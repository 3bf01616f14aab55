"""Basic auth: who gets in, what a guess costs, and that guesses cannot stall the server."""

import asyncio
import base64
import threading
from collections.abc import Iterator

import bcrypt
import httpx
import pytest
from starlette.responses import PlainTextResponse

import pyscrape.web.passwords as module
from pyscrape.web.passwords import MOST_WAITING, BasicAuth, Passwords, TooBusy, credentials

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Basic " + base64.b64encode(b"a:b:c").decode(), ("a", b"b:c")),
        ("basic " + base64.b64encode(b"a:").decode(), ("a", b"")),
        ("Basic " + base64.b64encode(b"a").decode(), None),
        ("Basic ***", None),
        ("Bearer x", None),
        ("", None),
    ],
)
def test_credentials(header: str, found: object) -> None:
    assert credentials(header) == found


@pytest.mark.parametrize(
    ("user", "password", "status"),
    [
        ("ann", "secret", 200),
        ("ann", "Secret", 401),
        ("bob", "secret", 401),
        ("ann", "x" * 73, 401),
        ("", "", 401),
    ],
)
async def test_who_gets_in(user: str, password: str, status: int) -> None:
    app = BasicAuth(PlainTextResponse("in"), Passwords({"ann": HASH}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as client:
        for _ in range(2):  # the second answer is the remembered one
            assert (await client.get("/", auth=(user, password))).status_code == status
        refused = await client.get("/")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Basic realm="pyscrape"')


async def test_a_browser_is_told_what_is_missing() -> None:
    app = BasicAuth(PlainTextResponse("in"), Passwords({"ann": HASH}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as client:
        page = await client.get("/targets", headers={"Accept": "text/html,*/*"})
        plain = await client.get("/targets", headers={"Accept": "*/*"})
    assert (page.status_code, page.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "wants a user and a password" in page.text
    assert (plain.status_code, plain.text) == (401, "Unauthorized\n")
    assert plain.headers["content-length"] == "13"


@pytest.fixture
def slow_checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Password checks that wait for the event."""
    go = threading.Event()
    monkeypatch.setattr(module, "_matches", lambda *_: go.wait(10))
    yield go
    go.set()


async def test_guesses_beyond_the_queue_are_turned_away(slow_checks: threading.Event) -> None:
    passwords = Passwords({"ann": HASH})
    guesses = [asyncio.create_task(passwords.right("ann", b"%d" % k)) for k in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(TooBusy):
        await passwords.right("ann", b"one more")
    slow_checks.set()
    await asyncio.gather(*guesses)


async def test_a_browser_that_comes_anew_waits_for_one_check(slow_checks: threading.Event) -> None:
    passwords = Passwords({"ann": HASH})
    panels = [asyncio.create_task(passwords.right("ann", b"secret")) for _ in range(4 * MOST_WAITING)]
    await asyncio.sleep(0)
    slow_checks.set()
    assert await asyncio.gather(*panels) == [True] * len(panels)
    assert not passwords._waiting


async def test_wrong_guesses_do_not_push_out_who_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []

    def matches(password: bytes, _: bytes) -> bool:
        checked.append(password)
        return password == b"secret"

    monkeypatch.setattr(module, "_matches", matches)
    monkeypatch.setattr(module, "MOST_REMEMBERED", 4)
    passwords = Passwords({"ann": HASH})
    assert await passwords.right("ann", b"secret")
    for k in range(20):
        assert not await passwords.right("ann", b"%d" % k)
    checked.clear()
    assert await passwords.right("ann", b"secret")
    assert checked == [], "remembered, not checked again"
