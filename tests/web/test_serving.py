"""What holds for every route: threads and their queue, methods, compression, long forms, counting, notifications."""

import asyncio
import gzip
import json
import threading
from typing import Any

import httpx
import orjson
import pytest

from pyscrape.model.matcher import Matcher
from pyscrape.model.regex import RegexTimeout
from pyscrape.promql.result import Result
from pyscrape.promql.stats import QueryStats
from pyscrape.store import Store
from pyscrape.web import query_api, quick
from pyscrape.web.answers import Answer, accepted_encodings, compressed, rows
from pyscrape.web.app import create_app
from pyscrape.web.notifications import RELOAD_FAILED, Notifications
from pyscrape.web.routes import WebStats
from tests.helpers.web_client import NOW_S, client_of, make_services, store_with

SERIES = {f"up job=j{k}": lambda _: 1.0 for k in range(3)}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("gzip", {"gzip"}),
        ("gzip; q=0", set()),
        ("gzip;q=0.000, deflate", {"deflate"}),
        ("GZIP ; Q = 0", set()),
        ("gzip;q=0.5", {"gzip"}),
        ("gzip;q=01", {"gzip"}),
    ],
)
def test_encodings_that_a_client_takes(header: str, found: set[str]) -> None:
    assert accepted_encodings(header) == found
    packed = compressed(Answer(b"x" * 5000), header)
    assert ("Content-Encoding" in packed.headers) == bool(found)


def test_rows_are_one_list_however_many_there_are() -> None:
    for count in (0, 1, 1000, 2001):
        assert json.loads(orjson.dumps(rows(range(count)))) == list(range(count))


