"""All endpoints of `remote_write`: kept, changed and ended by configuration, fed with the rows that the store took."""

import asyncio
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pyscrape.model.labels import Labels
from pyscrape.remote.encode import Metadata
from pyscrape.remote.heads import SeriesSource
from pyscrape.remote.rows import Columns, Times, Values
from pyscrape.remote.send import Endpoint, SendStats
from pyscrape.remote.settings import RemoteWriteConfig
from pyscrape.remote.spool import Spool
from pyscrape.remote.writer import FLUSH_S, RemoteWriter

logger = logging.getLogger("pyscrape.remote")


class RemoteWriters:
    """Owns the writers and their tasks.

    A reload keeps a writer whose settings are the same. One whose settings changed hands what waits to its successor,
    one that is gone sends what it has. `folder`: where queues are kept on disk, one folder for each endpoint.
    """

    def __init__(
        self,
        source: SeriesSource,
        metadata: Callable[[], Iterable[Metadata]] = tuple,
        flush_s: float = FLUSH_S,
        folder: Path | None = None,
        clock: Callable[[], float] = time.time,
        endpoint: Callable[[RemoteWriteConfig, SendStats, Callable[[], float]], Endpoint] = Endpoint,
    ) -> None:
        self._flush_s = flush_s
        self._folder = folder
        self._source = source
        self._metadata = metadata
        self._clock = clock
        self._endpoint = endpoint
        self._keys: dict[str, RemoteWriter] = {}
        self._tasks: dict[RemoteWriter, asyncio.Task[None]] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._push_errors: set[str] = set()

    @property
    def writers(self) -> tuple[RemoteWriter, ...]:
        return tuple(self._keys.values())

    async def apply(self, configs: Sequence[RemoteWriteConfig], external: Mapping[str, str]) -> None:
        """Make the endpoints those of `configs`."""
        wanted = _keyed(configs)
        before = dict(self._keys)
        changed = {
            key: writer
            for key, writer in before.items()
            if key in wanted and (writer.config != wanted[key] or writer.external != dict(external))
        }
        for key in wanted.keys() & self._leaving.keys():
            self._leaving[key].cancel()
            await asyncio.gather(self._leaving[key], return_exceptions=True)
        for writer in changed.values():
            await writer.abandon(self._tasks.pop(writer))
        # From here on nothing waits, so that no row comes in between.
        after: dict[str, RemoteWriter] = {}
        for key, config in wanted.items():
            if key in before and key not in changed:
                after[key] = before[key]
                continue
            after[key] = writer = self._start(key, config, external)
            if key in changed:
                writer.inherit(changed[key])
        self._keys = after
        for key, writer in before.items():
            if key not in wanted:
                self._leave(key, writer)

    def push(self, times_ms: int | Times, columns: Columns, values: Values) -> None:
        """Forward a row to every endpoint; what goes wrong at one is its own matter."""
        for writer in self._keys.values():
            try:
                writer.push(times_ms, columns, values)
            except Exception as error:
                writer.stats.samples_dropped_total += len(columns)
                if (text := repr(error)) not in self._push_errors and len(self._push_errors) < 100:
                    self._push_errors.add(text)
                    logger.exception("Samples cannot be queued", extra={"remote": writer.name})

    def push_exemplar(self, series: Labels, labels: Mapping[str, str], value: float, at_ms: int) -> None:
        """Forward an exemplar to the endpoints that want exemplars."""
        for writer in self._keys.values():
            if writer.config.send_exemplars:
                writer.push_exemplar(series, labels, value, at_ms)

    def status(self) -> list[Mapping[str, object]]:
        """How each endpoint is doing, in the form of the API."""
        return [writer.status() for writer in self._keys.values()]

    async def stop(self) -> None:
        """Send what waits, for so long at most, and end."""
        writers, self._keys = self._keys, {}
        for key, writer in writers.items():
            self._leave(key, writer)
        for error in await asyncio.gather(*self._leaving.values(), return_exceptions=True):
            if isinstance(error, Exception):
                logger.error("Remote write did not end in order", exc_info=error)

    def _start(self, key: str, config: RemoteWriteConfig, external: Mapping[str, str]) -> RemoteWriter:
        writer = RemoteWriter(
            config,
            external,
            self._source,
            metadata=self._metadata,
            clock=self._clock,
            endpoint=self._endpoint,
            spool=self._open_spool(key, config),
        )
        self._tasks[writer] = asyncio.create_task(writer.run(), name=f"remote write {writer.name}")
        return writer

    def _open_spool(self, key: str, config: RemoteWriteConfig) -> Spool | None:
        if self._folder is None:
            return None
        folder = self._folder / hashlib.sha256(key.encode()).hexdigest()[:16]
        try:
            return Spool(folder)
        except OSError as error:
            extra = {"remote": config.name, "folder": str(folder), "err": str(error)}
            logger.error("The remote write queue cannot be kept on disk", extra=extra)
            return None

    def _leave(self, key: str, writer: RemoteWriter) -> None:
        task = asyncio.create_task(
            writer.finish(self._tasks.pop(writer), self._flush_s), name=f"end of remote write {writer.name}"
        )
        self._leaving[key] = task
        task.add_done_callback(lambda _: self._leaving.pop(key, None))


def _keyed(configs: Iterable[RemoteWriteConfig]) -> dict[str, RemoteWriteConfig]:
    """Each endpoint by what it stays the same by: name and URL, and its number among equals."""
    seen: Counter[str] = Counter()
    found = {}
    for config in configs:
        key = f"{config.name}|{config.url}"
        found[f"{key}|{seen[key]}"] = config
        seen[key] += 1
    return found
