"""The queue on disk: order, restarts, torn ends, bounds, a full disk, and writers that use it."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.remote.spool import Spool
from pyscrape.remote.waves import Request
from pyscrape.remote.writers import RemoteWriters
from pyscrape.store import Store
from tests.helpers.virtual_loop import run_virtual, wall_clock
from tests.remote.receiver import Source, StrictReceiver, config

OK = httpx.Response(204)
AWAY = httpx.Response(503)


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual loop waits for no thread."""

    async def inline(function: Callable[..., object], *arguments: object) -> object:
        return function(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", inline)


def wave(number: int, size: int = 20) -> list[Request]:
    return [Request(lane, 1, number, bytes([number % 256]) * size) for lane in range(2)]


def numbers(spool: Spool) -> list[int]:
    return [requests[0].newest_ms for record in spool.records if (requests := spool.read(record))]


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=200)
    waves = [wave(number) for number in range(10)]
    for one in waves:
        spool.append(one)
    for _ in range(3):
        spool.done(spool.records[0])
    spool.close()
    again = Spool(tmp_path, segment_bytes=200)
    assert [again.read(record) for record in again.records] == waves[3:]
    assert again.pending == 14
    again.append(wave(10))
    assert numbers(again) == list(range(3, 11))
    again.close()


def test_an_empty_queue_takes_no_room_and_restarts_empty(tmp_path: Path) -> None:
    for _ in range(3):
        spool = Spool(tmp_path)
        assert not spool
        for number in range(3):
            spool.append(wave(number))
        assert numbers(spool) == [0, 1, 2]
        while spool:
            spool.done(spool.records[0])
        assert spool.nbytes == spool.pending == 0
        spool.close()
    assert [path.name for path in tmp_path.iterdir()] == ["position"]


def test_the_oldest_go_when_it_is_too_much(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most_bytes=1000, segment_bytes=200)
    first = spool.append(wave(0))
    for number in range(1, 40):
        spool.append(wave(number))
    assert spool.nbytes <= 1200
    left = numbers(spool)
    assert left == list(range(40 - len(left), 40))
    assert spool.dropped + spool.pending == 80
    spool.done(first)
    assert numbers(spool) == left, "what is done with was dropped before"
    spool.close()


@pytest.mark.parametrize("lost", [1, 5, 30, 90])
def test_a_torn_end_is_left_out(tmp_path: Path, lost: int) -> None:
    spool = Spool(tmp_path)
    for number in range(3):
        spool.append(wave(number))
    spool.close()
    [path] = tmp_path.glob("*.requests")
    path.write_bytes(path.read_bytes()[:-lost])
    again = Spool(tmp_path)
    assert numbers(again) == [0, 1]
    again.append(wave(7))
    again.close()
    assert numbers(Spool(tmp_path)) == [0, 1, 7]


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_byte_costs_records_and_never_gives_wrong_ones(at: int, change: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), segment_bytes=200)
        for number in range(10):
            spool.append(wave(number))
        spool.close()
        paths = sorted(Path(folder).glob("*.requests"))
        data = [bytearray(path.read_bytes()) for path in paths]
        at %= sum(map(len, data))
        for path, content in zip(paths, data, strict=True):
            if at < len(content):
                content[at] ^= change
                path.write_bytes(content)
                break
            at -= len(content)
        again = Spool(Path(folder))
        found = [again.read(record) for record in again.records]
        assert all(one == wave(one[0].newest_ms) for one in found)
        assert len(found) >= 7
        assert [one[0].newest_ms for one in found] == sorted(one[0].newest_ms for one in found)


def outage(
    tmp_path: Path,
    receiver: StrictReceiver,
    seconds: int,
    kill: Callable[[RemoteWriters], None] | None = None,
) -> None:
    """Rows for so long with a queue on disk; the process may be killed (its writers forgotten) at half time."""

    async def main() -> None:
        store = Store()
        limits = {"capacity": 10, "max_shards": 1, "batch_send_deadline": "1s", "max_samples_per_send": 7}
        configs = [config(queue_config=limits)]

        def writers() -> RemoteWriters:
            return RemoteWriters(store, folder=tmp_path, clock=wall_clock, endpoint=receiver.endpoint)

        ours = writers()
        await ours.apply(configs, {})
        source = Source(store, [{"__name__": f"m{k}"} for k in range(3)])
        for number in range(seconds):
            ours.push(*source.row(*[float(number)] * 3))
            await asyncio.sleep(1)
            assert ours.writers[0].queue.pending <= 10
            if number == seconds // 2 and kill is not None:
                kill(ours)
                ours = writers()
                await ours.apply(configs, {})
        await asyncio.sleep(30)
        assert ours.writers[0].pending == 0
        assert ours.writers[0].dropped == 0
        await ours.stop()

    run_virtual(main())


