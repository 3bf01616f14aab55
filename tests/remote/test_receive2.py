"""Remote write 2.0 requests: what the sender makes of a batch is, read again, the 1.0 request of that batch."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.remote.encode import Exemplar, Metadata, field, series_head, varint, write_request
from pyscrape.remote.encode2 import families_of, series_texts, write_request2
from pyscrape.remote.receive import BadWriteError, Receiver
from pyscrape.remote.receive2 import as_version_1
from pyscrape.store import Store
from tests.helpers.examples import examples

AT = 1_700_000_000_000
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
SERIES = st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=4).filter(lambda labels: any(labels.values()))


@examples(100)
@given(st.lists(st.tuples(SERIES, st.integers(AT, AT + 10**9), st.floats()), max_size=6), st.booleans())
def test_read_again_it_is_the_request_of_1_0(
    rows: list[tuple[dict[str, str], int, float]], more: bool
) -> None:
    times = np.array([at for _, at, _ in rows], np.int64)
    values = np.array([value for _, _, value in rows], np.float64)
    exemplars = {0: [Exemplar({"trace": "x"}, 1.0, AT)]} if more and rows else {}
    message = write_request2(
        [series_texts(labels) for labels, _, _ in rows],
        times,
        values,
        lambda name: Metadata(name, "counter", "Help.", "s") if more else None,
        exemplars,
    )
    assert as_version_1(message) == write_request(
        [series_head(labels) for labels, _, _ in rows], times, values
    )


SYMBOLS = b"".join(field(0x22, text) for text in (b"", b"__name__", b"m", b"job", b"j"))
SAMPLE = field(0x12, b"\x09" + struct.pack("<d", 1.0) + b"\x10" + varint(AT))


def series(*parts: bytes) -> bytes:
    return SYMBOLS + field(0x2A, b"".join(parts))


GOOD = [
    ("packed", series(field(0x0A, bytes([1, 2, 3, 4])), SAMPLE)),
    ("not packed", series(b"\x08\x01\x08\x02\x08\x03\x08\x04", SAMPLE)),
    ("in two parts", series(field(0x0A, bytes([1, 2])), field(0x0A, bytes([3, 4])), SAMPLE)),
    ("samples first", series(SAMPLE, field(0x0A, bytes([1, 2, 3, 4])))),
    ("series before symbols", field(0x2A, field(0x0A, bytes([1, 2, 3, 4])) + SAMPLE) + SYMBOLS),
    ("a time of creation", series(field(0x0A, bytes([1, 2, 3, 4])), SAMPLE, b"\x30" + varint(AT))),
    ("a start in the sample",
     series(field(0x0A, bytes([1, 2, 3, 4])),
            field(0x12, b"\x09" + struct.pack("<d", 1.0) + b"\x10" + varint(AT) + b"\x18" + varint(AT - 1)))),
]  # fmt: skip


@pytest.mark.parametrize("message", [row[1] for row in GOOD], ids=[row[0] for row in GOOD])
def test_every_form_that_protobuf_allows(message: bytes) -> None:
    store = Store()
    found = Receiver(store).append(as_version_1(message), AT)
    assert (found.written, found.error) == (1, "")
    [(labels, times, values)] = store.samples([])
    assert (dict(labels), times.tolist(), values.tolist()) == ({"__name__": "m", "job": "j"}, [AT], [1.0])


BAD = [
    ("no such symbol", series(field(0x0A, bytes([1, 9])), SAMPLE), "invalid labelRefs"),
    ("half a pair", series(field(0x0A, bytes([1])), SAMPLE), "invalid labelRefs"),
    ("no sample", series(field(0x0A, bytes([1, 2]))), "at least one sample or histogram"),
    ("no protobuf", b"\xff\xff", "proto: "),
    ("cut", series(field(0x0A, bytes([1, 2])), SAMPLE)[:-1], "unexpected EOF"),
    ("no text", field(0x22, b"\xff"), "proto: "),
]


@pytest.mark.parametrize(("message", "error"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_no_request(message: bytes, error: str) -> None:
    with pytest.raises(BadWriteError, match=error):
        as_version_1(message)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_in_words_or_read(data: bytes) -> None:
    try:
        as_version_1(data)
    except BadWriteError as error:
        assert str(error)


def test_families() -> None:
    assert families_of("x_total") == ["x_total", "x"]
    assert families_of("x") == ["x"]
