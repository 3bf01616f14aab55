"""Forwards every scraped sample to one remote write endpoint.

Scraped rows are pushed by reference, a task takes the oldest and sends them, split by series over the shards; the next
batch is taken when all of its parts are done with, so that no series is ever sent out of order, whatever the number of
shards becomes.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import numpy as np

from pyscrape.model.names import ValidationScheme
from pyscrape.relabel.engine import RelabelTimeout
from pyscrape.relabel.plans import Rules, compile_rules
from pyscrape.remote.encode import (
    FIRST_SIX_BYTE_MS,
    LAST_SIX_BYTE_MS,
    Metadata,
    compressed,
    metadata_request,
    series_head,
    write_request,
)
from pyscrape.remote.queue import EMPTY, Batch, Columns, RowQueue, Times, Values, desired_shards
from pyscrape.remote.send import Endpoint, SendStats
from pyscrape.remote.settings import RemoteWriteConfig
from pyscrape.store.store import Store

logger = logging.getLogger("pyscrape.remote")

RESHARD_S = 10.0
FLUSH_S = 60.0
DROPPED = b""


class SeriesHeads:
    """The bytes of each series' labels as they are sent, made when a series is first sent."""

    def __init__(self, store: Store, config: RemoteWriteConfig, external: Mapping[str, str]) -> None:
        self._store = store
        self._external = dict(external)
        rules = config.write_relabel_configs
        scheme: ValidationScheme = "utf8"
        self._rules: Rules | None = compile_rules(rules, scheme) if rules else None
        self._heads: dict[int, bytes] = {}
        self._epoch = store.epoch

    def __len__(self) -> int:
        return len(self._heads)

    def of(self, columns: Columns) -> list[bytes]:
        """The head of every sample's series; DROPPED where a rule drops it."""
        if self._epoch != self._store.epoch:
            # Ids may have been given to other series.
            self._heads.clear()
            self._epoch = self._store.epoch
        wanted = columns.tolist()
        heads = list(map(self._heads.get, wanted))
        if None in heads:
            new = np.array(
                sorted({c for c, head in zip(wanted, heads, strict=True) if head is None}), np.int32
            )
            frame = self._store.index.frame(new)
            for position, column in enumerate(new.tolist()):
                self._heads[column] = self._make(dict(frame.labels(position)))
            heads = list(map(self._heads.get, wanted))
        return [head for head in heads if head is not None]

    def _make(self, labels: dict[str, str]) -> bytes:
        for name, value in self._external.items():
            labels.setdefault(name, value)
        if self._rules is not None:
            try:
                relabeled = self._rules.apply(labels)
            except RelabelTimeout as error:
                logger.error(
                    "A write relabel rule took too long; the series is not sent", extra={"err": str(error)}
                )
                return DROPPED
            if relabeled is None:
                return DROPPED
            labels = relabeled
        return series_head(labels)


