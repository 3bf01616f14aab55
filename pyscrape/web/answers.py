"""The envelope of the HTTP API: success or error as JSON, with Prometheus' codes, types and limits.

Source: Prometheus' documentation of the HTTP API ("Format overview") and features.md section 6.
"""

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import orjson
from starlette.types import Receive, Send

MOST_ANNOTATIONS = 10
GZIP_FROM_BYTES = 1400
ROWS_OF_PIECE = 1000
BYTES_OF_PIECE = 1 << 18
WITHOUT_BODY = {204, 304}

_ZERO = re.compile(r"q\s*=\s*0(\.0*)?")

STATUS_OF_ERROR = {
    "bad_data": 400,
    "not_found": 404,
    "not_acceptable": 406,
    "execution": 422,
    "canceled": 499,
    "timeout": 503,
    "internal": 500,
    "unavailable": 500,
}


class ApiError(Exception):
    """An answer with status "error": `kind` is one of `STATUS_OF_ERROR`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    @classmethod
    def parameter(cls, name: str, reason: object) -> "ApiError":
        """`invalid parameter "step": ...`, the form of every bad parameter."""
        return cls("bad_data", f'invalid parameter "{name}": {reason}')


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response: status, body and its media type. A long body comes in `pieces`, and `body` is empty."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body) + sum(map(len, self.pieces))

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI takes them."""
        found = encoded(self.headers)
        if self.status not in WITHOUT_BODY:
            found.append((b"content-length", b"%d" % self.size))
            found.append((b"content-type", self.media_type.encode("latin-1")))
        return found


@dataclass(frozen=True, slots=True)
class Stream:
    """A response without an end: its pieces as they come, until there are no more or the client has left."""

    pieces: AsyncGenerator[bytes, None]
    media_type: str
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI takes them."""
        return [*encoded(self.headers), (b"content-type", self.media_type.encode("latin-1"))]

    async def pour(self, receive: Receive, send: Send) -> None:
        """Send the pieces."""
        leaving = asyncio.create_task(_left(receive), name="client of a stream")
        try:
            while True:
                coming = asyncio.ensure_future(anext(self.pieces, b""))
                await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
                    break
                if not (piece := coming.result()):
                    break
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            leaving.cancel()
            await self.pieces.aclose()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI takes them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def at_most(annotations: Sequence[str], kind: str) -> list[str]:
    """The first ten annotations and a line that counts the rest, as Prometheus cuts them."""
    kept = list(annotations[:MOST_ANNOTATIONS])
    left = len(annotations) - len(kept)
    return [*kept, f"{left} more {kind} annotations omitted"] if left > 0 else kept


def success(data: object, warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> Answer:
    """`{"status": "success", "data": ...}`; `data` may hold `orjson.Fragment`s that are JSON already."""
    envelope: dict[str, object] = {"status": "success", "data": data}
    if warnings:
        envelope["warnings"] = at_most(warnings, "warning")
    if infos:
        envelope["infos"] = at_most(infos, "info")
    return Answer(orjson.dumps(envelope))


def success_of(data: Iterable[bytes], warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> Answer:
    """The envelope around `data`, which is JSON in pieces."""
    parts = [b'{"status":"success","data":', *data]
    if warnings:
        parts.append(b',"warnings":' + orjson.dumps(at_most(warnings, "warning")))
    if infos:
        parts.append(b',"infos":' + orjson.dumps(at_most(infos, "info")))
    parts.append(b"}")
    return in_pieces(parts)


def in_pieces(parts: Sequence[bytes], media_type: str = "application/json") -> Answer:
    """An answer whose body are `parts`, put together to pieces of some size."""
    pieces: list[bytes] = []
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= BYTES_OF_PIECE:
            pieces.append(b"".join(waiting))
            waiting, size = [], 0
    rest = b"".join(waiting)
    if not pieces:
        return Answer(rest, media_type=media_type)
    return Answer(b"", media_type=media_type, pieces=(*pieces, rest) if rest else tuple(pieces))


def failure(error: ApiError) -> Answer:
    """`{"status": "error", ...}` with the code that belongs to the error's kind."""
    body = {"status": "error", "errorType": error.kind, "error": error.message}
    return Answer(orjson.dumps(body), STATUS_OF_ERROR[error.kind])


def rows(items: Iterable[object]) -> orjson.Fragment:
    """A JSON list, made in pieces: in a worker thread the loop gets its turn between them."""
    each = iter(items)
    pieces = []
    while piece := list(islice(each, ROWS_OF_PIECE)):
        pieces.append(orjson.dumps(piece)[1:-1])
    return orjson.Fragment(b"[" + b",".join(pieces) + b"]")


def text(body: str, status: int = 200) -> Answer:
    return Answer(body.encode(), status, "text/plain; charset=utf-8")


def not_ready(stopping: bool) -> Answer:
    """What is answered before the start is done and once the end began."""
    headers = {"X-Prometheus-Stopping": str(stopping).lower()}
    return Answer(b"Service Unavailable", 503, "text/plain; charset=utf-8", headers)


def accepted_encodings(header: str) -> set[str]:
    """The encodings that an Accept-Encoding header names and does not refuse by a quality of 0.

    >>> sorted(accepted_encodings("gzip;q=0.5, deflate; q=0, br"))
    ['br', 'gzip']
    """
    found = set()
    for part in header.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if not any(_ZERO.fullmatch(parameter) for parameter in parameters):
            found.add(name)
    return found


def compressed(answer: Answer, accept_encoding: str) -> Answer:
    """`answer` in gzip or deflate where the client takes it and it is long enough to be worth it."""
    if answer.size < GZIP_FROM_BYTES or "Content-Encoding" in answer.headers:
        return answer
    accepted = accepted_encodings(accept_encoding)
    for name, window in (("gzip", 31), ("deflate", 15)):
        if name in accepted:
            packer = zlib.compressobj(1, zlib.DEFLATED, window)
            packed = [packer.compress(piece) for piece in (answer.body, *answer.pieces)]
            small = in_pieces([*packed, packer.flush()])
            headers = answer.headers | {"Content-Encoding": name, "Vary": "Accept-Encoding"}
            return Answer(small.body, answer.status, answer.media_type, headers, small.pieces)
    return answer
