"""The store on disk: what is promised is kept, and what the disk does to it ends in a log line."""

import errno
import itertools
import logging
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyscrape.model.matcher import Matcher, MatchType
from pyscrape.store import Store
from pyscrape.store.durable import CHECKPOINT_MS, Durability
from pyscrape.store.files import DiskDirectory, LockedError
from pyscrape.store.journal import NotDurableError
from tests.properties.test_store import answers
from tests.store.memory_directory import MemoryDirectory

_ALWAYS = 2**62


def opened(directory: MemoryDirectory, **settings: Any) -> Store:
    store = Store(seal_rows=4, **settings)
    store.open_directory(directory)
    return store


def durability(store: Store) -> Durability:
    assert store.durability is not None
    return store.durability


def fill(store: Store, start: int = 0, rows: int = 10) -> None:
    table = store.table("t")
    columns = table.add_columns([{"__name__": "x", "k": str(k)} for k in range(5)])
    for at in range(start, start + rows):
        table.append(at, columns, np.arange(5.0) + at % 7)


def test_a_commit_is_kept() -> None:
    directory = MemoryDirectory()
    store = opened(directory)
    fill(store)
    promise = store.commit()
    assert not promise.done()
    durability(store).flush()
    promise.result(timeout=0)
    before = answers(store, [])
    fill(store, start=50)
    directory.crash()
    assert answers(opened(directory), []) == before


def test_checkpoints_come_by_time_and_take_the_place_of_logs() -> None:
    directory = MemoryDirectory()
    store = opened(directory)
    for step in range(6):
        fill(store, start=10 * step)
        store.maintain(step * CHECKPOINT_MS, 1)
        durability(store).flush()
    kinds = [name.partition("-")[0] for name in directory.names()]
    assert kinds.count("checkpoint") == 2
    assert kinds.count("log") <= 3
    assert answers(opened(directory), []) == answers(store, [])


def test_data_files_that_hold_little_are_written_anew() -> None:
    directory = MemoryDirectory()
    store = opened(directory, retention_ms=10**9)
    for step in range(12):
        fill(store, start=100 * step, rows=40)
        store.maintain(step * 10_000, 1)
        durability(store).checkpoint(0)
    kept = sum(len(data) for name, data in directory.files.items() if name.startswith("data"))
    assert kept < 4 * store.chunk_bytes + 4096
    assert answers(opened(directory), []) == answers(store, [])


def test_the_checkpoint_before_is_taken_when_the_last_is_damaged(caplog: pytest.LogCaptureFixture) -> None:
    directory = MemoryDirectory()
    store = opened(directory)
    fill(store)
    durability(store).checkpoint(0)
    fill(store, start=20)
    durability(store).checkpoint(0)
    fill(store, start=40)
    durability(store).flush()
    newest = max(name for name in directory.names() if name.startswith("checkpoint"))
    directory.files[newest][40] ^= 1
    assert answers(opened(directory), []) == answers(store, [])
    assert f"Checkpoint is damaged: file={newest}" in caplog.text


def test_a_torn_end_is_cut_and_said(caplog: pytest.LogCaptureFixture) -> None:
    directory = MemoryDirectory()
    store = opened(directory)
    fill(store)
    durability(store).flush()
    before = answers(store, [])
    name = "log-00000001"
    size = len(directory.files[name])
    directory.append(name, b"PSF1\x10\x00\x00\x00torn")
    assert answers(opened(directory), []) == before
    assert len(directory.files[name]) == size
    assert "Torn end of file cut: file=log-00000001" in caplog.text


def test_damage_anywhere_costs_what_it_hits_and_nothing_more() -> None:
    chance = random.Random(5)
    whole = MemoryDirectory()
    store = opened(whole)
    for step in range(4):
        fill(store, start=100 * step, rows=20)
        durability(store).flush()
        if step % 2 == 0:
            durability(store).checkpoint(0)
    truth = answers(store, [])
    for _ in range(60):
        directory = MemoryDirectory({name: bytearray(data) for name, data in whole.files.items()})
        for _ in range(chance.randint(1, 5)):
            data = directory.files[chance.choice(directory.names())]
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        for name, samples in answers(opened(directory), []).items():
            assert samples.items() <= truth[name].items()


