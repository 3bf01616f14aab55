"""The counters of the parts as families of /metrics: one function a part."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from pyscrape.app.metrics import AnyFamily, Family, Histogram, counters, single
from pyscrape.app.runtime import PROMETHEUS_VERSION
from pyscrape.model.problems import Problem
from pyscrape.net.urls import redacted_url
from pyscrape.remote.writer import RemoteWriter
from pyscrape.remote.writers import RemoteWriters
from pyscrape.scrape.pools import ScrapePools
from pyscrape.scrape.stats import LATENESS_BOUNDS_S
from pyscrape.web.notifications import RELOAD_FAILED, Notifications
from pyscrape.web.routes import WebStats

if TYPE_CHECKING:  # an agent has no store in memory
    from pyscrape.store import Store

HELPS = {
    "prometheus_target_scrape_pools_total": "Total number of scrape pool creation attempts.",
    "prometheus_target_scrape_pools_failed_total": "Total number of scrape pool creations that failed.",
    "prometheus_target_scrape_pool_reloads_total": "Total number of scrape pool reloads.",
    "prometheus_target_scrape_pool_reloads_failed_total": "Total number of scrape pool reloads that failed.",
    "prometheus_target_scrape_pool_exceeded_target_limit_total": "How often a pool had more targets than target_limit.",
    "prometheus_target_scrape_pool_exceeded_label_limits_total": "Scrapes that hit a limit of labels.",
    "prometheus_target_scrape_pool_sync_total": "Total number of syncs that were executed on a scrape pool.",
    "prometheus_target_sync_failed_total": "Total number of target sync failures.",
    "prometheus_target_scrapes_exceeded_sample_limit_total": "Scrapes that hit the sample limit and were rejected.",
    "prometheus_target_scrapes_exceeded_body_size_limit_total": "Scrapes that hit the body size limit.",
    "prometheus_target_scrapes_sample_duplicate_timestamp_total": "Samples rejected: same time, another value.",
    "prometheus_target_scrapes_sample_out_of_order_total": "Samples rejected: not in order of time.",
    "prometheus_target_scrapes_sample_out_of_bounds_total": "Samples rejected: outside of the time bounds.",
    "prometheus_target_scrapes_exemplar_out_of_order_total": "Exemplars rejected: not in order of time.",
    "pyscrape_scrapes_total": "Scrapes that were made, failed ones included.",
    "pyscrape_scrapes_missed_total": "Scrapes that fell out because the one before still ran.",
    "pyscrape_scrape_samples_total": "Samples on the pages that were scraped.",
    "pyscrape_scrape_body_bytes_total": "Size of the pages that were scraped, uncompressed.",
    "pyscrape_scrape_lateness_seconds": "By how much scrapes began late.",
    "pyscrape_scrape_failures_total": "Scrapes that failed, by the class of the failure.",
}


def build_families() -> Iterable[Family]:
    labels = {"branch": "pyscrape", "goversion": "", "revision": "", "version": PROMETHEUS_VERSION}
    yield Family(
        "gauge", "prometheus_build_info", "A constant 1 with the version as labels.", [(labels, 1.0)]
    )


def scrape_families(pools: ScrapePools) -> Iterable[AnyFamily]:
    """What the scraper counted, and its pools' sizes."""
    stats = pools.stats
    yield from counters(stats, HELPS)
    late = stats.pyscrape_scrape_lateness_seconds
    name = "pyscrape_scrape_lateness_seconds"
    yield Histogram(name, HELPS[name], LATENESS_BOUNDS_S, late.counts, late.total_s)
    by_job = [
        ("prometheus_target_scrape_pool_sync_total", stats.prometheus_target_scrape_pool_sync_total),
        ("prometheus_target_sync_failed_total", stats.prometheus_target_sync_failed_total),
    ]
    for name, counter in by_job:
        samples = [({"scrape_job": job}, float(count)) for job, count in counter.items()]
        yield Family("counter", name, HELPS[name], samples)
    failures = [({"reason": reason}, float(n)) for reason, n in stats.pyscrape_scrape_failures_total.items()]
    yield Family(
        "counter", "pyscrape_scrape_failures_total", HELPS["pyscrape_scrape_failures_total"], failures
    )
    sizes = [({"scrape_job": name}, float(len(pool.loops))) for name, pool in pools.pools.items()]
    yield Family(
        "gauge", "prometheus_target_scrape_pool_targets", "Current number of targets in this pool.", sizes
    )
    limits = [
        ({"scrape_job": name}, float(pool.job.config.target_limit)) for name, pool in pools.pools.items()
    ]
    yield Family("gauge", "prometheus_target_scrape_pool_target_limit", "Most targets of this pool.", limits)


