"""The rules of the remote write specification's sender tests, each against a strict receiver."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import numpy as np
import pytest

from pyscrape.model.labels import Labels
from pyscrape.model.value import STALE_BITS
from pyscrape.remote.encode import Metadata
from pyscrape.remote.queue import desired_shards
from pyscrape.remote.send import retry_after_s
from pyscrape.remote.settings import PROTOBUF_V2
from pyscrape.remote.writers import RemoteWriters
from pyscrape.store import Store
from tests.helpers.virtual_loop import EPOCH_S, run_virtual, wall_clock
from tests.remote.receiver import Source, StrictReceiver, config

OK = httpx.Response(204)
Story = Callable[[RemoteWriters, Store], Awaitable[None]]


def play(
    receiver: StrictReceiver,
    story: Story,
    *,
    external: dict[str, str] | None = None,
    flush_s: float = 60.0,
    metadata: Any = tuple,
    **settings: Any,
) -> RemoteWriters:
    """Run `story` with writers to `receiver`, then end them in order."""

    async def main() -> RemoteWriters:
        store = Store()
        writers = RemoteWriters(store, metadata, flush_s, clock=wall_clock, endpoint=receiver.endpoint)
        await writers.apply([config(**settings)], external or {})
        kept = writers.writers
        await story(writers, store)
        await writers.stop()
        writers.ended = kept  # type: ignore[attr-defined]
        return writers

    return run_virtual(main())


def one_row(series: dict[str, str], value: float = 1.0) -> Story:
    async def story(writers: RemoteWriters, store: Store) -> None:
        writers.push(*Source(store, [series]).row(value))
        await asyncio.sleep(6)

    return story


def rows(count: int, every_s: float = 1.0, width: int = 3) -> Story:
    """`count` rows of `width` series m0, m1, ...: each has the values 0, 1, 2, ..."""

    async def story(writers: RemoteWriters, store: Store) -> None:
        source = Source(store, [{"__name__": f"m{k}", "job": "j"} for k in range(width)])
        for number in range(count):
            writers.push(*source.row(*[float(number)] * width, step_ms=round(every_s * 1000)))
            await asyncio.sleep(every_s)

    return story


LABELS = [
    ("sorted", {"z": "1", "a": "2", "__name__": "m", "B": "3"}, {}, [], "B a z __name__"),
    ("empty left out", {"__name__": "m", "gone": ""}, {}, [], "__name__"),
    ("external where absent", {"__name__": "m", "a": "own"}, {"a": "x", "b": "y"}, [], "__name__ a=own b=y"),
    ("rules see external ones", {"__name__": "m"}, {"b": "y"},
     [{"source_labels": ["b"], "target_label": "c"}], "__name__ b=y c=y"),
    ("label that a rule empties", {"__name__": "m", "a": "1"}, {},
     [{"action": "replace", "target_label": "a", "replacement": ""}], "__name__"),
    ("any UTF-8", {"__name__": "m", "a": "größe 漢 \n\""}, {}, [], "__name__ a"),
    ("dropped", {"__name__": "m"}, {}, [{"action": "drop"}], None),
    ("without any label", {"__name__": "m"}, {}, [{"action": "labeldrop", "regex": "__name__"}], None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("series", "external", "rules", "expected"), [row[1:] for row in LABELS], ids=[row[0] for row in LABELS]
)
def test_labels(
    series: dict[str, str], external: dict[str, str], rules: list[Any], expected: str | None
) -> None:
    receiver = StrictReceiver()
    writers = play(receiver, one_row(series), external=external, write_relabel_configs=rules)
    assert not receiver.problems
    if expected is None:
        assert not receiver.requests
        assert writers.ended[0].dropped == 1  # type: ignore[attr-defined]
        return
    [pairs] = receiver.series
    found = {name for name, _ in pairs} | {f"{name}={value}" for name, value in pairs}
    assert set(expected.split()) <= found
    assert len(pairs) == len(expected.split())


def test_headers_and_credentials() -> None:
    receiver = StrictReceiver()
    play(
        receiver,
        one_row({"__name__": "m"}),
        headers={"X-Scope-OrgID": "t"},
        basic_auth={"username": "u", "password": "p"},
    )
    assert not receiver.problems
    [request] = receiver.requests
    assert request.headers["x-scope-orgid"] == "t"
    assert request.headers["authorization"] == "Basic dTpw"
    assert "retry-attempt" not in request.headers


def test_values_are_sent_bit_for_bit() -> None:
    receiver = StrictReceiver()
    words = [STALE_BITS, 0x7FF8000000000001, 0x7FF0000000000000, 0x8000000000000000, 1]
    values = np.array(words, np.uint64).view(np.float64)

    async def story(writers: RemoteWriters, store: Store) -> None:
        source = Source(store, [{"__name__": f"m{k}"} for k in range(len(words))])
        at_ms, columns, _ = source.row(*[0.0] * len(words))
        writers.push(at_ms, columns, values)

    play(receiver, story)
    sent = {dict(pairs)["__name__"]: samples[0][1] for pairs, samples in receiver.series.items()}
    assert [sent[f"m{k}"] for k in range(len(words))] == words


def test_order_holds_with_many_shards_and_a_slow_receiver() -> None:
    receiver = StrictReceiver(delay_s=0.3)
    play(
        receiver,
        rows(50, 0.1, 7),
        queue_config={"min_shards": 4, "max_samples_per_send": 5, "batch_send_deadline": "1s"},
    )
    for k in range(7):
        assert receiver.values(f"m{k}") == [float(n) for n in range(50)]
    assert receiver.most_at_once > 1


@pytest.mark.parametrize("status", [400, 401, 404, 409, 413, 429, 302])
def test_refused_for_good(status: int, caplog: pytest.LogCaptureFixture) -> None:
    receiver = StrictReceiver(lambda n: httpx.Response(status, text="no\nsecond line") if n < 2 else OK)
    with caplog.at_level(logging.INFO, "pyscrape"):
        writers = play(receiver, rows(15), queue_config={"batch_send_deadline": "5s"}, flush_s=1)
    stats = writers.ended[0].stats  # type: ignore[attr-defined]
    assert all("retry-attempt" not in request.headers for request in receiver.requests)
    assert (stats.samples_failed_total, stats.samples_retried_total) == (30, 0)
    assert stats.samples_total == 15
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == ["non-recoverable error"]


@pytest.mark.parametrize(
    "failure",
    [httpx.Response(500), httpx.Response(503), httpx.ConnectError("refused"), httpx.ReadError("cut")],
)
def test_tried_again_with_doubling_backoff(failure: httpx.Response | Exception) -> None:
    receiver = StrictReceiver(lambda n: failure if n < 6 else OK)
    writers = play(
        receiver,
        one_row({"__name__": "m"}),
        queue_config={"min_backoff": "100ms", "max_backoff": "1s", "batch_send_deadline": "1s"},
    )
    waits = np.diff(receiver.times).round(3).tolist()
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert [r.headers.get("retry-attempt") for r in receiver.requests] == [None, *"123456"]
    assert len({r.content for r in receiver.requests}) == 1
    assert receiver.values("m") == [1.0]
    stats = writers.ended[0].stats  # type: ignore[attr-defined]
    assert (stats.samples_retried_total, stats.samples_total, stats.last_error) == (6, 1, "")


def test_failed_request_logging_repeats_what_is_known(caplog: pytest.LogCaptureFixture) -> None:
    receiver = StrictReceiver(lambda n: httpx.Response(500 if n < 4 else 400))
    play(receiver, rows(12), failed_request_logging=True, flush_s=1)
    assert caplog.messages.count("Failed to send batch, retrying") == 4
    assert caplog.messages.count("non-recoverable error") >= 2


def test_retry_after_is_honoured_and_429_on_request() -> None:
    receiver = StrictReceiver(lambda n: httpx.Response(429, headers={"Retry-After": "7"}) if n < 2 else OK)
    play(receiver, one_row({"__name__": "m"}), queue_config={"retry_on_http_429": True})
    assert np.diff(receiver.times).round(3).tolist() == [7.0, 7.0]
    assert receiver.values("m") == [1.0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-1", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("99999999999", 3600.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2000 22:13:30 GMT", 0.0),
    ],
)
def test_retry_after(text: str, seconds: float) -> None:
    assert retry_after_s(text, 1_700_000_000.0) == seconds


def test_sample_age_limit_also_between_attempts() -> None:
    receiver = StrictReceiver(lambda n: httpx.Response(500) if receiver.times[-1] < 60 else OK)
    writers = play(receiver, rows(80), queue_config={"sample_age_limit": "20s", "batch_send_deadline": "1s"})
    sent = receiver.values("m0")
    assert sent == sorted(sent)
    assert sent[-1] == 79.0
    # A request goes as a whole: when its newest sample is too old.
    assert 20 <= sent[0] <= 45
    writer = writers.ended[0]  # type: ignore[attr-defined]
    assert writer.dropped + writer.stats.samples_total == 80 * 3


def test_metadata_in_requests_of_its_own() -> None:
    receiver = StrictReceiver()
    known = [Metadata("m", "counter", "What it is.", "seconds"), Metadata("n", "unknown", "", "")]
    play(receiver, rows(70), metadata=lambda: [*known, *known])
    assert not receiver.problems
    first, second = receiver.metadata
    assert (first[1], first[2], first[4], first[5]) == (1, b"m", b"What it is.", b"seconds")
    assert second[2] == b"n"
    receiver = StrictReceiver()
    play(receiver, rows(70), metadata=lambda: known, metadata_config={"send": False})
    assert not receiver.metadata


V2 = {"protobuf_message": "io.prometheus.write.v2.Request"}


def wrote(samples: int, exemplars: int = 0, status: int = 204) -> httpx.Response:
    headers = {"samples": samples, "histograms": 0, "exemplars": exemplars}
    return httpx.Response(
        status, headers={f"X-Prometheus-Remote-Write-{k}-Written": str(v) for k, v in headers.items()}
    )


@pytest.mark.parametrize(("series", "external", "rules", "expected"), [row[1:] for row in LABELS])
def test_the_same_labels_in_2_0(
    series: dict[str, str], external: dict[str, str], rules: list[Any], expected: str | None
) -> None:
    one, two = StrictReceiver(), StrictReceiver(lambda n: wrote(1))
    for receiver, settings in ((one, {}), (two, V2)):
        play(receiver, one_row(series), external=external, write_relabel_configs=rules, **settings)
        assert not receiver.problems
    assert one.series == two.series
    assert bool(two.series) == (expected is not None)


def test_2_0_carries_metadata_with_each_series() -> None:
    known = [Metadata("rpc_seconds", "histogram", "How long.", "seconds"), Metadata("m", "counter", "", "")]

    async def story(writers: RemoteWriters, store: Store) -> None:
        names = ("rpc_seconds_bucket", "rpc_seconds_count", "m_total", "other")
        source = Source(store, [{"__name__": name, "le": "1"} for name in names])
        for _ in range(20):
            writers.push(*source.row(1.0, 2.0, 3.0, 4.0))
            await asyncio.sleep(1)

    receiver = StrictReceiver(lambda n: wrote(100))
    play(receiver, story, metadata=lambda: known, **V2)
    assert not receiver.problems
    histogram = (3, "How long.", "seconds")
    assert receiver.described == {
        "rpc_seconds_bucket": histogram, "rpc_seconds_count": histogram, "m_total": (1, "", ""),
    }  # fmt: skip
    assert not receiver.metadata


ANSWERS = [
    ("all written", wrote(4, 1), (4, 0, 1, 0), ""),
    ("more than there was", wrote(9, 9), (4, 0, 1, 0), ""),
    ("no headers", OK, (0, 4, 0, 1), "that nothing was written"),
    ("nothing", wrote(0), (0, 4, 0, 1), "that nothing was written"),
    ("a part", wrote(3, 0, 400), (3, 1, 0, 1), "400"),
    ("refused", httpx.Response(400), (0, 4, 0, 1), "400"),
]


@pytest.mark.parametrize(
    ("answer", "counted", "error"), [r[1:] for r in ANSWERS], ids=[r[0] for r in ANSWERS]
)
def test_2_0_counts_what_the_receiver_says(
    answer: httpx.Response, counted: tuple[int, ...], error: str
) -> None:
    async def story(writers: RemoteWriters, store: Store) -> None:
        source = Source(store, [{"__name__": f"m{k}"} for k in range(4)])
        writers.push(*source.row(*[1.0] * 4))
        writers.push_exemplar(Labels({"__name__": "m1"}), {"trace": "x"}, 1.0, source.at_ms)

    receiver = StrictReceiver(lambda n: answer)
    writers = play(receiver, story, send_exemplars=True, **V2)
    stats = writers.ended[0].stats  # type: ignore[attr-defined]
    sent = (
        stats.samples_total,
        stats.samples_failed_total,
        stats.exemplars_total,
        stats.exemplars_failed_total,
    )
    assert sent == counted
    assert len(receiver.requests) == 1
    assert error in stats.last_error
    assert bool(error) == bool(stats.last_error)


@pytest.mark.parametrize("settings", [{}, V2], ids=["1.0", "2.0"])
def test_exemplars_go_with_the_next_sample_of_their_series(settings: dict[str, Any]) -> None:
    async def story(writers: RemoteWriters, store: Store) -> None:
        source = Source(store, [{"__name__": f"m{k}"} for k in range(3)])
        row = source.row(1.0, 1.0, 1.0)
        writers.push(*row)
        for name, labels, value in (
            ("m0", {"t": "a"}, 1.0),
            ("m0", {"t": "b"}, 2.0),
            ("m2", {}, 3.0),
            ("m1", {}, 4.0),
        ):
            writers.push_exemplar(Labels({"__name__": name}), labels, value, row[0])
        [writer] = writers.writers
        assert writer.exemplars.pending == 3, "m1 is dropped by a rule"
        await asyncio.sleep(6)
        assert writer.exemplars.pending == 0

    receiver = StrictReceiver(lambda n: wrote(2, 3))
    rules = [{"source_labels": ["__name__"], "regex": "m1", "action": "drop"}]
    play(receiver, story, send_exemplars=True, external={"e": "x"}, write_relabel_configs=rules, **settings)
    assert not receiver.problems
    at_ms = round(EPOCH_S * 1000) + 1000
    found = {dict(pairs)["__name__"]: sent for pairs, sent in receiver.exemplars.items()}
    assert found == {
        "m0": [({"t": "a"}, 1.0, at_ms), ({"t": "b"}, 2.0, at_ms)], "m2": [({}, 3.0, at_ms)],
    }  # fmt: skip
    assert all(dict(pairs)["e"] == "x" for pairs in receiver.exemplars)


def test_exemplars_only_where_they_are_asked_for_and_never_too_many() -> None:
    async def story(writers: RemoteWriters, store: Store) -> None:
        source = Source(store, [{"__name__": f"m{k}"} for k in range(9)])
        writers.push(*source.row(*[1.0] * 9))
        for k in range(9):
            writers.push_exemplar(Labels({"__name__": f"m{k}"}), {}, 1.0, 1)

    receiver = StrictReceiver()
    play(receiver, story)
    assert not receiver.exemplars
    receiver = StrictReceiver()
    writers = play(receiver, story, send_exemplars=True, queue_config={"capacity": 5})
    assert len(receiver.exemplars) == 5
    assert writers.ended[0].exemplars.dropped == 4  # type: ignore[attr-defined]


def test_status() -> None:
    receiver = StrictReceiver(lambda n: httpx.Response(503, text="away"))
    seen: list[Mapping[str, Any]] = []

    async def story(writers: RemoteWriters, store: Store) -> None:
        seen.extend(writers.status())
        await rows(20)(writers, store)
        seen.extend(writers.status())

    play(receiver, story, url="http://user:secret@receiver/", name="far", flush_s=1)
    before, after = seen
    assert (before["state"], before["lagSeconds"], before["pendingSamples"]) == ("ok", 0.0, 0)
    assert (after["name"], after["state"], after["pendingSamples"], after["sentSamples"]) == (
        "far",
        "retrying",
        60,
        0,
    )
    assert after["lagSeconds"] == 19.0
    assert after["lastError"] == "server returned HTTP status 503 Service Unavailable: away"
    assert "secret" not in str(after)


def test_deadline_and_full_requests() -> None:
    receiver = StrictReceiver()
    play(receiver, rows(20), queue_config={"max_samples_per_send": 6, "batch_send_deadline": "1m"})
    assert receiver.times == [float(n) for n in range(1, 20, 2)]


def test_an_end_sends_what_waits() -> None:
    receiver = StrictReceiver()
    play(receiver, rows(3), queue_config={"batch_send_deadline": "1h"})
    assert receiver.values("m0") == [0.0, 1.0, 2.0]
    assert receiver.times == [3.0]


def test_an_end_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    receiver = StrictReceiver(lambda n: httpx.Response(500))
    writers = play(receiver, rows(3), flush_s=30)
    assert receiver.times[-1] <= 33.1
    assert "Failed to flush all samples on shutdown" in caplog.messages
    assert writers.ended[0].dropped == 9  # type: ignore[attr-defined]


def test_memory_is_bounded_and_the_oldest_go() -> None:
    receiver = StrictReceiver(lambda n: httpx.Response(500) if receiver.times[-1] < 100 else OK)
    limits = {"capacity": 30, "max_shards": 1, "max_samples_per_send": 9}
    writers = play(receiver, rows(100), queue_config=limits)
    writer = writers.ended[0]  # type: ignore[attr-defined]
    sent = receiver.values("m0")
    assert sent[-10:] == [float(n) for n in range(90, 100)]
    assert len(sent) <= 13
    assert writer.dropped + writer.stats.samples_total == 300


def test_a_reload_keeps_equal_endpoints_and_hands_over_what_waits() -> None:
    receiver = StrictReceiver()

    async def story(writers: RemoteWriters, store: Store) -> None:
        source = Source(store, [{"__name__": "m"}])
        first = writers.writers[0]
        writers.push(*source.row(0.0))
        await writers.apply([config(queue_config={"batch_send_deadline": "1h"})], {})
        assert writers.writers == (first,)
        writers.push(*source.row(1.0))
        await writers.apply([config(queue_config={"batch_send_deadline": "2h"})], {"replica": "a"})
        assert writers.writers != (first,)
        writers.push(*source.row(2.0))
        assert writers.writers[0].pending == 3
        await writers.apply([], {})
        await asyncio.sleep(1)

    play(receiver, story, queue_config={"batch_send_deadline": "1h"})
    assert not receiver.problems
    assert {len(pairs): len(samples) for pairs, samples in receiver.series.items()} == {1: 2, 2: 1}


def test_a_reload_to_the_other_message_hands_over_what_waits() -> None:
    receiver = StrictReceiver()

    async def story(writers: RemoteWriters, store: Store) -> None:
        source = Source(store, [{"__name__": "m"}])
        writers.push(*source.row(0.0))
        writers.push_exemplar(Labels([("__name__", "m")]), {"trace": "1"}, 1.0, 5)
        await writers.apply([config(send_exemplars=True, protobuf_message=PROTOBUF_V2)], {})
        writers.push(*source.row(1.0))
        await asyncio.sleep(20)

    play(receiver, story, send_exemplars=True)
    assert not receiver.problems
    assert receiver.values("m") == [0.0, 1.0]
    assert [len(found) for found in receiver.exemplars.values()] == [1]


def test_causes_of_refusals_are_bounded_and_those_known_go_on_being_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    receiver = StrictReceiver(lambda n: httpx.Response(400, text="again" if n in (0, 129) else f"cause {n}"))
    writers = play(receiver, rows(130), queue_config={"max_samples_per_send": 3})
    [writer] = writers.ended  # type: ignore[attr-defined]
    refused = writer.stats.refused
    assert (len(refused), refused["server returned HTTP status 400 Bad Request: again"]) == (100, 6)
    assert caplog.messages.count("non-recoverable error") == 100


def test_a_receiver_that_says_it_wrote_more_than_it_got_changes_no_count() -> None:
    said = {"X-Prometheus-Remote-Write-Samples-Written": "1000"}
    receiver = StrictReceiver(lambda n: httpx.Response(400, headers=said))
    writers = play(receiver, rows(10), protobuf_message=PROTOBUF_V2)
    [writer] = writers.ended  # type: ignore[attr-defined]
    assert (writer.stats.samples_total, writer.stats.samples_failed_total) == (30, 0)


def test_labels_are_those_of_the_moment_of_the_row() -> None:
    receiver = StrictReceiver()

    async def story(writers: RemoteWriters, store: Store) -> None:
        source = Source(store, [{"__name__": "old"}])
        at_ms, columns, values = source.row(1.0)
        writers.push(at_ms, columns, values)
        store.index.remove(columns)
        store.index.reuse(columns)
        store.epoch += 1
        [again] = store.table("other").add_columns([{"__name__": "new"}])
        assert again == columns[0], "the id has another meaning now"
        writers.push(at_ms + 1, np.array([again], np.int32), values)

    play(receiver, story)
    assert sorted(dict(pairs)["__name__"] for pairs in receiver.series) == ["new", "old"]


def test_a_broken_endpoint_does_not_hold_up_the_others(caplog: pytest.LogCaptureFixture) -> None:
    receiver = StrictReceiver(
        lambda n: RuntimeError("a bug") if receiver.requests[n].url.host == "broken" else OK
    )

    async def main() -> None:
        store = Store()
        writers = RemoteWriters(store, clock=wall_clock, endpoint=receiver.endpoint)
        await writers.apply([config(url="http://broken/"), config()], {})
        await rows(20)(writers, store)
        broken, _ = writers.writers
        await writers.stop()
        assert broken.stats.samples_failed_total == 60

    run_virtual(main())
    assert receiver.values("m0") == [float(n) for n in range(20)]
    assert "A request could not be made; it is dropped" in caplog.messages


def test_a_task_that_fails_is_logged_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def metadata() -> list[Metadata]:
        raise RuntimeError("a bug")

    receiver = StrictReceiver()
    play(receiver, rows(70), metadata=metadata)
    assert receiver.values("m0")[-1] == 69.0
    assert "A part of remote write failed; it goes on" in caplog.messages


def test_a_row_that_cannot_be_queued_does_not_end_the_scrape(caplog: pytest.LogCaptureFixture) -> None:
    async def story(writers: RemoteWriters, store: Store) -> None:
        writers.push(1, np.array([1 << 30], np.int32), np.array([1.0]))
        assert writers.writers[0].dropped == 1

    play(StrictReceiver(), story)
    assert "Samples cannot be queued" in caplog.messages


SHARDS = [
    ("nothing was sent", {"out_rate": 0}, 4),
    ("within 30 %", {"in_rate": 1200}, 4),
    ("more is needed", {"in_rate": 4000}, 16),
    ("most", {"in_rate": 1e6}, 50),
    ("less is enough", {"in_rate": 100}, 1),
    ("not while behind", {"in_rate": 100, "behind_s": 11}, 4),
    ("rules drop most", {"in_rate": 4000, "kept_ratio": 0.25}, 4),
    ("a backlog", {"in_rate": 1000, "backlog": 20_000}, 8),
]


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in SHARDS], ids=[row[0] for row in SHARDS])
def test_shards(given: dict[str, float], expected: int) -> None:
    usual: dict[str, Any] = {"in_rate": 1000, "out_rate": 1000, "kept_ratio": 1.0, "backlog": 0}
    shards, wanted = desired_shards(now=4, least=1, most=50, **(usual | given))
    assert shards == expected
    assert wanted >= 0
