"""What `--web.config.file` can say: TLS, users and headers of the web server.

Source: Prometheus' documentation "HTTPS and authentication" (the exporter-toolkit's web configuration).
"""

from typing import Any

from pyscrape.model.kinds import BOOL, PATH, TEXT, TEXT_MAP, TEXTS, EnumKind, IntKind, MapKind, SecretKind
from pyscrape.model.settings import EMPTY_MAP, Secret, Section, SectionKind, Settings, setting
from pyscrape.net.settings import TLS_VERSIONS

CLIENT_AUTH_TYPES = (
    "NoClientCert",
    "RequestClientCert",
    "RequireClientCert",
    "RequireAnyClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
)
UNCHECKED_CLIENT_AUTH = {"RequestClientCert", "RequireClientCert", "RequireAnyClientCert"}
HEADERS = {
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Strict-Transport-Security",
}


_VERSION = EnumKind(TLS_VERSIONS, lambda text: f"unknown TLS version: {text}")


class TLSServerSettings(Settings, go_type="web.TLSConfig"):
    """`tls_server_config`: the server's certificate and what it asks of clients."""

    cert_file: str = setting(PATH, "Certificate of the server (PEM).", default="")
    key_file: str = setting(PATH, "Private key of the certificate (PEM).", default="")
    cert: str = setting(TEXT, "Certificate of the server, inline.", default="")
    key: Secret = setting(SecretKind(), "Private key, inline.", default=Secret(""))
    client_ca_file: str = setting(PATH, "Certificates that verify clients.", default="")
    client_ca: str = setting(TEXT, "The same, inline.", default="")
    client_auth_type: str = setting(
        EnumKind(("", *CLIENT_AUTH_TYPES), lambda text: f"Invalid ClientAuth: {text}"),
        "Whether clients must show a certificate.",
        default="",
    )
    client_allowed_sans: tuple[str, ...] = setting(
        TEXTS, "Names of which a client certificate must have one.", default=()
    )
    min_version: str = setting(_VERSION, "Least TLS version.", default="TLS12")
    max_version: str = setting(_VERSION, "Highest TLS version.", default="TLS13")
    cipher_suites: tuple[str, ...] = setting(TEXTS, "TLS 1.2 cipher suites, IANA names.", default=())
    prefer_server_cipher_suites: bool = setting(
        BOOL, "Prefer the server's order of cipher suites.", default=True
    )
    curve_preferences: tuple[str, ...] = setting(TEXTS, "Elliptic curves; not supported.", default=())

    @classmethod
    def finish(cls, section: Section) -> None:
        if not section["cert_file"] and not section["cert"]:
            section.error("missing one of cert or cert_file")
        if not section["key_file"] and not section["key"]:
            section.error("missing one of key or key_file")
        for one in ("cert", "key", "client_ca"):
            if section[one] and section[f"{one}_file"]:
                section.error(f"only one of {one} and {one}_file must be provided", one)
        verifies = section["client_auth_type"] in {"VerifyClientCertIfGiven", "RequireAndVerifyClientCert"}
        if verifies and not (section["client_ca_file"] or section["client_ca"]):
            section.error(
                "client_auth_type asks for verification, but there is no client_ca_file", "client_auth_type"
            )
        if section["client_auth_type"] in UNCHECKED_CLIENT_AUTH:
            section.error("client certificates that are not verified are not supported", "client_auth_type")
        if (section["client_ca_file"] or section["client_ca"]) and not verifies:
            section.error("client CA's have been configured without a Client Auth Policy", "client_ca_file")
        if section["curve_preferences"]:
            section.error("curve_preferences is not supported", "curve_preferences")


class HTTPServerSettings(Settings, go_type="web.HTTPConfig"):
    """`http_server_config`: HTTP/2 and headers that every answer carries."""

    http2: bool = setting(BOOL, "Accepted; the server speaks HTTP/1.1 only.", default=True)
    headers: Any = setting(TEXT_MAP, "Security headers that every answer carries.", default=EMPTY_MAP)

    @classmethod
    def finish(cls, section: Section) -> None:
        for name in section["headers"]:
            if name not in HEADERS:
                section.error(f'HTTP header "{name}" can not be configured', "headers")


class RateLimitSettings(Settings, go_type="web.RateLimitConfig"):
    """`rate_limit`: not supported."""

    interval: str = setting(TEXT, "Time between requests.")
    burst: int = setting(IntKind(), "Requests at once.")


class WebSettings(Settings, go_type="web.Config"):
    """The whole file."""

    tls_server_config: TLSServerSettings | None = setting(
        SectionKind(TLSServerSettings, optional=True), "TLS of the server.", default=None
    )
    http_server_config: HTTPServerSettings = setting(
        SectionKind(HTTPServerSettings), "HTTP of the server.", default=HTTPServerSettings()
    )
    basic_auth_users: Any = setting(
        MapKind(SecretKind()), "User names and the bcrypt hashes of their passwords.", default=EMPTY_MAP
    )
    rate_limit: RateLimitSettings | None = setting(
        SectionKind(RateLimitSettings, optional=True), "Not supported.", default=None
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        if section["rate_limit"] is not None:
            section.error("rate_limit is not supported", "rate_limit")
