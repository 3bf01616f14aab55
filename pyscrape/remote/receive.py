"""The receiving end of remote write: a compressed protobuf request becomes rows of tables.

A sender repeats itself: the same series with the same label bytes, request after request, and series of one scrape
with equal times. So the bytes of a series' labels are looked up as they are, samples of the usual form are read by
numpy for the whole request at once, and series with equal times are appended as rows. A request of another form is
read field by field; both ways give the same samples.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import cramjam
import numpy as np
from numpy.typing import NDArray

from pyscrape.model.labels import METRIC_NAME
from pyscrape.model.names import valid_label_name, valid_metric_name
from pyscrape.remote.encode import Times, Values, field
from pyscrape.store.store import Store, normalised
from pyscrape.store.table import AppendResult

MAX_DECODED_BYTES = 32 << 20
MAX_AHEAD_MS = 600_000
_REMEMBERED = 200_000
_INVALID = -1

_LABELS, _SAMPLES = 0x0A, 0x12  # fields 1 and 2 of a series, length-delimited
_VALUE, _TIME = 0x09, 0x10  # field 1 (double) and 2 (varint) of a sample
_USUAL = 18
"""Bytes of a sample with a value and a time of this millennium: 12 10 09 <8 bytes> 10 <6 bytes>."""


class BadWriteError(ValueError):
    """A request that is no remote write request."""


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a request; `refused` samples are counted by the words that the answer uses."""

    appended: int
    refused: Mapping[str, int]
    invalid_series: tuple[str, ...] = ()
    written: int = 0
    """Samples that the store has now: those that were appended, and those that it had with the same value."""
    unsupported: int = 0
    """Native histograms in the request, which are not kept."""

    @property
    def error(self) -> str:
        """Why the request is answered with 400; empty when it is not."""
        return next(iter(self.refused), "")


class Receiver:
    """Takes remote write requests into a store. Not for several threads at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._clocks = store.clocks("remote write")
        self._columns: dict[bytes, int] = {}
        self._epoch = store.epoch
        self.samples = 0
        self.requests = 0

    def write(self, body: bytes, now_ms: int) -> Received:
        """Append a request's samples; raises BadWriteError. What is good is kept even where something is refused."""
        return self.append(decompressed(body), now_ms)

    def append(self, data: bytes, now_ms: int) -> Received:
        """Append the samples of a request that is not compressed any more."""
        if self._epoch != self._store.epoch or len(self._columns) > _REMEMBERED:
            self._columns.clear()
            self._epoch = self._store.epoch
        try:
            request = _split(data)
            columns, problems = self._resolve(request.labels)
            counts, times, values = _samples(request.samples)
        except (IndexError, struct.error, UnicodeDecodeError) as error:
            raise BadWriteError(f"proto: {error}") from error
        if problems:
            kept = np.repeat(columns != _INVALID, counts)
            times, values = times[kept], values[kept]
            counts, columns = counts[columns != _INVALID], columns[columns != _INVALID]
        ahead = times > now_ms + MAX_AHEAD_MS
        out_of_bounds = int(ahead.sum())
        if out_of_bounds:
            # A running count, as sums of slices are not zero where a slice is empty (a series of exemplars alone).
            left = np.concatenate(([0], np.cumsum(~ahead)))
            ends = np.cumsum(counts)
            counts = left[ends] - left[ends - counts]
            times, values = times[~ahead], values[~ahead]
        result = self._append(columns, counts, times, normalised(values))
        self.requests += 1
        self.samples += result.appended
        refused = {
            "out of order sample": result.out_of_order,
            "duplicate sample for timestamp": result.duplicates,
            "too old sample": result.too_old,
            "out of bounds": out_of_bounds,
        }
        written = len(times) - result.refused
        counted = {k: n for k, n in refused.items() if n}
        return Received(result.appended, counted, tuple(problems), written, request.histograms)

    def _resolve(self, labels: list[bytes]) -> tuple[NDArray[np.int32], list[str]]:
        """(column of every series, _INVALID where its labels are; what is wrong with those)."""
        known = self._columns
        found = list(map(known.get, labels))
        problems: list[str] = []
        if None in found:
            new: list[bytes] = []
            read: list[dict[str, str]] = []
            for k, column in enumerate(found):
                if column is None:
                    pairs = _labels(labels[k])
                    if problem := _problem(pairs):
                        problems.append(problem)
                        found[k] = _INVALID
                    else:
                        new.append(labels[k])
                        read.append(dict(pairs))
            made = self._store.index.ids(read)
            known.update(zip(new, made.tolist(), strict=True))
            found = [known[labels[k]] if column is None else column for k, column in enumerate(found)]
        return np.array(found, np.int32), problems

    def _append(
        self, columns: NDArray[np.int32], counts: NDArray[np.intp], times: Times, values: Values
    ) -> AppendResult:
        """Series with equal times go in together."""
        result = AppendResult(0)
        if not len(times):
            return result
        rows = int(counts[0])
        if (counts == rows).all():
            by_series = times.reshape(-1, rows)
            if (by_series == by_series[0]).all():
                return self._append_rows(by_series[0], columns, values.reshape(-1, rows).T)
        groups: dict[bytes, list[int]] = {}
        ends = np.cumsum(counts).tolist()
        starts = [0, *ends[:-1]]
        for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
            if start < end:
                groups.setdefault(times[start:end].tobytes(), []).append(k)
        for key, members in groups.items():
            own = np.frombuffer(key, np.int64)
            block = np.stack([values[starts[k] : ends[k]] for k in members], axis=1)
            result += self._append_rows(own, columns[members], block)
        return result

    def _append_rows(self, times: Times, columns: NDArray[np.int32], values: Values) -> AppendResult:
        values = np.ascontiguousarray(values)
        if len(times) == 1 or (np.diff(times) > 0).all():
            return self._clocks.append_rows(times.copy(), columns, values)
        single = (
            self._clocks.append_rows(times[k : k + 1].copy(), columns, values[k : k + 1])
            for k in range(len(times))
        )
        return reduce(AppendResult.__add__, single)


