"""What the store writes to disk: frames with checksums, records in them. Version 1; see ARCHITECTURE.md.

    frame   "PSF1" | length u32 | crc32 u32 | records
    record  kind u8 | length u32 | body

A frame is what one commit wrote, or a piece of a checkpoint; it counts as a whole or not at all. Everything is
little-endian. Numbers of series, symbols, tables and layouts mean something within the files of one store only.
"""

import logging
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.layout import Columns

Times = NDArray[np.int64]
Values = NDArray[np.float64]

log = logging.getLogger(__name__)

MAGIC = b"PSF1"
_FRAME = struct.Struct("<4sII")
_RECORD = struct.Struct("<BI")
_ROW = struct.Struct("<IIBq")
_ROW_DIFFERS = 8
"""Where a row says whether it builds on the row before."""
_BLOCK = struct.Struct("<II")
_PAIR = struct.Struct("<II")
_CHUNK = struct.Struct("<IBIH")
_PLACE = struct.Struct("<IQII")
_RANGE = struct.Struct("<qq")
_HEAD = struct.Struct("<QIQ")


class Kind(IntEnum):
    """Records of a log and of a checkpoint."""

    HEAD = 1
    SYMBOLS = 2
    SERIES = 3
    TABLE = 4
    LAYOUT = 5
    ROW = 6
    BLOCK = 7
    DELETE = 8
    CHUNK = 9
    END = 10


_KINDS = {kind.value: kind for kind in Kind}  # a tenth of the time of `Kind(number)`


@dataclass(frozen=True, slots=True)
class Place:
    """Where packed bytes lie: data file, offset, length, crc32."""

    file: int
    offset: int
    length: int
    crc: int


def frame(payload: bytes) -> bytes:
    """A frame around records."""
    return _FRAME.pack(MAGIC, len(payload), zlib.crc32(payload)) + payload


def frames(data: bytes, name: str) -> Iterator[tuple[int, bytes]]:
    """(end, payload) of every sound frame; what is damaged is passed over, with a log line."""
    at, size = 0, len(data)
    while at < size:
        payload = _sound(data, at)
        if payload is not None:
            at += _FRAME.size + len(payload)
            yield at, payload
            continue
        damaged = at
        at = data.find(MAGIC, at + 1)
        while at >= 0 and _sound(data, at) is None:
            at = data.find(MAGIC, at + 1)
        if at < 0:
            log.warning("Torn end of file cut: file=%s offset=%d bytes=%d", name, damaged, size - damaged)
            return
        log.error("Damaged bytes passed over: file=%s offset=%d bytes=%d", name, damaged, at - damaged)


def _sound(data: bytes, at: int) -> bytes | None:
    if at + _FRAME.size > len(data):
        return None
    magic, length, crc = _FRAME.unpack_from(data, at)
    start = at + _FRAME.size
    if magic != MAGIC or start + length > len(data):
        return None
    payload = data[start : start + length]
    return payload if zlib.crc32(payload) == crc else None


def records(payload: bytes) -> Iterator[tuple[Kind, bytes]]:
    """The records of a frame."""
    at = 0
    while at < len(payload):
        kind, length = _RECORD.unpack_from(payload, at)
        at += _RECORD.size
        yield _KINDS[kind], payload[at : at + length]
        at += length


def record(kind: Kind, *parts: bytes) -> bytes:
    """One record."""
    return b"".join((_RECORD.pack(kind, sum(map(len, parts))), *parts))


# --- bodies: one writer and one reader each ---


def head_record(writer: int, first_log: int = 0, samples: int = 0) -> bytes:
    """The first record of a file; `writer` tells whose numbers stand in it."""
    return record(Kind.HEAD, _HEAD.pack(writer, first_log, samples))


def read_head(body: bytes) -> tuple[int, int, int]:
    """(writer, number of the first log that is not in the checkpoint, samples appended so far)."""
    writer, first_log, samples = _HEAD.unpack(body)
    return writer, first_log, samples


def symbols_record(codes: list[int], texts: list[str]) -> bytes:
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    table = np.array([codes, list(map(len, encoded))], "<u4")
    return record(Kind.SYMBOLS, len(codes).to_bytes(4, "little"), table.tobytes(), *encoded)


def read_symbols(body: bytes) -> Iterator[tuple[int, str]]:
    count = int.from_bytes(body[:4], "little")
    codes, lengths = np.frombuffer(body, "<u4", 2 * count, 4).reshape(2, count).tolist()
    at = 4 + 8 * count
    for code, length in zip(codes, lengths, strict=True):
        yield code, body[at : at + length].decode("utf-8", "surrogatepass")
        at += length


def series_record(
    names: tuple[int, ...], ids: Columns, metric: NDArray[np.int32], values: NDArray[np.int32]
) -> bytes:
    """Series with the same label names; `values` has shape [names x series]."""
    head = _PAIR.pack(len(names), len(ids))
    return record(
        Kind.SERIES, head, np.array(names, "<i4").tobytes(), ids.tobytes(), metric.tobytes(), values.tobytes()
    )


