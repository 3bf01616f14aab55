"""Remote write requests, in the form that senders use and in every other that protobuf allows."""

import struct
from typing import Any

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.value import ABSENT_BITS, STALE, STALE_BITS, bits_of_float
from pyscrape.remote.receive import BadWriteError, Receiver, decompressed
from pyscrape.store import Store
from tests.helpers.examples import examples

NOW = 1_700_000_100_000
AT = 1_700_000_000_000


def varint(value: int) -> bytes:
    value %= 2**64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def part(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + varint(len(content)) + content


def label(name: str, value: str) -> bytes:
    return part(0x0A, part(0x0A, name.encode()) + part(0x12, value.encode()))


def sample(at: int, value: float, form: str = "usual") -> bytes:
    number, time = b"\x09" + struct.pack("<d", value), b"\x10" + varint(at)
    if form == "zeros left out":
        number, time = number if value or value != value else b"", time if at else b""
    return part(0x12, time + number if form == "swapped" else number + time)


def series(labels: dict[str, str], samples: list[tuple[int, float]], form: str = "usual") -> bytes:
    names = b"".join(label(name, value) for name, value in labels.items())
    points = b"".join(sample(at, value, form) for at, value in samples)
    if form == "samples first":
        return part(0x0A, points + names)
    if form == "with exemplar and histogram":
        return part(0x0A, names + points + part(0x1A, b"\x10\x01") + part(0x22, b"\x10\x01"))
    if form == "unknown field":
        return part(0x0A, names + points + b"\x78\x05")
    return part(0x0A, names + points)


def stored(store: Store) -> dict[Any, Any]:
    selection = store.select([], -(2**62), 2**62)
    return {
        selection.frame.labels(one).pairs: [
            (at, word)
            for at, word in zip(
                block.times_ms.tolist(), block.values.view(np.uint64)[:, k].tolist(), strict=True
            )
            if word != ABSENT_BITS
        ]
        for block in selection.blocks
        for k, one in enumerate(block.series.tolist())
    }


FORMS = [
    "usual",
    "zeros left out",
    "swapped",
    "samples first",
    "with exemplar and histogram",
    "unknown field",
]
batches = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.lists(
            st.tuples(
                st.sampled_from([AT, AT + 15, AT + 30, AT + 31, 0]), st.sampled_from([0.0, 1.5, -0.0, STALE])
            ),
            max_size=3,
            unique_by=lambda pair: pair[0],
        ),
        st.sampled_from(FORMS),
    ),
    max_size=6,
    unique_by=lambda one: one[0],
)


@examples(150)
@given(batches)
def test_every_form_gives_the_samples(batch: list[Any]) -> None:
    store = Store()
    receiver = Receiver(store)
    wanted = {}
    body = b""
    for k, samples, form in batch:
        labels = {"__name__": "x", "k": str(k)}
        samples = sorted(samples)
        body += series(labels, samples, form)
        if samples:
            # zero is left out of the message whatever its sign
            plain = form == "zeros left out"
            wanted[tuple(labels.items())] = [
                (at, 0 if plain and value == 0 else bits_of_float(value)) for at, value in samples
            ]
    received = receiver.append(body, NOW)
    assert not received.refused
    assert received.appended == sum(map(len, wanted.values()))
    assert stored(store) == wanted
    assert received.unsupported == sum(form == "with exemplar and histogram" for _, _, form in batch)


WHOLE = series({"__name__": "x", "job": "a"}, [(AT, 1.0), (AT + 1, 2.0)]) + series(
    {"__name__": "y"}, [(AT, 0.0)], "zeros left out"
)


# One sender's requests: rounds of some scrapes of every series, cut into requests by series; each instance has a clock
# of its own and misses scrapes; time goes on between requests as upkeep sees it, and any request may come twice.
INSTANCES = 5
SCRAPE_MS = 15_000
ROUNDS = st.lists(
    st.tuples(
        st.integers(1, 20),  # scrapes
        st.permutations(range(3 * INSTANCES)),
        st.integers(1, 6),  # series a request
        st.sets(st.integers(0, INSTANCES * 20), max_size=20),  # scrapes that an instance missed
        st.sets(st.integers(0, INSTANCES - 1), max_size=2),  # instances that are away
    ),
    min_size=1,
    max_size=6,
)


