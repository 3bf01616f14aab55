"""A Kubernetes API server that behaves, over real sockets: it lists, pages, watches, expires and refuses.

It keeps objects with resource versions and a history of events, answers with the bodies and statuses that a real
one was seen to answer with, and can be made to fail in the ways in which real ones fail. It checks tokens and
enforces RBAC rules when it is given some. Nothing in here knows what its client expects.
"""

import asyncio
import base64
import gzip
import json
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

Manifest = dict[str, Any]

CLUSTER_KINDS = {"Node", "Namespace"}
PLURALS = {
    "Node": ("v1", "nodes"),
    "Namespace": ("v1", "namespaces"),
    "Pod": ("v1", "pods"),
    "Service": ("v1", "services"),
    "Endpoints": ("v1", "endpoints"),
    "EndpointSlice": ("discovery.k8s.io/v1", "endpointslices"),
    "Ingress": ("networking.k8s.io/v1", "ingresses"),
    "ReplicaSet": ("apps/v1", "replicasets"),
    "Deployment": ("apps/v1", "deployments"),
    "Job": ("batch/v1", "jobs"),
    "CronJob": ("batch/v1", "cronjobs"),
}
KINDS = {(version, plural): kind for kind, (version, plural) in PLURALS.items()}
GZIP_FROM_BYTES = 128 * 1024


@dataclass(eq=False)
class Stored:
    """An object as the server has it: manifest, version and the JSON of both."""

    manifest: Manifest
    version: int
    json: bytes

    @property
    def key(self) -> tuple[str, str]:
        meta = self.manifest["metadata"]
        return (meta.get("namespace", ""), meta["name"])


@dataclass
class Event:
    """A thing that happened to one object; `before` is what it was, for selectors that no longer match."""

    version: int
    type: str
    stored: Stored
    before: Stored | None


