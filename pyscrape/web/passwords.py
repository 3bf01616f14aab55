"""Basic auth with bcrypt that cannot be used to stall the server.

One check costs some 60 ms of CPU by design. Checks run in a thread, one at a time; what was right is remembered by
a keyed digest, what was wrong for a little while too; when too many different ones wait, the next are turned away at
once, and the many requests of one browser that comes anew wait for the one check of theirs. Unknown
users are compared with a fixed hash, so that time does not tell who exists.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Mapping

import bcrypt
from starlette.types import ASGIApp, Receive, Scope, Send

from pyscrape.web.pages.texts import TEXTS

MOST_REMEMBERED = 256
MOST_WAITING = 16
# What a browser shows to those who leave its own question for the password. It stands alone: they get no other file.
_LOGIN = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{TEXTS["unauthorized"]} - pyscrape</title>
<style>body {{ margin: 2rem; font: 15px/1.5 system-ui, sans-serif }}</style>
<h1>{TEXTS["unauthorized"]}</h1>
<p>{TEXTS["unauthorized_hint"]}
""".encode()
NOBODY = b"$2b$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"


def credentials(header: str) -> tuple[str, bytes] | None:
    """User and password of an Authorization header; None where it is no Basic one."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (user.decode("utf-8", "replace"), password) if colon else None


class TooBusy(Exception):  # noqa: N818  # it is no fault of the server
    """More password checks wait than will be made."""


class Passwords:
    """Says whether a password is a user's."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._hashes = {user: hashed.encode() for user, hashed in users.items()}
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, bool] = {}
        self._one_at_a_time = asyncio.Lock()
        self._waiting: Counter[bytes] = Counter()

    async def right(self, user: str, password: bytes) -> bool:
        """Whether the pair is right.

        Raises:
            TooBusy: too many checks of other pairs wait already.
        """
        hashed = self._hashes.get(user, NOBODY)
        digest = hmac.digest(self._key, b"\0".join((user.encode(), hashed, password)), hashlib.sha256)
        if digest in self._known:
            return self._known[digest]
        if digest not in self._waiting and len(self._waiting) >= MOST_WAITING:
            raise TooBusy
        self._waiting[digest] += 1
        try:
            async with self._one_at_a_time:
                if digest not in self._known:
                    matches = await asyncio.to_thread(_matches, password, hashed)
                    self._remember(digest, matches and user in self._hashes)
                return self._known[digest]
        finally:
            self._waiting[digest] -= 1
            if not self._waiting[digest]:
                del self._waiting[digest]

    def _remember(self, digest: bytes, answer: bool) -> None:
        while len(self._known) >= MOST_REMEMBERED:
            # Wrong ones go first: guesses must not push out the pairs that are in use.
            wrong = next((key for key, right in self._known.items() if not right), next(iter(self._known)))
            del self._known[wrong]
        self._known[digest] = answer


def _matches(password: bytes, hashed: bytes) -> bool:
    # bcrypt sees 72 bytes; longer passwords are cut as Go's library does not, so they are refused.
    return len(password) <= 72 and bcrypt.checkpw(password, hashed)


class BasicAuth:
    """ASGI middleware: every request needs a user and its password."""

    def __init__(self, app: ASGIApp, passwords: Passwords) -> None:
        self._app = app
        self._passwords = passwords

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in reversed(scope["headers"])}
        given = credentials(headers.get(b"authorization", ""))
        try:
            if given is not None and await self._passwords.right(*given):
                await self._app(scope, receive, send)
                return
        except TooBusy:
            await _refuse(send, 429, b"Too Many Requests\n", [(b"retry-after", b"1")])
            return
        asks = [(b"www-authenticate", b'Basic realm="pyscrape"')]
        if "text/html" in headers.get(b"accept", ""):
            await _refuse(send, 401, _LOGIN, asks, b"text/html")
        else:
            await _refuse(send, 401, b"Unauthorized\n", asks)


async def _refuse(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]], media: bytes = b"text/plain"
) -> None:
    shape = [(b"content-type", media + b"; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*shape, *headers]})
    await send({"type": "http.response.body", "body": body})
