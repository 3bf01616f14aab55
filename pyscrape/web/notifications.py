"""What operators should know of the server now: a list, and a stream of its changes (Server-Sent Events).

The texts are Prometheus'; its pages and scripts look for them.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping

import orjson

from pyscrape.web.answers import Answer, Stream, success
from pyscrape.web.params import format_time
from pyscrape.web.routes import Call, Mount

RELOAD_FAILED = "Configuration reload has failed."
STARTING = "Prometheus is starting and replaying the write-ahead log (WAL)."
STOPPING = "Prometheus is shutting down and gracefully stopping all operations."
MOST_WAITING = 100
"""Changes that a subscriber may be behind; one that reads more slowly is let go."""

Notification = Mapping[str, object]


class Notifications:
    """The notifications that are active, and those who watch them. For the loop's thread."""

    def __init__(self, most_subscribers: int, clock: Callable[[], float]) -> None:
        self._most_subscribers = most_subscribers
        self._clock = clock
        self._active: dict[str, Notification] = {}
        self._subscribers: set[asyncio.Queue[bytes]] = set()
        self._closed = False

    def add(self, text: str) -> None:
        """`text` is true from now on; nothing happens where it is known."""
        if text not in self._active:
            self._active[text] = {"text": text, "date": format_time(self._clock()), "active": True}
            self._tell(self._active[text])

    def delete(self, text: str) -> None:
        """`text` is true no longer."""
        if text in self._active:
            self._tell({**self._active.pop(text), "active": False})

    def active(self) -> list[Notification]:
        """What is true now."""
        return list(self._active.values())

    def close(self) -> None:
        """End all streams: the server stops."""
        self._closed = True
        for queue in self._subscribers:
            _put(queue, b"")

    def subscribe(self) -> AsyncGenerator[bytes, None] | None:
        """Events as they go over the wire: what is active, then every change. None when too many watch already."""
        if len(self._subscribers) >= self._most_subscribers or self._closed:
            return None
        return self._events()

    async def _events(self) -> AsyncGenerator[bytes, None]:
        queue: asyncio.Queue[bytes] = asyncio.Queue(MOST_WAITING)
        for notification in self._active.values():
            queue.put_nowait(_event(notification))
        self._subscribers.add(queue)
        try:
            while event := await queue.get():
                yield event
        finally:
            self._subscribers.discard(queue)

    def _tell(self, notification: Notification) -> None:
        for queue in self._subscribers:
            _put(queue, _event(notification))


def _event(notification: Notification) -> bytes:
    return b"data: " + orjson.dumps(notification) + b"\n\n"


def _put(queue: "asyncio.Queue[bytes]", event: bytes) -> None:
    """Add an event; a queue that is full ends instead."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        event = b""
    queue.put_nowait(event)


class NotificationsApi:
    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications

    def mounts(self) -> list[Mount]:
        base = "/api/v1/notifications"
        return [
            Mount(base, self.listed, before_ready=True),
            Mount(f"{base}/live", self.live, before_ready=True),
        ]

    def listed(self, call: Call) -> Answer:
        return success(self._notifications.active())

    async def live(self, call: Call) -> Answer | Stream:
        """The changes as they happen; 204 for one client too many, which tells an EventSource to stay away."""
        events = self._notifications.subscribe()
        if events is None:
            return Answer(b"", 204)
        return Stream(events, "text/event-stream", {"Cache-Control": "no-cache"})
