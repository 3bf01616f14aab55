"""Durability: the log behind the appends, checkpoints now and then, and the thread that does the writing.

Two checkpoints are kept, with everything they need, so that one damaged file does not cost the store. A disk that
fails ends the promise and not the program: the log stops, and checkpoints are tried until one succeeds, which has
everything that was missed.
"""

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyscrape.store.checkpoint import (
    CheckpointWriter,
    Picture,
    checkpoint_name,
    data_name,
    numbered,
    take_picture,
)
from pyscrape.store.files import Directory
from pyscrape.store.journal import Journal, log_name
from pyscrape.store.restore import Restore

if TYPE_CHECKING:
    from pyscrape.store.store import Store

log = logging.getLogger(__name__)

FLUSH_S = 0.2
CHECKPOINT_MS = 15 * 60_000
CHECKPOINT_LOG_BYTES = 96 << 20
_RETRY_MS = 30_000


@dataclass(frozen=True, slots=True)
class Failures:
    """How often the disk refused, and whether it does now."""

    now: bool
    log: int
    checkpoints: int


class Durability:
    """What keeps a store on disk."""

    def __init__(self, store: "Store", directory: Directory) -> None:
        """Reads what the directory has into the empty store, and starts a new log."""
        self._store = store
        self._directory = directory
        restore = Restore(store, directory)
        self._next, first = restore.run()
        self._file_bytes = restore.data_files
        store.restored(restore.samples)
        self._writer = int.from_bytes(os.urandom(8), "little")
        self.journal = Journal(directory, store.index, first, self._writer, restore.log_bytes)
        self.records_left_out = restore.left_out
        self.checkpoint_failures = 0
        self.failure = ""
        self._kept: list[tuple[int, int, set[int]]] = []  # checkpoint, its first log, its data files
        self._live: dict[int, int] = {}
        self._last_ms: int | None = None
        self._job: Callable[[], None] | None = None
        self._catching_up = False
        self._wake = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write behind the appends."""
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
        self._thread.start()

    @property
    def failures(self) -> Failures:
        """What the disk refused so far."""
        return Failures(bool(self.journal.failure), self.journal.failures, self.checkpoint_failures)

    def commit(self) -> "Future[None]":
        """Done when everything appended so far is on disk."""
        promise = self.journal.commit()
        self._wake.set()
        return promise

    def step(self, now_ms: int) -> None:
        """Ask for a checkpoint when one is due. Called where samples are appended."""
        if self._last_ms is None:
            self._last_ms = now_ms
        failed = bool(self.journal.failure)
        waited_ms = now_ms - self._last_ms
        due = waited_ms >= (_RETRY_MS if failed else CHECKPOINT_MS) and self.journal.bytes_since_rotation
        if self._job is None and (
            due
            or (failed and waited_ms >= _RETRY_MS)
            or self.journal.bytes_since_rotation > CHECKPOINT_LOG_BYTES
        ):
            self._last_ms = now_ms
            picture = take_picture(self._store, self._writer, self.journal.rotate())
            self._catching_up = failed
            if failed:
                self.journal.resume()
            self._job = lambda: self._checkpoint(picture)
            self._wake.set()

    def checkpoint(self, now_ms: int) -> None:
        """Write a checkpoint now and wait for it (at the end, and in tests)."""
        self._last_ms = now_ms
        picture = take_picture(self._store, self._writer, self.journal.rotate())
        self.journal.resume()
        self.journal.flush()
        self._checkpoint(picture)

    def flush(self) -> None:
        """One round of the writer."""
        job = self._job
        if job is None or not self._catching_up:  # else the log means nothing before the checkpoint is there
            self.journal.flush()
        if job is not None:
            job()
            self._job = None
            if self._catching_up:
                self._catching_up = False
                self.journal.flush()

    def close(self) -> None:
        """Write what is left and let go of the directory."""
        self._ended = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        self._directory.close()

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(FLUSH_S)
            self._wake.clear()
            self.flush()

    def _checkpoint(self, picture: Picture) -> None:
        number, self._next = self._next, self._next + 1
        sparse = {file for file, size in self._file_bytes.items() if self._live.get(file, size) * 2 < size}
        writer = CheckpointWriter(self._directory, sparse)
        try:
            writer.write(picture, number)
            self._file_bytes[number] = writer.data_bytes
            self._live = writer.live_bytes
            self._kept.append((number, picture.first_log, set(writer.live_bytes)))
            self._tidy()
        except OSError as error:
            self.checkpoint_failures += 1
            self.failure = str(error)
            self.journal.fail(self.failure)
            log.error("Checkpoint failed: err=%r", self.failure)
            return
        self.failure = ""
        self.journal.checkpointed()

    def _tidy(self) -> None:
        """Remove what neither of the last two checkpoints needs."""
        self._kept = self._kept[-2:]
        if len(self._kept) < 2:
            return
        checkpoints = {number for number, _, _ in self._kept}
        first_log = self._kept[0][1]
        data = set().union(*(files for _, _, files in self._kept))
        names = self._directory.names()
        old = [checkpoint_name(n) for n in numbered(names, "checkpoint") if n not in checkpoints]
        old += [log_name(n) for n in numbered(names, "log") if n < first_log]
        gone = [n for n in numbered(names, "data") if n not in data]
        for name in [*old, *map(data_name, gone)]:
            self._directory.remove(name)
        for number in gone:
            self._file_bytes.pop(number, None)


def write_snapshot(store: "Store", directory: Directory) -> None:
    """The whole store as a checkpoint in an empty directory; `--storage.tsdb.path` can be pointed at it."""
    CheckpointWriter(directory, fresh=True).write(take_picture(store, 0, 0), 1)
