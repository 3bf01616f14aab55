"""What a list or watch says, without any I/O: bytes go in, changes come out.

A watch is a line of JSON per event. `Watch.feed` remembers the version from which a broken watch goes on, and
turns the ways in which a server says "that version is too old" into one exception.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from pyscrape.discovery.kubernetes.objects import Key, Named, Narrow, Resource, key_of

logger = logging.getLogger("pyscrape.discovery.kubernetes")

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class ApiError(Exception):
    """The API server's refusal: an HTTP status, or a Status object within a stream.

    `retry_after_s` is None where the server did not say. `continuation` is the token with which an expired list
    may be read on, at the price of mixing two versions.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str = "",
        retry_after_s: float | None = None,
        continuation: str = "",
    ) -> None:
        super().__init__(f"{status} {reason}: {message}" if reason else f"{status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s
        self.continuation = continuation

    @property
    def expired(self) -> bool:
        """Whether the version that was asked for is no longer kept."""
        return self.status == 410 or self.reason in {"Expired", "Gone"}


@dataclass(frozen=True, slots=True)
class Change:
    """One object came or changed, or (None) went."""

    key: Key
    object: Named | None


@dataclass(frozen=True, slots=True)
class Listed:
    """The mark of a watch that began by sending everything: all of it has been sent."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a list; `continuation` is empty on the last."""

    objects: list[Named]
    version: str
    continuation: str


class _ListMeta(Narrow, frozen=True):
    resource_version: str = ""
    continuation: str = msgspec.field(name="continue", default="")


class _RawList(Narrow, frozen=True):
    metadata: _ListMeta = _ListMeta()
    items: list[msgspec.Raw] | None = None


class _HeadMeta(Narrow, frozen=True):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _HeadObject(Narrow, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: _HeadMeta = _HeadMeta()


class _Head(Narrow, frozen=True):
    """The part of an event by which it is decided what to do with the whole."""

    type: str = ""
    object: _HeadObject = _HeadObject()


class _StatusDetails(Narrow, frozen=True):
    retry_after_seconds: int | None = None


class _Status(Narrow, frozen=True):
    code: int = 0
    reason: str = ""
    message: str = ""
    metadata: _ListMeta = _ListMeta()
    details: _StatusDetails | None = None


class _ErrorEvent(Narrow, frozen=True):
    object: _Status = _Status()


class _MarkMeta(Narrow, frozen=True):
    annotations: dict[str, str] | None = None


class _MarkObject(Narrow, frozen=True):
    metadata: _MarkMeta = _MarkMeta()


class _MarkEvent(Narrow, frozen=True):
    object: _MarkObject = _MarkObject()


# What a decoder raises for text that is JSON and yet nothing that can be read: another shape, bytes that are no UTF-8
# (a proxy's or a broken database's), too many levels.
_UNREADABLE = (msgspec.ValidationError, UnicodeDecodeError, RecursionError)

_decode_head = msgspec.json.Decoder(_Head).decode
_decode_error = msgspec.json.Decoder(_ErrorEvent).decode
_decode_mark = msgspec.json.Decoder(_MarkEvent).decode
_decode_status = msgspec.json.Decoder(_Status).decode


class Decoders:
    """The decoders of one resource, made once."""

    def __init__(self, resource: Resource) -> None:
        object_type: Any = resource.type
        event: Any = msgspec.defstruct("Event", [("object", object_type)], frozen=True, gc=False)
        fields = [("metadata", _ListMeta, _ListMeta()), ("items", list[object_type] | None, None)]
        whole_list: Any = msgspec.defstruct("List", fields, frozen=True)
        self.object: Callable[[msgspec.Raw], Named] = msgspec.json.Decoder(object_type).decode
        self.event: Callable[[bytes], Any] = msgspec.json.Decoder(event).decode
        self.list: Callable[[bytes], Any] = msgspec.json.Decoder(whole_list).decode


_decode_raw_list = msgspec.json.Decoder(_RawList).decode


@contextmanager
def paused_collector() -> Iterator[None]:
    """Decode in bulk without the garbage collector walking all that has been decoded so far, again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def parse_page(body: bytes, resource: Resource, decoders: Decoders) -> Page:
    """Decode a list. An item that is not of its kind's shape is skipped with a log, the others count.

    Raises:
        msgspec.DecodeError: the body is no list at all.
    """
    with paused_collector():
        try:
            found = decoders.list(body)
        except _UNREADABLE:
            return _parse_item_by_item(body, resource, decoders)
        return Page(found.items or [], found.metadata.resource_version, found.metadata.continuation)


def _parse_item_by_item(body: bytes, resource: Resource, decoders: Decoders) -> Page:
    raw = _decode_raw_list(body)
    objects = []
    for item in raw.items or ():
        try:
            objects.append(decoders.object(item))
        except _UNREADABLE as error:
            logger.warning(
                "Skipped an object that cannot be read: %s", error, extra={"resource": resource.plural}
            )
    return Page(objects, raw.metadata.resource_version, raw.metadata.continuation)


def parse_status(http_status: int, body: bytes, retry_after: str = "") -> ApiError:
    """What an answer other than 200 means; `retry_after` is the header's value (only seconds are understood)."""
    try:
        status = _decode_status(body)
    except (msgspec.DecodeError, *_UNREADABLE):
        status = _Status(message=body[:200].decode("utf-8", "replace").strip())
    said = retry_after if retry_after.isascii() and retry_after.isdigit() else ""
    details = status.details.retry_after_seconds if status.details else None
    return ApiError(
        http_status,
        status.message,
        reason=status.reason,
        retry_after_s=float(said) if said else details,
        continuation=status.metadata.continuation,
    )


class Lines:
    """Cuts a stream of chunks into lines, however the chunks fall and however long a line is."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, empty ones left out."""
        first, newline, more = chunk.partition(b"\n")
        if not newline:
            self._rest.append(chunk)
            return []
        lines = more.split(b"\n")
        last = lines.pop()
        lines.insert(0, b"".join((*self._rest, first)))
        self._rest = [last] if last else []
        return [line for line in lines if line.strip()]


class Watch:
    """The state of following one resource: `version` is where to go on from."""

    def __init__(self, resource: Resource, decoders: Decoders, version: str = "") -> None:
        self.version = version
        self._resource = resource
        self._decoders = decoders
        kind = f'"object":{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",'
        self._plain_starts = tuple(f'{{"type":"{event}",{kind}'.encode() for event in ("ADDED", "MODIFIED"))

    def feed(self, line: bytes) -> Change | Listed | None:
        """Take one line of a watch; None where there is nothing to do (a bookmark, an unknown event).

        Raises:
            ApiError: the server ended the watch with a Status; `.expired` says that a new list is needed.
            msgspec.DecodeError: the line is no JSON.
        """
        if line.startswith(self._plain_starts):
            # As servers write the events that matter; benchmark: kubernetes.py. Anything odd goes the long way.
            try:
                found = self._decoders.event(line).object
            except _UNREADABLE:
                pass
            else:
                self.version = found.metadata.resource_version or self.version
                return Change(key_of(found.metadata), found)
        return self._feed_any(line)

    def _feed_any(self, line: bytes) -> Change | Listed | None:
        """The long way: decide by the event's head, then decode what is needed."""
        try:
            head = _decode_head(line)
        except _UNREADABLE as error:
            logger.warning(
                "Skipped an event that cannot be read: %s", error, extra={"resource": self._resource.plural}
            )
            return None
        if head.type == "ERROR":
            status = _decode_error(line).object
            raise ApiError(
                status.code or 500,
                status.message,
                reason=status.reason,
                retry_after_s=status.details.retry_after_seconds if status.details else None,
            )
        version = head.object.metadata.resource_version
        if head.type == "BOOKMARK":
            self.version = version or self.version
            annotations = _decode_mark(line).object.metadata.annotations or {}
            return Listed() if annotations.get(INITIAL_EVENTS_END) == "true" else None
        change = self._change(head, line)
        self.version = version or self.version
        return change

    def _change(self, head: _Head, line: bytes) -> Change | None:
        found, expected = head.object, self._resource
        where = {
            "resource": expected.plural,
            "object": found.metadata.name,
            "namespace": found.metadata.namespace,
        }
        if head.type not in {"ADDED", "MODIFIED", "DELETED"}:
            logger.warning("Skipped an event of unknown type %r", head.type, extra=where)
            return None
        if (found.kind, found.api_version) not in {(expected.kind, expected.api_version), ("", "")}:
            logger.warning(
                "Skipped an object of %s %s where %s %s was watched",
                found.api_version,
                found.kind,
                expected.api_version,
                expected.kind,
                extra=where,
            )
            return None
        key = (found.metadata.namespace, found.metadata.name)
        if head.type == "DELETED":
            return Change(key, None)
        try:
            return Change(key, self._decoders.event(line).object)
        except _UNREADABLE as error:
            # An older state of the object would be wrong for ever; without it the next good event brings it back.
            logger.warning("Skipped an object that cannot be read: %s", error, extra=where)
            return Change(key, None)
