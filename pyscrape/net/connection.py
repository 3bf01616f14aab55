"""One HTTP/1.1 connection as an asyncio protocol: bytes of a request out, one `Reply` in, and again.

Reading is arranged so that a body is copied as rarely as Python allows: the head is read into a buffer that all
connections share (a read is handled before the next one begins), a body of known length straight into the bytes
object that is handed out, compressed bodies straight into the inflater. httptools parses heads and chunks.
"""

import asyncio
import ssl
from collections.abc import Callable
from io import BytesIO
from typing import Any, NamedTuple

import httptools

from pyscrape.model.names import quoted
from pyscrape.net.errors import ExchangeError, Reason
from pyscrape.net.inflate import Inflater

SHARED_BYTES = 256 * 1024
MAX_HEAD_BYTES = 256 * 1024
# A body whose announced length is larger is collected in pieces: the announcement may be a lie.
MAX_DIRECT_BYTES = 64 << 20
# What is kept of the body of an answer that is not 200: enough to recognise a server's complaint.
REFUSAL_BYTES = 4096

_SHARED = bytearray(SHARED_BYTES)
_SHARED_VIEW = memoryview(_SHARED)


class Origin(NamedTuple):
    """Where a connection leads to."""

    scheme: str
    host: str
    port: int
    unix_socket: str = ""