def store_families(store: "Store") -> Iterable[Family]:
    """The head, in Prometheus' words."""
    stats = store.stats()
    types = ({"type": "float"}, float(stats.samples_appended))
    yield Family(
        "counter", "prometheus_tsdb_head_samples_appended_total", "Total number of appended samples.", [types]
    )
    rows = [
        ("gauge", "prometheus_tsdb_head_series", "Total number of series in the store.", stats.series),
        ("gauge", "prometheus_tsdb_head_chunks", "Total number of chunks in the store.", stats.chunks),
        (
            "counter",
            "prometheus_tsdb_out_of_order_samples_total",
            "Samples refused as out of order.",
            stats.out_of_order,
        ),
        ("counter", "prometheus_tsdb_too_old_samples_total", "Samples refused as too old.", stats.too_old),
        (
            "counter",
            "pyscrape_store_evicted_samples_total",
            "Samples dropped before their time because of --storage.memory.max.",
            stats.evicted,
        ),
        (
            "gauge",
            "pyscrape_store_limit_bytes",
            "Most bytes that the store may account for.",
            store.memory_max_bytes,
        ),
        ("gauge", "prometheus_tsdb_head_min_time", "Oldest time in the store, ms.", stats.min_ms or 0),
        ("gauge", "prometheus_tsdb_head_max_time", "Newest time in the store, ms.", stats.max_ms or 0),
    ]
    for kind, name, text, value in rows:
        yield single(kind, name, text, float(value))
    if store.durability is not None:
        failures = store.durability.failures
        rows = [
            (
                "gauge",
                "pyscrape_store_durable",
                "1 while what is appended reaches the disk.",
                not failures.now,
            ),
            (
                "counter",
                "prometheus_tsdb_wal_writes_failed_total",
                "How often the log could not be written.",
                failures.log,
            ),
            (
                "counter",
                "prometheus_tsdb_checkpoint_creations_failed_total",
                "Checkpoints that could not be written.",
                failures.checkpoints,
            ),
            (
                "gauge",
                "pyscrape_store_damaged_records",
                "Records that were damaged at the start.",
                store.durability.records_left_out,
            ),
        ]
        for kind, name, text, value in rows:
            yield single(kind, name, text, float(value))
    held = [({"part": part}, float(size)) for part, size in stats.bytes.items()]
    yield Family("gauge", "pyscrape_store_bytes", "Memory that the store accounts for, by part.", held)


RemoteRow = tuple[str, str, str, Callable[[RemoteWriter], float]]
# Kind, name without its beginning, help, and where the value is found.
REMOTE_ROWS: tuple[RemoteRow, ...] = (
    ("counter", "samples_total", "Samples sent.", lambda w: w.stats.samples_total),
    (
        "counter",
        "samples_failed_total",
        "Samples refused for good.",
        lambda w: w.stats.samples_failed_total,
    ),
    ("counter", "samples_retried_total", "Samples sent again.", lambda w: w.stats.samples_retried_total),
    (
        "counter",
        "samples_dropped_total",
        "Samples dropped before sending.",
        lambda w: w.dropped,
    ),
    ("counter", "exemplars_total", "Exemplars sent.", lambda w: w.stats.exemplars_total),
    (
        "counter",
        "exemplars_failed_total",
        "Exemplars refused for good.",
        lambda w: w.stats.exemplars_failed_total,
    ),
    (
        "counter",
        "exemplars_retried_total",
        "Exemplars sent again.",
        lambda w: w.stats.exemplars_retried_total,
    ),
    (
        "counter",
        "exemplars_dropped_total",
        "Exemplars dropped before sending.",
        lambda w: w.stats.exemplars_dropped_total + w.exemplars.dropped,
    ),
    ("gauge", "exemplars_pending", "Exemplars that wait.", lambda w: w.exemplars.pending),
    ("counter", "metadata_total", "Metadata entries sent.", lambda w: w.stats.metadata_total),
    (
        "counter",
        "metadata_failed_total",
        "Metadata entries refused.",
        lambda w: w.stats.metadata_failed_total,
    ),
    ("counter", "bytes_total", "Bytes sent.", lambda w: w.stats.bytes_total),
    ("gauge", "samples_pending", "Samples that wait.", lambda w: w.pending),
    ("gauge", "shards", "Shards in use.", lambda w: w.shards),
    ("gauge", "shards_desired", "Shards that would be enough.", lambda w: w.shards_desired),
    ("gauge", "shard_capacity", "Samples that a shard may hold.", lambda w: w.config.queue_config.capacity),
    (
        "gauge",
        "max_samples_per_send",
        "Most samples of a request.",
        lambda w: w.config.queue_config.max_samples_per_send,
    ),
    ("gauge", "shards_max", "Most shards.", lambda w: w.config.queue_config.max_shards),
    ("gauge", "shards_min", "Fewest shards.", lambda w: w.config.queue_config.min_shards),
    (
        "gauge",
        "queue_highest_sent_timestamp_seconds",
        "Newest time that was sent.",
        lambda w: w.highest_sent_ms / 1000,
    ),
)


