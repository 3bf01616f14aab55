"""What waits for a receiver that is away, on disk: requests as they will be sent, in the order of their samples.

Append-only segment files. A record is the requests of one wave, with a checksum; what follows a damaged place of a
segment is lost, the next segment goes on. The file `position` names the first record not yet done with; after a crash
the few records behind it that had been sent are sent again, as the same bytes. A process never appends to a file of an
earlier one. Not more than `most_bytes` is kept: the oldest segments go, and their samples are counted.

    segment   record*                       NNNNNNNN.requests
    record    "PRQ2" | length u32 | crc32 u32 | request*
    request   lane u16 | version u16 | samples u32 | exemplars u32 | newest ms i64 | length u32 | body    little-endian
"""

import logging
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pyscrape.remote.waves import Request

logger = logging.getLogger("pyscrape.remote")

MOST_BYTES = 1 << 30
SEGMENT_BYTES = 16 << 20
_MAGIC = b"PRQ2"
_RECORD = struct.Struct("<4sII")
_REQUEST = struct.Struct("<HHIIqI")


class Record(NamedTuple):
    """Where a wave's requests are; `length` without the record's head."""

    segment: int
    offset: int
    length: int
    samples: int


class Spool:
    """The records of one endpoint, oldest first.

    Raises:
        OSError: the folder cannot be made or read (also from `append` and `begin_sync`).
    """

    def __init__(
        self, folder: Path, most_bytes: int = MOST_BYTES, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self.folder = folder
        self.dropped = 0
        self.pending = 0
        self._most_bytes = most_bytes
        self._segment_bytes = segment_bytes
        self._file: BinaryIO | None = None
        self._size = 0
        self._dirty = False
        self._written_position = (0, 0)
        folder.mkdir(parents=True, exist_ok=True)
        segments = sorted(int(path.stem) for path in folder.glob("*.requests") if path.stem.isdigit())
        begin = self._read_position()
        # Never a number that the position counts as done with.
        self._segment = max([begin[0], *segments])
        found = (record for number in segments for record in self._scan(number))
        self.records = deque(record for record in found if (record.segment, record.offset) >= begin)
        self.pending = sum(record.samples for record in self.records)
        self._sizes = {number: self._path(number).stat().st_size for number in segments}
        self._forget_done()

    def __len__(self) -> int:
        return len(self.records)

    @property
    def nbytes(self) -> int:
        """Size of the segments on disk."""
        return sum(self._sizes.values())

    def append(self, requests: Sequence[Request]) -> Record:
        """Write a wave behind all others; `begin_sync` makes it last."""
        payload = b"".join(part for request in requests for part in (_head_of(request), request.body))
        if self._file is None or self._size >= self._segment_bytes:
            self._roll()
        file = self._file
        assert file is not None
        try:
            _write(file, _RECORD.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload)
        except OSError:
            # What was written of it ends the segment for a reader: the next record begins another.
            self._close_file(sync=False)
            raise
        record = Record(self._segment, self._size, len(payload), sum(r.samples for r in requests))
        self._size += _RECORD.size + len(payload)
        self._sizes[self._segment] = self._size
        self.records.append(record)
        self.pending += record.samples
        self._dirty = True
        self._bound()
        return record

    def read(self, record: Record) -> list[Request]:
        """The requests of a record; none, and a log line, when it cannot be read any more."""
        path = self._path(record.segment)
        try:
            with path.open("rb") as file:
                file.seek(record.offset)
                data = file.read(_RECORD.size + record.length)
            problem = "" if next(_records(data), None) else "damaged"
        except OSError as error:
            problem = str(error)
        if problem:
            extra = {"file": str(path), "samples": record.samples, "err": problem}
            logger.error("A record of the remote write queue is lost", extra=extra)
            return []
        return list(_requests(data[_RECORD.size :]))

    def done(self, record: Record) -> None:
        """The first record is done with; nothing happens when it was dropped meanwhile."""
        if self.records and self.records[0] is record:
            self.records.popleft()
            self.pending -= record.samples
            self._forget_done()

    def begin_sync(self) -> int | None:
        """Note the position, and give a file descriptor to fsync and close elsewhere; None when all is on disk."""
        self._write_position()
        if self._file is None or not self._dirty:
            return None
        self._dirty = False
        return os.dup(self._file.fileno())

    def close(self) -> None:
        """Everything to disk."""
        self._close_file()
        self._write_position()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.requests"

    def _roll(self) -> None:
        self._close_file()
        self._segment += 1
        self._file = self._path(self._segment).open("xb", buffering=0)
        self._size = self._sizes[self._segment] = 0

    def _close_file(self, *, sync: bool = True) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with file:
                if sync:
                    os.fsync(file.fileno())

    def _bound(self) -> None:
        while self.nbytes > self._most_bytes and self.records[0].segment != self._segment:
            oldest = self.records[0].segment
            while self.records[0].segment == oldest:
                record = self.records.popleft()
                self.pending -= record.samples
                self.dropped += record.samples
            self._forget_done()

    def _forget_done(self) -> None:
        """Remove segments before the first record."""
        first = self.records[0].segment if self.records else self._segment + 1
        for number in [n for n in self._sizes if n < first]:
            if number == self._segment:
                self._close_file(sync=False)
            self._path(number).unlink(missing_ok=True)
            del self._sizes[number]

    def _scan(self, number: int) -> Iterator[Record]:
        data = self._path(number).read_bytes()
        end = 0
        for offset, length in _records(data):
            start, end = offset + _RECORD.size, offset + _RECORD.size + length
            yield Record(number, offset, length, sum(r.samples for r in _requests(data[start:end])))
        if end < len(data):
            logger.warning(
                "The end of a file of the remote write queue was not written whole; it is left out",
                extra={"file": str(self._path(number)), "bytes": len(data) - end},
            )

    def _position(self) -> tuple[int, int]:
        return self.records[0][:2] if self.records else (self._segment + 1, 0)

    def _write_position(self) -> None:
        position = self._position()
        if position != self._written_position:
            fresh = self.folder / "position.new"
            fresh.write_text(f"{position[0]} {position[1]}\n")
            fresh.replace(self.folder / "position")
            self._written_position = position

    def _read_position(self) -> tuple[int, int]:
        try:
            segment, offset = (self.folder / "position").read_text().split()
            return int(segment), int(offset)
        except (FileNotFoundError, ValueError):
            return (0, 0)  # a first start, or torn: all that is there is sent


def _write(file: BinaryIO, data: bytes) -> None:
    """Write all of it, as an unbuffered file may take a part only."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _records(data: bytes) -> Iterator[tuple[int, int]]:
    """Offset and payload length of the whole records up to the first that is not."""
    offset = 0
    while offset + _RECORD.size <= len(data):
        magic, length, crc = _RECORD.unpack_from(data, offset)
        start = offset + _RECORD.size
        if magic != _MAGIC or start + length > len(data) or zlib.crc32(data[start : start + length]) != crc:
            return
        yield offset, length
        offset = start + length


def _head_of(one: Request) -> bytes:
    return _REQUEST.pack(one.lane, one.version, one.samples, one.exemplars, one.newest_ms, len(one.body))


def _requests(payload: bytes) -> Iterator[Request]:
    offset = 0
    while offset < len(payload):
        lane, version, samples, exemplars, newest_ms, length = _REQUEST.unpack_from(payload, offset)
        offset += _REQUEST.size
        body = payload[offset : offset + length]
        yield Request(lane, samples, newest_ms, body, exemplars, version)
        offset += length