class RemoteWriter:
    """One endpoint of `remote_write`."""

    def __init__(
        self,
        config: RemoteWriteConfig,
        external: Mapping[str, str],
        store: Store,
        *,
        metadata: Callable[[], Iterable[Metadata]] = tuple,
        clock: Callable[[], float] = time.time,
        endpoint: Endpoint | None = None,
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
        self.shards = limits.min_shards
        self.highest_sent_ms = 0
        self._heads = SeriesHeads(store, config, external)
        self._metadata = metadata
        self._clock = clock
        self._endpoint = endpoint or Endpoint(config, self.stats, clock)
        self._wake = asyncio.Event()
        # Taken from the queue and not known to have arrived: sent again when the task was cancelled meanwhile.
        self._in_flight: Batch = EMPTY
        self._in_samples = 0
        self._out_s = 0.0
        self._out_samples = 0
        self._kept = 0

    def push(self, times_ms: int | Times, columns: Columns, values: Values) -> None:
        """Forward a row (see `RowQueue.push`)."""
        self.queue.push(times_ms, columns, values)
        self._in_samples += len(columns)
        if self.queue.pending >= self._full:
            self._wake.set()

    @property
    def _full(self) -> int:
        return self.config.queue_config.max_samples_per_send * self.shards

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self.config.metadata_config.send:
                tasks.create_task(self._send_metadata(), name=f"metadata to {self.name}")
            tasks.create_task(self._reshard(), name=f"shards of {self.name}")
            deadline_s = self.config.queue_config.batch_send_deadline.seconds
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(deadline_s):
                        await self._wake.wait()
                self._wake.clear()
                while self.queue.pending >= self._full:
                    await self._send_batch()
                # What has waited for the deadline goes out though it fills no request.
                if self.queue.pending:
                    await self._send_batch()

    async def flush(self, seconds: float = FLUSH_S) -> None:
        """Send what waits, for so long at most; call it when `run` has ended."""
        try:
            async with asyncio.timeout(seconds):
                while self.queue.pending or len(self._in_flight):
                    await self._send_batch()
        except TimeoutError:
            logger.error(
                "Failed to flush all samples on shutdown",
                extra={"remote": self.name, "count": self.queue.pending + len(self._in_flight)},
            )
            self.stats.samples_dropped_total += self.queue.pending + len(self._in_flight)
        await self._endpoint.close()

    async def _send_batch(self) -> None:
        batch = self._in_flight = self._in_flight if len(self._in_flight) else self.queue.take(self._full)
        limit = self.config.queue_config.sample_age_limit
        if limit:
            young = batch.since(round(self._clock() * 1000) - limit)
            self.stats.samples_dropped_total += len(batch) - len(young)
            batch = young
        begin = time.monotonic()
        shards = self.shards
        if shards == 1:
            await self._send_part(batch)
        else:
            await asyncio.gather(*(self._send_part(batch.part(shards, k)) for k in range(shards)))
        self._in_flight = EMPTY
        self._out_s += time.monotonic() - begin
        self._out_samples += len(batch)
        if len(batch):
            self.highest_sent_ms = max(self.highest_sent_ms, int(batch.times_ms.max()))

    async def _send_part(self, batch: Batch) -> None:
        odd = (batch.times_ms < FIRST_SIX_BYTE_MS) | (batch.times_ms > LAST_SIX_BYTE_MS)
        if odd.any():
            # Times before 1971 or after 2109: nobody keeps them, and their form is another one.
            self.stats.samples_dropped_total += int(odd.sum())
            batch = batch.where(~odd)
        if not len(batch):
            return
        heads = self._heads.of(batch.columns)
        if DROPPED in heads:
            batch = batch.where(np.fromiter(map(bool, heads), np.bool_, len(heads)))
            heads = [head for head in heads if head]
            if not heads:
                return
        most = self.config.queue_config.max_samples_per_send
        for start in range(0, len(heads), most):
            times_ms, values = batch.times_ms[start : start + most], batch.values[start : start + most]
            body = compressed(write_request(heads[start : start + most], times_ms, values))
            if await self._endpoint.send(body, len(times_ms)):
                self.stats.samples_total += len(times_ms)
            else:
                self.stats.samples_failed_total += len(times_ms)
        self._kept += len(heads)

    async def _send_metadata(self) -> None:
        config = self.config.metadata_config
        while True:
            await asyncio.sleep(config.send_interval.seconds)
            entries = list(dict.fromkeys(self._metadata()))
            for start in range(0, len(entries), config.max_samples_per_send):
                part = entries[start : start + config.max_samples_per_send]
                if await self._endpoint.send(compressed(metadata_request(part)), 0):
                    self.stats.metadata_total += len(part)
                else:
                    self.stats.metadata_failed_total += len(part)

    async def _reshard(self) -> None:
        limits = self.config.queue_config
        while True:
            seen, kept = self._in_samples, self._kept
            sent, spent_s = self._out_samples, self._out_s
            await asyncio.sleep(RESHARD_S)
            taken = self._out_samples - sent
            self.shards = desired_shards(
                now=self.shards,
                least=limits.min_shards,
                most=limits.max_shards,
                in_rate=(self._in_samples - seen) / RESHARD_S,
                out_rate=taken / spent if (spent := self._out_s - spent_s) > 0 else 0.0,
                kept_ratio=(self._kept - kept) / taken if taken else 1.0,
                backlog=self.queue.pending,
            )


class RemoteWriters:
    """All endpoints; kept over a reload as long as their settings are the same. Owns their tasks."""

    def __init__(
        self, store: Store, metadata: Callable[[], Iterable[Metadata]] = tuple, flush_s: float = FLUSH_S
    ) -> None:
        self._flush_s = flush_s
        self._store = store
        self._metadata = metadata
        self._tasks: dict[RemoteWriter, asyncio.Task[None]] = {}
        self.writers: tuple[RemoteWriter, ...] = ()

    async def apply(self, configs: Sequence[RemoteWriteConfig], external: Mapping[str, str]) -> None:
        """Make the endpoints those of `configs`; one that is no longer asked for sends what it has."""
        left = list(self.writers)
        wanted: list[RemoteWriter] = []
        for config in configs:
            same = next((w for w in left if w.config == config and w.external == dict(external)), None)
            if same is not None:
                left.remove(same)
                wanted.append(same)
                continue
            writer = RemoteWriter(config, external, self._store, metadata=self._metadata)
            self._tasks[writer] = asyncio.create_task(writer.run(), name=f"remote write {writer.name}")
            wanted.append(writer)
        self.writers = tuple(wanted)
        await asyncio.gather(*(self._stop(writer) for writer in left))

    def push(self, times_ms: int | Times, columns: Columns, values: Values) -> None:
        """Forward a row to every endpoint."""
        for writer in self.writers:
            writer.push(times_ms, columns, values)

    async def stop(self) -> None:
        """Send what waits, for at most a minute, and end."""
        writers, self.writers = self.writers, ()
        await asyncio.gather(*(self._stop(writer) for writer in writers))

    async def _stop(self, writer: RemoteWriter) -> None:
        task = self._tasks.pop(writer)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await writer.flush(self._flush_s)
