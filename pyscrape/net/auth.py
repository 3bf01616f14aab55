"""Who we say we are: the Authorization header of a request and the other headers that a config adds.

Secrets in files are read again for every request and stripped, so that a rotated token works at once. What stands
in the config itself is joined once. OAuth2 tokens are fetched when needed and kept until shortly before their end.
"""

import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx

from pyscrape.net.errors import ExchangeError
from pyscrape.net.settings import BasicAuth, HTTPClientConfig, OAuth2

# Tokens are replaced this long before they end, as Go's oauth2 does.
TOKEN_MARGIN_S = 10.0

PostForm = Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[httpx.Response]]
"""Posts a form: URL, fields, headers."""

Close = Callable[[], Awaitable[None]]


class Credentials:
    """The headers that a client config adds to every request.

    `static`: whether `headers()` gives the same for ever, so that a request may be built once.
    """

    __slots__ = ("_close", "_config", "_fixed", "_token", "static")

    def __init__(
        self, config: HTTPClientConfig, post_form: PostForm | None = None, close: Close | None = None
    ) -> None:
        self._config = config
        self._close = close
        self._token = None
        if config.oauth2 is not None:
            assert post_form is not None, "OAuth2 needs a way to ask for tokens"
            self._token = TokenSource(config.oauth2, post_form)
        self.static = self._token is None and not _reads_files(config)
        self._fixed: list[tuple[str, str]] | None = None

    async def headers(self) -> list[tuple[str, str]]:
        """Name and value of each header; raises ExchangeError (`credentials`) where a file cannot be read."""
        if self._fixed is not None:
            return self._fixed
        found = plain_headers(self._config)
        if self._token is not None:
            found.append(("Authorization", await self._token.header()))
        if self.static:
            self._fixed = found
        return found

    async def aclose(self) -> None:
        """Close what asks for tokens."""
        if self._close is not None:
            await self._close()


def plain_headers(config: HTTPClientConfig) -> list[tuple[str, str]]:
    """The headers that need no asking: `http_headers`, `basic_auth`, `authorization`."""
    refuse_references(config.basic_auth, "username_ref", "password_ref")
    refuse_references(config.authorization, "credentials_ref")
    found: list[tuple[str, str]] = []
    for name, header in config.http_headers.items():
        found += [(name, value) for value in header.values]
        found += [(name, secret.reveal()) for secret in header.secrets]
        found += [(name, read_secret(path, f"http header {name}")) for path in header.files]
    if config.basic_auth is not None:
        found.append(("Authorization", _basic(config.basic_auth)))
    elif config.authorization is not None:
        authorization = config.authorization
        if authorization.credentials_file:
            secret = read_secret(authorization.credentials_file, "authorization credentials")
        else:
            secret = authorization.credentials.reveal()
        if secret:
            found.append(("Authorization", f"{authorization.type or 'Bearer'} {secret}"))
    return found


def refuse_references(section: object, *fields: str) -> None:
    """Raise for a secret that is to come from a secret manager: there is none."""
    if any(getattr(section, field, "") for field in fields):
        raise ExchangeError("credentials", "cannot use secret ref without manager")


def read_secret(path: str, what: str) -> str:
    """A secret out of a file, without the blanks around it; raises ExchangeError with Prometheus' text."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        text = f"unable to read {what}: unable to read file {path}: open {path}: {reason}"
        raise ExchangeError("credentials", text) from None


def _either(path: str, what: str, text: str) -> str:
    return read_secret(path, what) if path else text


def _basic(auth: BasicAuth) -> str:
    username = _either(auth.username_file, "basic auth username", auth.username)
    password = _either(auth.password_file, "basic auth password", auth.password.reveal())
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _reads_files(config: HTTPClientConfig) -> bool:
    basic, authorization = config.basic_auth, config.authorization
    return (
        (basic is not None and bool(basic.username_file or basic.password_file))
        or (authorization is not None and bool(authorization.credentials_file))
        or any(header.files for header in config.http_headers.values())
    )


class TokenSource:
    """OAuth2 client credentials: one token, asked for again when it is about to end."""

    __slots__ = ("_ends_at_s", "_in_body", "_post_form", "_settings", "_value")

    def __init__(self, settings: OAuth2, post_form: PostForm) -> None:
        self._settings = settings
        self._post_form = post_form
        self._value = ""
        self._ends_at_s = 0.0
        self._in_body = False

    async def header(self) -> str:
        """`Bearer <token>`; raises ExchangeError (`credentials`)."""
        if not self._value or time.monotonic() >= self._ends_at_s:
            await self._fetch()
        return self._value

    async def _fetch(self) -> None:
        response = await self._ask()
        if response.status_code in (400, 401) and not self._in_body:
            # Some servers want the client's secret among the fields, which only a refusal tells.
            self._in_body = True
            response = await self._ask()
        if not response.is_success:
            self._in_body = False
            status = f"{response.status_code} {response.reason_phrase}"
            raise ExchangeError(
                "credentials", f"oauth2: cannot fetch token: {status}\nResponse: {response.text[:512]}"
            )
        try:
            answer: dict[str, Any] = response.json()
            token = str(answer["access_token"])
        except (ValueError, KeyError, TypeError):
            raise ExchangeError("credentials", "oauth2: server response missing access_token") from None
        kind = str(answer.get("token_type") or "Bearer")
        self._value = f"{'Bearer' if kind.lower() == 'bearer' else kind} {token}"
        lasts_s = float(answer.get("expires_in") or 0) or 1e9
        self._ends_at_s = time.monotonic() + lasts_s - TOKEN_MARGIN_S

    async def _ask(self) -> httpx.Response:
        settings = self._settings
        refuse_references(settings, "client_secret_ref")
        if settings.grant_type not in ("", "client_credentials"):
            raise ExchangeError("credentials", f"oauth2: grant_type {settings.grant_type} is not supported")
        secret = (
            read_secret(settings.client_secret_file, "oauth2 client secret")
            if settings.client_secret_file
            else settings.client_secret.reveal()
        )
        fields = {"grant_type": "client_credentials"}
        if settings.scopes:
            fields["scope"] = " ".join(settings.scopes)
        fields.update(settings.endpoint_params)
        headers = {}
        if self._in_body:
            fields.update(client_id=settings.client_id, client_secret=secret)
        else:
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        try:
            return await self._post_form(settings.token_url, fields, headers)
        except httpx.HTTPError as error:
            text = f'oauth2: cannot fetch token: Post "{settings.token_url}": {error}'
            raise ExchangeError("credentials", text) from None
