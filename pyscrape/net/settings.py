"""What a configuration can say about an outgoing HTTP request: credentials, TLS, proxies, headers.

The block stands inline in scrape jobs, service discoveries, alertmanagers and remote read and write, always as the
field `http`. The deprecated bearer_token fields become `authorization` here, so that nothing below knows of them.
"""

from collections.abc import Mapping
from typing import Any

from pyscrape.model.kinds import (
    BOOL,
    FREE,
    PATH,
    SECRET,
    SECRETS,
    TEXT,
    TEXT_MAP,
    TEXTS,
    EnumKind,
    ListKind,
    MapKind,
    TextKind,
)
from pyscrape.model.names import quoted
from pyscrape.model.settings import FAILED, Secret, Section, SectionKind, Settings, Spot, setting

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TLS_VERSIONS = ("TLS10", "TLS11", "TLS12", "TLS13")
SIGNATURE_ALGORITHMS = ("RS256", "RS384", "RS512")
# Headers that the connection, Prometheus itself or another field sets; in the spelling that Go gives them.
RESERVED_HEADERS = {
    "Authorization", "Host", "Content-Encoding", "Content-Length", "Content-Type", "User-Agent", "Connection",
    "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Www-Authenticate", "Accept-Encoding",
    "X-Prometheus-Remote-Write-Version", "X-Prometheus-Remote-Read-Version", "X-Prometheus-Scrape-Timeout-Seconds",
    "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256",
}  # fmt: skip


class UrlKind(TextKind):
    """A URL; printed with its password hidden."""

    def decode(self, spot: Spot) -> Any:
        from pyscrape.net.urls import redacted_url, url_mistake

        text = super().decode(spot)
        if text is not FAILED and (message := url_mistake(text)):
            spot.error(f"parse {quoted(redacted_url(text))}: {message}", problem_id="bad-url")
            return FAILED
        return text

    def dump(self, value: Any) -> Any:
        from pyscrape.net.urls import redacted_url

        return redacted_url(value)


URL = UrlKind()


def at_most_one(section: Section, message: str, *fields: str) -> None:
    """Note an error at the second of `fields` that is set."""
    set_fields = [name for name in fields if section[name]]
    if len(set_fields) > 1:
        last = max(set_fields, key=lambda name: _place(section, name))
        section.error(
            message, last, problem_id="conflicting-fields", hint=f"keep one of {', '.join(set_fields)}"
        )


def _place(section: Section, name: str) -> tuple[int, int]:
    node = section.nodes.get(name)
    return (node.line, node.column) if node else (0, 0)


class BasicAuth(Settings, go_type="config.plain"):
    """HTTP basic authentication."""

    username: str = setting(TEXT, "User name.")
    username_file: str = setting(PATH, "File that holds the user name.")
    username_ref: str = setting(TEXT, "Name of the user name in a secret manager.")
    password: Secret = setting(SECRET, "Password.")
    password_file: str = setting(PATH, "File that holds the password; read for each request.")
    password_ref: str = setting(TEXT, "Name of the password in a secret manager.")

    @classmethod
    def finish(cls, section: Section) -> None:
        at_most_one(
            section,
            "at most one of basic_auth username, username_file & username_ref must be configured",
            "username", "username_file", "username_ref",
        )  # fmt: skip
        at_most_one(
            section,
            "at most one of basic_auth password, password_file & password_ref must be configured",
            "password", "password_file", "password_ref",
        )  # fmt: skip


class Authorization(Settings, go_type="config.Authorization"):
    """The Authorization header: a type and credentials."""

    type: str = setting(TEXT, "Authentication type.", default="Bearer")
    credentials: Secret = setting(SECRET, "Credentials.")
    credentials_file: str = setting(PATH, "File that holds the credentials; read for each request.")
    credentials_ref: str = setting(TEXT, "Name of the credentials in a secret manager.")

    @classmethod
    def finish(cls, section: Section) -> None:
        at_most_one(
            section,
            "at most one of authorization credentials & credentials_file must be configured",
            "credentials", "credentials_file", "credentials_ref",
        )  # fmt: skip
        kind = section["type"].strip()
        section.values["type"] = kind or "Bearer"
        if kind.lower() == "basic":
            section.error('authorization type cannot be set to "basic", use "basic_auth" instead', "type")


