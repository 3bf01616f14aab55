"""The server's TLS context from `tls_server_config`, and its renewal when the files change."""

import re
import ssl
import tempfile
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from pyscrape.net.tls import VERSIONS
from pyscrape.web.settings import TLSServerSettings

_IANA = re.compile(
    r"TLS_(?:(ECDHE)_)?(RSA|ECDSA)_WITH_(AES_128|AES_256|CHACHA20)_(GCM|CBC|POLY1305)_?(SHA\d*)?"
)


class TLSError(ValueError):
    """The TLS settings cannot be used; the text says which file or field and why."""


def openssl_cipher(name: str) -> str:
    """An IANA suite's name as OpenSSL has it.

    >>> openssl_cipher("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
    'ECDHE-RSA-AES128-GCM-SHA256'
    """
    found = _IANA.fullmatch(name)
    if found is None:
        raise TLSError(f"unknown cipher: {name}")
    exchange, signature, cipher, mode, digest = found.groups()
    start = "-".join(part for part in (exchange, signature if exchange else None) if part)
    if cipher == "CHACHA20":
        return f"{start}-CHACHA20-POLY1305"
    core = cipher.replace("_", "") + ("-GCM" if mode == "GCM" else "")
    return "-".join(part for part in (start, core, digest or "SHA") if part)


class ServerTLS:
    """The context that the server listens with. `renew` loads the certificate again when its files changed."""

    def __init__(self, settings: TLSServerSettings) -> None:
        self.settings = settings
        self.context = self._build()
        self._stamp = self._files_stamp()

    def _build(self) -> ssl.SSLContext:
        settings = self.settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = VERSIONS[settings.min_version]
        context.maximum_version = VERSIONS[settings.max_version]
        if settings.cipher_suites:
            tls12 = [
                openssl_cipher(n)
                for n in settings.cipher_suites
                if not n.startswith(("TLS_AES", "TLS_CHACHA"))
            ]
            if tls12:
                try:
                    context.set_ciphers(":".join(tls12))
                except ssl.SSLError as error:
                    raise TLSError(f"tls_server_config: cipher_suites: {error}") from error
        if settings.prefer_server_cipher_suites:
            context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        settings = self.settings
        try:
            if settings.cert_file and settings.key_file:
                context.load_cert_chain(settings.cert_file, settings.key_file)
            else:
                self._load_inline(context)
            if settings.client_ca_file:
                context.load_verify_locations(settings.client_ca_file)
            elif settings.client_ca:
                context.load_verify_locations(cadata=settings.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise TLSError(
                f"tls_server_config: cannot load {settings.cert_file or 'the certificate'}: {error}"
            ) from error
        if settings.client_auth_type == "RequireAndVerifyClientCert":
            context.verify_mode = ssl.CERT_REQUIRED
        elif settings.client_auth_type == "VerifyClientCertIfGiven":
            context.verify_mode = ssl.CERT_OPTIONAL

    def _load_inline(self, context: ssl.SSLContext) -> None:
        """Certificate or key that stand in the file itself: OpenSSL reads them from files only."""
        settings = self.settings
        with tempfile.TemporaryDirectory() as folder:
            cert, key = Path(folder, "cert"), Path(folder, "key")
            cert.write_text(settings.cert or Path(settings.cert_file).read_text())
            key.touch(0o600)
            key.write_text(settings.key.reveal() if settings.key else Path(settings.key_file).read_text())
            context.load_cert_chain(cert, key)

    def _files_stamp(self) -> tuple[tuple[int, int], ...]:
        names = (self.settings.cert_file, self.settings.key_file, self.settings.client_ca_file)
        stats = [Path(name).stat() for name in names if name]
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in stats)

    def renew(self) -> bool:
        """Load the files again if they changed; whether they were. New connections see the new certificate.

        Raises:
            TLSError: the new files cannot be used; the old certificate stays in force.
        """
        try:
            stamp = self._files_stamp()
        except OSError as error:
            raise TLSError(f"tls_server_config: {error}") from error
        if stamp == self._stamp:
            return False
        self._build()  # a pair that does not match must not reach the context in use
        self._load(self.context)
        self._stamp = stamp
        return True

    def admits(self, certificate: Mapping[str, object] | None) -> bool:
        """Whether a client's certificate has one of `client_allowed_sans` (all do when none are listed).

        Where names are listed and certificates asked for, a client without one has no allowed name: Prometheus ends
        its connection too, also with `VerifyClientCertIfGiven`. Where none is asked for the list has no effect there.
        """
        allowed = {_name(name) for name in self.settings.client_allowed_sans}
        if not allowed or self.context.verify_mode == ssl.CERT_NONE:
            return True
        names = (certificate or {}).get("subjectAltName", ())
        return isinstance(names, tuple) and any(_name(name[1]) in allowed for name in names)


def _name(text: str) -> str:
    """A subject's name; an IP address in its one form, which OpenSSL does not print."""
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return text
