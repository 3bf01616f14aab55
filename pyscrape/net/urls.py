"""URLs as texts of a configuration: what Go's parser refuses, and how they are printed."""

from pyscrape.model.names import quoted


def url_mistake(text: str) -> str:
    """What Go's URL parser says about a text that it refuses, or ""."""
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in text):
        return "net/url: invalid control character in URL"
    scheme, colon, rest = text.partition(":")
    if not colon:
        return _escape_mistake(text)
    if not scheme:
        return "missing protocol scheme"
    if "/" in scheme or "?" in scheme or "#" in scheme:
        return ""
    if not scheme[0].isalpha() or not scheme[0].isascii():
        return "first path segment in URL cannot contain colon"
    if not all(c.isascii() and (c.isalnum() or c in "+-.") for c in scheme):
        return "first path segment in URL cannot contain colon"
    if rest.startswith("//"):
        authority = rest[2:].split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
        return _authority_mistake(authority) or _escape_mistake(rest[2 + len(authority) :])
    return ""


def _authority_mistake(authority: str) -> str:
    host = authority.rpartition("@")[2]
    if any(c in host for c in ' "<>\\^`{|}'):
        return f"invalid character {quoted(next(c for c in host if c in ' <>^`{|}' + chr(34) + chr(92)))} in host name"
    if host.startswith("["):
        end = host.rfind("]")
        if end < 0:
            return "missing ']' in host"
        port = host[end + 1 :]
    else:
        colon = host.rfind(":")
        port = host[colon:] if colon >= 0 else ""
    if port and not (port[0] == ":" and (not port[1:] or (port[1:].isascii() and port[1:].isdigit()))):
        return f"invalid port {quoted(port)} after host"
    return ""


def _escape_mistake(path: str) -> str:
    position = path.find("%")
    while position >= 0:
        escape = path[position : position + 3]
        if len(escape) < 3 or not all(c in "0123456789abcdefABCDEF" for c in escape[1:]):
            return f"invalid URL escape {quoted(escape)}"
        position = path.find("%", position + 1)
    return ""


def redacted_url(url: str) -> str:
    """The URL with its password as `xxxxx`."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    userinfo, at, host = authority.rpartition("@")
    if not separator or not at or ":" not in userinfo:
        return url
    return f"{scheme}://{userinfo.partition(':')[0]}:xxxxx@{host}{slash}{path}"