class TLSConfig(Settings, go_type="config.plain"):
    """How TLS connections are made and checked."""

    ca: str = setting(TEXT, "CA certificates in PEM form.")
    cert: str = setting(TEXT, "Client certificate in PEM form.")
    key: Secret = setting(SECRET, "Client key in PEM form.")
    ca_file: str = setting(PATH, "File of the CA certificates.")
    cert_file: str = setting(PATH, "File of the client certificate.")
    key_file: str = setting(PATH, "File of the client key.")
    ca_ref: str = setting(TEXT, "Name of the CA certificates in a secret manager.")
    cert_ref: str = setting(TEXT, "Name of the client certificate in a secret manager.")
    key_ref: str = setting(TEXT, "Name of the client key in a secret manager.")
    server_name: str = setting(TEXT, "Name that the server's certificate must have (and SNI).")
    insecure_skip_verify: bool = setting(BOOL, "Do not check the server's certificate.", always=True)
    min_version: str = setting(
        EnumKind(TLS_VERSIONS, lambda text: f"unknown TLS version: {text}"),
        "Lowest TLS version (TLS12 by default).",
    )
    max_version: str = setting(
        EnumKind(TLS_VERSIONS, lambda text: f"unknown TLS version: {text}"), "Highest TLS version."
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        at_most_one(
            section, "at most one of ca, ca_file & ca_ref must be configured", "ca", "ca_file", "ca_ref"
        )
        at_most_one(
            section,
            "at most one of cert, cert_file & cert_ref must be configured",
            "cert",
            "cert_file",
            "cert_ref",
        )
        at_most_one(
            section, "at most one of key and key_file must be configured", "key", "key_file", "key_ref"
        )
        cert = section["cert"] or section["cert_file"] or section["cert_ref"]
        key = section["key"] or section["key_file"] or section["key_ref"]
        if cert and not key:
            section.error(
                "exactly one of key or key_file must be configured when a client certificate is configured",
                next(name for name in ("cert", "cert_file", "cert_ref") if section[name]),
            )
        elif key and not cert:
            section.error(
                "exactly one of cert or cert_file must be configured when a client key is configured",
                next(name for name in ("key", "key_file", "key_ref") if section[name]),
            )
        lowest, highest = section["min_version"], section["max_version"]
        if lowest and highest and TLS_VERSIONS.index(highest) < TLS_VERSIONS.index(lowest):
            # Prometheus says so when it builds the client, which is too late for a check.
            section.error(
                "tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified",
                "max_version",
            )


class HTTPHeader(Settings, go_type="config.Header"):
    """The values of one header."""

    values: tuple[str, ...] = setting(TEXTS, "Values.")
    secrets: tuple[Secret, ...] = setting(SECRETS, "Values that are never printed.")
    files: tuple[str, ...] = setting(ListKind(PATH), "Files that hold values; read for each request.")


def check_proxy(section: Section) -> None:
    """The rules of the four proxy fields, which two blocks have inline."""
    from_environment, url = section["proxy_from_environment"], section["proxy_url"]
    if section["proxy_connect_header"] and not from_environment and not url:
        section.error(
            "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
            "proxy_connect_header",
        )
    if from_environment and url:
        section.error(
            "if proxy_from_environment is configured, proxy_url must not be configured", "proxy_url"
        )
    if from_environment and section["no_proxy"]:
        section.error("if proxy_from_environment is configured, no_proxy must not be configured", "no_proxy")
    if not url and section["no_proxy"] and "proxy_url" not in section.failed:
        section.error("if no_proxy is configured, proxy_url must also be configured", "no_proxy")


PROXY_HEADERS = MapKind(SECRETS, go_type="config.ProxyHeader")


class OAuth2(Settings, go_type="config.plain"):
    """How a token is fetched for the requests."""

    client_id: str = setting(TEXT, "Client id (required).")
    client_secret: Secret = setting(SECRET, "Client secret.")
    client_secret_file: str = setting(PATH, "File that holds the client secret.")
    client_secret_ref: str = setting(TEXT, "Name of the client secret in a secret manager.")
    client_certificate_key_id: str = setting(TEXT, "Id of the key that signs the assertion.")
    client_certificate_key: Secret = setting(SECRET, "Key that signs the assertion, in PEM form.")
    client_certificate_key_file: str = setting(PATH, "File of the key that signs the assertion.")
    client_certificate_key_ref: str = setting(TEXT, "Name of the signing key in a secret manager.")
    grant_type: str = setting(TEXT, f"client_credentials (default) or {JWT_BEARER}.")
    signature_algorithm: str = setting(TEXT, "RS256 (default), RS384 or RS512.")
    iss: str = setting(TEXT, "Issuer of the assertion; the client id by default.")
    audience: str = setting(TEXT, "Audience of the assertion; the token URL by default.")
    claims: Mapping[str, Any] = setting(MapKind(FREE), "More claims of the assertion.")
    scopes: tuple[str, ...] = setting(TEXTS, "Scopes to ask for.")
    token_url: str = setting(TEXT, "URL to fetch the token from (required).")
    endpoint_params: Mapping[str, str] = setting(TEXT_MAP, "More parameters of the token request.")
    tls_config: TLSConfig = setting(SectionKind(TLSConfig), "TLS of the token request.", default=TLSConfig())
    proxy_url: str = setting(URL, "Proxy of the token request.")
    no_proxy: str = setting(TEXT, "Hosts that are reached without the proxy.")
    proxy_from_environment: bool = setting(BOOL, "Take the proxy from the environment.")
    proxy_connect_header: Mapping[str, tuple[Secret, ...]] = setting(
        PROXY_HEADERS, "Headers of CONNECT requests."
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        for name in ("client_id", "token_url"):
            if not section[name] and name not in section.failed:
                section.error(f"oauth2 {name} must be configured", name)
        if section["grant_type"] == JWT_BEARER:
            at_most_one(
                section,
                "at most one of oauth2 client_certificate_key, client_certificate_key_file & client_certificate_key_ref"
                f" must be configured using grant-type={JWT_BEARER}",
                "client_certificate_key", "client_certificate_key_file", "client_certificate_key_ref",
            )  # fmt: skip
            if section["signature_algorithm"] and section["signature_algorithm"] not in SIGNATURE_ALGORITHMS:
                section.error("valid signature algorithms are RS256, RS384 and RS512", "signature_algorithm")
        else:
            at_most_one(
                section,
                "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured"
                " using grant-type=client_credentials",
                "client_secret", "client_secret_file", "client_secret_ref",
            )  # fmt: skip
        check_proxy(section)


class HTTPClientConfig(Settings, go_type="config.plain"):
    """The HTTP client block that jobs, discoveries, alertmanagers and remote endpoints have inline."""

    basic_auth: BasicAuth | None = setting(
        SectionKind(BasicAuth, optional=True), "HTTP basic authentication."
    )
    authorization: Authorization | None = setting(
        SectionKind(Authorization, optional=True), "The Authorization header."
    )
    oauth2: OAuth2 | None = setting(SectionKind(OAuth2, optional=True), "Credentials by OAuth 2.0.")
    bearer_token: Secret = setting(SECRET, "Bearer token.", deprecated="use authorization.credentials")
    bearer_token_file: str = setting(
        PATH, "File that holds the bearer token.", deprecated="use authorization.credentials_file"
    )
    tls_config: TLSConfig = setting(SectionKind(TLSConfig), "TLS settings.", default=TLSConfig())
    follow_redirects: bool = setting(BOOL, "Follow redirects.", default=True, always=True)
    enable_http2: bool = setting(BOOL, "Use HTTP/2 where the server offers it.", default=True, always=True)
    proxy_url: str = setting(URL, "Proxy.")
    no_proxy: str = setting(TEXT, "Hosts that are reached without the proxy.")
    proxy_from_environment: bool = setting(BOOL, "Take the proxy from the environment.")
    proxy_connect_header: Mapping[str, tuple[Secret, ...]] = setting(
        PROXY_HEADERS, "Headers of CONNECT requests."
    )
    http_headers: Mapping[str, HTTPHeader] = setting(
        MapKind(SectionKind(HTTPHeader), go_type="config.Headers"), "More headers of each request."
    )

    @classmethod
    def finish(cls, section: Section) -> None:
        _check_auth(section)
        check_proxy(section)
        for name in section["http_headers"]:
            canonical = "-".join(part.capitalize() for part in name.split("-"))
            if canonical in RESERVED_HEADERS:
                section.error(f"setting header {quoted(canonical)} is not allowed", "http_headers")


def _check_auth(section: Section) -> None:
    token, token_file = section["bearer_token"], section["bearer_token_file"]
    token_field = "bearer_token_file" if token_file else "bearer_token"
    other = section["basic_auth"] is not None or section["oauth2"] is not None
    if token and token_file:
        section.error(
            "at most one of bearer_token & bearer_token_file must be configured",
            "bearer_token_file",
            problem_id="conflicting-fields",
        )
    if other and (token or token_file):
        section.error(
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
            token_field,
            problem_id="conflicting-fields",
        )
    if section["authorization"] is not None and (token or token_file):
        section.error(
            "authorization is not compatible with bearer_token & bearer_token_file",
            token_field,
            problem_id="conflicting-fields",
        )
    given = [name for name in ("basic_auth", "oauth2", "authorization") if section[name] is not None]
    if len(given) > 1:
        section.error(
            "at most one of basic_auth, oauth2 & authorization must be configured",
            max(given, key=lambda name: _place(section, name)),
            problem_id="conflicting-fields",
            hint=f"keep one of {', '.join(given)}",
        )
    if section["authorization"] is None and (token or token_file):
        section.values["authorization"] = Authorization(
            credentials=Secret("") if token_file else token, credentials_file=token_file
        )
    section.values["bearer_token"] = Secret("")
    section.values["bearer_token_file"] = ""


HTTP = SectionKind(HTTPClientConfig)
DEFAULT_HTTP = HTTPClientConfig()
NO_HTTP2 = HTTPClientConfig(enable_http2=False)


def http_block() -> Any:
    """The `http` field of a settings class: the client block's keys stand inline."""
    return setting(HTTP, "The HTTP client.", default=DEFAULT_HTTP, inline=True)
