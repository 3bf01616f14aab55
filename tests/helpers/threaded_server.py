"""A fake API server in a thread of its own, for tests of code that runs an event loop of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.helpers.fake_kubernetes import FakeKubernetes


@contextmanager
def in_thread(server: FakeKubernetes) -> Iterator[FakeKubernetes]:
    """Serve until the block ends. The server's objects may be changed before it only."""
    ready, loops = threading.Event(), []
    ending = asyncio.Event()

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with server:
            ready.set()
            await ending.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield server
    finally:
        loops[0].call_soon_threadsafe(ending.set)
        thread.join(5)
