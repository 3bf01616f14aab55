"""Forwards every scraped sample to one remote write endpoint.

Scraped rows are pushed by reference with their encoded labels. One task takes the oldest as a wave of requests and
sends it, the next wave when that one is done with. While the receiver is away, and there is a folder, all that waits
is moved to disk twice a second and sent from there, in order, before anything newer.
"""

import asyncio
import hashlib
import logging
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial

from pyscrape.model.labels import Labels
from pyscrape.net.urls import redacted_url
from pyscrape.remote.encode import (
    FIRST_SIX_BYTE_MS,
    LAST_SIX_BYTE_MS,
    Exemplar,
    Metadata,
    compressed,
    metadata_request,
)
from pyscrape.remote.exemplars import ExemplarQueue
from pyscrape.remote.heads import SeriesHeads, SeriesSource
from pyscrape.remote.protocol import Message, Message1, Message2
from pyscrape.remote.queue import RowQueue, desired_shards
from pyscrape.remote.rows import Batch, Columns, Times, Values
from pyscrape.remote.send import NOTHING, Endpoint, SendStats, Written
from pyscrape.remote.settings import PROTOBUF_V2, RemoteWriteConfig
from pyscrape.remote.spool import Record, Spool
from pyscrape.remote.waves import Request, Wave, requests_of

logger = logging.getLogger("pyscrape.remote")

RESHARD_S = 10.0
FLUSH_S = 60.0
SPILL_S = 0.5
SLOW_S = 1.0
SPOOLED_FLUSH_S = 5.0
"""How long an end waits for a receiver when the rest is kept on disk."""