def decompressed(body: bytes) -> bytes:
    """The protobuf message in a snappy block."""
    try:
        if cramjam.snappy.decompress_raw_len(body) > MAX_DECODED_BYTES:
            raise BadWriteError("snappy: decoded block is too large")
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise BadWriteError(f"snappy: {error}") from error


def slices(data: bytes, size: int) -> Iterator[bytes]:
    """A request that is not compressed any more as requests of about `size` bytes, cut between series.

    All of it is looked at before the first is given.

    Raises:
        BadWriteError: lengths lead out of it.
    """
    cuts = [0]
    at = 0
    try:
        while at < len(data):
            at = _skip_field(data, at)
            if at - cuts[-1] >= size:
                cuts.append(at)
    except IndexError as error:
        raise BadWriteError(f"proto: {error}") from error
    return (data[begin:end] for begin, end in pairwise([*cuts, len(data)]) if begin < end)


@dataclass(slots=True)
class _Request:
    """The series of a request, cut in the bytes of their labels and the bytes of their samples."""

    labels: list[bytes]
    samples: list[bytes]
    histograms: int = 0


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where it ends)."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError("integer overflow")


def fields_of(data: bytes) -> Iterator[tuple[int, int, bytes | int]]:
    """(number, wire type, content) of every field of a message."""
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = read_varint(data, at)
            yield tag >> 3, kind, value
            continue
        if kind == 2:
            size, at = read_varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise IndexError(f"illegal wireType {kind}")
        if at + size > len(data):
            raise IndexError("unexpected EOF")
        yield tag >> 3, kind, data[at : at + size]
        at += size


def _split(data: bytes) -> _Request:
    """Cut a request into series; only lengths are looked at."""
    request = _Request([], [])
    at, end = 0, len(data)
    while at < end:
        if data[at] != 0x0A:
            at = _skip_field(data, at)
            continue
        size, start = read_varint(data, at + 1)
        at = start + size
        if at > end:
            raise IndexError("unexpected EOF")
        cut = start
        while cut < at and data[cut] == _LABELS:
            size = data[cut + 1]
            if size < 0x80:
                cut += size + 2
            else:
                size, cut = read_varint(data, cut + 1)
                cut += size
        if cut > at:
            raise IndexError("unexpected EOF")
        samples = data[cut:at]
        if _plain(samples):
            request.labels.append(data[start:cut])
            request.samples.append(samples)
        else:
            _split_slowly(data[start:at], request)
    return request


def _skip_field(data: bytes, at: int) -> int:
    """Where the next field of the request begins; metadata and fields of later versions are passed over."""
    tag, at = read_varint(data, at)
    if tag & 7 == 2:
        size, at = read_varint(data, at)
        if at + size > len(data):
            raise IndexError("unexpected EOF")
        return at + size
    if tag & 7 == 0:
        return read_varint(data, at)[1]
    raise IndexError(f"illegal wireType {tag & 7}")


