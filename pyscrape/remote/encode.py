"""Rows as remote write 1.0 requests: label bytes made once per series, samples copied beside them.

A sample is sent as a TimeSeries of its own, as Prometheus does: 0a <length> <labels> 12 10 09 <value> 10 <time>. All
but value and time is the same at every scrape and kept as bytes; times of this age take six bytes, so that the length
is known beforehand. Source: the Prometheus Remote-Write 1.0 specification.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import cramjam
import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Values = NDArray[np.float64]

TIME_BYTES = 6
FIRST_SIX_BYTE_MS, LAST_SIX_BYTE_MS = 1 << 35, (1 << 42) - 1
"""Times from 1971 to 2109 are varints of six bytes."""
_SAMPLE_BYTES = 1 + 8 + 1 + TIME_BYTES
_TAIL_BYTES = 8 + 1 + TIME_BYTES
METADATA_TYPES = {
    "counter": 1, "gauge": 2, "histogram": 3, "gaugehistogram": 4, "summary": 5, "info": 6, "stateset": 7,
}  # fmt: skip


class Metadata(NamedTuple):
    """What a page says of a metric family."""

    family: str
    type: str
    help: str
    unit: str


class Exemplar(NamedTuple):
    """An exemplar of a series."""

    labels: Mapping[str, str]
    value: float
    at_ms: int


def varint(number: int) -> bytes:
    """Protobuf's variable-length form of a number; one below 0 as int64."""
    out = bytearray()
    number &= 2**64 - 1
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(tag: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return bytes((tag,)) + varint(len(payload)) + payload


def label_pairs(labels: Mapping[str, str]) -> bytes:
    """Labels as fields 1 of a message: sorted by name, empty ones left out."""
    return b"".join(
        field(0x0A, field(0x0A, name.encode()) + field(0x12, labels[name].encode()))
        for name in sorted(labels)
        if labels[name]
    )


def value_and_time(one: Exemplar) -> bytes:
    """The fields that an exemplar has in either protocol."""
    return b"\x11" + struct.pack("<d", one.value) + b"\x18" + varint(one.at_ms)


def exemplar_series(labels: Mapping[str, str], exemplars: Iterable[Exemplar]) -> bytes:
    """A TimeSeries of exemplars alone, as Prometheus sends them."""
    parts = [field(0x1A, label_pairs(one.labels) + value_and_time(one)) for one in exemplars]
    return field(0x0A, label_pairs(labels) + b"".join(parts))


def series_head(labels: Mapping[str, str]) -> bytes:
    """A TimeSeries of one sample, up to the sample's value."""
    pairs = label_pairs(labels)
    length = varint(len(pairs) + 2 + _SAMPLE_BYTES)
    return b"\x0a" + length + pairs + b"\x12" + bytes((_SAMPLE_BYTES,)) + b"\x09"


def series_heads(message: bytes) -> list[bytes]:
    """The `series_head` of each sample of a `write_request`.

    >>> series_heads(write_request([series_head({"a": "b"})], np.array([1 << 40]), np.array([1.0])))
    [b'\\n\\x1a\\n\\x06\\n\\x01a\\x12\\x01b\\x12\\x10\\t']
    """
    heads = []
    begin = 0
    while begin < len(message):
        length, at, shift = 0, begin + 1, 0
        while message[at] > 127:
            length |= (message[at] & 127) << shift
            at, shift = at + 1, shift + 7
        end = at + 1 + (length | message[at] << shift)
        heads.append(message[begin : end - _TAIL_BYTES])
        begin = end
    return heads


def time_bytes(at_ms: int) -> bytes:
    """What follows the value of a sample; `at_ms` is within the six-byte range."""
    return b"\x10" + varint(at_ms)


def sample_tails(times_ms: Times, values: Values) -> list[bytes]:
    """Value and time of each sample as bytes, bit-exact; `times_ms` are within the six-byte range."""
    count = len(times_ms)
    tails = np.empty((count, _TAIL_BYTES), np.uint8)
    tails[:, :8] = np.ascontiguousarray(values).view(np.uint8).reshape(count, 8)
    tails[:, 8] = 0x10
    for k in range(TIME_BYTES):
        tails[:, 9 + k] = (times_ms >> (7 * k)) & 127 | (128 if k < TIME_BYTES - 1 else 0)
    raw = tails.tobytes()
    return [raw[start : start + _TAIL_BYTES] for start in range(0, len(raw), _TAIL_BYTES)]


def write_request(heads: Sequence[bytes], times_ms: Times, values: Values) -> bytes:
    """A WriteRequest; `heads[k]` is the `series_head` of sample k."""
    parts: list[bytes] = [b""] * (2 * len(heads))
    parts[0::2] = heads
    parts[1::2] = sample_tails(times_ms, values)
    return b"".join(parts)


def metadata_request(metadata: Iterable[Metadata]) -> bytes:
    """A WriteRequest with metadata alone."""
    return b"".join(
        field(
            0x1A,
            b"\x08"
            + varint(METADATA_TYPES.get(one.type, 0))
            + field(0x12, one.family.encode())
            + field(0x22, one.help.encode())
            + field(0x2A, one.unit.encode()),
        )
        for one in metadata
    )


def compressed(message: bytes) -> bytes:
    """Snappy's block form."""
    return bytes(cramjam.snappy.compress_raw(message))
