"""Lines of watches and pages of lists, without a server: what they mean, however they arrive."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.discovery.kubernetes.backoff import Backoff
from pyscrape.discovery.kubernetes.objects import PODS, Pod
from pyscrape.discovery.kubernetes.watch import (
    ApiError,
    Change,
    Decoders,
    Lines,
    Listed,
    Watch,
    parse_page,
    parse_status,
)

DECODERS = Decoders(PODS)


def event(kind: str, name: str = "a", version: str = "7", **more: Any) -> bytes:
    meta = {"name": name, "namespace": "ns", "resourceVersion": version}
    return json.dumps(
        {"type": kind, "object": {"kind": "Pod", "apiVersion": "v1", "metadata": meta, **more}}
    ).encode()


def bookmark(version: str, **annotations: str) -> bytes:
    meta = {"resourceVersion": version, "annotations": annotations}
    return json.dumps(
        {"type": "BOOKMARK", "object": {"kind": "Pod", "apiVersion": "v1", "metadata": meta}}
    ).encode()


def expired() -> bytes:
    status = {
        "kind": "Status",
        "code": 410,
        "reason": "Expired",
        "message": "too old resource version: 510 (524)",
    }
    return json.dumps({"type": "ERROR", "object": status}).encode()


def test_changes_and_versions() -> None:
    watch = Watch(PODS, DECODERS, "5")
    added = watch.feed(event("ADDED", version="6", status={"podIP": "1.2.3.4"}))
    assert isinstance(added, Change) and isinstance(added.object, Pod)
    assert (added.key, added.object.status.pod_ip, watch.version) == (("ns", "a"), "1.2.3.4", "6")
    assert watch.feed(event("DELETED", version="8")) == Change(("ns", "a"), None)
    assert watch.feed(bookmark("11")) is None
    assert watch.version == "11"
    assert watch.feed(bookmark("12", **{"k8s.io/initial-events-end": "true"})) == Listed()


def test_expiry_within_the_stream() -> None:
    with pytest.raises(ApiError) as caught:
        Watch(PODS, DECODERS).feed(expired())
    assert caught.value.expired
    assert str(caught.value) == "410 Expired: too old resource version: 510 (524)"


@pytest.mark.parametrize(
    ("line", "version"),
    [
        (b'{"type":"EXPLODED","object":{"metadata":{"resourceVersion":"9"}}}', "9"),
        (
            b'{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v9","metadata":{"name":"x","resourceVersion":"9"}}}',
            "9",
        ),
        (b'{"type":7}', "5"),
        (b"{}", "5"),
    ],
)
def test_what_is_unknown_is_skipped_and_its_version_taken(line: bytes, version: str) -> None:
    watch = Watch(PODS, DECODERS, "5")
    assert watch.feed(line) is None
    assert watch.version == version


NO_UTF8 = b'{"metadata":{"name":"a","namespace":"ns","labels":{"x":"\xe9"}}}'
# From Python 3.12 on, code in C may go 10,000 deep.
TOO_DEEP = b'{"metadata":{"name":"a","namespace":"ns"},"spec":' + b'{"a":' * 30_000 + b"1" + b"}" * 30_001


def test_an_object_that_cannot_be_read_is_no_longer_known() -> None:
    assert Watch(PODS, DECODERS).feed(event("MODIFIED", spec="?")) == Change(("ns", "a"), None)


@pytest.mark.parametrize("body", [NO_UTF8, b'{"kind":"Pod","apiVersion":"v1",' + NO_UTF8[1:]])
def test_so_is_one_that_is_no_utf8(body: bytes) -> None:
    watch = Watch(PODS, DECODERS, "5")
    assert watch.feed(b'{"type":"MODIFIED","object":%b}' % body) == Change(("ns", "a"), None)
    assert watch.feed(b'{"type":"ADDED","object":{"metadata":{"name":"\xe9"}}}') is None
    assert watch.feed(b'{"type":"ADDED","object":%b}' % TOO_DEEP) is None


@given(
    st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "OTHER"]),
    st.sampled_from(["Pod", "Node"]),
    st.sampled_from(["v1", "v2"]),
    st.sampled_from([{}, {"status": {"podIP": "1.2.3.4"}}, {"spec": "?"}, {"metadata": {}}]),
    st.booleans(),
)
def test_the_short_way_says_what_the_long_way_says(
    kind: str, of: str, version: str, more: dict[str, Any], compact: bool
) -> None:
    meta = {"name": "a", "namespace": "ns", "resourceVersion": "7"}
    text = {"type": kind, "object": {"kind": of, "apiVersion": version, "metadata": meta, **more}}
    line = json.dumps(text, separators=(",", ":") if compact else None).encode()
    short, long = Watch(PODS, DECODERS, "5"), Watch(PODS, DECODERS, "5")
    assert short.feed(line) == long._feed_any(line)
    assert short.version == long.version


LINES = [b'{"a":1}', b"{}", b"x" * 300]


@given(st.lists(st.sampled_from(LINES), max_size=5), st.lists(st.integers(0, 1000), max_size=8))
def test_lines_do_not_depend_on_how_chunks_fall(lines: list[bytes], cuts: list[int]) -> None:
    text = b"".join(line + b"\n" for line in lines)
    at = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    cutter = Lines()
    found = [line for start, end in pairwise(at) for line in cutter.feed(text[start:end])]
    assert found == lines


def test_lines_byte_by_byte_and_a_rest_that_never_ends() -> None:
    cutter = Lines()
    assert [line for byte in b"ab\n\ncd\nef" for line in cutter.feed(bytes([byte]))] == [b"ab", b"cd"]


def test_pages() -> None:
    good = {"metadata": {"name": "a"}, "status": {"podIP": "1.2.3.4"}}
    body = {"metadata": {"resourceVersion": "9", "continue": "t"}, "items": [good]}
    page = parse_page(json.dumps(body, indent=2).encode(), PODS, DECODERS)
    assert (page.version, page.continuation, len(page.objects)) == ("9", "t", 1)
    page = parse_page(json.dumps({**body, "items": [{"status": 1}, good]}).encode(), PODS, DECODERS)
    assert [found.metadata.name for found in page.objects] == ["a"], "a bad item does not spoil the others"
    assert parse_page(b'{"metadata":{},"items":null}', PODS, DECODERS).objects == []
    page = parse_page(b'{"items":[%b,%b]}' % (json.dumps(good).encode(), NO_UTF8), PODS, DECODERS)
    assert [found.metadata.name for found in page.objects] == ["a"]


@pytest.mark.parametrize(
    ("body", "header", "shown", "retry_after_s"),
    [
        (b'{"reason":"Forbidden","message":"no"}', "", "403 Forbidden: no", None),
        (b'{"reason":"Busy","message":"m","details":{"retryAfterSeconds":3}}', "", "403 Busy: m", 3),
        (b'{"message":"m","details":{"retryAfterSeconds":3}}', "7", "403: m", 7),
        (b"<html>proxy</html>", "soon", "403: <html>proxy</html>", None),
        (b'{"message":"\xe9"}', "", '403: {"message":"\ufffd"}', None),
    ],
)
def test_refusals(body: bytes, header: str, shown: str, retry_after_s: float | None) -> None:
    error = parse_status(403, body, header)
    assert (str(error), error.retry_after_s) == (shown, retry_after_s)


def test_waits_grow_and_stay_short_enough_to_recover_in_seconds() -> None:
    backoff = Backoff(uniform=lambda: 1.0)
    assert [backoff.next_s() for _ in range(6)] == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0]
    assert [Backoff(uniform=lambda: 0.0).next_s() for _ in range(2)] == [0.125, 0.125]


def test_refusals_wait_longer_and_count_apart() -> None:
    backoff = Backoff(uniform=lambda: 1.0)
    for _ in range(5):
        backoff.next_s()
    assert [backoff.next_s(status=403) for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    assert backoff.next_s(status=503) == 0.25


@pytest.mark.parametrize(("asked_s", "waited_s"), [(1.0, 1.1), (0.0, 0.25), (9999.0, 66.0)])
def test_a_server_s_wish_is_heeded_within_reason(asked_s: float, waited_s: float) -> None:
    assert Backoff(uniform=lambda: 1.0).next_s(429, asked_s) == pytest.approx(waited_s)