@pytest.mark.parametrize(
    "path", ["series", "labels", "label/job/values", "query"], ids=["series", "labels", "values", "query"]
)
async def test_a_regex_that_needs_too_long_is_an_execution_error(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(self: Matcher, text: str) -> bool:
        raise RegexTimeout(self.value, len(text))

    monkeypatch.setattr(Matcher, "matches", give_up)
    async with client_of(make_services(store_with(SERIES))) as client:
        selector = '{job=~"(j+)+.*x|j[0-9]"}'
        status, kind, text = await client.error(f"/api/v1/{path}", **{"match[]": selector, "query": selector})
    assert (status, kind) == (422, "execution")
    assert "needs too long" in text


async def test_methods_and_unknown_paths() -> None:
    async with client_of(make_services(prefix="/p")) as client:
        refused = await client.http.delete("/p/api/v1/query")
        assert refused.status_code == 405
        assert "GET" in refused.headers["allow"]
        assert refused.text == "Method Not Allowed\n"
        for path in ("/p/api/v1/nothing", "/api/v1/query", "/p/api/v1/nothing/", "/p/nothing/"):
            unknown = await client.get(path)
            assert (unknown.status_code, unknown.text) == (404, "404 page not found\n")
        assert (await client.http.head("/p/-/healthy")).status_code == 200
        for path in ("/p/api/v1/query", "/p/metrics", "/p/federate", "/p/api/v1/label/job/values"):
            assert (await client.http.head(path)).status_code == 405


async def test_the_methods_that_a_path_has() -> None:
    async with client_of(make_services()) as client:
        every = {"/-/ready": "GET, HEAD, OPTIONS", "/federate": "GET, OPTIONS"}
        for path, methods in every.items():
            asked = await client.http.options(path)
            assert (asked.status_code, asked.headers["allow"], asked.content) == (200, methods, b"")
        refused = await client.http.put("/api/v1/series")
        assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET, OPTIONS, POST")


async def test_a_slash_too_many() -> None:
    async with client_of(make_services(prefix="/p")) as client:
        led = await client.get("/p/metrics/", x="1")
        assert (led.status_code, led.headers["location"]) == (301, "/p/metrics?x=1")
        assert (await client.post("/p/metrics/")).status_code == 404
        assert (await client.post("/p/-/quit/")).status_code == 307


async def test_those_who_leave_the_prefix_out_are_led_to_it() -> None:
    async with client_of(make_services(prefix="/p")) as client:
        for path in ("/", "/p"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (302, "/p/")


async def test_too_many_fields_are_refused() -> None:
    async with client_of(make_services()) as client:
        body = "&".join(["a=b"] * 30_000)
        form = {"content-type": "application/x-www-form-urlencoded"}
        answer = await client.http.post("/api/v1/query", content=body, headers=form)
        assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")


async def test_requests_are_counted_by_handler_and_code() -> None:
    stats = WebStats()
    async with client_of(make_services(stats=stats)) as client:
        await client.get("/api/v1/label/job/values")
        await client.get("/api/v1/query", query="up{")
    assert stats.prometheus_http_requests_total == {
        ("/api/v1/label/:name/values", 200): 1,
        ("/api/v1/query", 400): 1,
    }
    assert stats.prometheus_engine_queries == 0


async def test_notifications_are_listed_while_they_are_true() -> None:
    notifications = Notifications(1, lambda: NOW_S)
    async with client_of(make_services(notifications=notifications)) as client:
        assert await client.data("/api/v1/notifications") == []
        for _ in range(2):
            notifications.add(RELOAD_FAILED)
        shown = [{"text": RELOAD_FAILED, "date": "2023-11-14T22:13:20Z", "active": True}]
        assert await client.data("/api/v1/notifications") == shown
        notifications.delete(RELOAD_FAILED)
        assert await client.data("/api/v1/notifications") == []


async def live(app: Any, leave: asyncio.Event, into: asyncio.Queue[Any]) -> None:
    """Follow the live notifications over ASGI until `leave` is set; messages go to `into`."""

    async def receive() -> Any:
        await leave.wait()
        return {"type": "http.disconnect"}

    path = "/api/v1/notifications/live"
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    await app(scope, receive, into.put)


async def test_live_notifications() -> None:
    notifications = Notifications(1, lambda: NOW_S)
    app = create_app(make_services(notifications=notifications))
    notifications.add("before")
    leave, said = asyncio.Event(), asyncio.Queue[Any]()
    follower = asyncio.create_task(live(app, leave, said))
    head = await said.get()
    assert head["status"] == 200
    assert (b"content-type", b"text/event-stream") in head["headers"]

    async def event() -> tuple[str, bool]:
        body = (await said.get())["body"]
        assert body.startswith(b"data: ") and body.endswith(b"\n\n")
        found = json.loads(body[6:])
        return found["text"], found["active"]

    assert await event() == ("before", True)
    notifications.add("more")
    notifications.delete("before")
    assert [await event(), await event()] == [("more", True), ("before", False)]
    one_too_many = asyncio.Queue[Any]()
    await live(app, leave, one_too_many)
    assert (await one_too_many.get())["status"] == 204
    leave.set()
    await follower
    leave.clear()
    another, heard = asyncio.create_task(live(app, leave, said)), said
    while not heard.empty():
        heard.get_nowait()
    assert (await heard.get())["status"] == 200, "who left makes room"
    assert await event() == ("more", True)
    notifications.close()
    await another
    assert (await heard.get())["body"] == b""


async def test_who_reads_no_notifications_is_let_go() -> None:
    notifications = Notifications(2, lambda: NOW_S)
    events = notifications.subscribe()
    assert events is not None
    notifications.add("first")
    assert b"first" in await anext(events)
    for k in range(200):
        notifications.add(f"more {k}")
    assert [event async for event in events] == []


async def test_before_the_start_is_done_and_after_the_end_began() -> None:
    state = {"ready": False, "stopping": False}
    services = make_services(ready=lambda: state["ready"], stopping=lambda: state["stopping"])
    async with client_of(services) as client:
        for stopping in (False, True):
            state["stopping"] = stopping
            for path in ("/-/ready", "/api/v1/query", "/api/v1/status/config", "/federate"):
                answer = await client.get(path, query="1")
                assert (answer.status_code, answer.text) == (503, "Service Unavailable")
                assert answer.headers["X-Prometheus-Stopping"] == str(stopping).lower()
            for path in ("/-/healthy", "/metrics", "/api/v1/notifications"):
                assert (await client.get(path)).status_code == 200


def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every query is quick, as far as time goes."""
    monkeypatch.setattr(quick, "QUICK_S", 60.0)
    monkeypatch.setattr(query_api, "MOST_S", 60.0)


async def test_a_query_that_was_quick_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    where: list[str] = []
    store = store_with(SERIES)
    patience(monkeypatch)
    newest = store.newest
    monkeypatch.setattr(
        store, "newest", lambda *args: (where.append(threading.current_thread().name), newest(*args))[1]
    )
    async with client_of(make_services(store)) as client:
        first = await client.data("/api/v1/query", query="sum(up)", time="0")
        assert await client.data("/api/v1/query", query="sum(up)", time="0") == first
        monkeypatch.setattr(quick, "QUICK_S", -1.0)  # from now on nothing is
        for _ in range(2):
            await client.data("/api/v1/query", query="sum(up)", time="0")
    main = threading.main_thread().name
    assert [name == main for name in where] == [False, True, True, False]


def test_what_looks_at_much_is_not_quick() -> None:
    known = quick.QuickQueries()
    question = ("up", 0.0, 0.0)
    known.note(question, 0.001, QueryStats(peak_samples=10, series_read=5))
    assert question in known
    for seconds, stats in (
        (0.004, QueryStats()),
        (0.001, QueryStats(peak_samples=60_000)),
        (0.001, QueryStats(series_read=501)),
    ):
        known.note(question, 0.001, QueryStats())
        known.note(question, seconds, stats)
        assert question not in known
        assert known.room(question) == 0


async def test_a_query_that_has_more_to_look_at_than_the_last_time_goes_to_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = {f"up job=j{k}": lambda _: 1.0 for k in range(2000)}
    where: list[str] = []
    store = store_with(many)
    patience(monkeypatch)
    evaluated = Result.limited
    monkeypatch.setattr(
        Result,
        "limited",
        lambda *args: (where.append(threading.current_thread().name), evaluated(*args))[1],
    )
    async with client_of(make_services(store)) as client:
        for start in (NOW_S - 7200, NOW_S - 240):  # nothing is there at first, and the question is the same
            span = {"start": str(start), "end": str(start + 600), "step": "60"}
            for query in ("count(up)", "count(sum_over_time(up[5m]))"):
                await client.data("/api/v1/query_range", query=query, **span)
                found = await client.data("/api/v1/query_range", query=query, **span)
        assert found["result"][0]["values"][0][1] == "2000"
    main = threading.main_thread().name
    assert [name == main for name in where] == [False, True] * 2 + [False] * 4


class Slow:
    """A store whose look-ups for PromQL wait until they are released."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.go_on = threading.Event()
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def newest(self, *arguments: Any, **named: Any) -> Any:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.go_on.wait(10)
        with self._lock:
            self.running -= 1
        return self._store.newest(*arguments, **named)


async def test_queries_wait_for_their_turn_and_hold_up_nothing_else() -> None:
    from pyscrape.promql.engine import Engine

    slow = Slow(store_with(SERIES))
    services = make_services(store_with(SERIES), engine=Engine(slow), max_concurrency=2)
    async with client_of(services) as client:
        first = [asyncio.create_task(client.get("/api/v1/query", query="up")) for _ in range(2)]
        while slow.running < 2:
            await asyncio.sleep(0.005)
        late = asyncio.create_task(client.get("/api/v1/query", query="up", timeout="1ms"))
        await asyncio.sleep(0.1)
        assert (await client.get("/api/v1/labels")).status_code == 200, "others do not wait for queries"
        slow.go_on.set()
        assert [answer.status_code for answer in await asyncio.gather(*first)] == [200, 200]
        answer = (await late).json()
        assert (answer["errorType"], answer["error"]) == ("timeout", "query timed out in query queue")
    assert slow.most == 2


async def test_an_answer_is_compressed() -> None:
    series = {f"up job=j{k} text=abcdefghij": lambda _: 1.0 for k in range(100)}
    app = create_app(make_services(store_with(series)))
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as http,
        http.stream(
            "GET",
            "/api/v1/query",
            params={"query": "up", "time": "1700000000"},
            headers={"Accept-Encoding": "gzip"},
        ) as answer,
    ):
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert len(json.loads(gzip.decompress(raw))["data"]["result"]) == 100
