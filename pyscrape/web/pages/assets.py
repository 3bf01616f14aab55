"""Static files under names with their content's hash, so that browsers may keep them for ever.

`/static/HASH/NAME`. Files are read and packed once, at first use; a wrong hash still gets today's file, uncached, so
that a page loaded before an upgrade goes on working.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pyscrape.web.answers import Answer, text
from pyscrape.web.routes import Call, Mount

MEDIA_TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: plain and in gzip, its media type and the hash that is its ETag."""

    plain: bytes
    packed: bytes
    media_type: str
    digest: str


@cache
def asset(name: str) -> Asset:
    """The static file of that name.

    Raises:
        FileNotFoundError: there is none.
    """
    media_type = MEDIA_TYPES.get(name.rpartition(".")[2])
    source = files("pyscrape.web") / "static" / name
    if media_type is None or "/" in name or "\\" in name or not source.is_file():
        raise FileNotFoundError(name)
    plain = source.read_bytes()
    digest = hashlib.blake2b(plain, digest_size=8).hexdigest()
    return Asset(plain, gzip.compress(plain, 9, mtime=0), media_type, digest)


def asset_path(name: str) -> str:
    """The path below the prefix at which `name` is served."""
    return f"/static/{asset(name).digest}/{name}"


def serve(call: Call) -> Answer:
    """Answer with a file, or 304 to a browser that has it."""
    try:
        found = asset(call.path["name"])
    except FileNotFoundError:
        return text("404 page not found\n", 404)
    tag = f'"{found.digest}"'
    headers = {
        "ETag": tag,
        "Cache-Control": FOR_EVER if call.path["digest"] == found.digest else "no-cache",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if tag in call.header("if-none-match"):
        return Answer(b"", 304, found.media_type, headers)
    if "gzip" in call.header("accept-encoding"):
        return Answer(found.packed, 200, found.media_type, headers | {"Content-Encoding": "gzip"})
    return Answer(found.plain, 200, found.media_type, headers | {"Content-Encoding": "identity"})


def mounts() -> list[Mount]:
    return [Mount("/static/{digest}/{name}", serve)]
