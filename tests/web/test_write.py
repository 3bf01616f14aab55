"""The remote write receiver over HTTP: large requests in slices, broken ones, order."""

import asyncio

import cramjam
import numpy as np
import pytest

from pyscrape.remote.encode2 import write_request2
from pyscrape.remote.receive import BadWriteError, slices
from pyscrape.store import Store
from tests.helpers.remote_write import encode
from tests.helpers.web_client import NOW_S, Client, client_of, make_services

NOW_MS = int(NOW_S * 1000)
HEADERS = {"content-type": "application/x-protobuf", "content-encoding": "snappy"}


def request(count: int, at_ms: int = NOW_MS, value: float = 1.0) -> bytes:
    return b"".join(encode([({"__name__": "m", "k": f"{k:06d}"}, [at_ms], [value])]) for k in range(count))


async def write(client: Client, message: bytes) -> tuple[int, str]:
    body = bytes(cramjam.snappy.compress_raw(message))
    answer = await client.http.post("/api/v1/write", content=body, headers=HEADERS)
    return answer.status_code, answer.text


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_slices_are_the_request_again(size: int) -> None:
    message = request(50)
    made = list(slices(message, size))
    assert b"".join(made) == message
    assert len(made) == (50 if size == 1 else 1 if size == 1 << 20 else len(made))
    assert list(slices(b"", size)) == []
    with pytest.raises(BadWriteError, match="unexpected EOF"):
        slices(message[:-1], size)


async def test_a_large_request_leaves_the_loop_its_turns() -> None:
    store = Store()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += bool(store.stats().samples_appended) and store.stats().samples_appended < 20_000

    async with client_of(make_services(store, enable_receiver=True)) as client:
        counting = asyncio.create_task(count())
        assert (await write(client, request(20_000)))[0] == 204
        counting.cancel()
    assert store.stats().samples_appended == 20_000
    assert turns >= 3


async def test_what_is_broken_at_its_end_appends_nothing() -> None:
    store = Store()
    async with client_of(make_services(store, enable_receiver=True)) as client:
        status, said = await write(client, request(10_000)[:-1])
    assert (status, said) == (400, "proto: unexpected EOF")
    assert store.stats().samples_appended == 0


async def test_requests_are_taken_in_the_order_in_which_they_came() -> None:
    store = Store()
    async with client_of(make_services(store, enable_receiver=True)) as client:
        messages = [request(8000, NOW_MS + 1000 * k, float(k)) for k in range(4)]
        assert [status for status, _ in await asyncio.gather(*(write(client, m) for m in messages))] == [
            204
        ] * 4
    assert store.stats().samples_appended == 32_000


V2 = HEADERS | {"content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}


def request2(*rows: tuple[str, int, float]) -> bytes:
    names, times, values = zip(*rows, strict=True)
    message = write_request2(
        [("__name__", name) for name in names], np.array(times), np.array(values), lambda name: None, {}
    )
    return bytes(cramjam.snappy.compress_raw(message))


async def test_2_0_says_how_much_was_written() -> None:
    store = Store()
    rows = [
        ([("m", NOW_MS, 1.0), ("n", NOW_MS, 1.0)], 204, "2", ""),
        ([("m", NOW_MS, 1.0), ("n", NOW_MS + 1, 1.0)], 204, "2", ""),
        ([("m", NOW_MS, 2.0), ("o", NOW_MS, 1.0)], 400, "1", "duplicate sample for timestamp"),
        ([("m", NOW_MS - 5, 2.0)], 400, "0", "out of order sample"),
        ([("", NOW_MS, 2.0), ("p", NOW_MS, 1.0)], 400, "1", "invalid metric name"),
        ([("q", NOW_MS + 3_600_000, 2.0), ("r", NOW_MS, 1.0)], 400, "1", "out of bounds"),
    ]
    async with client_of(make_services(store, enable_receiver=True)) as client:
        for samples, status, written, said in rows:
            answer = await client.http.post("/api/v1/write", content=request2(*samples), headers=V2)
            assert (answer.status_code, answer.headers["x-prometheus-remote-write-samples-written"]) == (
                status,
                written,
            )
            assert answer.headers["x-prometheus-remote-write-exemplars-written"] == "0"
            assert said in answer.text
            assert bool(said) == bool(answer.text)
        assert (
            "x-prometheus-remote-write-samples-written"
            not in (await client.http.post("/api/v1/write", content=b"\0", headers=HEADERS)).headers
        )


async def test_histograms_are_said_once_not_to_be_kept(caplog: pytest.LogCaptureFixture) -> None:
    sample = encode([({"__name__": "m"}, [NOW_MS], [1.0])])
    # The series with one more field: a histogram with a count.
    with_histogram = bytes([sample[0], sample[1] + 4]) + sample[2:] + b"\x22\x02\x10\x01"
    async with client_of(make_services(Store(), enable_receiver=True)) as client:
        assert await write(client, sample) == (204, "")
        assert caplog.messages == []
        for _ in range(2):
            assert await write(client, with_histogram) == (204, "")
    assert caplog.messages == ["Remote write brings native histograms, which are not supported and not kept"]


async def test_messages_that_are_not_accepted() -> None:
    only_1 = make_services(Store(), enable_receiver=True, accepted_messages=("prometheus.WriteRequest",))
    async with client_of(only_1) as client:
        answer = await client.http.post("/api/v1/write", content=request2(("m", NOW_MS, 1.0)), headers=V2)
        said = (
            "io.prometheus.write.v2.Request protobuf message is not accepted by this server;"
            " accepted [prometheus.WriteRequest]"
        )
        assert (answer.status_code, answer.text) == (415, said)
        other = HEADERS | {"content-type": "application/x-protobuf;proto=x.y"}
        answer = await client.http.post("/api/v1/write", content=b"", headers=other)
        assert answer.status_code == 415
