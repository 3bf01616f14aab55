"""From files back to a store: the newest checkpoint that is whole, then the logs after it.

Numbers in the files are those of the process that wrote them; every kind is translated to what this process gives
out. What cannot be understood because something before it is damaged is left out and counted: a row that builds on a
lost row, rows of a lost layout, series of lost symbols.

Records are gathered before they are applied: series of one shape, the rows of one layout. Ten thousand small tables
with their rows one by one would take four times as long. Whatever a record builds on is applied before it.
"""

import logging
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pyscrape.store import records
from pyscrape.store.checkpoint import checkpoint_name, data_name, numbered
from pyscrape.store.chunk import Chunk
from pyscrape.store.files import Directory
from pyscrape.store.journal import log_name
from pyscrape.store.layout import Layout
from pyscrape.store.records import Kind, Place
from pyscrape.store.table import Table, Values

if TYPE_CHECKING:
    from pyscrape.store.store import Store

log = logging.getLogger(__name__)

_UNKNOWN = -1


class _Translation:
    """Numbers of the files -> numbers of this process."""

    def __init__(self) -> None:
        self._numbers = np.full(1024, _UNKNOWN, np.int32)
        self._given = np.zeros(1024, np.bool_)

    def __setitem__(self, old: NDArray[np.int32], new: NDArray[np.int32]) -> None:
        needed = int(old.max(initial=0)) + 1
        if needed > len(self._numbers):
            grown = np.full(needed * 2, _UNKNOWN, np.int32)
            grown[: len(self._numbers)] = self._numbers
            self._numbers = grown
            self._given = np.append(self._given, np.zeros(needed * 2 - len(self._given), np.bool_))
        self._numbers[old] = new
        self._given[old] = True

    def has_any(self, old: NDArray[np.int32]) -> bool:
        """Whether any of the numbers was given a meaning, known or not."""
        seen = old[old < len(self._given)]
        return bool(self._given[seen].any())

    def __getitem__(self, old: NDArray[np.int32]) -> NDArray[np.int32]:
        known = (old >= 0) & (old < len(self._numbers))
        return np.where(known, self._numbers[np.where(known, old, 0)], _UNKNOWN).astype(np.int32)


_ROWS_AT_ONCE = 64
_UNSEALED_BYTES = 64 << 20
"""Rows are packed while reading only beyond this; what is left is packed in slices after the start."""

_SeriesRecord = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]


@dataclass(slots=True)
class _Layout:
    """A layout of the files, and its rows that are not appended yet."""

    table: Table
    old: NDArray[np.int32]
    """The columns by the numbers of the files."""
    layout: Layout | None = None
    """The columns here, those that are known."""
    known: NDArray[np.bool_] | None = None
    """Which columns of the file's rows are known; None: all."""
    sequence: int = -1
    before: Values | None = None
    times: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


