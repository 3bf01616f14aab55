"""Who we say we are: the Authorization header of a request and the other headers that a config adds.

Secrets in files are read again for every request and stripped, so that a rotated token works at once. What stands
in the config itself is joined once. OAuth2 tokens are fetched when needed and kept until shortly before their end.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import httpx

from pyscrape.net.errors import ExchangeError
from pyscrape.net.settings import BasicAuth, HTTPClientConfig, OAuth2
from pyscrape.net.urls import redacted_url

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
        found += [(name, read_secret(path, "headers file", named=False)) for path in header.files]
    if config.basic_auth is not None:
        found.append(("Authorization", _basic(config.basic_auth)))
    elif config.authorization is not None:
        authorization = config.authorization
        if authorization.credentials_file:
            secret = read_secret(authorization.credentials_file, "authorization credentials")
        else:
            secret = authorization.credentials.reveal()
        found.append(("Authorization", f"{authorization.type or 'Bearer'} {secret}".strip()))
    return found


def refuse_references(section: object, *fields: str) -> None:
    """Raise for a secret that is to come from a secret manager: there is none."""
    if any(getattr(section, field, "") for field in fields):
        raise ExchangeError("credentials", "cannot use secret ref without manager")


def read_secret(path: str, what: str, *, named: bool = True) -> str:
    """A secret out of a file, without the blanks around it; raises ExchangeError with Prometheus' text.

    `named`: whether the text says what the file holds before it names the file.
    """
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        begin = f"unable to read {what}: unable to read file" if named else f"unable to read {what}"
        text = f"{begin} {path}: open {path}: {reason}"
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
    """OAuth2 client credentials: one token, asked for again when it is about to end.

    All targets of a job have one source, and many scrapes may want the new token at once: the first asks for it.
    """

    __slots__ = ("_asking", "_ends_at_s", "_in_body", "_post_form", "_settings", "_value")

    def __init__(self, settings: OAuth2, post_form: PostForm) -> None:
        self._settings = settings
        self._post_form = post_form
        self._value = ""
        self._ends_at_s = 0.0
        self._in_body = False
        self._asking = asyncio.Lock()

    async def header(self) -> str:
        """`Bearer <token>`; raises ExchangeError (`credentials`)."""
        if self._ended():
            async with self._asking:
                if self._ended():
                    await self._fetch()
        return self._value

    def _ended(self) -> bool:
        return not self._value or time.monotonic() >= self._ends_at_s

    async def _fetch(self) -> None:
        response = await self._ask()
        answer = token_answer(response)
        if "access_token" not in answer and not self._in_body:
            # Some servers want the client's secret among the fields, which only a refusal tells.
            self._in_body = True
            response = await self._ask()
            answer = token_answer(response)
        if "access_token" not in answer:
            self._in_body = False
            if response.is_success:
                raise ExchangeError("credentials", "oauth2: server response missing access_token")
            status = f"{response.status_code} {response.reason_phrase}"
            raise ExchangeError(
                "credentials", f"oauth2: cannot fetch token: {status}\nResponse: {response.text[:512]}"
            )
        token = str(answer["access_token"])
        kind = str(answer.get("token_type") or "Bearer")
        self._value = f"{'Bearer' if kind.lower() == 'bearer' else kind} {token}"
        lasts_s = seconds_of(answer.get("expires_in")) or 1e9
        self._ends_at_s = time.monotonic() + lasts_s - TOKEN_MARGIN_S

    async def _ask(self) -> httpx.Response:
        settings = self._settings
        refuse_references(settings, "client_secret_ref")
        if settings.grant_type not in ("", "client_credentials"):
            raise ExchangeError("credentials", f"oauth2: grant_type {settings.grant_type} is not supported")
        secret = _either(settings.client_secret_file, "oauth2 client secret", settings.client_secret.reveal())
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
            text = f'Post "{redacted_url(settings.token_url)}": {error}'
            raise ExchangeError("credentials", text) from None


def seconds_of(said: object) -> float:
    """How long a token lasts, 0 where the answer does not say."""
    try:
        return float(said) if isinstance(said, int | float | str) else 0.0
    except ValueError:
        return 0.0


def token_answer(response: httpx.Response) -> dict[str, Any]:
    """The fields of a token server's answer, empty where it is a refusal or of no known form."""
    if not response.is_success:
        return {}
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", "text/plain"):
        return dict(parse_qsl(response.text))
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
