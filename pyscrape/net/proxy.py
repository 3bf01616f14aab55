"""Which proxy a request goes through: the config's `proxy_url` with `no_proxy`, or the environment's.

`no_proxy` is matched as Go's httpproxy does it: hosts with their subdomains, addresses, CIDR ranges, ports, `*`.
"""

import os
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit


def proxy_for(
    url: str, *, proxy_url: str = "", no_proxy: str = "", from_environment: bool = False
) -> str | None:
    """The proxy's URL for `url`, None for a direct connection.

    >>> proxy_for("http://a.local/x", proxy_url="http://p:3128", no_proxy="local"), proxy_for("http://b/")
    (None, None)
    """
    parts = urlsplit(url)
    if from_environment:
        environment = {name.lower(): value for name, value in os.environ.items() if value}
        proxy_url = environment.get(f"{parts.scheme}_proxy", "")
        no_proxy = environment.get("no_proxy", "")
    # Go's httpproxy never asks a proxy for this machine; Prometheus uses it for all but a `proxy_url` alone.
    local = parts.hostname == "localhost" or _is_loopback(parts.hostname or "")
    if local and (from_environment or no_proxy):
        return None
    if not proxy_url or excluded(parts.hostname or "", parts.port, no_proxy):
        return None
    return proxy_url if "://" in proxy_url else f"http://{proxy_url}"


def excluded(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether `no_proxy` names the host.

    >>> excluded("10.1.2.3", 80, "10.0.0.0/8"), excluded("b.example.com", 80, ".example.com")
    (True, True)
    """
    host = host.lower()
    return any(_names(entry.strip().lower(), host, port) for entry in no_proxy.split(",") if entry.strip())


def _names(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return ip_address(host) in ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, wanted_port = entry.rpartition(":")
    if colon and wanted_port.isdigit() and "]" not in wanted_port and name.count(":") == 0:
        if port != int(wanted_port):
            return False
        entry = name
    entry = entry.strip("[]")
    if entry.startswith("*."):
        entry = entry[1:]
    if entry.startswith("."):
        return host.endswith(entry)
    return host == entry or host.endswith("." + entry)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