def read_series(
    body: bytes,
) -> tuple[NDArray[np.int32], Columns, NDArray[np.int32], NDArray[np.int32]]:
    """(names, ids, metric names, values [names x series]), as codes."""
    width, count = _PAIR.unpack_from(body)
    numbers = np.frombuffer(body, "<i4", offset=_PAIR.size)
    names, ids, metric, values = np.split(numbers, np.cumsum([width, count, count]))
    return names, ids, metric, values.reshape(width, count)


def table_record(number: int, autonomous: bool, name: str) -> bytes:
    return record(Kind.TABLE, _PAIR.pack(number, autonomous), name.encode("utf-8", "surrogatepass"))


def read_table(body: bytes) -> tuple[int, bool, str]:
    number, autonomous = _PAIR.unpack_from(body)
    return number, bool(autonomous), body[_PAIR.size :].decode("utf-8", "surrogatepass")


def layout_record(number: int, table: int, columns: Columns) -> bytes:
    return record(Kind.LAYOUT, _PAIR.pack(number, table), columns.astype("<i4").tobytes())


def read_layout(body: bytes) -> tuple[int, int, Columns]:
    """(number, table, ids)."""
    number, table = _PAIR.unpack_from(body)
    return number, table, np.frombuffer(body, "<i4", offset=_PAIR.size)


def row_record(layout: int, sequence: int, at_ms: int, values: Values, before: Values | None) -> bytes:
    """A row; with the row `before` only what differs from it is written."""
    head = _ROW.pack(layout, sequence, before is not None, at_ms)
    if before is None:
        return record(Kind.ROW, head, values.tobytes())
    words = values.view(np.uint64)
    changed = words != before.view(np.uint64)
    return record(Kind.ROW, head, np.packbits(changed).tobytes(), words[changed].tobytes())


def read_row_head(body: bytes) -> tuple[int, int, bool, int]:
    """(layout, sequence, whether the row before is needed, time)."""
    layout, sequence, differs, at_ms = _ROW.unpack_from(body)
    return layout, sequence, bool(differs), at_ms


def read_rows(bodies: Sequence[bytes], columns: int, before: Values | None) -> Values:
    """Rows that follow one another, shape [rows x columns]; `before` is the row that the first builds on.

    ValueError when a body is too short, or the first builds on a row that is not there.
    """
    size = (columns + 7) // 8
    bitmaps: list[bytes] = []
    words: list[bytes] = []
    all_changed = b"\xff" * size
    for body in bodies:
        differs = body[_ROW_DIFFERS]
        bitmaps.append(body[_ROW.size : _ROW.size + size] if differs else all_changed)
        words.append(body[_ROW.size + (size if differs else 0) :])
    bits = np.frombuffer(b"".join(bitmaps), np.uint8).reshape(len(bodies), size)
    changed = np.unpackbits(bits, axis=1, count=columns).view(np.bool_)
    given = np.frombuffer(b"".join(words), "<u8")
    if len(given) != int(np.count_nonzero(changed)):
        raise ValueError("rows of another width")
    if before is None and not changed[0].all():
        raise ValueError("the row before is lost")
    if changed.all():
        return given.reshape(changed.shape).view(np.float64)
    # each cell: the place in `given` of the word that was given last; row 0 of the places is the row before
    last = np.zeros((len(bodies) + 1, columns), np.int32 if len(given) + columns < 2**31 else np.int64)
    if before is not None:
        given = np.concatenate([before.view(np.uint64), given])
        last[0] = np.arange(columns)
    first = columns if before is not None else 0
    last[1:][changed] = np.arange(first, len(given))
    np.maximum.accumulate(last, axis=0, out=last)
    return given[last[1:]].view(np.float64)


def block_record(layout: int, times_ms: Times, values: Values) -> bytes:
    """Several rows, shape [times x columns]."""
    head = _BLOCK.pack(layout, len(times_ms))
    return record(Kind.BLOCK, head, times_ms.tobytes(), np.ascontiguousarray(values).tobytes())


def read_block(body: bytes) -> tuple[int, Times, Values]:
    layout, rows = _BLOCK.unpack_from(body)
    times = np.frombuffer(body, "<i8", rows, _BLOCK.size)
    return layout, times, np.frombuffer(body, "<f8", offset=_BLOCK.size + 8 * rows).reshape(rows, -1)


def delete_record(ids: Columns, start_ms: int, end_ms: int) -> bytes:
    return record(Kind.DELETE, _RANGE.pack(start_ms, end_ms), ids.astype("<i4").tobytes())


def read_delete(body: bytes) -> tuple[Columns, int, int]:
    start_ms, end_ms = _RANGE.unpack_from(body)
    return np.frombuffer(body, "<i4", offset=_RANGE.size), start_ms, end_ms


def chunk_record(layout: int, level: int, width: int, places: list[Place]) -> bytes:
    groups = b"".join(_PLACE.pack(one.file, one.offset, one.length, one.crc) for one in places)
    return record(Kind.CHUNK, _CHUNK.pack(layout, level, width, len(places)), groups)


def read_chunk(body: bytes) -> tuple[int, int, int, list[Place]]:
    """(layout, level, columns of a group, where the groups lie)."""
    layout, level, width, count = _CHUNK.unpack_from(body)
    places = [Place(*_PLACE.unpack_from(body, _CHUNK.size + k * _PLACE.size)) for k in range(count)]
    return layout, level, width, places