FAILURES = [
    ("503 for ten minutes", AWAY, 640),
    ("500", httpx.Response(500), 60),
    ("refused", httpx.ConnectError("refused"), 60),
    ("cut", httpx.ReadError("cut"), 60),
    ("timeout", httpx.ReadTimeout(""), 60),
]


@pytest.mark.parametrize(("failure", "seconds"), [r[1:] for r in FAILURES], ids=[r[0] for r in FAILURES])
def test_away_and_nothing_is_lost(tmp_path: Path, failure: httpx.Response | Exception, seconds: int) -> None:
    receiver = StrictReceiver(lambda n: failure if 20 < receiver.times[n] < seconds - 20 else OK)
    outage(tmp_path, receiver, seconds)
    for k in range(3):
        assert receiver.values(f"m{k}") == [float(n) for n in range(seconds)]
    assert not list(tmp_path.glob("*/*.requests"))


def test_a_receiver_that_hangs(tmp_path: Path) -> None:
    """No answer at all: what waits goes to disk before the request times out."""

    async def main() -> None:
        store = Store()
        receiver = StrictReceiver(delay_s=1e6)
        writers = RemoteWriters(store, folder=tmp_path, clock=wall_clock, endpoint=receiver.endpoint)
        await writers.apply([config(queue_config={"batch_send_deadline": "1s"})], {})
        source = Source(store, [{"__name__": "m"}])
        for _ in range(10):
            writers.push(*source.row(1.0))
            await asyncio.sleep(1)
        [writer] = writers.writers
        assert writer.pending == 10
        assert writer.spool is not None
        assert writer.spool.pending >= 9
        await writers.stop()
        assert asyncio.get_running_loop().time() <= 16

    run_virtual(main())


def test_a_crash_in_between(tmp_path: Path) -> None:
    """The second process sends what the first had on disk, and at most the last second is missing."""

    def kill(writers: RemoteWriters) -> None:
        for task in writers._tasks.values():
            task.cancel()
        for writer in writers.writers:
            assert writer.spool is not None
            writer.spool._close_file(sync=False)
            writer.spool = None  # whatever it does from here on reaches nothing

    receiver = StrictReceiver(lambda n: AWAY if 20 < receiver.times[n] < 100 else OK)
    outage(tmp_path, receiver, 120, kill)
    for k in range(3):
        lost = set(range(120)) - {round(value) for value in receiver.values(f"m{k}")}
        assert lost <= {60}


def test_an_end_while_the_receiver_is_away_keeps_everything(tmp_path: Path) -> None:
    receiver = StrictReceiver(lambda n: AWAY if receiver.times[n] < 50 else OK)

    async def main() -> None:
        store = Store()
        source = Source(store, [{"__name__": "m"}])
        for process in range(2):
            writers = RemoteWriters(store, folder=tmp_path, clock=wall_clock, endpoint=receiver.endpoint)
            await writers.apply([config()], {})
            for number in range(10):
                writers.push(*source.row(float(number + 10 * process)))
                await asyncio.sleep(1)
            begin_s = asyncio.get_running_loop().time()
            await writers.stop()
            assert asyncio.get_running_loop().time() - begin_s < 6
            await asyncio.sleep(40)
            assert writers.writers == ()

    run_virtual(main())
    # The second end found what was left of the first process and its own rows: sent before it ended.
    assert receiver.values("m") == [float(number) for number in range(20)]


def test_a_full_disk_ends_the_promise_and_not_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = StrictReceiver(lambda n: AWAY if 5 < receiver.times[n] < 20 else OK)

    def full(self: Spool, requests: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "append", full)

    async def main() -> None:
        store = Store()
        writers = RemoteWriters(store, folder=tmp_path, clock=wall_clock, endpoint=receiver.endpoint)
        await writers.apply([config(queue_config={"batch_send_deadline": "1s"})], {})
        source = Source(store, [{"__name__": "m"}])
        for number in range(40):
            writers.push(*source.row(float(number)))
            await asyncio.sleep(1)
        await writers.stop()

    run_virtual(main())
    assert receiver.values("m") == [float(number) for number in range(40)]
    said = [m for m in caplog.messages if m == "The remote write queue cannot be kept on disk"]
    assert len(said) == 1