@dataclass
class Request:
    """What a client asked."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    user: str = ""

    @property
    def verb(self) -> str:
        """What RBAC calls it."""
        return "watch" if self.params.get("watch") in {"true", "1"} else "list"


@dataclass
class Fault:
    """A failure to provoke on requests that match `path` and `verb`, `times` times (-1: until removed).

    `status` answers with it (`retry_after` as header), `hang` never answers, `cut_after` closes the connection
    after so many lines or at once when 0, `slow_s` waits before every piece that is sent.
    """

    path: str = ""
    verb: str = ""
    times: int = 1
    status: int = 0
    message: str = "provoked"
    retry_after: str = ""
    hang: bool = False
    cut_after: int | None = None
    slow_s: float = 0.0

    def take(self, request: Request) -> bool:
        """Whether it strikes this request; counts down."""
        if (
            not self.times
            or not re.search(self.path, request.path)
            or (self.verb and self.verb != request.verb)
        ):
            return False
        self.times -= self.times > 0
        return True


Route = Callable[[Request], Awaitable[tuple[int, str, bytes]]]
"""Answers other paths (kubelet proxies, /metrics): status, content type, body."""


class RefusalError(Exception):
    """An answer that is a Status object."""

    def __init__(self, code: int, reason: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.body: Manifest = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": more.pop("metadata", {}),
            "status": "Failure",
            "message": message,
            "reason": reason,
            **more,
            "code": code,
        }
        self.headers: dict[str, str] = {}


class FakeKubernetes:
    """The server. Use as an async context manager, or `start`/`close`; `url` is where it answers."""

    def __init__(
        self,
        objects: Iterable[Manifest] = (),
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        watch_list: bool = True,
        bookmark_s: float = 60.0,
    ) -> None:
        self.host = host
        self.port = 0
        self.watch_list = watch_list
        self.bookmark_s = bookmark_s
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.routes: list[tuple[re.Pattern[str], Route]] = []
        # token -> user; None: everybody may do everything
        self.tokens: dict[str, str] | None = None
        # user -> rules of the (Cluster)Roles that are bound to it
        self.rules: dict[str, list[Manifest]] = {}
        self.warn_endpoints = True
        self.database_down = False
        self._tls = tls
        self._version = 100
        self._floor = 100  # watches from before cannot go on
        self._objects: dict[str, dict[tuple[str, str], Stored]] = {kind: {} for kind in PLURALS}
        self._history: dict[str, list[Event]] = {kind: [] for kind in PLURALS}
        self._snapshots: dict[tuple[str, int], list[Stored]] = {}
        self._news = asyncio.Event()
        self._silent = False
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        for manifest in objects:
            self.apply(manifest)

    # --- the cluster ---

    @property
    def version(self) -> int:
        return self._version

    def apply(self, manifest: Manifest) -> None:
        """Add or update an object; lists are opened."""
        kind = manifest.get("kind", "")
        if "items" in manifest:
            for item in manifest["items"]:
                member = kind.removesuffix("List")
                self.apply(
                    {"apiVersion": manifest["apiVersion"], **({"kind": member} if member else {}), **item}
                )
            return
        stored = self._store(manifest)
        known = self._objects[kind]
        before = known.get(stored.key)
        known[stored.key] = stored
        self._happened(Event(stored.version, "MODIFIED" if before else "ADDED", stored, before))

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        """Delete an object; the event carries its last state and a new version."""
        before = self._objects[kind].pop((namespace, name))
        stored = self._store(before.manifest)
        self._happened(Event(stored.version, "DELETED", stored, before))

    def objects(self, kind: str) -> list[Manifest]:
        return [stored.manifest for stored in self._objects[kind].values()]

    def _store(self, manifest: Manifest) -> Stored:
        self._version += 1
        kind = manifest["kind"]
        meta = {**manifest["metadata"], "resourceVersion": str(self._version)}
        own = {"kind": kind, "apiVersion": PLURALS[kind][0], **manifest, "metadata": meta}
        return Stored(own, self._version, json.dumps(own, separators=(",", ":")).encode())

    def _happened(self, event: Event) -> None:
        self._history[event.stored.manifest["kind"]].append(event)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def compact(self) -> None:
        """Older versions, running lists' pages included, have expired; watches that are open hear of everything."""
        self._floor = self._version
        self._snapshots.clear()

    # --- life ---

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    async def start(self) -> None:
        """Listen; again on the same port after `kill` or `terminate`."""
        self._silent = False
        self._server = await asyncio.start_server(
            self._serve, self.host, self.port, ssl=self._tls, limit=1 << 20, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """As SIGKILL: the listener is gone and every connection ends without a last word; history is lost."""
        self._close_listener()
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._version += 1
        self.compact()

    def terminate(self) -> None:
        """As SIGTERM: the listener is gone, open watches stay and say nothing more; history is lost."""
        self._close_listener()
        self._silent = True
        self._version += 1
        self.compact()

    def cut(self) -> None:
        """Break all connections, as a load balancer does."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        await self.kill()

    async def __aenter__(self) -> "FakeKubernetes":
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def _close_listener(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    @property
    def watches(self) -> int:
        """How many watch requests have come so far."""
        return sum(request.verb == "watch" for request in self.requests)

    def asked(self, plural: str, verb: str = "") -> list[Request]:
        """The requests for a resource, all or those of a verb."""
        return [r for r in self.requests if r.path.endswith("/" + plural) and verb in {"", r.verb}]

    # --- HTTP ---

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._writers.add(writer)
        try:
            while await self._one_request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            self._writers.discard(writer)
            writer.close()
            with suppress(Exception):
                await writer.wait_closed()

    async def _one_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return False
        first, *rest = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        url = urlsplit(target)
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        request = Request(method, unquote(url.path), params, headers, body)
        self.requests.append(request)
        fault = next((fault for fault in self.faults if fault.take(request)), Fault())
        if fault.hang:
            await asyncio.Event().wait()
        if fault.cut_after == 0:
            writer.transport.abort()
            return False
        try:
            if fault.status:
                refusal = RefusalError(fault.status, "Provoked", fault.message)
                if fault.retry_after:
                    refusal.headers["Retry-After"] = fault.retry_after
                raise refusal
            return await self._answer(request, writer, fault)
        except RefusalError as refusal:
            text = json.dumps(refusal.body, indent=2).encode()
            await self._send(writer, refusal.code, "application/json", text, refusal.headers)
            return True

    async def _send(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        content_type: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> None:
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
        ]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter, fault: Fault) -> bool:
        request.user = self._authenticate(request)
        if request.path == "/version":
            await self._send(writer, 200, "application/json", b'{"major":"1","minor":"36"}', {})
            return True
        for pattern, route in self.routes:
            if pattern.search(request.path):
                self._authorize_path(request)
                status, content_type, body = await route(request)
                await self._send(writer, status, content_type, body, {})
                return True
        found = re.fullmatch(
            r"/(?:api/(v1)|apis/([^/]+/[^/]+))(?:/namespaces/([^/]+))?/([^/]+)", request.path
        )
        version = (found[1] or found[2]) if found else ""
        kind = KINDS.get((version, found[4] if found else ""))
        if found is None or kind is None:
            await self._send(writer, 404, "text/plain", b"404 page not found\n", {})
            return True
        namespace = found[3] or ""
        self._authorize(request, version.partition("/")[0] if "/" in version else "", found[4], namespace)
        selects = selector(request.params, namespace)
        headers = {}
        if kind == "Endpoints" and self.warn_endpoints:
            headers["Warning"] = (
                '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
            )
        if request.verb == "list":
            body = await self._list(request, kind, selects)
            if len(body) > GZIP_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
                body = await asyncio.to_thread(gzip.compress, body, 1)
                headers["Content-Encoding"] = "gzip"
            if fault.slow_s:
                await asyncio.sleep(fault.slow_s)
            await self._send(writer, 200, "application/json", body, headers)
            return True
        return await self._watch(request, kind, selects, writer, fault, headers)

    # --- who may ---

    def _authenticate(self, request: Request) -> str:
        if self.tokens is None:
            return "admin"
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            return "system:anonymous"
        user = self.tokens.get(token) if scheme == "Bearer" else None
        if user is None:
            raise RefusalError(401, "Unauthorized", "Unauthorized")
        return user

    def _authorize(self, request: Request, group: str, plural: str, namespace: str) -> None:
        if self.tokens is None:
            return
        for rule in self.rules.get(request.user, ()):
            scope = rule.get("namespace", "")
            if (
                group in rule.get("apiGroups", ())
                and plural in rule.get("resources", ())
                and request.verb in rule["verbs"]
                and scope in {"", namespace}
            ):
                return
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        raise RefusalError(
            403,
            "Forbidden",
            f'{plural} is forbidden: User "{request.user}" cannot {request.verb} resource "{plural}" '
            f'in API group "{group}" {where}',
            details={"group": group, "kind": plural},
        )

    def _authorize_path(self, request: Request) -> None:
        """Paths beside resources: nonResourceURLs, and the proxy of a node, which is a resource of its own."""
        if self.tokens is None:
            return
        proxied = re.match(r"/api/v1/nodes/([^/]+)/proxy/", request.path)
        for rule in self.rules.get(request.user, ()):
            if "get" not in rule["verbs"]:
                continue
            if proxied and "nodes/proxy" in rule.get("resources", ()):
                return
            if not proxied and request.path in rule.get("nonResourceURLs", ()):
                return
        what = f'nodes "{proxied[1]}"' if proxied else f'path "{request.path}"'
        raise RefusalError(403, "Forbidden", f'{what} is forbidden: User "{request.user}" cannot get {what}')

    # --- list ---

    async def _list(self, request: Request, kind: str, selects: Callable[[Manifest], bool]) -> bytes:
        params = request.params
        version = params.get("resourceVersion", "")
        if version and not version.isdigit():
            raise RefusalError(400, "BadRequest", f'invalid resource version "{version}"')
        if version and int(version) > self._version:
            refusal = RefusalError(
                504, "Timeout", f"Too large resource version: {version}, current: {self._version}",
                details={"retryAfterSeconds": 1},
            )  # fmt: skip
            refusal.headers["Retry-After"] = "1"
            raise refusal
        if version != "0" and self.database_down:
            await asyncio.Event().wait()
        limit = 0 if version == "0" else int(params.get("limit", "0"))
        at, after, items = self._version, "", None
        if token := params.get("continue"):
            state = json.loads(base64.urlsafe_b64decode(token + "=="))
            at, after = state["rv"], state["start"]
            if at == -1:
                at = self._version
            elif (request.path, at) not in self._snapshots:
                fresh = self._token(-1, after)
                raise RefusalError(
                    410,
                    "Expired",
                    "The provided continue parameter is too old to display a consistent list result.",
                    metadata={"continue": fresh},
                )
            else:
                items = self._snapshots[request.path, at]
        if items is None:
            items = [stored for stored in self._objects[kind].values() if selects(stored.manifest)]
            items.sort(key=lambda stored: stored.key)
        left = [stored for stored in items if not after or "/".join(stored.key) > after]
        meta: Manifest = {"resourceVersion": str(at)}
        if limit and len(left) > limit:
            self._snapshots[request.path, at] = items
            meta["continue"] = self._token(at, "/".join(left[limit - 1].key))
            meta["remainingItemCount"] = len(left) - limit
            left = left[:limit]
        api_version = PLURALS[kind][0]
        head = {"kind": f"{kind}List", "apiVersion": api_version, "metadata": meta}
        # Items of a list carry neither kind nor apiVersion: they are cut off where they stand, at the front.
        prefix = len(json.dumps({"kind": kind, "apiVersion": api_version}, separators=(",", ":"))) - 1
        text = json.dumps(head, separators=(",", ":")).encode()
        bodies = [b"{" + stored.json[prefix + 1 :] for stored in left]
        return text[:-1] + b',"items":[' + b",".join(bodies) + b"]}"

    @staticmethod
    def _token(version: int, after: str) -> str:
        text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": after}).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    # --- watch ---

    async def _watch(
        self,
        request: Request,
        kind: str,
        selects: Callable[[Manifest], bool],
        writer: asyncio.StreamWriter,
        fault: Fault,
        headers: Mapping[str, str],
    ) -> bool:
        params = request.params
        initial = params.get("sendInitialEvents") == "true"
        version = params.get("resourceVersion", "")
        if initial and not self.watch_list:
            raise RefusalError(
                422, "Invalid", "ListOptions.meta.k8s.io is invalid: sendInitialEvents: Forbidden: "
                "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
            )  # fmt: skip
        if initial and params.get("resourceVersionMatch") != "NotOlderThan":
            raise RefusalError(422, "Invalid", "resourceVersionMatch: Forbidden: ...")
        if version and not version.isdigit():
            raise RefusalError(500, "InternalError", f'invalid resource version "{version}"')
        if initial and self.database_down:
            await asyncio.Event().wait()
        lines = ["HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        writer.write(("".join(lines) + "\r\n").encode())
        await writer.drain()
        count = 0
        async for text in self._events(kind, version, initial, selects, params):
            if self._silent:
                await asyncio.Event().wait()
            if fault.cut_after is not None and count >= fault.cut_after:
                writer.transport.abort()
                return False
            if fault.slow_s:
                await asyncio.sleep(fault.slow_s)
            writer.write(b"%x\r\n%b\r\n" % (len(text), text))
            count += 1
            if writer.transport.get_write_buffer_size() > 1 << 20:
                await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _events(
        self,
        kind: str,
        version: str,
        initial: bool,
        selects: Callable[[Manifest], bool],
        params: Mapping[str, str],
    ) -> Any:
        """The lines of a watch, until its time is over."""
        bookmarks = params.get("allowWatchBookmarks") == "true"
        at = self._version
        if initial or version in {"", "0"}:
            for stored in sorted(self._objects[kind].values(), key=lambda stored: stored.key):
                if selects(stored.manifest):
                    yield line("ADDED", stored.json)
            if bookmarks and (initial or version == "0"):
                yield bookmark(kind, at, end=True)
        else:
            at = int(version)
            if at < self._floor:
                expired = RefusalError(410, "Expired", f"too old resource version: {at} ({self._floor})")
                yield line("ERROR", json.dumps(expired.body, separators=(",", ":")).encode())
                return
        loop = asyncio.get_running_loop()
        ends = loop.time() + float(params.get("timeoutSeconds", "1800"))
        next_bookmark = loop.time() + self.bookmark_s
        sent = len(self._history[kind])
        if version not in {"", "0"} and not initial:
            sent = next(
                (n for n, event in enumerate(self._history[kind]) if event.version > at),
                len(self._history[kind]),
            )
        while True:
            news = self._news
            history = self._history[kind]
            while sent < len(history):
                event = history[sent]
                sent += 1
                at = event.version
                if (shown := shown_event(event, selects)) is not None:
                    yield line(shown, event.stored.json)
            now = loop.time()
            if now >= ends:
                if bookmarks:
                    yield bookmark(kind, max(at, self._version))
                return
            if bookmarks and now >= next_bookmark:
                next_bookmark = now + self.bookmark_s
                yield bookmark(kind, max(at, self._version))
            until = min(ends, next_bookmark if bookmarks else ends) - now
            with suppress(TimeoutError):
                async with asyncio.timeout(until):
                    await news.wait()


def line(event_type: str, body: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (event_type.encode(), body)


def bookmark(kind: str, version: int, *, end: bool = False) -> bytes:
    meta: Manifest = {"resourceVersion": str(version)}
    if end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    found = {"kind": kind, "apiVersion": PLURALS[kind][0], "metadata": meta}
    return line("BOOKMARK", json.dumps(found, separators=(",", ":")).encode())


def shown_event(event: Event, selects: Callable[[Manifest], bool]) -> str | None:
    """What a watch with a selector says of an event: what stops matching is deleted, what begins to is added."""
    was = event.before is not None and selects(event.before.manifest)
    now = event.type != "DELETED" and selects(event.stored.manifest)
    return {(True, True): "MODIFIED", (False, True): "ADDED", (True, False): "DELETED"}.get((was, now))


# --- selectors ---


def selector(params: Mapping[str, str], namespace: str) -> Callable[[Manifest], bool]:
    """Whether an object is in the namespace and passes labelSelector and fieldSelector."""
    label_tests = list(_label_tests(params.get("labelSelector", "")))
    field_tests = list(_field_tests(params.get("fieldSelector", "")))

    def selects(manifest: Manifest) -> bool:
        meta = manifest["metadata"]
        labels = meta.get("labels") or {}
        return (
            (not namespace or meta.get("namespace") == namespace)
            and all(test(labels) for test in label_tests)
            and all(test(manifest) for test in field_tests)
        )

    return selects


def _label_tests(text: str) -> Iterator[Callable[[Mapping[str, str]], bool]]:
    for term in re.findall(r"(?:[^,(]|\([^)]*\))+", text):
        term = term.strip()
        if found := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", term):
            key, wanted = found[1], {value.strip() for value in found[3].split(",")}
            if found[2] == "in":
                yield lambda labels, key=key, wanted=wanted: labels.get(key) in wanted  # type: ignore[misc]
            else:
                yield lambda labels, key=key, wanted=wanted: labels.get(key) not in wanted  # type: ignore[misc]
        elif found := re.fullmatch(r"([^!=\s]+)\s*(!=|==|=)\s*(\S*)", term):
            key, value, equal = found[1], found[3], found[2] != "!="
            yield lambda labels, k=key, v=value, e=equal: (labels.get(k) == v) is e  # type: ignore[misc]
        elif term.startswith("!"):
            absent = term[1:].strip()
            yield lambda labels, key=absent: key not in labels  # type: ignore[misc]
        else:
            yield lambda labels, key=term: key in labels  # type: ignore[misc]


def _field_tests(text: str) -> Iterator[Callable[[Manifest], bool]]:
    for term in filter(None, text.split(",")):
        found = re.fullmatch(r"([\w.]+)\s*(!=|==|=)\s*(.*)", term.strip())
        assert found, f"field selector {term!r}"
        path, value, equal = found[1].split("."), found[3], found[2] != "!="

        def test(manifest: Manifest, path: list[str] = path, value: str = value, equal: bool = equal) -> bool:
            at: Any = manifest
            for step in path:
                at = (at or {}).get(step)
            return ((at or "") == value) is equal

        yield test


# --- RBAC ---


def rules_of(manifests: Iterable[Manifest], user: str) -> list[Manifest]:
    """The rules that bindings among `manifests` give to a service account (`system:serviceaccount:ns:name`)."""
    documents = list(manifests)
    roles = {
        (document["kind"], document["metadata"].get("namespace", ""), document["metadata"]["name"]): document
        for document in documents
        if document["kind"] in {"Role", "ClusterRole"}
    }
    _, _, namespace, name = user.split(":")
    rules: list[Manifest] = []
    for document in documents:
        if document["kind"] not in {"RoleBinding", "ClusterRoleBinding"}:
            continue
        subjects = {(s["kind"], s.get("namespace", ""), s["name"]) for s in document["subjects"]}
        if ("ServiceAccount", namespace, name) not in subjects:
            continue
        of = document["metadata"].get("namespace", "") if document["kind"] == "RoleBinding" else ""
        ref = document["roleRef"]
        role = roles[(ref["kind"], of if ref["kind"] == "Role" else "", ref["name"])]
        rules += [{**rule, "namespace": of} for rule in role["rules"]]
    return rules