@examples(60)
@given(ROUNDS, st.integers(0, 4), st.data())
def test_samples_in_order_are_never_refused(rounds: list[Any], seal_rows: int, data: st.DataObject) -> None:
    store = Store(seal_rows=seal_rows)
    receiver = Receiver(store)
    expected: dict[str, list[tuple[int, float]]] = {}
    now, scrape = NOW, 0
    for scrapes, order, size, missed, away in rounds:
        for begin in range(0, len(order), size):
            request = b""
            for number in order[begin : begin + size]:
                instance = number % INSTANCES
                kept = [
                    k
                    for k in range(scrapes)
                    if k * INSTANCES + instance not in missed and instance not in away
                ]
                points = [
                    (AT + (scrape + k - 1000) * SCRAPE_MS - instance * 2_711, float(number * k % 7))
                    for k in kept
                ]
                request += series({"__name__": f"m{number}"}, points)
                expected.setdefault(f"m{number}", []).extend(points)
            for _ in range(data.draw(st.integers(1, 2))):
                assert receiver.append(request, now).error == ""
            now += data.draw(st.sampled_from((0, 500, 61_000, 700_000)))
            store.maintain(now, data.draw(st.sampled_from((0.0, 1.0))))
        scrape += scrapes
    assert stored(store) == {
        (("__name__", name),): [(at, bits_of_float(value)) for at, value in points]
        for name, points in expected.items()
        if points
    }


def test_requests_that_end_early_are_refused_or_shorter() -> None:
    for end in range(len(WHOLE)):
        receiver = Receiver(Store())
        try:
            receiver.append(WHOLE[:end], NOW)
        except BadWriteError as error:
            assert str(error).startswith("proto: ")


@examples(100)
@given(st.binary(max_size=60), st.integers(0, len(WHOLE)))
def test_any_bytes(noise: bytes, at: int) -> None:
    try:
        Receiver(Store()).append(WHOLE[:at] + noise + WHOLE[at:], NOW)
    except BadWriteError:
        pass


def test_snappy() -> None:
    receiver = Receiver(Store())
    assert receiver.write(bytes(cramjam.snappy.compress_raw(WHOLE)), NOW).appended == 3
    for bad in (b"", b"\xff\xff\xff\xff\xff\xff", b"\x05abc", varint(33 << 20) + b"\0"):
        with pytest.raises(BadWriteError, match="snappy: "):
            decompressed(bad)


def test_what_is_refused_is_named_as_prometheus_names_it() -> None:
    store = Store()
    receiver = Receiver(store)
    x = {"__name__": "x"}
    assert receiver.append(series(x, [(AT, 1.0)]), NOW).error == ""
    assert receiver.append(series(x, [(AT, 1.0)]), NOW).error == ""  # the same again is no news
    assert receiver.append(series(x, [(AT, 2.0)]), NOW).error == "duplicate sample for timestamp"
    assert receiver.append(series(x, [(AT - 5, 2.0)]), NOW).error == "out of order sample"
    future = receiver.append(series(x, [(AT + 1, 2.0), (NOW + 600_001, 2.0)]), NOW)
    assert (future.appended, future.refused) == (1, {"out of bounds": 1})
    assert stored(store) == {(("__name__", "x"),): [(AT, bits_of_float(1.0)), (AT + 1, bits_of_float(2.0))]}


@pytest.mark.parametrize("places", [(0,), (1,), (2,), (0, 1), (0, 0, 2, 2)], ids=str)
def test_series_without_samples_beside_samples_of_the_future(places: tuple[int, ...]) -> None:
    """Senders put exemplars into series of their own, which have no sample."""
    store = Store()
    parts = [series({"__name__": "x"}, [(AT, 1.0)]), series({"__name__": "y"}, [(NOW + 600_001, 2.0)])]
    for number, place in enumerate(places):
        parts.insert(place, series({"__name__": f"exemplars_{number}"}, []))
    received = Receiver(store).append(b"".join(parts), NOW)
    assert (received.appended, received.refused) == (1, {"out of bounds": 1})
    assert stored(store) == {(("__name__", "x"),): [(AT, bits_of_float(1.0))]}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (label("job", "a"), "invalid metric name"),
        (label("__name__", "x") + label("__name__", "y"), "duplicate label"),
        (label("__name__", "x") + label("", "y"), "invalid label name"),
    ],
)
def test_invalid_labels_are_skipped(labels: bytes, words: str) -> None:
    store = Store()
    body = part(0x0A, labels + sample(AT, 1.0)) + series({"__name__": "good"}, [(AT, STALE)])
    received = Receiver(store).append(body, NOW)
    assert words in received.invalid_series[0]
    assert stored(store) == {(("__name__", "good"),): [(AT, STALE_BITS)]}