def remote_families(writers: RemoteWriters) -> Iterable[Family]:
    """The queues of remote write, under Prometheus' names."""
    labelled = [({"remote_name": w.name, "url": redacted_url(w.config.url)}, w) for w in writers.writers]
    for kind, name, text, value in REMOTE_ROWS:
        samples = [(labels, float(value(writer))) for labels, writer in labelled]
        yield Family(kind, f"prometheus_remote_storage_{name}", text, samples)
    on_disk = [(labels, float(w.spool.nbytes)) for labels, w in labelled if w.spool is not None]
    text = "Size on disk of what waits to be sent."
    yield Family("gauge", "pyscrape_remote_queue_bytes", text, on_disk)
    newest_ms = max((writer.queue.newest_ms for writer in writers.writers), default=0)
    name = "prometheus_remote_storage_highest_timestamp_in_seconds"
    yield single("gauge", name, "Newest time that came into any queue.", newest_ms / 1000)
    came = max((writer.came for writer in writers.writers), default=0)
    name = "prometheus_remote_storage_samples_in_total"
    yield single("counter", name, "Samples that came into the queues, each counted once.", float(came))


def web_families(stats: WebStats) -> Iterable[Family]:
    """Requests by handler and code, and the queries that run."""
    # A copy: a request that is answered meanwhile adds to it.
    counts = list(stats.prometheus_http_requests_total.items())
    samples = [({"handler": handler, "code": str(code)}, float(n)) for (handler, code), n in counts]
    yield Family("counter", "prometheus_http_requests_total", "Counter of HTTP requests.", samples)
    yield single(
        "gauge", "prometheus_engine_queries", "The current number of queries being executed or waiting.",
        float(stats.prometheus_engine_queries),
    )  # fmt: skip
    yield single(
        "gauge", "prometheus_engine_queries_concurrent_max", "The max number of concurrent queries.",
        float(stats.prometheus_engine_queries_concurrent_max),
    )  # fmt: skip


MOST_PROBLEMS = 20


class ReloadState:
    """Whether the last configuration was taken, and when the one in force was."""

    def __init__(self, notifications: Notifications) -> None:
        self.ok = True
        self.at_s = time.time()
        self.error = ""
        self._problems: Sequence[Problem] = ()
        self._notifications = notifications

    def succeeded(self) -> None:
        """A configuration was taken in."""
        self.ok, self.at_s = True, time.time()
        self.error, self._problems = "", ()
        self._notifications.delete(RELOAD_FAILED)

    def failed(self, reason: str, problems: Sequence[Problem]) -> None:
        """One was refused, for errors among `problems`."""
        self.ok = False
        self.error = reason
        self._problems = [one for one in problems if one.severity == "error"][:MOST_PROBLEMS]
        self._notifications.add(RELOAD_FAILED)

    def families(self) -> Iterable[Family]:
        text = "Whether the last configuration reload attempt was successful."
        yield single("gauge", "prometheus_config_last_reload_successful", text, float(self.ok))
        found = dict.fromkeys((one.file, str(one.line), str(one.column), one.id) for one in self._problems)
        places = [(dict(zip(("file", "line", "column", "id"), one, strict=True)), 1.0) for one in found]
        text = "Where the configuration is broken that the last reload refused."
        yield Family("gauge", "pyscrape_config_last_reload_problem", text, places)
        text = "Timestamp of the last successful configuration reload."
        yield single("gauge", "prometheus_config_last_reload_success_timestamp_seconds", text, self.at_s)
