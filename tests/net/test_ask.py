"""Questions to HTTP APIs: what an error says."""

import asyncio
import gc
from collections.abc import AsyncIterator

import httpx
import pytest

from pyscrape.net.ask import Asker, AskError
from pyscrape.net.settings import DEFAULT_HTTP
from tests.helpers.virtual_loop import virtually


async def test_errors_do_not_tell_the_password_of_a_url() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    asker = Asker(DEFAULT_HTTP, transport=httpx.MockTransport(refuse))
    for ask in (asker.get("http://me:hunter2@h.example/x"), asker.post("http://me:hunter2@h.example/x", b"")):
        with pytest.raises(AskError, match="connection refused") as caught:
            await ask
        assert "hunter2" not in str(caught.value)
        assert "http://me:xxxxx@h.example/x" in str(caught.value)
    await asker.close()


def requests_and_responses() -> int:
    return sum(isinstance(one, httpx.Request | httpx.Response) for one in gc.get_objects())


async def test_what_was_asked_is_freed_without_the_collector() -> None:
    asker = Asker(DEFAULT_HTTP, transport=httpx.MockTransport(lambda request: httpx.Response(204)))
    await asker.post("http://h.example/x", b"")
    gc.collect()
    gc.disable()
    try:
        before = requests_and_responses()
        for _ in range(3):
            await asker.post("http://h.example/x", b"a large body")
            await asker.get("http://h.example/x")
        assert requests_and_responses() == before
    finally:
        gc.enable()
    await asker.close()


@virtually
async def test_the_time_is_for_the_whole_answer() -> None:
    """httpx's own limit is for each read: a server that drips would never reach it."""

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(1)
                yield b" "

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Drip())

    asker = Asker(DEFAULT_HTTP, timeout_s=20, transport=httpx.MockTransport(answer))
    with pytest.raises(AskError, match="context deadline exceeded after 20 s"):
        await asker.get("http://h.example/x")
    assert asyncio.get_running_loop().time() < 25
    await asker.close()


@virtually
async def test_a_post_has_no_more_time_than_it_was_given() -> None:
    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(1)
                yield b" "

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Drip()))
    asker = Asker(DEFAULT_HTTP, timeout_s=20, transport=transport)
    with pytest.raises(AskError, match=r'Post "http://h.example/x": context deadline exceeded after 20 s'):
        await asker.post("http://h.example/x", b"")
    assert asyncio.get_running_loop().time() < 25
    await asker.close()
