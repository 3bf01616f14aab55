"""Responses read in any pieces: whole, byte by byte, and as hypothesis likes, always the same reply."""

import asyncio
import gzip
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.net.connection import Connection, Reply
from pyscrape.net.errors import ExchangeError
from tests.helpers.examples import examples

BODY = b"".join(b'm{n="%d"} %d\n' % (number, number) for number in range(40))
PACKED = gzip.compress(BODY)


def response(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body


def chunked(body: bytes, size: int = 100) -> bytes:
    pieces = [body[k : k + size] for k in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX-Trailer: a\r\n\r\n"


RESPONSES = {
    "length": response(b"Content-Length: %d\r\n" % len(BODY), BODY),
    "empty": response(b"Content-Length: 0\r\n", b""),
    "chunks": response(b"Transfer-Encoding: chunked\r\n", chunked(BODY)),
    "gzip": response(b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % len(PACKED), PACKED),
    "gzip in chunks": response(
        b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", chunked(PACKED, 7)
    ),
    "members": response(b"Content-Encoding: gzip\r\nContent-Length: %d\r\n" % (2 * len(PACKED)), PACKED * 2),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + response(b"Content-Length: %d\r\n" % len(BODY), BODY),
    "to end": b"HTTP/1.0 200 OK\r\nX: y\r\n\r\n" + BODY,
}


class Wire(asyncio.Transport):
    """Takes what is written; remembers being aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def write(self, data: Any) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


def read(pieces: Iterable[bytes], limit: int = 0) -> tuple[Reply | ExchangeError, Connection]:
    """What a connection makes of a response that arrives in these pieces and then ends."""
    connection, ends = Connection(), []
    connection.connection_made(Wire())
    connection.begin(b"GET / HTTP/1.1\r\n\r\n", limit, lambda reply, error: ends.append(reply or error))
    for piece in pieces:
        view = memoryview(piece)
        while view and not connection.closed and not ends:
            buffer = connection.get_buffer(-1)
            size = min(len(buffer), len(view))
            buffer[:size] = view[:size]
            view = view[size:]
            connection.buffer_updated(size)
    if not ends:
        connection.connection_lost(None)
    [end] = ends
    assert end is not None
    return end, connection


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in zip(ends, ends[1:], strict=False) if a < b]  # noqa: RUF007


@pytest.mark.parametrize("name", RESPONSES)
def test_byte_by_byte(name: str) -> None:
    whole, _ = read([RESPONSES[name]])
    bytewise, connection = read(RESPONSES[name][k : k + 1] for k in range(len(RESPONSES[name])))
    assert isinstance(whole, Reply) and isinstance(bytewise, Reply)
    assert whole == bytewise
    assert whole.body == {"empty": b"", "members": BODY * 2}.get(name, BODY)
    assert connection.reusable is (name != "to end"), name


@examples(60)
@given(st.sampled_from(sorted(RESPONSES)), st.lists(st.integers(0, 5000), max_size=6))
def test_any_pieces(name: str, places: list[int]) -> None:
    assert read(cut(RESPONSES[name], places))[0] == read([RESPONSES[name]])[0]


@examples(60)
@given(st.sampled_from(sorted(set(RESPONSES) - {"to end", "empty"})), st.integers(0, 5000))
def test_a_response_that_breaks_off_is_an_error(name: str, place: int) -> None:
    data = RESPONSES[name]
    end, connection = read([data[: place % len(data)]])
    assert isinstance(end, ExchangeError)
    assert not connection.reusable


@examples(100)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=3))
def test_any_bytes_end_in_a_reply_or_an_error(data: bytes, places: list[int]) -> None:
    for garbage in (
        data,
        b"HTTP/1.1 200 OK\r\n" + data,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data,
    ):
        end, _ = read(cut(garbage, places))
        assert isinstance(end, Reply | ExchangeError)


@pytest.mark.parametrize("name", ["length", "chunks", "gzip", "members", "to end"])
def test_the_limit_counts_inflated_bytes(name: str) -> None:
    size = len(BODY) * (2 if name == "members" else 1)
    good, _ = read([RESPONSES[name]], limit=size + 1)
    assert isinstance(good, Reply)
    bad, _ = read([RESPONSES[name]], limit=size)
    assert isinstance(bad, ExchangeError)
    assert (bad.reason, bad.text) == ("body_limit", "body size limit exceeded")


def test_bytes_after_a_response_close_the_connection() -> None:
    end, connection = read([RESPONSES["length"] + b"HTTP/1.1 200 OK\r\n"])
    assert isinstance(end, Reply)
    assert end.body == BODY
    assert not connection.reusable
