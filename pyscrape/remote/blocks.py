"""Samples of a row compressed beforehand: a snappy body with holes for the values and for their time.

From scrape to scrape nothing of a request's bytes changes but values and time. So the compressor runs once per layout,
over random values that it cannot make smaller and that stand in its output as they are; from then on they are
overwritten. Which byte of the message comes from which byte of the output is followed through all its copies and
checked: a byte of the output belongs to one byte of one value, to one byte of the time, or to neither.

Blocks need nothing of each other: their elements one after the other are one snappy body. It is larger than the
compressor's own by what that saves of the values: 17 % for the bench's exporter, 39 % for node_exporter.

    0.01 us a sample, where joining labels and compressing takes 0.16 to 0.22 (benchmarks/remote_write.py)

Source: the snappy format description.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import cramjam
import numpy as np
from numpy.typing import NDArray

from pyscrape.remote.encode import FIRST_SIX_BYTE_MS, TIME_BYTES, Values, series_heads, time_bytes, varint

_VALUE = 8
_TAIL = _VALUE + 1 + TIME_BYTES
_CONSTANT = -1
_WINDOW_BYTES = 1 << 16
_WINDOW_SAMPLES = 256
_TRIES = 4
_TIMES = tuple(1_700_000_000_000 + 987_654_321 * n for n in range(_TRIES))

Places = NDArray[np.int32]


class Elements(NamedTuple):
    """A part of a snappy body without its beginning, which says the size; `size` of what it is decoded to."""

    data: bytes
    size: int


class Block:
    """The samples of some series at one time."""

    __slots__ = ("_data", "_size", "_time_bytes", "_times_at", "_values_at")

    def __init__(
        self, data: bytes, size: int, values_at: Places, times_at: Places, time_bytes: Places
    ) -> None:
        """`values_at`: where values begin; `times_at` and `time_bytes`: the places of the time and its bytes there."""
        self._data = np.frombuffer(data, np.uint8)
        self._size = size
        self._values_at = values_at
        self._times_at = times_at
        self._time_bytes = time_bytes

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._data.nbytes + self._values_at.nbytes + self._times_at.nbytes + self._time_bytes.nbytes

    def fill(self, at_ms: int, values: Values) -> Elements:
        """The samples of all series at one time."""
        out = self._data.copy()
        words = np.ndarray((len(out) - _VALUE + 1,), np.uint64, out, strides=(1,))
        words[self._values_at] = values.view(np.uint64)
        out[self._times_at] = np.frombuffer(time_bytes(at_ms), np.uint8)[self._time_bytes]
        return Elements(out.tobytes(), self._size)

    def heads(self) -> list[bytes]:
        """The `encode.series_head` of all series, which are as good as kept in it."""
        filled = self.fill(FIRST_SIX_BYTE_MS, np.zeros(len(self._values_at)))
        return series_heads(bytes(cramjam.snappy.decompress_raw(body([filled]))))


def make_block(heads: Sequence[bytes]) -> Block | None:
    """The block of some series, given as their `encode.series_head`; None where the compressor always copies values."""
    tried = (_try_block(heads, seed) for seed in range(_TRIES))
    return next((block for block in tried if block is not None), None)


def _try_block(heads: Sequence[bytes], seed: int) -> Block | None:
    # Not numpy's generators: an agent needs them for nothing else, and importing them takes 2 MB.
    random = Random(seed)
    noise = np.frombuffer(bytearray(random.randbytes(len(heads) * _VALUE)), np.uint8).reshape(-1, _VALUE)
    # A copy of the labels would go on into the value where that begins as an earlier one did, one of the time would
    # begin in it where it ends so: within a window none does.
    noise[:, 0] = noise[:, -1] = np.arange(len(heads))
    time = time_bytes(_TIMES[seed])
    samples = [head + value.tobytes() + time for head, value in zip(heads, noise, strict=True)]
    ends = np.cumsum(np.array([len(sample) for sample in samples]))
    size = int(ends[-1])
    data = b"".join(elements(b"".join(group)).data for group in _windows(samples))
    origin = origins(data, size)
    values = (ends - _TAIL)[:, None] + np.arange(_VALUE)
    times = (ends - TIME_BYTES)[:, None] + np.arange(TIME_BYTES)
    # What each byte of the message is, and with it each byte of the output.
    meaning = np.full(size, _CONSTANT, np.int32)
    meaning[times] = np.arange(TIME_BYTES)
    meaning[values] = np.arange(values.size).reshape(values.shape) + TIME_BYTES
    of_output = np.full(len(data), _CONSTANT, np.int32)
    of_output[origin] = meaning
    begins = origin[values[:, 0]]
    if (of_output[origin] != meaning).any() or (origin[values] != begins[:, None] + np.arange(_VALUE)).any():
        return None
    times_at = np.flatnonzero((of_output >= 0) & (of_output < TIME_BYTES)).astype(np.int32)
    # The first of `time_bytes` is a tag.
    return Block(data, size, begins.astype(np.int32), times_at, of_output[times_at] + 1)


def _windows(samples: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Samples in groups that are compressed at once; what is longer is cut by the compressor, in a value perhaps."""
    group: list[bytes] = []
    length = 0
    for sample in samples:
        if group and (length + len(sample) > _WINDOW_BYTES or len(group) == _WINDOW_SAMPLES):
            yield group
            group, length = [], 0
        group.append(sample)
        length += len(sample)
    yield group


def origins(data: bytes, size: int) -> Places:
    """For each byte of what some elements are decoded to, the place of the literal byte in them that it is."""
    lengths, offsets, places = [], [], []
    at, end = 0, len(data)
    while at < end:
        tag = data[at]
        kind, length = tag & 3, (tag >> 2) + 1
        offset = 0
        if kind == 1:
            length = (tag >> 2 & 7) + 4
            offset = (tag >> 5) << 8 | data[at + 1]
            at += 2
        elif kind:
            width = 2 if kind == 2 else 4
            offset = int.from_bytes(data[at + 1 : at + 1 + width], "little")
            at += 1 + width
        else:
            more = max(0, length - 60)
            if more:
                length = int.from_bytes(data[at + 1 : at + 1 + more], "little") + 1
            at += 1 + more
        lengths.append(length)
        offsets.append(offset)
        places.append(at)
        if not kind:
            at += length
    element = np.repeat(np.arange(len(lengths), dtype=np.int32), np.array(lengths, np.int32))
    begin = np.cumsum(np.array([0, *lengths[:-1]], np.int32), dtype=np.int32)
    source = np.arange(size, dtype=np.int32) - np.array(offsets, np.int32)[element]
    while True:  # a copy of a copy: each round follows twice as many
        further = source[source]
        if (further == source).all():
            break
        source = further
    element = element[source]
    found: Places = np.array(places, np.int32)[element] + source - begin[element]
    return found


def elements(message: bytes) -> Elements:
    """Any bytes, compressed now: the plain way."""
    body = bytes(cramjam.snappy.compress_raw(message))
    return Elements(body[len(varint(len(message))) :], len(message))


def body(parts: Sequence[Elements]) -> bytes:
    """Parts as one snappy body."""
    return varint(sum(part.size for part in parts)) + b"".join([part.data for part in parts])
