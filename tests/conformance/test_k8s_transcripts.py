"""Streams of a real API server, fed line by line: a watch that begins with all objects, a Deployment that is scaled."""

import os
from pathlib import Path

import pytest

from pyscrape.discovery.kubernetes.objects import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    NODES,
    PODS,
    Key,
    Named,
    Resource,
)
from pyscrape.discovery.kubernetes.watch import ApiError, Change, Decoders, Lines, Listed, Watch, parse_status

CORPUS = Path(os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[3] / "shared/conformance"))
TRANSCRIPTS = CORPUS.parent / "k8s/transcripts"
pytestmark = pytest.mark.skipif(
    not TRANSCRIPTS.exists(), reason="no recorded streams beside the conformance data"
)


def follow(name: str, resource: Resource, chunk_bytes: int) -> tuple[dict[Key, Named], list[object], Watch]:
    """What is known at the end of a stream that arrives in chunks of a size, all that was said, and the watch."""
    known: dict[Key, Named] = {}
    watch, cutter = Watch(resource, Decoders(resource)), Lines()
    said: list[object] = []
    body = (TRANSCRIPTS / name).read_bytes()
    for start in range(0, len(body), chunk_bytes):
        for line in cutter.feed(body[start : start + chunk_bytes]):
            event = watch.feed(line)
            said.append(event)
            if isinstance(event, Change):
                if event.object is None:
                    known.pop(event.key, None)
                else:
                    known[event.key] = event.object
    return known, said, watch


@pytest.mark.parametrize("chunk_bytes", [1, 777, 1 << 20])
def test_a_watch_that_begins_with_everything(chunk_bytes: int) -> None:
    known, said, watch = follow("watchlist-nodes.jsonl", NODES, chunk_bytes)
    assert len(known) == 8
    assert [isinstance(event, Listed) for event in said].count(True) == 1
    assert watch.version.isdigit()


@pytest.mark.parametrize(
    ("name", "resource", "count"),
    [
        ("watch-redis-scale-pods.jsonl", PODS, 0),
        ("watch-redis-scale-endpoints.jsonl", ENDPOINTS, 1),
        ("watch-redis-scale-endpointslices.jsonl", ENDPOINT_SLICES, 1),
    ],
)
def test_a_deployment_is_scaled_up_and_down(name: str, resource: Resource, count: int) -> None:
    known, said, watch = follow(name, resource, 1000)
    assert len(known) == count, "the pod that came went again"
    assert len(said) >= 3
    assert int(watch.version) > 500


def test_both_forms_of_expiry() -> None:
    line = (TRANSCRIPTS / "watch-410.txt").read_bytes().splitlines()[0]
    with pytest.raises(ApiError) as caught:
        Watch(PODS, Decoders(PODS)).feed(line)
    assert caught.value.expired
    body, _, _ = (TRANSCRIPTS / "continue-410.txt").read_bytes().rpartition(b"}")
    error = parse_status(410, body + b"}")
    assert error.expired and error.continuation
