"""`/api/v1/write`: the receiver of remote write 1.0 and 2.0, behind `--web.enable-remote-write-receiver`.

Source: the Prometheus Remote-Write specifications and Prometheus' receiver: 204 when all was taken; 400 when a sample
is refused for good (the good ones are kept); 415 for another content type or encoding. Answers to 2.0 say in headers
how much was written, and refuse invalid labels, which 1.0 passes over.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from pyscrape.remote.receive import BadWriteError, Receiver, decompressed, slices
from pyscrape.remote.receive2 import as_version_1
from pyscrape.remote.settings import PROTOBUF_V1, PROTOBUF_V2
from pyscrape.store.journal import NotDurableError
from pyscrape.web.answers import Answer, text
from pyscrape.web.routes import Call, Mount
from pyscrape.web.services import Services

logger = logging.getLogger("pyscrape.web")

MOST_BODY_BYTES = 32 << 20
SLICE_BYTES = 1 << 18
"""Of a request that is not compressed any more: some 2,500 samples."""
LONG_BODY_BYTES = 1 << 16
DISABLED = "remote write receiver needs to be enabled with --web.enable-remote-write-receiver"


@dataclass(slots=True)
class Outcome:
    """What became of a request: samples written, and why others were not."""

    written: int = 0
    errors: list[str] = field(default_factory=list)

    def headers(self) -> dict[str, str]:
        """What an answer to 2.0 says. Exemplars and histograms that are sent here are not kept."""
        counts = {"Samples": self.written, "Histograms": 0, "Exemplars": 0}
        return {f"X-Prometheus-Remote-Write-{kind}-Written": str(count) for kind, count in counts.items()}


class WriteApi:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._receiver = Receiver(services.store)
        self._turn = asyncio.Lock()
        self._histograms_came = False

    def mounts(self) -> list[Mount]:
        return [Mount("/api/v1/write", self.write, ("POST",), most_body_bytes=MOST_BODY_BYTES)]

    async def write(self, call: Call) -> Answer:
        """Append a request's samples on the loop, to whose thread tables belong, in slices of some milliseconds.

        Requests are taken one after the other, in the order in which they came: slices of two never mix.
        """
        options = self._services.options
        if not options.enable_receiver:
            return text(DISABLED, 404)
        message, refused = _message(call.header("content-type"), call.header("content-encoding", "snappy"))
        if not refused and message not in options.accepted_messages:
            accepted = " ".join(options.accepted_messages)
            refused = f"{message} protobuf message is not accepted by this server; accepted [{accepted}]"
        if refused:
            return text(refused, 415)
        outcome = Outcome()
        status, said = await self._take(call.body, message, outcome)
        headers = outcome.headers() if message == PROTOBUF_V2 else {}
        return Answer(said.encode(), status, "text/plain; charset=utf-8" if said else "text/plain", headers)

    async def _take(self, body: bytes, message: str, outcome: Outcome) -> tuple[int, str]:
        """Status and text of the answer."""
        try:
            async with self._turn:
                await self._append(body, message, outcome)
            if outcome.errors:
                return 400, outcome.errors[0]
            # With a storage path: what is acknowledged is on disk.
            await asyncio.wrap_future(self._services.store.commit())
        except BadWriteError as error:
            return 400, str(error)
        except NotDurableError as error:
            return 500, f"storage: {error}"
        return 204, ""

    async def _append(self, body: bytes, message: str, outcome: Outcome) -> None:
        now_ms = round(self._services.now_s() * 1000)
        long = len(body) > LONG_BODY_BYTES
        pieces = _PIECES[message]
        for piece in await asyncio.to_thread(pieces, body) if long else pieces(body):
            found = self._receiver.append(piece, now_ms)
            outcome.written += found.written
            if found.unsupported and not self._histograms_came:
                self._histograms_came = True
                logger.warning("Remote write brings native histograms, which are not supported and not kept")
            if found.error:
                outcome.errors.append(found.error)
            if found.invalid_series and message == PROTOBUF_V2:
                outcome.errors.append(found.invalid_series[0])
            await asyncio.sleep(0)


def _pieces_of_1(body: bytes) -> list[bytes]:
    return list(slices(decompressed(body), SLICE_BYTES))


def _pieces_of_2(body: bytes) -> list[bytes]:
    return list(slices(as_version_1(decompressed(body)), SLICE_BYTES))


_PIECES: dict[str, Callable[[bytes], list[bytes]]] = {PROTOBUF_V1: _pieces_of_1, PROTOBUF_V2: _pieces_of_2}


def _message(content_type: str, encoding: str) -> tuple[str, str]:
    """The message that a request says it is, and why its form is refused. No Content-Type counts as 1.0."""
    kind, *parameters = (part.strip() for part in content_type.split(";"))
    message = next((p.removeprefix("proto=") for p in parameters if p.startswith("proto=")), PROTOBUF_V1)
    if kind not in {"", "application/x-protobuf"}:
        return message, f"expected application/x-protobuf as the first (media) part, got {kind} content-type"
    if message not in _PIECES:
        return (
            message,
            f"unknown type for remote write protobuf message {message}, supported: {', '.join(_PIECES)}",
        )
    if encoding != "snappy":
        return (
            message,
            f"{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable",
        )
    return message, ""
