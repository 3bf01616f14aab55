"""The log: everything that is appended, written behind the appends and synced a few times a second.

`row` and its like run where samples are appended and only put bytes in a list; `flush` runs in a thread of its own,
writes what has gathered as one frame and syncs it (group commit). When the disk refuses, the log says so once, stops
taking records, and what waits for a commit is told; the store goes on in memory until a checkpoint succeeds again.
"""

import logging
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.files import Directory
from pyscrape.store.layout import Columns
from pyscrape.store.records import (
    Times,
    Values,
    block_record,
    delete_record,
    frame,
    head_record,
    layout_record,
    row_record,
    series_record,
    symbols_record,
    table_record,
)

if TYPE_CHECKING:
    from pyscrape.store.index import SeriesIndex
    from pyscrape.store.table import Table

log = logging.getLogger(__name__)

_MOST_WAITING = 256 << 20
_FRAME_BYTES = 8 << 20
_WHOLE_ROW_EVERY = 64


class NotDurableError(OSError):
    """The samples are in memory, and the disk has not taken them."""


def log_name(number: int) -> str:
    """The file of the log of that number."""
    return f"log-{number:08d}"


@dataclass(slots=True)
class _Declared:
    """The layout that a table's last row was written with."""

    columns: Columns
    number: int
    sequence: int = 0
    before: Values | None = None


