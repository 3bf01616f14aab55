"""What the flags and the machine say, put into the form that the parts take."""

import json
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from pyscrape.app.flags import Flags
from pyscrape.app.web_config import read_web_settings
from pyscrape.model.regex import RegexError, compile_re2
from pyscrape.web.services import WebOptions

CONFIG_NAME = "prometheus.yml"
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class SettingsError(ValueError):
    """A flag asks for something that cannot be; the text says which and what to do."""


def memory_limit_bytes() -> int:
    """The memory that this process may use: the control group's limit, else the machine's memory."""
    pages = (
        re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        if Path("/proc/meminfo").exists()
        else None
    )
    limits = [int(pages[1]) * 1024] if pages else [1 << 30]
    for path in _CGROUP_LIMITS:
        try:
            limits.append(int(path.read_text()))
        except (OSError, ValueError):
            continue  # no such control group, or "max"
    return min(limits)


def listen_addresses(flags: Flags) -> list[tuple[str, int]]:
    """`--web.listen-address` as (host, port); an empty host listens on every address.

    Raises:
        SettingsError: an address is not host:port.
    """
    found = []
    for text in flags.many("web.listen-address"):
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535:
            raise SettingsError(
                f"--web.listen-address: expected host:port such as 127.0.0.1:9090, got {text!r}"
            )
        found.append((host.strip("[]"), int(port)))
    return found


def own_address(flags: Flags) -> str:
    """host:port under which this server reaches itself."""
    host, port = listen_addresses(flags)[0]
    host = "localhost" if host in {"", "0.0.0.0", "::"} else host  # noqa: S104  # compared, not bound
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def default_config(flags: Flags) -> str:
    """The configuration of a run that was given none: it scrapes itself.

    Raises:
        ConfigError, OSError: as `read_web_settings`, which says whether it answers by TLS.
    """
    web_config = flags.text("web.config.file")
    secure = web_config and read_web_settings(web_config).tls_server_config is not None
    # Its certificate is for the name that others know it by.
    scheme = "    scheme: https\n    tls_config: {insecure_skip_verify: true}\n" if secure else ""
    return (
        "global:\n  scrape_interval: 15s\nscrape_configs:\n  - job_name: prometheus\n"
        f"    metrics_path: {json.dumps(f'{route_prefix(flags)}/metrics')}\n{scheme}"
        f"    static_configs:\n      - targets: ['{own_address(flags)}']\n"
    )


def route_prefix(flags: Flags) -> str:
    """`--web.route-prefix`, by default the path of the external URL: `/prom`, or "" for none.

    Raises:
        SettingsError: the external URL is none.
    """
    prefix = (flags.text("web.route-prefix") or urlsplit(external_url(flags)).path).strip("/")
    return f"/{prefix}" if prefix else ""


def external_url(flags: Flags) -> str:
    """`--web.external-url` as a whole URL without a slash at its end; by default this host's name and port.

    Raises:
        SettingsError: it is no http URL.
    """
    given = flags.text("web.external-url")
    port = listen_addresses(flags)[0][1]
    if not given:
        return f"http://{socket.gethostname()}:{port}"
    if given.startswith("/"):
        given = f"http://{socket.gethostname()}:{port}{given}"
    url = urlsplit(given)
    if url.scheme not in {"http", "https"} or not url.netloc:
        raise SettingsError(f"--web.external-url: expected http://host/path, got {given!r}")
    return given.rstrip("/")


def web_options(flags: Flags) -> WebOptions:
    """The `--web.*` flags.

    Raises:
        SettingsError: a URL or the CORS regex is not one.
    """
    url = external_url(flags)
    try:
        origin = compile_re2(flags.text("web.cors.origin"))
    except RegexError as error:
        raise SettingsError(f"--web.cors.origin: {error}") from error
    return WebOptions(
        enable_lifecycle=flags.on("web.enable-lifecycle"),
        enable_admin_api=flags.on("web.enable-admin-api"),
        enable_receiver=flags.on("web.enable-remote-write-receiver"),
        accepted_messages=flags.many("web.remote-write-receiver.accepted-protobuf-messages"),
        page_title=flags.text("web.page-title"),
        cors_origin=origin,
        prefix=route_prefix(flags),
        external_url=url,
        query_timeout_s=flags.number("query.timeout") / 1000,
        lookback_ms=flags.number("query.lookback-delta"),
        storage_path=flags.text("storage.tsdb.path"),
        max_concurrency=flags.number("query.max-concurrency"),
    )