class Reply(NamedTuple):
    """A complete answer. `headers`: as sent, names in lower case. `wire_bytes`: of the body, before inflating."""

    status: int
    phrase: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    wire_bytes: int

    def header(self, name: bytes) -> str | None:
        """The first value of a header (name in lower case), None where it was not sent."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return None


Answered = Callable[[Reply | None, ExchangeError | None], None]
"""Told of the end of an exchange: the reply, or the error."""


class _Head:
    """Collects one response head from httptools; one object per response."""

    __slots__ = ("body", "complete", "done", "headers", "keep_alive", "parser", "phrase")

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.phrase = b""
        self.complete = False
        self.done = False
        self.body: Any = None
        self.parser: Any = None
        self.keep_alive = False

    def on_status(self, phrase: bytes) -> None:
        self.phrase += phrase

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True
        # To be asked now: the parser has forgotten it once a message without a body is over.
        self.keep_alive = self.parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        self.body(piece)

    def on_message_complete(self) -> None:
        self.done = True


class Connection(asyncio.BufferedProtocol):
    """A connection that answers one request at a time.

    `exchange` may be called again once it has returned, while `reusable` holds. The deadline is the caller's:
    it calls `abort`, which ends a running exchange with the given error.
    """

    __slots__ = (
        "_answered",
        "_collected",
        "_direct",
        "_direct_view",
        "_early",
        "_got",
        "_head",
        "_inflate",
        "_inflater",
        "_keep_alive",
        "_limit",
        "_need",
        "_parser",
        "_pieces",
        "_state",
        "closed",
        "served",
        "transport",
    )

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self.served = 0
        self._answered: Answered | None = None
        self._state = "idle"
        self._early = bytearray()
        self._head: _Head | None = None
        self._forget()

    def _forget(self) -> None:
        """Drop what belongs to one exchange, so that an idle connection is small."""
        if self._head is not None:
            # The parser holds the head's methods: without this each response would be garbage in a circle.
            self._head.parser = self._head.body = None
        self._head = None
        self._parser: Any = None
        self._inflater: Inflater | None = None
        self._pieces: list[bytes] = []
        self._direct: BytesIO | None = None
        self._direct_view: memoryview | None = None
        self._collected = 0
        self._got = 0
        self._need = -1
        self._keep_alive = False
        if self._early:
            self._early = bytearray()

    # The caller's side.

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent on this connection."""
        return not self.closed and self._state == "idle"

    def exchange(self, request: bytes, *, limit: int, inflate: bool = True) -> asyncio.Future[Reply]:
        """Send a request; the future gives the reply or raises ExchangeError.

        `limit`: bytes of the (inflated) body at which a 200 answer is refused, 0 = none.
        """
        waiter: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def answered(reply: Reply | None, error: ExchangeError | None) -> None:
            if waiter.done():
                return
            if reply is not None:
                waiter.set_result(reply)
            elif error is not None:
                waiter.set_exception(error)

        self.begin(request, limit, answered, inflate=inflate)
        return waiter

    def begin(self, request: bytes, limit: int, answered: Answered, *, inflate: bool = True) -> None:
        """`exchange` without a future: `answered` is called once, from the event loop, and must not raise."""
        assert self.transport is not None and self._state == "idle"
        self._state = "head"
        self._limit = limit
        self._inflate = inflate
        self._answered = answered
        self.transport.write(request)

    def abort(self, error: ExchangeError) -> None:
        """End the running exchange with `error` and close at once."""
        self._fail(error)

    @property
    def head_arrived(self) -> bool:
        """Whether the running exchange has its response's head."""
        return self._head is not None and self._head.complete

    def close(self) -> None:
        """Close without waiting."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio gives it
        if self._direct_view is not None:
            return self._direct_view[self._got :]
        return _SHARED_VIEW

    def buffer_updated(self, nbytes: int) -> None:
        try:
            if self._direct_view is not None:
                self._got += nbytes
                if self._got == self._need:
                    self._finish_soon()
            elif self._state == "head":
                self._take_head(nbytes)
            elif self._state in ("idle", "finishing"):
                self.close()  # bytes that nobody asked for: the next answer could not be trusted
            else:
                self._take_body(_SHARED_VIEW[:nbytes])
        except ExchangeError as error:
            self._fail(error)
        except httptools.HttpParserCallbackError as error:
            # What was raised while a chunk was taken.
            cause = error.__context__
            self._fail(cause if isinstance(cause, ExchangeError) else _parser_error(error, self.head_arrived))
        except httptools.HttpParserError as error:
            self._fail(_parser_error(error, self.head_arrived))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._answered is None or self._state == "finishing":
            return
        if self._state == "to_end" and exc is None:
            try:
                self._finish()
            except ExchangeError as error:
                self._fail(error)
        elif self._state == "head" and not self._early:
            # Go reports an idle connection that the server closed as EOF, after trying once more.
            text = "EOF" if exc is None else _reset_text(exc)
            reason: Reason = "tls" if isinstance(exc, ssl.SSLError) else "reset"
            self._fail(ExchangeError(reason, text, retry=self.served > 0))
        else:
            text = "unexpected EOF" if exc is None else _reset_text(exc)
            self._fail(ExchangeError("reset", text, while_reading=self.head_arrived))

    # One response.

    def _take_head(self, nbytes: int) -> None:
        early = self._early
        if early:
            early += _SHARED_VIEW[:nbytes]
            source: bytearray = early
            size = len(early)
        else:
            source, size = _SHARED, nbytes
        end = source.find(b"\r\n\r\n", 0, size)
        if end < 0:
            self._wait_for_head(bytes(source[:size]), nbytes)
            return
        if source[:5] != b"HTTP/":
            raise ExchangeError("protocol", _malformed(bytes(source[:size])))
        end += 4
        head = self._head = _Head()
        parser = self._parser = head.parser = httptools.HttpResponseParser(head)
        parser.feed_data(bytes(source[:end]))
        status = parser.get_status_code()
        # The rest may lie in the shared buffer: it is used before the next read.
        rest = memoryview(source)[end:size] if size > end else None
        if 100 <= status < 200:
            self._head = self._parser = None
            left = bytes(rest) if rest is not None else b""
            self._early = bytearray()
            if left:
                _SHARED[: len(left)] = left
                self._take_head(len(left))
            return
        self._begin_body(status, head)
        if rest is not None and self._state != "idle":
            self._take_body(rest)

    def _wait_for_head(self, seen: bytes, nbytes: int) -> None:
        if not b"HTTP/".startswith(seen[:5]):
            raise ExchangeError("protocol", _malformed(seen))
        if len(seen) > MAX_HEAD_BYTES:
            text = f"net/http: server response headers exceeded {MAX_HEAD_BYTES} bytes; aborted"
            raise ExchangeError("head_limit", text)
        if len(seen) == nbytes:
            self._early = bytearray(seen)

    def _begin_body(self, status: int, head: _Head) -> None:
        self._keep_alive = head.keep_alive
        length, chunked, gzip = -1, False, False
        for name, value in head.headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                chunked = b"chunked" in value.lower()
            elif name == b"content-encoding":
                gzip = value.strip().lower() == b"gzip"
        if status in (204, 304) or (length == 0 and not chunked):
            self._finish()
            return
        if gzip and self._inflate and status == 200:
            self._inflater = Inflater(self._limit)
        if chunked:
            self._state = "chunks"
            head.body = self._collect
            return
        if length < 0:
            self._state = "to_end"
            return
        self._state, self._need = "length", length
        if status == 200 and self._inflater is None:
            if self._limit and length >= self._limit:
                raise ExchangeError("body_limit", "body size limit exceeded", while_reading=True)
            if SHARED_BYTES < length <= MAX_DIRECT_BYTES:
                # BytesIO hands its bytes object out without a copy once nobody else looks at its buffer.
                self._direct = BytesIO(bytes(length))
                self._direct_view = self._direct.getbuffer()

    def _take_body(self, piece: memoryview) -> None:
        if self._state == "chunks":
            assert self._head is not None
            self._parser.feed_data(bytes(piece))
            if self._head.done:
                self._finish()
            return
        size = len(piece)
        if self._state == "length" and self._got + size > self._need:
            self._keep_alive = False
            piece = piece[: self._need - self._got]
            size = len(piece)
        if self._direct_view is not None:
            self._direct_view[self._got : self._got + size] = piece
            self._got += size
        else:
            self._collect(piece)
        if self._state == "length" and self._got == self._need:
            self._finish()

    def _collect(self, piece: bytes | memoryview) -> None:
        self._got += len(piece)
        if self._inflater is not None:
            self._inflater.feed(piece)
        elif self._parser.get_status_code() != 200:
            if self._collected < REFUSAL_BYTES:
                self._pieces.append(bytes(piece[:REFUSAL_BYTES]))
                self._collected += len(piece)
        else:
            self._collected += len(piece)
            if self._limit and self._collected >= self._limit:
                raise ExchangeError("body_limit", "body size limit exceeded", while_reading=True)
            self._pieces.append(bytes(piece))

    def _finish_soon(self) -> None:
        """`_finish`, once the event loop has let go of the piece of the body that it filled last.

        While somebody looks at its buffer, BytesIO can only give a copy, which for a page of 5,000 series costs more
        than a turn of the event loop (0.4 ms against 10 us: the pages of the copy are new to the process).
        """
        self._state = "finishing"
        assert self._direct_view is not None
        self._direct_view.release()
        self._direct_view = None
        asyncio.get_running_loop().call_soon(self._finish_direct)

    def _finish_direct(self) -> None:
        if self._answered is not None:
            self._finish()

    def _finish(self) -> None:
        head, parser, answered = self._head, self._parser, self._answered
        assert head is not None and answered is not None
        if self._inflater is not None:
            body = self._inflater.finish()
        elif self._direct is not None:
            self._direct_view = None
            body = self._direct.getvalue()
        else:
            body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        reply = Reply(parser.get_status_code(), head.phrase.decode("latin-1"), head.headers, body, self._got)
        keep = self._keep_alive and self._state != "to_end" and not self.closed
        self._forget()
        self._state = "idle"
        self.served += 1
        self._answered = None
        if not keep:
            self.close()
        answered(reply, None)

    def _fail(self, error: ExchangeError) -> None:
        answered, self._answered = self._answered, None
        self._state = "failed"
        self._forget()
        self.close()
        if answered is not None:
            answered(None, error)


def _parser_error(error: Exception, head_arrived: bool) -> ExchangeError:
    if str(error) == "Invalid character in chunk size":
        return ExchangeError("protocol", "invalid byte in chunk length", while_reading=True)
    return ExchangeError("protocol", _broken(str(error)), while_reading=head_arrived)


def _malformed(seen: bytes) -> str:
    line = seen.split(b"\n", 1)[0].rstrip(b"\r")[:200]
    return _broken(f"malformed HTTP response {quoted(line.decode('utf-8', 'surrogateescape'))}")


def _broken(reason: str) -> str:
    return f"net/http: HTTP/1.x transport connection broken: {reason}"


def _reset_text(error: Exception) -> str:
    if isinstance(error, ConnectionResetError):
        return "read: connection reset by peer"
    if isinstance(error, BrokenPipeError):
        return "write: broken pipe"
    return str(error) or type(error).__name__