def _plain(samples: bytes) -> bool:
    """Whether these are samples alone, by their lengths, none of them 128 bytes long."""
    size = len(samples)
    if size and not size % _USUAL and samples[0] == _SAMPLES and samples[1] == _USUAL - 2:
        return True  # read by numpy, which looks at every sample
    at = 0
    while at < size:
        if samples[at] != _SAMPLES or samples[at + 1] >= 0x80:
            return False
        at += samples[at + 1] + 2
    return at == size


def _split_slowly(series: bytes, request: _Request) -> None:
    """A series whose fields come in another order, or that has exemplars or histograms."""
    labels, samples = bytearray(), bytearray()
    for number, kind, content in fields_of(series):
        if number == 4:
            request.histograms += 1
        if kind == 2 and number in (1, 2) and isinstance(content, bytes):
            part = labels if number == 1 else samples
            part += field(_LABELS if number == 1 else _SAMPLES, content)
    request.labels.append(bytes(labels))
    request.samples.append(bytes(samples))


def _labels(data: bytes) -> list[tuple[str, str]]:
    """The label pairs of a series, in the order of the request."""
    pairs = []
    for _, _, label in fields_of(data):
        assert isinstance(label, bytes)
        texts = {number: content for number, kind, content in fields_of(label) if kind == 2}
        name, value = texts.get(1, b""), texts.get(2, b"")
        assert isinstance(name, bytes)
        assert isinstance(value, bytes)
        pairs.append((name.decode(), value.decode()))
    return pairs


def _problem(pairs: list[tuple[str, str]]) -> str:
    """What makes labels invalid; empty when nothing does."""
    labels = dict(pairs)
    if len(labels) < len(pairs):
        return f"duplicate label in {labels}"
    if not valid_metric_name(labels.get(METRIC_NAME, ""), "utf8"):
        return f"invalid metric name in {labels}"
    wrong = [name for name in labels if not valid_label_name(name, "utf8")]
    return f"invalid label name {wrong[0]!r} in {labels}" if wrong else ""


def _samples(regions: list[bytes]) -> tuple[NDArray[np.intp], Times, Values]:
    """(samples of every series, their times, their values), series after series."""
    data = b"".join(regions)
    if len(data) % _USUAL == 0 and not any(len(region) % _USUAL for region in regions):
        table = np.frombuffer(data, np.uint8).reshape(-1, _USUAL)
        if _usual(table):
            counts = np.array([len(region) // _USUAL for region in regions], np.intp)
            return counts, _times(table[:, 12:]), table[:, 3:11].copy().view("<f8").ravel()
    return _samples_one_by_one(regions)


def _usual(table: NDArray[np.uint8]) -> bool:
    """Whether every row is a sample of the usual form."""
    head = (table[:, 0] == _SAMPLES) & (table[:, 1] == _USUAL - 2) & (table[:, 2] == _VALUE)
    goes_on = (table[:, 12:17] & 0x80).all() and not (table[:, 17] & 0x80).any()
    return bool(goes_on and (head & (table[:, 11] == _TIME)).all())


def _times(varints: NDArray[np.uint8]) -> Times:
    """Six-byte varints, shape [samples x 6]."""
    low = (varints & 0x7F).astype(np.int64)
    return reduce(np.bitwise_or, (low[:, k] << (7 * k) for k in range(6)))


def _samples_one_by_one(regions: list[bytes]) -> tuple[NDArray[np.intp], Times, Values]:
    counts, times, values = [], [], bytearray()
    for region in regions:
        at, size, count = 0, len(region), 0
        while at < size:
            length, start = read_varint(region, at + 1)
            at = start + length
            if at > size:
                raise IndexError("unexpected EOF")
            value, time = b"\0\0\0\0\0\0\0\0", 0
            if start < at and region[start] == _VALUE:
                value = region[start + 1 : start + 9]
                start += 9
            if start < at and region[start] == _TIME:
                time, start = read_varint(region, start + 1)
            if start != at or len(value) != 8:
                value, time = _sample_slowly(region[at - length : at])
            times.append(time - 2**64 if time >= 2**63 else time)
            values += value
            count += 1
        counts.append(count)
    return np.array(counts, np.intp), np.array(times, np.int64), np.frombuffer(bytes(values), "<f8")


def _sample_slowly(data: bytes) -> tuple[bytes, int]:
    """A sample whose fields come in another order, or that has others too."""
    value, time = b"\0\0\0\0\0\0\0\0", 0
    for number, kind, content in fields_of(data):
        if number == 1 and kind == 1 and isinstance(content, bytes):
            value = content
        elif number == 2 and kind == 0 and isinstance(content, int):
            time = content
    return value, time
