"""Questions to HTTP APIs: what an error says."""

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