class Restore:
    """Reads a directory into an empty store."""

    def __init__(self, store: "Store", directory: Directory) -> None:
        self._store = store
        self._directory = directory
        self._symbols = _Translation()
        self._series = _Translation()
        self._tables: dict[int, Table] = {}
        self._layouts: dict[int, _Layout] = {}
        self._waiting_series: list[_SeriesRecord] = []
        self._unresolved: list[_Layout] = []
        self._waiting_rows: dict[int, _Layout] = {}  # by table
        self._unsealed = 0
        self._data: dict[int, bytes] = {}
        self._writer: int | None = None
        self.left_out = 0
        self.log_bytes = 0
        self.samples = 0
        self.data_files: dict[int, int] = {}
        """Bytes of every data file that there is."""

    def run(self) -> tuple[int, int]:
        """(number for the next checkpoint, number for the next log)."""
        names = self._directory.names()
        checkpoints = numbered(names, "checkpoint")
        logs = numbered(names, "log")
        data = numbered(names, "data")
        first_log = self._checkpoint(checkpoints)
        for number in logs:
            if number >= first_log:
                self._log(log_name(number))
        if self.left_out:
            log.error("Damaged files: records_left_out=%d", self.left_out)
        newest = max([0, *checkpoints, *data])
        return newest + 1, max([0, *logs, first_log - 1]) + 1

    # --- files ---

    def _checkpoint(self, numbers: list[int]) -> int:
        """Read the newest whole checkpoint; returns the first log after it."""
        contents: dict[int, list[bytes]] = {}
        for number in reversed(numbers):
            try:
                payloads = [one for _, one in records.frames(self._read(number), checkpoint_name(number))]
            except OSError as error:
                log.error("Checkpoint cannot be read: file=%s err=%r", checkpoint_name(number), str(error))
                continue
            contents[number] = payloads
            if payloads and _ends_whole(payloads):
                return self._apply_checkpoint(payloads)
            log.error("Checkpoint is damaged: file=%s", checkpoint_name(number))
        if not contents:
            return 0
        number = max(contents, key=lambda one: (len(contents[one]), one))
        log.error("No checkpoint is whole, reading what is left of one: file=%s", checkpoint_name(number))
        return self._apply_checkpoint(contents[number])

    def _read(self, number: int) -> bytes:
        return self._directory.read(checkpoint_name(number))

    def _apply_checkpoint(self, payloads: list[bytes]) -> int:
        first_log = 0
        for payload in payloads:
            for kind, body in records.records(payload):
                if kind is Kind.HEAD:
                    self._writer, first_log, self.samples = records.read_head(body)
                else:
                    self._apply(kind, body)
        self._settle()
        self._layouts.clear()
        self._data.clear()
        return first_log

    def _log(self, name: str) -> None:
        try:
            data = self._directory.read(name)
        except OSError as error:
            log.error("Log cannot be read: file=%s err=%r", name, str(error))
            return
        sound = 0
        for end, payload in records.frames(data, name):
            self._apply_log_frame(payload)
            sound = end
        self._settle()
        self._layouts.clear()
        self.log_bytes += sound
        if sound < len(data):
            try:
                self._directory.cut(name, sound)
            except OSError as error:
                log.error("Torn log cannot be cut: file=%s err=%r", name, str(error))

    def _apply_log_frame(self, payload: bytes) -> None:
        for kind, body in records.records(payload):
            if kind is Kind.HEAD:
                writer = records.read_head(body)[0]
                if (
                    writer != self._writer
                ):  # another process: its numbers are others, and it tells them itself
                    self._settle()
                    self._writer = writer
                    self._symbols, self._series = _Translation(), _Translation()
                    self._tables.clear()
                    self._layouts.clear()
            else:
                self._apply(kind, body)

    # --- records ---

    def _apply(self, kind: Kind, body: bytes) -> None:
        try:
            _READERS[kind](self, body)
        except (KeyError, ValueError, IndexError, struct.error, OSError):
            self.left_out += 1

    def _apply_symbols(self, body: bytes) -> None:
        pairs = list(records.read_symbols(body))
        old = np.array([code for code, _ in pairs], np.int32)
        self._symbols[old] = np.array(self._store.symbols.codes([text for _, text in pairs]), np.int32)

    def _apply_series(self, body: bytes) -> None:
        one = records.read_series(body)
        if self._series.has_any(one[1]):
            self._settle()  # what came before means the series that had these numbers until now
        self._series[one[1]] = np.full(len(one[1]), _UNKNOWN, np.int32)
        self._waiting_series.append(one)

    def _resolve_series(self) -> None:
        """Give the series that wait their numbers here, a shape at a time."""
        waiting, self._waiting_series = self._waiting_series, []
        shapes: dict[bytes, list[_SeriesRecord]] = {}
        for one in waiting:
            shapes.setdefault(one[0].tobytes(), []).append(one)
        for several in shapes.values():
            names = self._symbols[several[0][0]]
            ids = np.concatenate([one[1] for one in several])
            if (names == _UNKNOWN).any():  # the name of a label is lost
                self.left_out += len(several)
                continue
            metric = self._symbols[np.concatenate([one[2] for one in several])]
            values = self._symbols[np.concatenate([one[3] for one in several], axis=1)]
            known = (metric != _UNKNOWN) & (values != _UNKNOWN).all(axis=0)
            self.left_out += int((~known).sum())
            found = self._store.index.ids_of_codes(names, metric[known], values[:, known])
            self._series[ids[known]] = found

    def _apply_table(self, body: bytes) -> None:
        number, autonomous, name = records.read_table(body)
        table = self._store.table(name)
        table.autonomous = autonomous
        self._tables[number] = table

    def _apply_layout(self, body: bytes) -> None:
        number, table, old = records.read_layout(body)
        one = self._layouts[number] = _Layout(self._tables[table], old)
        self._unresolved.append(one)

    def _resolved(self, one: _Layout) -> Layout:
        """The columns of a layout as they are here."""
        if one.layout is None:
            self._resolve_series()
            columns = self._series[one.old]
            known = columns != _UNKNOWN
            if known.all():
                one.layout = Layout(columns)
            else:
                one.layout, one.known = Layout(columns[known]), known
        return one.layout

    def _apply_row(self, body: bytes) -> None:
        number, sequence, differs, at_ms = records.read_row_head(body)
        one = self._layouts[number]
        if differs and one.sequence != sequence - 1:
            raise ValueError("the row before is lost")
        waiting = self._waiting_rows.get(one.table.number)
        if waiting is not None and (
            waiting is not one or at_ms <= one.times[-1] or len(one.times) >= _ROWS_AT_ONCE
        ):
            self._append_rows(waiting)
        one.sequence = sequence
        one.times.append(at_ms)
        one.bodies.append(body)
        self._waiting_rows[one.table.number] = one

    def _append_rows(self, one: _Layout) -> None:
        """Append the rows that were gathered of one layout."""
        times, bodies = one.times, one.bodies
        one.times, one.bodies = [], []
        self._waiting_rows.pop(one.table.number, None)
        try:
            values = records.read_rows(bodies, len(one.old), one.before)
        except ValueError:
            self.left_out += len(bodies)
            one.sequence, one.before = -1, None
            return
        one.before = values[-1]
        self._append_block(one, np.array(times, np.int64), values)

    def _append_block(self, one: _Layout, times: NDArray[np.int64], values: Values) -> None:
        columns = self._resolved(one).columns
        if not len(columns):
            self.left_out += len(times)
            return
        values = values if one.known is None else values[:, one.known]
        if len(times) == 1:
            one.table.append(int(times[0]), columns, values[0])
        else:
            one.table.append_rows(times, columns, values)
        self._unsealed += values.nbytes
        if self._unsealed > _UNSEALED_BYTES:
            self._unsealed = 0
            self._store.seal_waiting()

    def _settle(self) -> None:
        """Apply everything that waits."""
        for one in self._unresolved:
            self._resolved(one)
        self._unresolved.clear()
        for one in list(self._waiting_rows.values()):
            self._append_rows(one)
        self._resolve_series()

    def _apply_block(self, body: bytes) -> None:
        number, times, values = records.read_block(body)
        one = self._layouts[number]
        waiting = self._waiting_rows.get(one.table.number)
        if waiting is not None:
            self._append_rows(waiting)
        self._append_block(one, times, values)

    def _apply_delete(self, body: bytes) -> None:
        self._settle()
        ids, start_ms, end_ms = records.read_delete(body)
        found = self._series[ids]
        self._store.delete_ids(found[found != _UNKNOWN], start_ms, end_ms)

    def _apply_chunk(self, body: bytes) -> None:
        number, level, width, places = records.read_chunk(body)
        one = self._layouts[number]
        groups = tuple(self._group(place) for place in places)
        layout = self._resolved(one)
        if one.known is not None:
            raise ValueError("series of a chunk are lost")
        chunk = Chunk(layout, groups, width)
        chunk.level = level
        chunk.places = places
        self._store.restore_chunk(one.table, chunk)

    def _group(self, place: Place) -> bytes:
        data = self._data.get(place.file)
        if data is None:
            data = self._data[place.file] = self._directory.read(data_name(place.file))
            self.data_files[place.file] = len(data)
        group = data[place.offset : place.offset + place.length]
        if len(group) != place.length or crc32(group) != place.crc:
            raise ValueError("packed rows are damaged")
        return group

    def _ignore(self, body: bytes) -> None:
        """Says nothing about the store."""


_READERS = {
    Kind.HEAD: Restore._ignore,
    Kind.SYMBOLS: Restore._apply_symbols,
    Kind.SERIES: Restore._apply_series,
    Kind.TABLE: Restore._apply_table,
    Kind.LAYOUT: Restore._apply_layout,
    Kind.ROW: Restore._apply_row,
    Kind.BLOCK: Restore._apply_block,
    Kind.DELETE: Restore._apply_delete,
    Kind.CHUNK: Restore._apply_chunk,
    Kind.END: Restore._ignore,
}


def _ends_whole(payloads: list[bytes]) -> bool:
    """Whether the last record counts as many frames as were found."""
    kind, body = list(records.records(payloads[-1]))[-1]
    return kind is Kind.END and int.from_bytes(body, "little") == len(payloads)
