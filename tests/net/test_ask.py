"""Questions to HTTP APIs: what an error says."""

import gc

import httpx
import pytest

from pyscrape.net.ask import Asker, AskError
from pyscrape.net.settings import DEFAULT_HTTP


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
