"""What a configuration can say about the discoveries that ask a server of their own: HTTP, DNS, Consul."""

import re
from collections.abc import Mapping
from typing import Any

from pyscrape.discovery.settings import check_interval
from pyscrape.model.duration import Duration
from pyscrape.model.kinds import BOOL, DURATION, INT, SECRET, TEXT, TEXT_MAP, TEXTS, TextKind
from pyscrape.model.names import quoted
from pyscrape.model.settings import Secret, Section, Settings, setting
from pyscrape.net.settings import BasicAuth, HTTPClientConfig, http_block
from pyscrape.net.urls import redacted_url, url_mistake


class _PrintedURL(TextKind):
    """A URL that `finish` checks; printed with its password hidden, which Prometheus does not do here."""

    def dump(self, value: Any) -> Any:
        return redacted_url(value)


class HTTPSDConfig(Settings, go_type="http.plain"):
    """Targets from an HTTP endpoint that answers JSON."""

    http: HTTPClientConfig = http_block()
    refresh_interval: Duration = setting(
        DURATION, "How often to ask; also the request's timeout.", default=Duration(60_000)
    )
    url: str = setting(_PrintedURL(), "URL of the endpoint (required).", always=True)

    @classmethod
    def finish(cls, section: Section) -> None:
        check_interval(section)
        url = section["url"]
        if not url:
            if "url" not in section.failed:
                section.error("URL is missing", "url")
            return
        scheme, separator, rest = url.partition("://")
        if message := url_mistake(url):
            section.error(f"parse {quoted(url)}: {message}", "url", problem_id="bad-url")
        elif scheme.lower() not in {"http", "https"} or not url.startswith(scheme + ":"):
            section.error("URL scheme must be 'http' or 'https'", "url", problem_id="bad-url")
        elif not separator or not re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]:
            section.error("host is missing in URL", "url", problem_id="bad-url")


class DNSSDConfig(Settings, go_type="dns.plain"):
    """Targets from DNS records."""

    names: tuple[str, ...] = setting(TEXTS, "DNS names to look up (required).", always=True)
    refresh_interval: Duration = setting(DURATION, "How often to look up.", default=Duration(30_000))
    type: str = setting(TEXT, "Record type: SRV, A, AAAA, MX or NS.", default="SRV", always=True)
    port: int = setting(INT, "Port of the targets (not for SRV).", always=True)

    @classmethod
    def finish(cls, section: Section) -> None:
        check_interval(section)
        if not section["names"] and "names" not in section.failed:
            section.error("DNS-SD config must contain at least one SRV record name", "names")
        kind = section["type"].upper()
        if kind in {"A", "AAAA", "MX", "NS"}:
            if not section["port"] and "port" not in section.failed:
                section.error("a port is required in DNS-SD configs for all record types except SRV", "port")
        elif kind != "SRV":
            section.error(f"invalid DNS-SD records type {section['type']}", "type")


class ConsulSDConfig(Settings, go_type="consul.plain"):
    """Targets from Consul's catalog. `username` and `password` (deprecated) are in `http.basic_auth` afterwards."""

    server: str = setting(TEXT, "Address of the Consul agent.", default="localhost:8500")
    path_prefix: str = setting(TEXT, "Path prefix of the API.")
    token: Secret = setting(SECRET, "ACL token.")
    datacenter: str = setting(TEXT, "Datacenter.")
    namespace: str = setting(TEXT, "Namespace (Consul Enterprise).")
    partition: str = setting(TEXT, "Admin partition (Consul Enterprise).")
    tag_separator: str = setting(TEXT, "What stands between tags in __meta_consul_tags.", default=",")
    scheme: str = setting(TEXT, "http or https.", default="http")
    username: str = setting(TEXT, "User name.", deprecated="use basic_auth")
    password: Secret = setting(SECRET, "Password.", deprecated="use basic_auth")
    allow_stale: bool = setting(BOOL, "Allow answers that are not the newest.", default=True, always=True)
    refresh_interval: Duration = setting(
        DURATION, "Shortest time between two updates.", default=Duration(30_000)
    )
    services: tuple[str, ...] = setting(TEXTS, "Services to find; all when empty.")
    tags: tuple[str, ...] = setting(TEXTS, "Tags that a service must have.")
    node_meta: Mapping[str, str] = setting(TEXT_MAP, "Metadata that a node must have.")
    filter: str = setting(TEXT, "Filter expression of the catalog.")
    health_filter: str = setting(TEXT, "Filter expression of the health endpoint.")
    http: HTTPClientConfig = http_block()

    @classmethod
    def finish(cls, section: Section) -> None:
        if not section["server"].strip():
            section.error("consul SD configuration requires a server address", "server")
        if section["username"] or section["password"]:
            _consul_user(section)
        if section["token"] and (section.given("authorization") or section["oauth2"] is not None):
            section.error(
                "at most one of consul SD token, authorization, or oauth2 can be configured", "token"
            )

    @staticmethod
    def user_field(section: Section) -> str:
        """The deprecated field that gives the user."""
        return "username" if section["username"] else "password"


def _consul_user(section: Section) -> None:
    at = ConsulSDConfig.user_field(section)
    if section["basic_auth"] is not None:
        section.error(
            "at most one of consul SD configuration username and password and basic auth can be configured",
            at,
        )
        return
    if section["authorization"] is not None or section["oauth2"] is not None:
        section.error("at most one of basic_auth, oauth2 & authorization must be configured", at)
    section.values["basic_auth"] = BasicAuth(username=section["username"], password=section["password"])
    section.values["username"] = ""
    section.values["password"] = Secret("")
