"""The remote write receiver over HTTP: large requests in slices, broken ones, order."""

import asyncio

import cramjam
import pytest

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
