"""TLS contexts, made once per distinct settings and shared: one costs up to 17 ms and 680 KB.

Files are looked at again before each use (a stat each); changed ones give a new context under the same settings.
"""

import ssl
from pathlib import Path

from pyscrape.net.errors import ExchangeError
from pyscrape.net.settings import TLSConfig

VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}

# Of a file that is there: a folder, one that may not be read, bytes that are no text; of a text: letters beyond ASCII.
_UNUSABLE = (OSError, UnicodeError, TypeError)

_Stamp = tuple[tuple[str, int, int], ...]
_contexts: dict[tuple[object, ...], ssl.SSLContext] = {}
_MAX_CONTEXTS = 1024


class TLSSource:
    """Gives the context of one `tls_config`; the same object as long as nothing changed."""

    __slots__ = ("_context", "_files", "_settings", "_stamp")

    def __init__(self, settings: TLSConfig) -> None:
        self._settings = settings
        self._files = tuple(
            (what, path)
            for what, path in (
                ("CA cert", settings.ca_file),
                ("client cert", settings.cert_file),
                ("client key", settings.key_file),
            )
            if path
        )
        self._stamp: _Stamp | None = None
        self._context: ssl.SSLContext | None = None

    @property
    def server_name(self) -> str:
        """The name to ask for and to verify instead of the host, empty for the host itself."""
        return self._settings.server_name

    def current(self) -> ssl.SSLContext:
        """The context for a new connection; raises ExchangeError (`credentials`) where a file cannot be read."""
        settings = self._settings
        if settings.ca_ref or settings.cert_ref or settings.key_ref:
            raise ExchangeError("credentials", "cannot use secret ref without manager")
        stamp = self._look()
        if self._context is None or stamp != self._stamp:
            self._context = self._shared(stamp)
            self._stamp = stamp
        return self._context

    def _look(self) -> _Stamp:
        found = []
        for what, path in self._files:
            try:
                stat = Path(path).stat()
            except OSError as error:
                raise _unreadable(what, path, error) from None
            found.append((path, stat.st_mtime_ns, stat.st_ino))
        return tuple(found)

    def _shared(self, stamp: _Stamp) -> ssl.SSLContext:
        settings = self._settings
        key = (
            stamp,
            settings.ca,
            settings.cert,
            settings.key and settings.key.reveal(),
            settings.insecure_skip_verify,
            settings.min_version,
            settings.max_version,
        )
        context = _contexts.get(key)
        if context is None:
            if len(_contexts) >= _MAX_CONTEXTS:
                _contexts.clear()
            context = _contexts[key] = make_context(settings)
        return context


def make_context(settings: TLSConfig) -> ssl.SSLContext:
    """A client context for `settings`; raises ExchangeError (`credentials`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = VERSIONS[settings.min_version or "TLS12"]
    if settings.max_version:
        context.maximum_version = VERSIONS[settings.max_version]
    context.set_alpn_protocols(["http/1.1"])
    if settings.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        _load_authorities(context, settings)
    except _UNUSABLE as error:
        raise ExchangeError(
            "credentials", f"unable to use specified CA cert {settings.ca_file}: {error}"
        ) from None
    try:
        _load_client_certificate(context, settings)
    except _UNUSABLE as error:
        text = (
            f"unable to use specified client cert ({settings.cert_file}) & key ({settings.key_file}): {error}"
        )
        raise ExchangeError("credentials", text) from None
    return context


def _load_authorities(context: ssl.SSLContext, settings: TLSConfig) -> None:
    if settings.ca:
        context.load_verify_locations(cadata=settings.ca)
    elif settings.ca_file:
        context.load_verify_locations(cafile=settings.ca_file)
    elif not settings.insecure_skip_verify:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)


def _load_client_certificate(context: ssl.SSLContext, settings: TLSConfig) -> None:
    if settings.cert_file and settings.key_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    elif settings.cert or settings.cert_file:
        # OpenSSL's interface takes files only: texts pass through one that nobody else may read.
        from tempfile import NamedTemporaryFile

        cert = settings.cert or Path(settings.cert_file).read_text()
        key = settings.key.reveal() if settings.key else Path(settings.key_file).read_text()
        with NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(f"{cert}\n{key}\n")
            file.flush()
            context.load_cert_chain(file.name)


def _unreadable(what: str, path: str, error: OSError) -> ExchangeError:
    reason = (error.strerror or str(error)).lower()
    return ExchangeError("credentials", f"unable to load specified {what} ({path}): open {path}: {reason}")
