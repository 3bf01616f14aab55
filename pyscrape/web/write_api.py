"""`/api/v1/write`: the receiver of remote write 1.0, behind `--web.enable-remote-write-receiver`.

Source: the Prometheus Remote-Write 1.0 specification and Prometheus' receiver: 204 when all was taken; 400 when a
sample is refused for good (the good ones are kept); 415 for another content type or encoding.
"""

import asyncio

from pyscrape.remote.receive import BadWriteError, Receiver, decompressed, slices
from pyscrape.store.journal import NotDurableError
from pyscrape.web.answers import Answer, text
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import Services

MOST_BODY_BYTES = 32 << 20
SLICE_BYTES = 1 << 18
"""Of a request that is not compressed any more: some 2,500 samples."""
LONG_BODY_BYTES = 1 << 16
DISABLED = "remote write receiver needs to be enabled with --web.enable-remote-write-receiver"


class WriteApi:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._receiver = Receiver(services.store)
        self._turn = asyncio.Lock()

    def mounts(self) -> list[Mount]:
        return [Mount("/api/v1/write", self.write, ("POST",), most_body_bytes=MOST_BODY_BYTES)]

    async def write(self, call: Call) -> Answer:
        """Append a request's samples on the loop, to whose thread tables belong, in slices of some milliseconds.

        Requests are taken one after the other, in the order in which they came: slices of two never mix.
        """
        if not self._services.options.enable_receiver:
            return text(DISABLED, 404)
        refused = _unsupported(call.header("content-type"), call.header("content-encoding", "snappy"))
        if refused:
            return text(refused, 415)
        try:
            async with self._turn:
                error = await self._append(call.body)
            if error:
                return text(error, 400)
            # With a storage path: what is acknowledged is on disk.
            await asyncio.wrap_future(self._services.store.commit())
        except BadWriteError as error:
            return text(str(error), 400)
        except NotDurableError as error:
            return text(f"storage: {error}", 500)
        return Answer(b"", 204, "text/plain")

    async def _append(self, body: bytes) -> str:
        """Why samples were refused; empty when all were taken."""
        now_ms = round(self._services.now_s() * 1000)
        long = len(body) > LONG_BODY_BYTES
        errors = []
        for piece in await asyncio.to_thread(_pieces, body) if long else _pieces(body):
            errors.append(self._receiver.append(piece, now_ms).error)
            await asyncio.sleep(0)
        return next(filter(None, errors), "")


def _pieces(body: bytes) -> list[bytes]:
    return list(slices(decompressed(body), SLICE_BYTES))


def _unsupported(content_type: str, encoding: str) -> str:
    """Why a request's form is refused; empty when it is remote write 1.0. No Content-Type counts as 1.0."""
    kind, *parameters = (part.strip() for part in content_type.split(";"))
    if kind not in {"", "application/x-protobuf"}:
        return f"expected application/x-protobuf as the first (media) part, got {kind} content-type"
    if any(p.startswith("proto=") and p != "proto=prometheus.WriteRequest" for p in parameters):
        return (
            "remote write 2.0 (io.prometheus.write.v2.Request) is not supported; send prometheus.WriteRequest"
        )
    if encoding != "snappy":
        return f"{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
    return ""
