"""A strict receiver of remote write 1.0 and 2.0 in memory, and writers that send to it in virtual time."""

import asyncio
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cramjam
import httpx
import numpy as np

from pyscrape.model.settings import from_mapping
from pyscrape.net.ask import Asker
from pyscrape.remote.send import Endpoint, SendStats
from pyscrape.remote.settings import RemoteWriteConfig
from pyscrape.store import Store
from tests.helpers.virtual_loop import wall_clock

Labels = tuple[tuple[str, str], ...]
Bits = tuple[int, int]
Answer = Callable[[int], httpx.Response | Exception]


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a protobuf message: int, 8 bytes, or bytes."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        match tag & 7:
            case 0:
                yield tag >> 3, varint()
            case 1:
                yield tag >> 3, data[at : at + 8]
                at += 8
            case 2:
                size = varint()
                assert at + size <= len(data), "a field is longer than its message"
                yield tag >> 3, data[at : at + size]
                at += size
            case kind:
                raise AssertionError(f"wire type {kind}")


def packed(data: bytes) -> Iterator[int]:
    """The numbers of a packed repeated field."""
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


class StrictReceiver(httpx.AsyncBaseTransport):
    """Refuses what the specification forbids by failing the test; `answer(n)` says what the n-th request gets."""

    def __init__(self, answer: Answer = lambda n: httpx.Response(204), delay_s: float = 0.0) -> None:
        self.answer = answer
        self.delay_s = delay_s
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []
        self.series: dict[Labels, list[Bits]] = {}
        self.exemplars: dict[Labels, list[tuple[dict[str, str], float, int]]] = {}
        self.metadata: list[dict[int, Any]] = []
        self.described: dict[str, tuple[int, str, str]] = {}
        self.problems: list[str] = []
        self.at_once = self.most_at_once = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        number = len(self.requests)
        self.requests.append(request)
        self.times.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await asyncio.sleep(self.delay_s)
            answer = self.answer(number)
        finally:
            self.at_once -= 1
        if isinstance(answer, Exception):
            raise answer
        if answer.status_code // 100 == 2:
            self._take(request)
        return answer

    def _take(self, request: httpx.Request) -> None:
        try:
            self.decode(request)
        except AssertionError as error:
            self.problems.append(str(error))

    def decode(self, request: httpx.Request) -> None:
        headers = request.headers
        assert request.method == "POST"
        assert headers["content-encoding"] == "snappy"
        assert headers["user-agent"]
        content = bytes(cramjam.snappy.decompress_raw(request.content))
        if headers["x-prometheus-remote-write-version"] == "2.0.0":
            assert headers["content-type"] == "application/x-protobuf;proto=io.prometheus.write.v2.Request"
            self._decode_2(content)
            return
        assert headers["content-type"] == "application/x-protobuf"
        assert headers["x-prometheus-remote-write-version"] == "0.1.0"
        for number, message in fields(content):
            assert number in {1, 3}, number
            if number == 3:
                self.metadata.append(dict(fields(message)))
                continue
            pairs: list[tuple[str, str]] = []
            for kind, part in fields(message):
                assert kind in {1, 2, 3}, kind
                found = dict(fields(part))
                if kind == 1:
                    pairs.append((found[1].decode(), found[2].decode()))
                elif kind == 2:
                    self._sample(tuple(pairs), found[2], *struct.unpack("<Q", found[1]))
                else:
                    labels = [dict(fields(p)) for k, p in fields(part) if k == 1]
                    own = {one[1].decode(): one[2].decode() for one in labels}
                    self._exemplar(tuple(pairs), own, found)

    def _decode_2(self, content: bytes) -> None:
        parts = list(fields(content))
        assert [number for number, _ in parts] == sorted(number for number, _ in parts), "symbols come first"
        symbols = [text.decode() for number, text in parts if number == 4]
        assert symbols[0] == "", "the first symbol is the empty text"
        assert len(set(symbols)) == len(symbols), "a symbol stands twice"
        used = {0}

        def texts(refs: bytes) -> Labels:
            numbers = list(packed(refs))
            used.update(numbers)
            assert len(numbers) % 2 == 0
            return tuple((symbols[a], symbols[b]) for a, b in zip(numbers[::2], numbers[1::2], strict=True))

        for message in [message for number, message in parts if number == 5]:
            found = list(fields(message))
            [refs] = [part for kind, part in found if kind == 1]
            pairs = texts(refs)
            samples = [dict(fields(part)) for kind, part in found if kind == 2]
            assert samples, "a series without samples"
            for one in samples:
                self._sample(pairs, one[2], *struct.unpack("<Q", one[1]))
            for one in [dict(fields(part)) for kind, part in found if kind == 4]:
                self._exemplar(pairs, dict(texts(one.get(1, b""))), one)
            for one in [dict(fields(part)) for kind, part in found if kind == 5]:
                used |= {one.get(3, 0), one.get(4, 0)}
                known = (one.get(1, 0), symbols[one.get(3, 0)], symbols[one.get(4, 0)])
                self.described[dict(pairs)["__name__"]] = known
        assert used == set(range(len(symbols))), "a symbol that nothing refers to"

    def _exemplar(self, pairs: Labels, own: dict[str, str], found: dict[int, Any]) -> None:
        [value] = struct.unpack("<d", found[2])
        self.exemplars.setdefault(pairs, []).append((own, value, found[3]))

    def _sample(self, pairs: Labels, at_ms: int, bits: int) -> None:
        assert pairs, "a series without labels"
        assert list(pairs) == sorted(pairs), "labels are not sorted"
        assert len({name for name, _ in pairs}) == len(pairs), "a label stands twice"
        assert all(name and value for name, value in pairs), "an empty label"
        samples = self.series.setdefault(pairs, [])
        assert not samples or at_ms > samples[-1][0], f"out of order: {at_ms} after {samples[-1][0]}"
        samples.append((at_ms, bits))

    def values(self, name: str) -> list[float]:
        """Values of the only series of that name, in order of arrival."""
        assert not self.problems, self.problems
        [samples] = [samples for pairs, samples in self.series.items() if dict(pairs)["__name__"] == name]
        return [struct.unpack("<d", struct.pack("<Q", bits))[0] for _, bits in samples]

    def endpoint(self, config: RemoteWriteConfig, stats: SendStats, clock: Callable[[], float]) -> Endpoint:
        """An endpoint that sends here."""
        headers = list(config.headers.items())
        return Endpoint(config, stats, clock, Asker(config.http, headers=headers, transport=self))


def config(**settings: Any) -> RemoteWriteConfig:
    return from_mapping(RemoteWriteConfig, {"url": "http://receiver/api/v1/write"} | settings)


class Source:
    """Rows of some series, as a scraped target makes them."""

    def __init__(self, store: Store, series: list[Mapping[str, str]]) -> None:
        self.table = store.table("test")
        self.columns = self.table.add_columns(series)
        self.at_ms = round(wall_clock() * 1000)

    def row(self, *values: float, step_ms: int = 1000) -> tuple[int, Any, Any]:
        """The next row, `step_ms` later than the one before."""
        self.at_ms += step_ms
        array = np.array(values)
        self.table.append(self.at_ms, self.columns, array)
        return self.at_ms, self.columns, array
