"""`/api/v1/write`: the receiver of remote write 1.0, behind `--web.enable-remote-write-receiver`.

Source: the Prometheus Remote-Write 1.0 specification and Prometheus' receiver: 204 when all was taken; 400 when a
sample is refused for good (the good ones are kept); 415 for another content type or encoding.
"""

import asyncio

from pyscrape.remote.receive import BadWriteError, Receiver
from pyscrape.store.journal import NotDurableError
from pyscrape.web.answers import Answer, text
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import Services

MOST_BODY_BYTES = 32 << 20
DISABLED = "remote write receiver needs to be enabled with --web.enable-remote-write-receiver"


class WriteApi:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._receiver = Receiver(services.store)

    def mounts(self) -> list[Mount]:
        return [Mount("/api/v1/write", self.write, ("POST",), most_body_bytes=MOST_BODY_BYTES)]

    async def write(self, call: Call) -> Answer:
        # On the loop: the store's tables belong to its thread, and a request of 10,000 samples takes some 5 ms.
        if not self._services.options.enable_receiver:
            return text(DISABLED, 404)
        refused = _unsupported(call.headers)
        if refused:
            return text(refused, 415)
        try:
            received = self._receiver.write(call.body, round(self._services.now_s() * 1000))
        except BadWriteError as error:
            return text(str(error), 400)
        if received.error:
            return text(received.error, 400)
        try:
            # With a storage path: what is acknowledged is on disk.
            await asyncio.wrap_future(self._services.store.commit())
        except NotDurableError as error:
            return text(f"storage: {error}", 500)
        return Answer(b"", 204, "text/plain")


def _unsupported(headers: dict[str, str]) -> str:
    """Why a request's form is refused; empty when it is remote write 1.0. No Content-Type counts as 1.0."""
    kind, *parameters = (part.strip() for part in headers.get("content-type", "").split(";"))
    encoding = headers.get("content-encoding", "snappy")
    if kind not in {"", "application/x-protobuf"}:
        return f"expected application/x-protobuf as the first (media) part, got {kind} content-type"
    if any(p.startswith("proto=") and p != "proto=prometheus.WriteRequest" for p in parameters):
        return (
            "remote write 2.0 (io.prometheus.write.v2.Request) is not supported; send prometheus.WriteRequest"
        )
    if encoding != "snappy":
        return f"{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable"
    return ""