def test_a_full_disk_ends_the_promise_and_not_the_store(caplog: pytest.LogCaptureFixture) -> None:
    directory = MemoryDirectory()
    store = opened(directory)
    fill(store)
    durability(store).flush()
    directory.room = 10
    fill(store, start=20)
    promise = store.commit()
    durability(store).flush()
    with pytest.raises(NotDurableError, match="No space left on device"):
        promise.result(timeout=0)
    fill(store, start=30)
    with pytest.raises(NotDurableError):
        store.commit().result(timeout=0)
    store.maintain(0, 1)
    store.maintain(60_000, 1)  # still full: the checkpoint fails too
    durability(store).flush()
    assert durability(store).checkpoint_failures == 1
    assert caplog.text.count("Log not written any more") == 1
    directory.room = None
    store.maintain(120_000, 1)
    durability(store).flush()
    fill(store, start=60)
    again = store.commit()
    durability(store).flush()
    again.result(timeout=0)
    directory.crash()
    assert answers(opened(directory), []) == answers(store, [])


def test_after_a_start_logs_are_enough(caplog: pytest.LogCaptureFixture) -> None:
    """Numbers of series are others in each process: the log of each tells what it needs of those before."""
    directory = MemoryDirectory()
    store = opened(directory)
    fill(store)
    durability(store).flush()
    for start in (20, 40, 60):
        store = opened(directory)
        assert durability(store).records_left_out == 0
        store.append({"__name__": "x", "k": str(start)}, [start], [1.0])
        fill(store, start=start)
        store.delete([[Matcher(MatchType.EQ, "k", "3")]], start + 2, start + 4)
        durability(store).flush()
        directory.crash()
    assert not [name for name in directory.names() if name.startswith("checkpoint")]
    assert answers(opened(directory), []) == answers(store, [])
    store.delete([[Matcher(MatchType.EQ, "k", "4")]], 0, 5)
    durability(store).checkpoint(0)
    fill(store, start=80)
    durability(store).flush()
    directory.files["checkpoint-00000001"][40] ^= 1
    again = opened(directory)
    assert "Checkpoint is damaged" in caplog.text
    assert (durability(again).records_left_out, answers(again, [])) == (0, answers(store, []))


def test_a_log_that_failed_promises_nothing_before_a_checkpoint() -> None:
    directory = MemoryDirectory()
    store = opened(directory)
    fill(store)
    durability(store).flush()
    directory.room = 10
    store.append({"__name__": "came when the disk was full"}, [1], [1.0])
    durability(store).flush()
    directory.room = None
    store.maintain(0, 1)
    store.maintain(60_000, 1)  # a checkpoint is to be written
    fill(store, start=20)
    promise = store.commit()
    directory.room = 10
    durability(store).flush()
    with pytest.raises(NotDurableError, match="No space left on device"):
        promise.result(timeout=0)


def test_a_directory_has_one_user(tmp_path: Path) -> None:
    store = Store()
    store.open(tmp_path / "data")
    with pytest.raises(LockedError, match="lock DB directory: resource temporarily unavailable"):
        Store().open(tmp_path / "data")
    store.close()
    DiskDirectory(tmp_path / "data").close()


def test_real_files_and_the_writer_thread(tmp_path: Path) -> None:
    store = Store(seal_rows=4)
    store.open(tmp_path)
    fill(store)
    store.commit().result(timeout=10)
    durability(store).checkpoint(0)
    fill(store, start=100)
    before = answers(store, [])
    store.close()
    again = Store()
    again.open(tmp_path)
    assert answers(again, []) == before
    again.close()
    assert store.commit().result(timeout=0) is None