def test_what_became_too_old_on_a_full_disk_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = StrictReceiver(lambda n: AWAY)

    def full(self: Spool, requests: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "append", full)

    async def main() -> None:
        store = Store()
        writers = RemoteWriters(store, folder=tmp_path, clock=wall_clock, endpoint=receiver.endpoint)
        await writers.apply(
            [config(queue_config={"batch_send_deadline": "1s", "sample_age_limit": "10s"})], {}
        )
        source = Source(store, [{"__name__": "m"}])
        for number in range(40):
            writers.push(*source.row(float(number)))
            await asyncio.sleep(1)
        [writer] = writers.writers
        assert writer.dropped + writer.pending == writer.came == 40
        assert writer.pending <= 12
        await writers.stop()

    run_virtual(main())


async def test_the_tasks_of_a_writer_say_what_they_do(tmp_path: Path) -> None:
    writers = RemoteWriters(Store(), folder=tmp_path, endpoint=StrictReceiver(lambda n: OK).endpoint)
    await writers.apply([config(name="far")], {})
    await asyncio.sleep(0)
    names = {task.get_name() for task in asyncio.all_tasks()}
    await writers.stop()
    assert names >= {
        "remote write far",
        *(f"{part} of remote write far" for part in ("sharding", "metadata", "spool")),
    }


def test_a_reload_during_an_outage_keeps_order_and_sends_nothing_twice(tmp_path: Path) -> None:
    receiver = StrictReceiver(lambda n: AWAY if 3 < receiver.times[n] < 30 else OK)

    async def main() -> None:
        store = Store()
        writers = RemoteWriters(store, folder=tmp_path, clock=wall_clock, endpoint=receiver.endpoint)
        source = Source(store, [{"__name__": "m"}])
        for number in range(40):
            if number % 5 == 0:
                limits = {"batch_send_deadline": "1s", "max_samples_per_send": 100 + number}
                await writers.apply([config(queue_config=limits)], {})
            writers.push(*source.row(float(number)))
            await asyncio.sleep(1)
        await writers.stop()

    run_virtual(main())
    assert receiver.values("m") == [float(number) for number in range(40)]


def test_a_file_that_vanished_holds_nothing_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    receiver = StrictReceiver(lambda n: AWAY if 3 < receiver.times[n] < 20 else OK)

    async def main() -> None:
        store = Store()
        writers = RemoteWriters(store, folder=tmp_path, clock=wall_clock, endpoint=receiver.endpoint)
        await writers.apply([config(queue_config={"batch_send_deadline": "1s"})], {})
        [writer] = writers.writers
        source = Source(store, [{"__name__": "m"}])
        for number in range(40):
            writers.push(*source.row(float(number)))
            await asyncio.sleep(1)
            if number == 10:
                assert writer.spool is not None
                for record in writer.spool.records:
                    writer.spool._path(record.segment).unlink(missing_ok=True)
        await writers.stop()
        assert writer.stats.samples_total + writer.dropped == 40

    run_virtual(main())
    assert receiver.values("m")[-15:] == [float(number) for number in range(25, 40)]
    assert "A record of the remote write queue is lost" in caplog.messages


CHILD = """
import sys
from pathlib import Path
from pyscrape.remote.spool import Spool
from pyscrape.remote.waves import Request
spool = Spool(Path(sys.argv[1]), segment_bytes=5000)
number = 0
while True:
    spool.append([Request(0, 1, number, number.to_bytes(4, "little") * 25)])
    print(number, flush=True)
    if number % 3 == 0:
        spool.done(spool.records[0])
        spool.begin_sync()
    number += 1
"""


def test_kill_9(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= 500:
            break
    os.kill(child.pid, signal.SIGKILL)
    said = [int(line) for line in child.stdout.read().splitlines() if line.strip()]
    child.wait()
    child.stdout.close()
    spool = Spool(tmp_path)
    found = [requests[0] for record in spool.records if (requests := spool.read(record))]
    assert [request.newest_ms for request in found] == list(
        range(found[0].newest_ms, found[-1].newest_ms + 1)
    )
    assert found[-1].newest_ms >= max([500, *said[:-1]])
    assert all(request.body == request.newest_ms.to_bytes(4, "little") * 25 for request in found)
