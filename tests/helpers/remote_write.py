"""Remote write 1.0 as a test's own few lines: series of samples as one snappy-compressed protobuf message."""

import struct
import urllib.request
from collections.abc import Iterable, Mapping, Sequence

import cramjam

Series = tuple[Mapping[str, str], Sequence[int], Sequence[float]]


def _varint(number: int) -> bytes:
    out = bytearray()
    number &= (1 << 64) - 1
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(tag: int, payload: bytes) -> bytes:
    return bytes([tag]) + _varint(len(payload)) + payload


def encode(series: Iterable[Series]) -> bytes:
    """A WriteRequest; labels sorted by name, samples in the order given."""
    message = b""
    for labels, times_ms, values in series:
        body = b"".join(
            _field(0x0A, _field(0x0A, name.encode()) + _field(0x12, labels[name].encode()))
            for name in sorted(labels)
        )
        for at, value in zip(times_ms, values, strict=True):
            body += _field(0x12, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(at))
        message += _field(0x0A, body)
    return message


def push(url: str, series: Iterable[Series]) -> None:
    """Send series to a server's /api/v1/write."""
    request = urllib.request.Request(
        url + "/api/v1/write",
        data=bytes(cramjam.snappy.compress_raw(encode(series))),
        headers={
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        },
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status < 300