def test_a_snapshot_is_a_store(tmp_path: Path) -> None:
    store = Store(seal_rows=4)
    fill(store)
    store.maintain(0, 1)
    fill(store, start=50)
    store.snapshot(tmp_path / "snapshot")
    copy = Store()
    copy.open(tmp_path / "snapshot")
    assert answers(copy, []) == answers(store, [])
    copy.close()


def test_a_directory_that_cannot_be_written_is_an_error_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Store().open(tmp_path / "file" / "data")


def test_restored_tables_go_on_under_their_names() -> None:
    directory = MemoryDirectory()
    store = opened(directory)
    fill(store)
    store.append({"__name__": "lib"}, [1, 2], [1.0, 2.0])
    durability(store).checkpoint(0)
    again = opened(directory)
    fill(again, start=10)
    again.append({"__name__": "lib"}, [2, 3], [2.0, 3.0])
    assert (again.stats().tables, again.stats().series, again.homes.others) == (2, 6, {})
    assert again.stats().samples_appended == 52 + 51
    for samples in answers(again, []).values():
        assert len(samples) in {3, 20}


def test_log_lines_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fill(opened(MemoryDirectory()))
    assert not caplog.records


LIMITED = """
import resource, signal, sys
import numpy as np
from pyscrape.store import Store
from pyscrape.store.journal import NotDurableError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
store = Store()
store.open(sys.argv[1])
table = store.table("t")
columns = table.add_columns([{"__name__": "x", "k": str(k)} for k in range(1000)])
random = np.random.default_rng(1)
failed = 0
for at in range(100):
    table.append(at, columns, random.normal(size=1000))
    store.maintain(at * 10_000, 0.01)
    try:
        store.commit().result(timeout=30)
    except NotDurableError:
        failed += 1
[block] = store.select([], -1, 1000).blocks
print(failed > 0, block.values.shape)
store.close()
"""


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[0] == "True (100, 1000)"
    assert "Log not written any more, samples are kept in memory only" in run.stderr
    store = Store()
    store.open(tmp_path)
    assert store.stats().series == 1000
    store.close()


class ReadOnlyAtTimes(DiskDirectory):
    """Files on disk; while it is read-only what is open can be written, and nothing else changed."""

    read_only = False

    def append(self, name: str, data: bytes) -> None:
        if name not in self._open:
            self._change()
        super().append(name, data)

    def replace(self, name: str, data: bytes) -> None:
        self._change()
        super().replace(name, data)

    def remove(self, name: str) -> None:
        self._change()
        super().remove(name)

    def _change(self) -> None:
        if self.read_only:
            raise OSError(errno.EROFS, "Read-only file system")


def test_a_directory_that_becomes_read_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "data"
    store = Store()
    directory = ReadOnlyAtTimes(path)
    store.open_directory(directory)
    durability(store).start()
    table = store.table("t")
    columns = table.add_columns([{"__name__": "x"}])
    times = itertools.count(0, 300_000)

    def append(rows: int) -> bool:
        """Whether all were promised."""
        promises = []
        for _ in range(rows):
            now_ms = next(times)
            table.append(now_ms, columns, np.ones(1))
            while store.maintain(now_ms, 1.0):
                pass
            promises.append(store.commit())
        return not any(promise.exception(timeout=30) for promise in promises)

    assert append(30)
    directory.read_only = True
    assert not append(60)
    [block] = store.select([], -1, _ALWAYS).blocks
    assert block.values.shape == (90, 1)
    directory.read_only = False
    assert any(append(1) for _ in range(200)), "the thread that writes has taken its time"
    store.close()
    told = [record.message for record in caplog.records if record.name == "pyscrape.store.journal"]
    assert [text.partition(":")[0] for text in told] == [
        "Log not written any more, samples are kept in memory only",
        "Log written again",
    ]
    again = Store()
    again.open(path)
    [block] = again.select([], -1, _ALWAYS).blocks
    assert block.values.shape == (next(times) // 300_000, 1)
    again.close()