class RemoteWriter:
    """One endpoint of `remote_write`. `spool` keeps what waits while the endpoint is away."""

    def __init__(
        self,
        config: RemoteWriteConfig,
        external: Mapping[str, str],
        source: SeriesSource,
        *,
        metadata: Callable[[], Iterable[Metadata]] = tuple,
        clock: Callable[[], float] = time.time,
        endpoint: Callable[[RemoteWriteConfig, SendStats, Callable[[], float]], Endpoint] = Endpoint,
        spool: Spool | None = None,
    ) -> None:
        self.config = config
        self.external = dict(external)
        self.name = (
            config.name
            or hashlib.sha256(repr((config.url, sorted(external.items()))).encode()).hexdigest()[:6]
        )
        self.stats = SendStats()
        limits = config.queue_config
        self.queue = RowQueue(limits.capacity * limits.max_shards)
        self.spool = spool
        self.shards = limits.min_shards
        self.shards_desired = float(self.shards)
        self.highest_sent_ms = 0
        version2 = config.protobuf_message == PROTOBUF_V2
        self._message: Message = Message2(metadata, clock) if version2 else Message1()
        self._source = source
        self._heads = SeriesHeads(source, config, external, self._message.head)
        self.exemplars = ExemplarQueue(limits.capacity)
        self._metadata = metadata
        self._clock = clock
        self._endpoint = endpoint(config, self.stats, clock)
        self._wake = asyncio.Event()
        self._stopping = False
        # What is being sent; it stays until it is known to have arrived. `_record`: where it also is on disk.
        self._wave: Wave | None = None
        self._record: Record | None = None
        self._wave_since_s = 0.0
        self._in_samples = 0
        self._first_ms = 0
        self._out_s = 0.0
        self._out_samples = 0
        self._disk_error = ""

    # --- what comes in ---

    def push(self, times_ms: int | Times, columns: Columns, values: Values) -> None:
        """Forward a row; one time for all samples, or a time each. Its ids are those of this moment.

        The arrays are not changed by anyone any more.
        """
        row = self._heads.row(columns)
        self._in_samples += len(columns)
        times = times_ms
        if row.chosen is not None:
            values = values[row.chosen]
            times = times if isinstance(times, int) else times[row.chosen]
        # Times before 1971 or after 2109: nobody keeps them, and their form is another one.
        batch = Batch(row, times, values).between(FIRST_SIX_BYTE_MS, LAST_SIX_BYTE_MS) if len(row) else None
        self.stats.samples_dropped_total += len(columns) - (batch.samples if batch is not None else 0)
        if batch is None:
            return
        if self.spool is not None and self.queue.pending + batch.samples > self.queue.most_samples:
            self._spill()
        self.queue.push(batch)
        self._first_ms = self._first_ms or self.queue.newest_ms
        if self.queue.pending >= self._full:
            self._wake.set()

    def push_exemplar(self, series: Labels, labels: Mapping[str, str], value: float, at_ms: int) -> None:
        """Forward an exemplar with the next sample of its series that is sent."""
        sent = self._heads.sent(dict(series))
        if sent is not None:
            [column] = self._source.index.ids([series]).tolist()
            self.exemplars.push(column, sent, Exemplar(labels, value, at_ms))

    @property
    def came(self) -> int:
        """Samples that were pushed."""
        return self._in_samples

    @property
    def pending(self) -> int:
        """Samples that are not known to have arrived: in memory, on their way, and on disk."""
        return self._in_memory + (self.spool.pending if self.spool is not None else 0)

    @property
    def lag_s(self) -> float:
        """How much newer the newest sample that came is than the newest that was sent; 0 while nothing waits."""
        reached_ms = self.highest_sent_ms or self._first_ms
        return max(0, self.queue.newest_ms - reached_ms) / 1000 if self.pending else 0.0

    def status(self) -> dict[str, object]:
        """How it is doing, in the form of the API."""
        stats = self.stats
        return {
            "name": self.name,
            "url": redacted_url(self.config.url),
            "protobufMessage": self.config.protobuf_message,
            "state": "retrying" if self._endpoint.away else "ok",
            "lagSeconds": self.lag_s,
            "shards": self.shards,
            "minShards": self.config.queue_config.min_shards,
            "maxShards": self.config.queue_config.max_shards,
            "pendingSamples": self.pending,
            "pendingBytesOnDisk": self.spool.nbytes if self.spool is not None else 0,
            "sentSamples": stats.samples_total,
            "failedSamples": stats.samples_failed_total,
            "retriedSamples": stats.samples_retried_total,
            "droppedSamples": self.dropped,
            "lastError": stats.last_error,
            "refused": dict(stats.refused),
        }

    @property
    def _in_memory(self) -> int:
        moving = self._wave.samples if self._wave is not None and self._record is None else 0
        return self.queue.pending + moving

    @property
    def dropped(self) -> int:
        """Samples that were not sent: by rule, by age, or because too many waited."""
        spooled = self.spool.dropped if self.spool is not None else 0
        return self.stats.samples_dropped_total + self.queue.dropped + spooled

    @property
    def _full(self) -> int:
        return self.config.queue_config.max_samples_per_send * self.shards

    # --- the tasks ---

    async def run(self) -> None:
        """Send until `finish`; what fails unexpectedly is logged and begun again."""
        helpers: dict[str, Callable[[], Awaitable[None]]] = {"sharding": self._reshard}
        # The messages of 2.0 carry it with each series.
        if self.config.metadata_config.send and self._message.version == 1:
            helpers["metadata"] = self._send_metadata
        if self.spool is not None:
            helpers["spool"] = self._keep_spool
        tasks = [
            asyncio.create_task(self._lasting(work), name=f"{part} of remote write {self.name}")
            for part, work in helpers.items()
        ]
        try:
            await self._lasting(self._send_all)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _lasting(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await work()
            except Exception:
                logger.exception("A part of remote write failed; it goes on", extra={"remote": self.name})
                await asyncio.sleep(self.config.queue_config.max_backoff.seconds)

    async def finish(self, task: "asyncio.Task[None]", seconds: float = FLUSH_S) -> None:
        """End `task`, which is in `run`: send what waits for so long at most; what is left stays on disk or is lost."""
        self._stopping = True
        self._wake.set()
        try:
            wait_s = seconds if self.spool is None else min(seconds, SPOOLED_FLUSH_S)
            if self.spool is None or not self._endpoint.away:
                await asyncio.wait([task], timeout=wait_s)
        finally:
            await self.abandon(task)
            if left := self._in_memory:
                extra = {"remote": self.name, "count": left}
                logger.error("Failed to flush all samples on shutdown", extra=extra)
                self.stats.samples_dropped_total += left

    async def abandon(self, task: "asyncio.Task[None]") -> None:
        """End `task` at once; what waits goes to disk where there is one."""
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if self.spool is not None:
            self._spill()
            try:
                self.spool.close()
            except OSError as error:
                self._disk_failed(error)
        await self._endpoint.close()

    def inherit(self, other: "RemoteWriter") -> None:
        """Take over what waits at a writer to the same endpoint that was abandoned."""
        if other._record is None:  # else it is on disk, and found there
            self._wave, other._wave = other._wave, None
        waiting = other.queue.take(other.queue.pending)
        if other._message.version == self._message.version:
            for batch in waiting:
                self.queue.push(batch)
        elif waiting:  # its labels are in the form of the other message
            self._wave = Wave([*(self._wave or ()), *other._encode(other._young(waiting))])
        if self.config.send_exemplars:
            self.exemplars.inherit(other.exemplars)
        self.queue.newest_ms = max(self.queue.newest_ms, other.queue.newest_ms)
        self.highest_sent_ms = other.highest_sent_ms
        self._wake.set()

    # --- sending ---

    async def _send_all(self) -> None:
        deadline_s = self.config.queue_config.batch_send_deadline.seconds
        while True:
            if self._wave is None:
                self._wake.clear()
                if not (self.spool or self.queue.pending >= self._full or self._stopping):
                    with suppress(TimeoutError):
                        async with asyncio.timeout(deadline_s):
                            await self._wake.wait()
                self._wave = self._next()
            if self._wave is not None:
                await self._deliver(self._wave)
            elif self._stopping:
                return

    def _next(self) -> Wave | None:
        """The oldest of what waits."""
        if self.spool:
            record = self._record = self.spool.records[0]
            wave = Wave(self.spool.read(record))
            self.stats.samples_dropped_total += record.samples - wave.samples
            return wave
        self._record = None
        requests = self._take()
        return Wave(requests) if requests else None

    def _take(self) -> list[Request]:
        """The oldest rows as requests."""
        return self._encode(self._young(self.queue.take(self._full)))

    def _young(self, batches: list[Batch]) -> list[Batch]:
        """Without the samples that have become too old, which are counted."""
        limit = self.config.queue_config.sample_age_limit
        if not limit:
            return batches
        first_ms = round(self._clock() * 1000) - limit
        young = [one for batch in batches if (one := batch.between(first_ms, LAST_SIX_BYTE_MS)) is not None]
        self.stats.samples_dropped_total += _samples(batches) - _samples(young)
        return young

    def _encode(self, batches: list[Batch]) -> list[Request]:
        most = self.config.queue_config.max_samples_per_send
        return requests_of(batches, self.shards, most, self._message, self.exemplars)

    async def _deliver(self, wave: Wave) -> None:
        begin_s = self._wave_since_s = asyncio.get_running_loop().time()
        samples = wave.samples
        await asyncio.gather(*(self._send_lane(lane) for lane in wave.lanes))
        if self.spool is not None and self._record is not None:
            self.spool.done(self._record)
        self._wave = self._record = None
        self._out_s += asyncio.get_running_loop().time() - begin_s
        self._out_samples += samples

    async def _send_lane(self, lane: deque[Request]) -> None:
        while lane:
            request = lane[0]
            try:
                written = await self._endpoint.send(request, partial(self._stale, request.newest_ms))
            except Exception:
                # A request that cannot even be asked is not held against those behind it.
                logger.exception("A request could not be made; it is dropped", extra={"remote": self.name})
                written = NOTHING
            lane.popleft()
            self.highest_sent_ms = max(self.highest_sent_ms, request.newest_ms)
            self._count(request, written)

    def _count(self, request: Request, written: Written | None) -> None:
        stats = self.stats
        if written is None:
            stats.samples_dropped_total += request.samples
            stats.exemplars_dropped_total += request.exemplars
            return
        stats.samples_total += written.samples
        stats.samples_failed_total += request.samples - written.samples
        stats.exemplars_total += written.exemplars
        stats.exemplars_failed_total += request.exemplars - written.exemplars

    def _stale(self, newest_ms: int) -> bool:
        limit = self.config.queue_config.sample_age_limit
        return bool(limit) and newest_ms < self._clock() * 1000 - limit

    # --- on disk ---

    async def _keep_spool(self) -> None:
        """While the receiver is away, slow, or behind: move what waits to disk, and make it last."""
        spool = self.spool
        assert spool is not None
        while True:
            await asyncio.sleep(SPILL_S)
            slow = self._wave is not None and (
                asyncio.get_running_loop().time() - self._wave_since_s >= SLOW_S
            )
            if spool or self._endpoint.away or slow:
                self._spill()
            try:
                descriptor = spool.begin_sync()
                if descriptor is not None:
                    await asyncio.to_thread(_sync_and_close, descriptor)
            except OSError as error:
                self._disk_failed(error)

    def _spill(self) -> None:
        """Move what waits to disk; where that fails it stays in memory, within its bound."""
        spool = self.spool
        assert spool is not None
        try:
            if self._wave is not None and self._record is None and (requests := list(self._wave)):
                self._record = spool.append(requests)
            while self.queue.pending:
                # What is put back is counted as dropped already, where it is too old: not once more.
                batches = self._young(self.queue.take(self._full))
                requests = self._encode(batches)
                try:
                    if requests:
                        spool.append(requests)
                except OSError:
                    self.queue.put_back(batches)
                    self.stats.exemplars_dropped_total += sum(request.exemplars for request in requests)
                    raise
            self._disk_error = ""
            if self._record is not None and self._wave is not None and not list(self._wave):
                spool.done(self._record)
        except OSError as error:
            self._disk_failed(error)
        self._wake.set()

    def _disk_failed(self, error: OSError) -> None:
        if str(error) != self._disk_error:
            self._disk_error = str(error)
            extra = {"remote": self.name, "err": str(error)}
            logger.error("The remote write queue cannot be kept on disk", extra=extra)

    # --- beside the samples ---

    async def _send_metadata(self) -> None:
        config = self.config.metadata_config
        while True:
            await asyncio.sleep(config.send_interval.seconds)
            entries = list(dict.fromkeys(self._metadata()))
            for start in range(0, len(entries), config.max_samples_per_send):
                part = entries[start : start + config.max_samples_per_send]
                request = Request(0, 0, 0, compressed(metadata_request(part)))
                written = await self._endpoint.send(request)
                if written is not None and written.taken:
                    self.stats.metadata_total += len(part)
                else:
                    self.stats.metadata_failed_total += len(part)

    async def _reshard(self) -> None:
        limits = self.config.queue_config
        while True:
            seen, dropped = self._in_samples, self.dropped
            sent, spent_s = self._out_samples, self._out_s
            await asyncio.sleep(RESHARD_S)
            taken, came = self._out_samples - sent, self._in_samples - seen
            spent = self._out_s - spent_s
            self.shards, self.shards_desired = desired_shards(
                now=self.shards,
                least=limits.min_shards,
                most=limits.max_shards,
                in_rate=came / RESHARD_S,
                out_rate=taken / spent if spent > 0 else 0.0,
                kept_ratio=max(0, came - self.dropped + dropped) / came if came else 1.0,
                backlog=self.pending,
                behind_s=(self.queue.newest_ms - self.highest_sent_ms) / 1000,
            )


def _samples(batches: list[Batch]) -> int:
    return sum(batch.samples for batch in batches)


def _sync_and_close(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
