"""Checkpoints: the whole store at one moment, so that older logs are not needed.

Taking the picture is quick and happens where samples are appended: rows that exist never change, so references to
them are enough. Writing it happens in another thread. Packed rows go to data files, each group once; a checkpoint
names the groups that it consists of. A data file of which less than half is still named is written anew.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import numpy as np

from pyscrape.store.chunk import GROUP, Chunk
from pyscrape.store.codec import pack
from pyscrape.store.files import Directory
from pyscrape.store.layout import Layout
from pyscrape.store.read import Part, Times, Values
from pyscrape.store.records import (
    Kind,
    Place,
    chunk_record,
    frame,
    head_record,
    layout_record,
    record,
    series_record,
    symbols_record,
    table_record,
)
from pyscrape.store.segment import Segment

if TYPE_CHECKING:
    from pyscrape.store.index import SeriesIndex
    from pyscrape.store.store import Store

_FRAME_BYTES = 1 << 20
_SYMBOLS_A_RECORD = 10_000


class _Rows(NamedTuple):
    """Rows that were open: `layout`, their times, their values."""

    layout: Layout
    times: Times
    values: Values


class _TablePicture(NamedTuple):
    """A picture of ten thousand tables is taken at one go on the loop: a tuple is made in a third of the time."""

    number: int
    name: str
    autonomous: bool
    parts: tuple["Chunk | _Rows", ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything a checkpoint has.

    Parts of tables do not change any more. Labels are copied when the picture is written; until `release` no id is
    given to another series. Series that came after the picture was taken do no harm: the log has them too.
    """

    writer: int
    first_log: int
    samples: int
    index: "SeriesIndex"
    tables: tuple[_TablePicture, ...]
    release: Callable[[], None]


def take_picture(store: "Store", writer: int, first_log: int) -> Picture:
    """The store as it is now.

    Called where samples are appended it is one moment of all tables, as a log needs it; elsewhere one of each table.
    """
    tables = tuple(
        _TablePicture(table.number, table.name, table.autonomous, _stills(table.parts))
        for table in store.tables()
    )
    samples = store.stats().samples_appended
    return Picture(writer, first_log, samples, store.index, tables, store.hold_ids())


def _stills(parts: Sequence[Part]) -> tuple["Chunk | _Rows", ...]:
    return tuple([part if isinstance(part, Chunk) else _still(part) for part in parts])


def _still(part: Part) -> _Rows:
    assert isinstance(part, Segment)
    return _Rows(part.layout, *part.rows())


class CheckpointWriter:
    """Writes pictures into a directory, packed rows to one data file per checkpoint."""

    def __init__(self, directory: Directory, rewrite: set[int] | None = None, fresh: bool = False) -> None:
        """`rewrite`: data files whose groups are written again; `fresh`: all of them (a snapshot)."""
        self._directory = directory
        self._rewrite = rewrite or set()
        self._fresh = fresh
        self._buffer = bytearray()
        self._frames = 0
        self._data_bytes = 0
        self._placed: list[tuple[Chunk, list[Place]]] = []
        self.live_bytes: dict[int, int] = {}
        """By data file: the bytes that the checkpoint names."""

    def write(self, picture: Picture, number: int) -> None:
        """The checkpoint of that number; it counts when this returns. OSError when the disk refuses."""
        try:
            self._write(picture, number)
        finally:
            picture.release()

    def _write(self, picture: Picture, number: int) -> None:
        self._number = number
        out = bytearray()
        for one in self._records(picture):
            self._buffer += one
            if len(self._buffer) >= _FRAME_BYTES:
                out += self._framed()
        self._buffer += record(Kind.END, (self._frames + 1).to_bytes(4, "little"))
        out += self._framed()
        self._directory.sync(data_name(number))
        self._directory.replace(checkpoint_name(number), bytes(out))
        if not self._fresh:
            for chunk, places in self._placed:  # only now do they count
                chunk.places = places

    def _framed(self) -> bytes:
        data = frame(bytes(self._buffer))
        self._buffer.clear()
        self._frames += 1
        return data

    def _records(self, picture: Picture) -> Iterator[bytes]:
        yield head_record(picture.writer, picture.first_log, picture.samples)
        series = list(picture.index.copies())
        symbols = picture.index.symbols
        for at in range(0, symbols.given, _SYMBOLS_A_RECORD):
            codes = np.arange(at, min(at + _SYMBOLS_A_RECORD, symbols.given), dtype=np.int32)
            yield symbols_record(*symbols.there(codes))
        known = np.zeros(picture.index.capacity, np.bool_)
        for names, ids, metric, values in series:
            known[ids] = True
            yield series_record(names, ids, metric, values)
        layouts: dict[int, int] = {}
        for table in picture.tables:
            yield table_record(table.number, table.autonomous, table.name)
            for part in table.parts:
                columns = part.layout.columns
                if not known[columns].all():
                    continue  # retention has taken it since, and its series with it
                number = layouts.get(id(part.layout))
                if number is None:
                    number = layouts[id(part.layout)] = len(layouts) + 1
                    yield layout_record(number, table.number, columns)
                yield self._part(number, part)

    def _part(self, layout: int, part: "Chunk | _Rows") -> bytes:
        if isinstance(part, Chunk):
            places = part.places
            if places is None or self._fresh or any(one.file in self._rewrite for one in places):
                places = [self._place(group) for group in part.groups]
                self._placed.append((part, places))
            else:
                for one in places:
                    self.live_bytes[one.file] = self.live_bytes.get(one.file, 0) + one.length
            return chunk_record(layout, part.level, part.width, places)
        columns = range(0, len(part.layout), GROUP)
        groups = [pack(part.times, part.values[:, at : at + GROUP]) for at in columns]
        return chunk_record(layout, 0, GROUP, [self._place(group) for group in groups])

    def _place(self, group: bytes) -> Place:
        self._directory.append(data_name(self._number), group)
        place = Place(self._number, self._data_bytes, len(group), crc32(group))
        self._data_bytes += len(group)
        self.live_bytes[self._number] = self.live_bytes.get(self._number, 0) + len(group)
        return place

    @property
    def data_bytes(self) -> int:
        """Bytes of the data file that was written."""
        return self._data_bytes


def data_name(number: int) -> str:
    """The file of packed rows that the checkpoint of that number began."""
    return f"data-{number:08d}"


def checkpoint_name(number: int) -> str:
    """The file of a checkpoint."""
    return f"checkpoint-{number:08d}"


def numbered(names: list[str], kind: str) -> list[int]:
    """The numbers of the files of one kind, ascending."""
    found = [name.removeprefix(f"{kind}-") for name in names if name.startswith(f"{kind}-")]
    return sorted(int(number) for number in found if number.isdecimal())
