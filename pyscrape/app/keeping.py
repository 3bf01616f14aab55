"""The mode of a server: samples go to a store, and an engine answers queries over it."""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyscrape.app.flags import BY_NAME, Flags
from pyscrape.app.forward import ForwardingExemplars, ForwardingStore
from pyscrape.app.metrics import Family
from pyscrape.app.own_metrics import store_families
from pyscrape.app.settings import memory_limit_bytes
from pyscrape.config.settings import Config
from pyscrape.model.duration import format_duration
from pyscrape.promql.engine import Engine
from pyscrape.remote.writers import RemoteWriters
from pyscrape.scrape.exemplars import ExemplarStore
from pyscrape.store import Store
from pyscrape.web.services import Services

DEFAULT_EXEMPLARS = 100_000
MAINTENANCE_PAUSE_S = 0.5
MAINTENANCE_SLICE_S = 0.01


class Keeping:
    """See `mode.Mode`."""

    def __init__(self, flags: Flags, config: Config) -> None:
        self._flags = flags
        self.store = self.series = Store(
            retention_ms=self._retention_ms(config),
            memory_max_bytes=flags.number("storage.memory.max") or memory_limit_bytes() // 2,
            out_of_order_window_ms=_out_of_order_ms(config),
        )
        features = flags.many("enable-feature")
        self.engine = Engine(
            self.store,
            experimental="promql-experimental-functions" in features,
            delayed_names="promql-delayed-name-removal" in features,
            extended_ranges="promql-extended-range-selectors" in features,
            fill_modifiers="promql-binop-fill-modifiers" in features,
            lookback_ms=flags.number("query.lookback-delta"),
            max_samples=flags.number("query.max-samples"),
            timeout_s=flags.number("query.timeout") / 1000,
        )
        self._exemplars = ExemplarStore(_exemplar_limit(config))

    @property
    def folder(self) -> Path | None:
        path = self._flags.text("storage.tsdb.path")
        return Path(path) / "remote" if path else None

    def open(self) -> None:
        if path := self._flags.text("storage.tsdb.path"):
            self.store.open(path)

    @property
    def retention(self) -> str:
        return format_duration(self.store.retention_ms)

    def tables(self, writers: RemoteWriters) -> ForwardingStore:
        return ForwardingStore(self.store, writers)

    def exemplars(self, writers: RemoteWriters) -> ForwardingExemplars:
        return ForwardingExemplars(self._exemplars, writers)

    def apply(self, config: Config) -> None:
        self.store.retention_ms = self._retention_ms(config)
        self.store.out_of_order_window_ms = _out_of_order_ms(config)
        self._exemplars.limit = _exemplar_limit(config)

    async def maintain(self) -> None:
        """Seal and drop chunks in slices, so that no scrape waits for it."""
        while True:
            more = self.store.maintain(round(time.time() * 1000), MAINTENANCE_SLICE_S)
            await asyncio.sleep(MAINTENANCE_SLICE_S if more else MAINTENANCE_PAUSE_S)

    def families(self) -> Iterable[Family]:
        return store_families(self.store)

    def services(self, **common: Any) -> Services:
        return Services(**common, store=self.store, engine=self.engine, exemplars=self._exemplars)

    def close(self) -> None:
        self.store.close()

    def _retention_ms(self, config: Config) -> int:
        """`storage.tsdb.retention.time` of the configuration wins over the flag; none in either is the default, as in
        Prometheus."""
        tsdb = config.storage.tsdb if config.storage is not None else None
        if tsdb is not None and tsdb.retention is not None and tsdb.retention.time:
            return int(tsdb.retention.time)
        flag = "storage.tsdb.retention.time"
        return self._flags.number(flag) or int(BY_NAME[flag].default)  # type: ignore[arg-type]  # durations are ints


def _out_of_order_ms(config: Config) -> int:
    tsdb = config.storage.tsdb if config.storage is not None else None
    return int(tsdb.out_of_order_time_window) if tsdb is not None else 0


def _exemplar_limit(config: Config) -> int:
    """`storage.exemplars.max_exemplars`: how many are kept in all; below 1 none."""
    exemplars = config.storage.exemplars if config.storage is not None else None
    return max(0, int(exemplars.max_exemplars)) if exemplars is not None else DEFAULT_EXEMPLARS
