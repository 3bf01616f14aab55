"""`--web.config.file`: read, checked like any configuration, and turned into TLS and basic auth."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pyscrape.config.load import ConfigError, syntax_problem
from pyscrape.model.settings import Decoder, decode_node
from pyscrape.model.yaml_nodes import YAMLError, compose, decode_bytes
from pyscrape.web.server import AtOnce, Reply
from pyscrape.web.settings import WebSettings
from pyscrape.web.tls import ServerTLS

if TYPE_CHECKING:
    from pyscrape.web.passwords import Passwords


@dataclass(frozen=True, slots=True)
class WebSecurity:
    """What stands before the application: TLS or none, users or none, headers of every answer."""

    tls: ServerTLS | None = None
    passwords: "Passwords | None" = None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """`app` behind what is configured."""
        if self.headers:
            app = ExtraHeaders(app, self.headers)
        if self.passwords is not None:
            from pyscrape.web.passwords import BasicAuth

            app = BasicAuth(app, self.passwords)
        return app


class WebGuard:
    """The application behind its `WebSecurity`, which may be replaced while it runs; requests under way go on."""

    def __init__(self, app: ASGIApp, security: WebSecurity) -> None:
        self._app = app
        self._quick = cast("AtOnce", app) if isinstance(cast("object", app), AtOnce) else None
        self.use(security)

    def use(self, security: WebSecurity) -> None:
        """Put users and headers of `security` in force."""
        self._guarded = security.wrap(self._app)

    def at_once(self, scope: Scope) -> Reply | None:
        """See `AtOnce`; where users or headers are configured, requests go the ordinary way."""
        return self._quick.at_once(scope) if self._quick and self._guarded is self._app else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._guarded(scope, receive, send)


class ExtraHeaders:
    """ASGI middleware: headers that every answer carries."""

    def __init__(self, app: ASGIApp, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in self._headers}
                kept = [header for header in message["headers"] if header[0].lower() not in names]
                message["headers"] = [*kept, *self._headers]
            await send(message)

        await self._app(scope, receive, with_headers)


def read_web_settings(path: str) -> WebSettings:
    """The settings of a web configuration file.

    Raises:
        ConfigError: it has mistakes.
        OSError: it cannot be read.
    """
    raw = Path(path).read_bytes()
    decoder = Decoder(file=path, base_dir=str(Path(path).parent), text_size=len(raw))
    try:
        document = compose(decode_bytes(raw))
        if document.root is None:
            return WebSettings()
        settings, _ = decode_node(WebSettings, document.root, decoder)
    except YAMLError as error:
        raise ConfigError([*decoder.problems, syntax_problem(error, path)], path) from error
    if any(problem.severity == "error" for problem in decoder.problems):
        raise ConfigError(decoder.problems, path)
    return settings


def web_security(path: str) -> WebSecurity:
    """What `--web.config.file` asks for; nothing when `path` is empty.

    Raises:
        ConfigError, OSError: as `read_web_settings`.
        TLSError: a certificate or key cannot be used.
    """
    if not path:
        return WebSecurity()
    settings = read_web_settings(path)
    users = {name: hashed.reveal() for name, hashed in settings.basic_auth_users.items()}
    passwords = None
    if users:
        from pyscrape.web.passwords import Passwords

        passwords = Passwords(users)
    headers = settings.http_server_config.headers.items()
    return WebSecurity(
        ServerTLS(settings.tls_server_config) if settings.tls_server_config is not None else None,
        passwords,
        tuple((name.lower().encode(), value.encode()) for name, value in headers),
    )
