"""Keeps a copy of one resource of an API server, for as long as somebody listens.

Three nested generators with one reason to loop each: `batches` never ends, `_one_version` lists and then follows
that version until the server no longer keeps it, `_one_response` reads a single watch. What the lines mean is
decided in `watch`, how long to wait in `backoff`; here is only the order of requests.

A list is asked for in the way that costs least, and when that is refused in the next: a watch that begins with all
objects (nothing big is ever in memory), pages, the whole list from the server's cache. What was known stays known
until a complete new list has arrived; then it is compared, so that deletions that happened meanwhile are seen.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from pyscrape.discovery.kubernetes.advice import advise
from pyscrape.discovery.kubernetes.backoff import Backoff
from pyscrape.discovery.kubernetes.objects import Key, Named, Source, key_of
from pyscrape.discovery.kubernetes.watch import (
    ApiError,
    Change,
    Decoders,
    Lines,
    Page,
    Watch,
    parse_page,
    parse_status,
    paused_collector,
)
from pyscrape.net.streams import Answer, StreamError, Streams

logger = logging.getLogger("pyscrape.discovery.kubernetes")

PAGE_OBJECTS = 500
# How long a list may take to begin and to go on. A server without its database answers nothing at all.
LIST_SILENCE_S = 15.0
ANSWER_S = 15.0
# Bookmarks come about once a minute; a watch without a word for longer has nobody at its other end.
WATCH_SILENCE_S = 80.0
WATCH_LASTS_S = (300, 600)
# A watch that ended sooner than this, without an event, counts as a failure: no loop may spin.
SHORT_WATCH_S = 1.0
# So often in a row a watch may be refused for another reason than who asks or how often: then the version is given up.
MOST_REFUSED_WATCHES = 3
_REFUSES_THE_CLIENT = {401, 403, 429}


@dataclass(slots=True)
class ReflectorStatus:
    """How one reflector is doing; times are unix seconds, None = never."""

    state: str = "starting"  # starting, listing, watching, waiting
    last_list_s: float | None = None
    last_event_s: float | None = None
    last_attempt_s: float | None = None
    last_error: str = ""
    last_error_s: float | None = None
    error: Exception | None = None
    failures: int = 0
    lists: int = 0
    watches: int = 0
    list_ways: dict[str, int] = field(default_factory=dict)


class Listener(Protocol):
    """Who wants to know. Called from the event loop, after the reflector's objects have changed."""

    def changed(self, reflector: "Reflector", key: Key, old: Named | None, new: Named | None) -> None: ...

    def status_changed(self, reflector: "Reflector") -> None: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything there is, which replaces all that was known."""

    objects: dict[Key, Named]


Batch = Snapshot | list[Change]


class UnsupportedError(Exception):
    """The server does not begin a watch with all objects."""


class Reflector:
    """The copy: `objects` is changed in place and may be read at any time between two awaits."""

    def __init__(
        self,
        streams: Streams,
        source: Source,
        *,
        backoff: Backoff | None = None,
        on_warning: Callable[[str], None] = lambda _text: None,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self.source = source
        self.objects: dict[Key, Named] = {}
        self.synced = False
        self.status = ReflectorStatus()
        self.listeners: set[Listener] = set()
        self._streams = streams
        self._backoff = backoff or Backoff()
        self._on_warning = on_warning
        self._on_failure = on_failure
        self._decoders = Decoders(source.resource)
        self._stream_lists_refused = False
        self._refused_watches = 0
        self._open_answer: Answer | None = None

    def resume(self) -> None:
        """Give up the open watch, if there is one, and go on from its version with a new one."""
        if self._open_answer is not None:
            self._open_answer.abort()

    async def run(self) -> None:
        """Reflect until cancelled; after a fault of the program all is listed anew."""
        while True:
            try:
                async with aclosing(self.batches()) as batches:
                    async for batch in batches:
                        self.apply(batch)
            except Exception as error:
                if str(error) != self.status.last_error:
                    logger.exception("A fault in Kubernetes discovery", extra=self._where())
                await self._wait_after(error)

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Snapshots and changes, for ever; failures are waited out."""
        while True:
            try:
                async with aclosing(self._one_version()) as batches:
                    async for batch in batches:
                        yield batch
            except (ApiError, StreamError, msgspec.DecodeError) as error:
                await self._wait_after(error)

    async def _one_version(self) -> AsyncGenerator[Batch, None]:
        """List, then watch from that version until it has expired (raised as ApiError)."""
        watch = Watch(self.source.resource, self._decoders)
        async with AsyncExitStack() as stack:
            snapshot, lines = await self._list(watch, stack)
            self._listed()
            yield snapshot
            if lines is not None:
                async with aclosing(self._surviving(self._follow(watch, lines))) as batches:
                    async for batch in batches:
                        yield batch
        while True:
            async with aclosing(self._surviving(self._one_response(watch))) as batches:
                async for batch in batches:
                    yield batch

    async def _surviving(self, response: AsyncGenerator[Batch, None]) -> AsyncGenerator[Batch, None]:
        """One response whose failure is waited out, unless a new list is needed."""
        began = asyncio.get_running_loop().time()
        heard = False
        try:
            async with aclosing(response) as batches:
                async for batch in batches:
                    heard = True
                    yield batch
            if not heard and self._is_short(began):
                raise StreamError("the server ended the watch as soon as it began")
        except (ApiError, StreamError, msgspec.DecodeError) as error:
            if _needs_list(error) or self._is_refused_for_good(error):
                raise
            if not self._is_short(began):
                self._backoff.reset()
            await self._wait_after(error)

    def _is_refused_for_good(self, error: Exception) -> bool:
        """Whether a version has been refused so often that it means nothing to the server (any more)."""
        if not isinstance(error, ApiError) or error.status in _REFUSES_THE_CLIENT:
            return False
        self._refused_watches = (self._refused_watches + 1) % MOST_REFUSED_WATCHES
        return self._refused_watches == 0

    @staticmethod
    def _is_short(began: float) -> bool:
        return asyncio.get_running_loop().time() - began < SHORT_WATCH_S

    async def _one_response(self, watch: Watch) -> AsyncGenerator[Batch, None]:
        """Open one watch and read it to its end."""
        lasts_s = random.randint(*WATCH_LASTS_S)
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": watch.version,
            "timeoutSeconds": str(lasts_s),
        }
        async with self._streams.get(
            self.source.path, {**self.source.params, **params}, answer_s=ANSWER_S, silence_s=WATCH_SILENCE_S
        ) as answer:
            await self._check(answer)
            self._open_answer = answer
            self._watching()
            async with aclosing(self._follow(watch, self._lines(answer))) as batches:
                async for batch in batches:
                    yield batch

    async def _follow(
        self, watch: Watch, lines: AsyncGenerator[list[bytes], None]
    ) -> AsyncGenerator[Batch, None]:
        """The changes that a watch's lines tell of; ends with the lines. Hearing anything is a sign of health."""
        async for some in lines:
            self._backoff.reset()
            self._refused_watches = 0
            self.status.last_event_s = time.time()
            changes = [change for line in some if isinstance(change := watch.feed(line), Change)]
            if changes:
                yield changes

    async def _lines(self, answer: Answer) -> AsyncGenerator[list[bytes], None]:
        cutter = Lines()
        async for chunk in answer.chunks():
            if lines := cutter.feed(chunk):
                yield lines

    # --- the ways to list ---

    async def _list(
        self, watch: Watch, stack: AsyncExitStack
    ) -> tuple[Snapshot, AsyncGenerator[list[bytes], None] | None]:
        """All objects, and the lines that follow where the list was the beginning of a watch."""
        self._set_state("listing")
        self.status.last_attempt_s = time.time()
        if not self._stream_lists_refused:
            try:
                return await self._stream_list(watch, stack)
            except UnsupportedError as error:
                self._stream_lists_refused = True
                logger.debug("Falling back to paged lists: %s", error, extra=self._where())
            except StreamError as error:
                if not error.silent:
                    raise
        try:
            return await self._paged_list(watch), None
        except ApiError as error:
            if not error.expired and error.status not in {500, 504}:
                raise
        except StreamError as error:
            if not error.silent:
                raise
        return await self._cached_list(watch), None

    async def _stream_list(
        self, watch: Watch, stack: AsyncExitStack
    ) -> tuple[Snapshot, AsyncGenerator[list[bytes], None] | None]:
        """A watch that sends everything first, then a mark, then what happens."""
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
            "timeoutSeconds": str(random.randint(*WATCH_LASTS_S)),
        }
        async with AsyncExitStack() as own:
            answer = await own.enter_async_context(
                self._streams.get(
                    self.source.path,
                    {**self.source.params, **params},
                    answer_s=ANSWER_S,
                    silence_s=WATCH_SILENCE_S,
                )
            )
            try:
                await self._check(answer)
            except ApiError as error:
                if error.status in {400, 405, 406, 415, 422, 501}:
                    raise UnsupportedError(str(error)) from error
                raise
            objects: dict[Key, Named] = {}
            lines = await own.enter_async_context(aclosing(self._lines(answer)))
            rest = None
            while rest is None:
                try:
                    # A server that does not know the parameters would leave us waiting for the mark.
                    async with asyncio.timeout(LIST_SILENCE_S):
                        some = await anext(lines, None)
                except TimeoutError as error:
                    raise UnsupportedError("no end of the initial events") from error
                if some is None:
                    raise StreamError("the stream ended before all objects had been sent")
                with paused_collector():
                    rest = self._take_initial(watch, some, objects)
            self._count_list("watch-list")
            self._open_answer = answer
            await stack.enter_async_context(own.pop_all())
            return Snapshot(objects), _after(rest, lines)

    @staticmethod
    def _take_initial(watch: Watch, lines: list[bytes], objects: dict[Key, Named]) -> list[bytes] | None:
        """Put the objects of the lines into `objects`; at the mark: the lines behind it."""
        for number, line in enumerate(lines):
            event = watch.feed(line)
            if isinstance(event, Change):
                if event.object is None:
                    objects.pop(event.key, None)
                else:
                    objects[event.key] = event.object
            elif event is not None:
                return lines[number + 1 :]
        return None

    async def _paged_list(self, watch: Watch) -> Snapshot:
        """Page by page, all of one version unless the server lets that go meanwhile."""
        objects: dict[Key, Named] = {}
        params = {"limit": str(PAGE_OBJECTS)}
        while True:
            page = await self._page(params)
            objects.update((key_of(found.metadata), found) for found in page.objects)
            watch.version = page.version
            if not page.continuation:
                self._count_list("pages")
                return Snapshot(objects)
            params = {"limit": str(PAGE_OBJECTS), "continue": page.continuation}

    async def _cached_list(self, watch: Watch) -> Snapshot:
        """Everything in one answer, from the server's cache: works while its database does not."""
        page = await self._page({"resourceVersion": "0"})
        watch.version = page.version
        self._count_list("cache")
        return Snapshot({key_of(found.metadata): found for found in page.objects})

    async def _page(self, params: Mapping[str, str]) -> Page:
        async with self._streams.get(
            self.source.path, {**self.source.params, **params}, answer_s=ANSWER_S, silence_s=LIST_SILENCE_S
        ) as answer:
            await self._check(answer)
            return parse_page(await answer.read(), self.source.resource, self._decoders)

    async def _check(self, answer: Answer) -> None:
        """Raise ApiError for any answer but 200."""
        if warning := answer.header("Warning"):
            self._on_warning(warning)
        if answer.status != 200:
            raise parse_status(answer.status, await answer.read(), answer.header("Retry-After"))

    # --- what becomes of it ---

    def apply(self, batch: Batch) -> None:
        """Take over a snapshot or changes, and tell the listeners what differs."""
        changes = self._differences(batch) if isinstance(batch, Snapshot) else batch
        for change in changes:
            old = self.objects.get(change.key)
            if change.object is None:
                if old is None:
                    continue
                del self.objects[change.key]
            else:
                self.objects[change.key] = change.object
            for listener in tuple(self.listeners):
                listener.changed(self, change.key, old, change.object)
        if isinstance(batch, Snapshot):
            self.synced = True
            self._set_state("watching")

    def _differences(self, snapshot: Snapshot) -> list[Change]:
        """What a new list changes."""
        if not self.objects:
            return [Change(key, new) for key, new in snapshot.objects.items()]
        changes = [Change(key, None) for key in self.objects.keys() - snapshot.objects.keys()]
        for key, new in snapshot.objects.items():
            old = self.objects.get(key)
            if old != new:
                changes.append(Change(key, new))
        return changes

    def _count_list(self, way: str) -> None:
        self.status.list_ways[way] = self.status.list_ways.get(way, 0) + 1

    def _listed(self) -> None:
        self.status.lists += 1
        self.status.last_list_s = time.time()
        self._healthy()

    def _watching(self) -> None:
        self.status.watches += 1
        self._healthy()
        self._set_state("watching")

    def _healthy(self) -> None:
        if self.status.error is not None:
            logger.info("Kubernetes discovery has recovered", extra=self._where())
        self.status.error = None

    async def _wait_after(self, error: Exception) -> None:
        """Note the failure (logged once per change of its text) and wait."""
        status = self.status
        refusal = error if isinstance(error, ApiError) else None
        if refusal is not None and refusal.expired:
            logger.debug("Listing anew: %s", error, extra=self._where())
            wait_s = self._backoff.next_s()
        else:
            text = str(error)
            if status.error is None or text != status.last_error:
                advice = advise(error, self.source)
                hint = {"hint": advice} if advice else {}
                logger.warning("Kubernetes discovery failed: %s", text, extra=self._where() | hint)
            status.error, status.last_error, status.last_error_s = error, text, time.time()
            status.failures += 1
            self._on_failure()
            wait_s = self._backoff.next_s(
                refusal.status if refusal else None, refusal.retry_after_s if refusal else None
            )
            # A server that comes back may be another one, with other abilities.
            self._stream_lists_refused = self._stream_lists_refused and refusal is not None
        self._set_state("waiting")
        await asyncio.sleep(wait_s)

    def _set_state(self, state: str) -> None:
        self.status.state = state
        for listener in tuple(self.listeners):
            listener.status_changed(self)

    def _where(self) -> dict[str, object]:
        return {"resource": self.source.resource.plural, "namespace": self.source.namespace or "(all)"}


def _needs_list(error: Exception) -> bool:
    """Whether to list anew rather than to watch on from the same version.

    After a long silence too: a server that was restored from a backup never reaches the version that is waited for.
    """
    return (isinstance(error, ApiError) and error.expired) or (
        isinstance(error, StreamError) and error.silent
    )


async def _after(
    first: list[bytes], lines: AsyncGenerator[list[bytes], None]
) -> AsyncGenerator[list[bytes], None]:
    """`first`, then the rest."""
    if first:
        yield first
    async for some in lines:
        yield some