class Journal:
    """The log that is being written."""

    def __init__(
        self, directory: Directory, index: "SeriesIndex", first: int, writer: int, bytes_before: int = 0
    ) -> None:
        """`bytes_before`: of older logs that no checkpoint has taken the place of.

        What `index` has now stands in the files by other numbers; it is told again when something refers to it.
        """
        self._directory = directory
        self._head = head_record(writer)
        self._index = index
        self._symbols = index.symbols
        self._untold_series = np.ones(index.capacity, np.bool_)
        self._untold_symbols = np.ones(index.symbols.given, np.bool_)
        self.number = first
        self.failure = ""
        self.failures = 0
        self._told = False
        self.bytes_written = 0
        self.bytes_since_rotation = bytes_before
        self._mutex = threading.Lock()
        self._waiting: list[tuple[int, list[bytes]]] = [(first, [])]
        self._waiting_bytes = 0
        self._promises: list[Future[None]] = []
        self._symbols_written = self._symbols.given
        self._layouts = 0
        self._declared: dict[int, _Declared] = {}

    # --- where samples are appended ---

    def row(self, table: "Table", at_ms: int, columns: Columns, values: Values) -> None:
        """One row of a table."""
        if self.failure:
            return
        known = self._declared.get(table.number)
        if known is None or known.columns is not columns:
            known = self._declare(table, columns)
        whole = known.sequence % _WHOLE_ROW_EVERY == 0
        self._put(row_record(known.number, known.sequence, at_ms, values, None if whole else known.before))
        known.sequence += 1
        known.before = values

    def block(self, table: "Table", times_ms: Times, columns: Columns, values: Values) -> None:
        """Several rows of a table."""
        if self.failure:
            return
        known = self._declared.get(table.number)
        if known is None or known.columns is not columns:
            known = self._declare(table, columns)
        self._put(block_record(known.number, times_ms, values))

    def series(
        self, names: tuple[int, ...], ids: Columns, metric: NDArray[np.int32], values: NDArray[np.int32]
    ) -> None:
        """New series, and the symbols that came with them."""
        if self.failure:
            return
        if self._symbols_written < self._symbols.given:
            self._put_symbols(np.arange(self._symbols_written, self._symbols.given, dtype=np.int32))
            self._symbols_written = self._symbols.given
        if len(self._untold_symbols):
            codes = np.unique(np.concatenate([np.array(names, np.int32), metric, values.ravel()]))
            codes = codes[codes < len(self._untold_symbols)]
            codes = codes[self._untold_symbols[codes]]
            self._put_symbols(codes)
            self._untold_symbols[codes] = False
        self._untold_series[ids[ids < len(self._untold_series)]] = False
        self._put(series_record(names, ids, metric, values))

    def _put_symbols(self, codes: NDArray[np.int32]) -> None:
        known, texts = self._symbols.there(codes)
        if known:
            self._put(symbols_record(known, texts))

    def _tell(self, ids: Columns) -> None:
        """Describe those of the series that the files have by other numbers only."""
        if len(self._untold_series):
            ids = ids[ids < len(self._untold_series)]
            for described in self._index.described(ids[self._untold_series[ids]]):
                self.series(*described)

    def delete(self, ids: Columns, start_ms: int, end_ms: int) -> None:
        """Samples that were taken out."""
        if not self.failure:
            self._tell(ids)
            self._put(delete_record(ids, start_ms, end_ms))

    def rotate(self) -> int:
        """What comes now goes to a new log, which can be read without this one after a checkpoint; its number."""
        with self._mutex:
            self.number += 1
            self._waiting.append((self.number, []))
        self._declared.clear()
        self.bytes_since_rotation = 0
        return self.number

    def resume(self) -> None:
        """Take records again: a checkpoint is on its way that has everything that was missed."""
        self.failure = ""

    def checkpointed(self) -> None:
        """That checkpoint is on disk."""
        if self._told and not self.failure:
            self._told = False
            log.info("Log written again")

    def commit(self) -> "Future[None]":
        """Done when everything appended so far is on disk; NotDurableError when the disk refuses it."""
        promise: Future[None] = Future()
        if self.failure:
            promise.set_exception(NotDurableError(self.failure))
            return promise
        with self._mutex:
            self._promises.append(promise)
        return promise

    def _declare(self, table: "Table", columns: Columns) -> _Declared:
        if table.number not in self._declared:
            self._put(table_record(table.number, table.autonomous, table.name))
        self._tell(columns)
        self._layouts += 1
        known = self._declared[table.number] = _Declared(columns, self._layouts)
        self._put(layout_record(known.number, table.number, columns))
        return known

    def _put(self, record: bytes) -> None:
        with self._mutex:
            self._waiting[-1][1].append(record)
            self._waiting_bytes += len(record)
        self.bytes_since_rotation += len(record)
        if self._waiting_bytes > _MOST_WAITING:
            self.fail("the disk does not keep up")

    # --- where files are written ---

    def flush(self) -> None:
        """Write and sync what has gathered."""
        with self._mutex:
            waiting, self._waiting = self._waiting, [(self.number, [])]
            promises, self._promises = self._promises, []
            self._waiting_bytes = 0
        if self.failure:
            _break(promises, self.failure)
            return
        try:
            for number, gathered in waiting:
                if gathered:
                    self._write(log_name(number), gathered)
        except OSError as error:
            self.fail(str(error))
            _break(promises, self.failure)
            return
        for promise in promises:
            promise.set_result(None)

    def _write(self, name: str, gathered: list[bytes]) -> None:
        batch: list[bytes] = []
        size = 0
        for record in [*gathered, b""]:
            if batch and (not record or size + len(record) > _FRAME_BYTES):
                data = frame(self._head + b"".join(batch))
                self._directory.append(name, data)
                self.bytes_written += len(data)
                batch, size = [], 0
            batch.append(record)
            size += len(record)
        self._directory.sync(name)

    def fail(self, reason: str) -> None:
        """Stop promising."""
        self.failures += not self.failure
        if not self._told:
            self._told = True
            log.error("Log not written any more, samples are kept in memory only: err=%r", reason)
        self.failure = reason
        with self._mutex:
            self._waiting = [(self.number, [])]
            self._waiting_bytes = 0
            promises, self._promises = self._promises, []
        _break(promises, reason)


def _break(promises: "list[Future[None]]", reason: str) -> None:
    for promise in promises:
        promise.set_exception(NotDurableError(reason))
