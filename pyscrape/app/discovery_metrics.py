"""Discovery as families of /metrics, under Prometheus' names where it has them.

Discoverers count in their status; the manager adds up those that run and those that have ended, so that a reload
resets nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from pyscrape.app.metrics import Family, Summary, single
from pyscrape.discovery.manager import DiscoveryManager

COUNTERS = (
    ("prometheus_sd_file_read_errors_total", "The number of File-SD read errors.", "file", "file_read_errors"),
    (
        "prometheus_sd_file_watcher_errors_total",
        "The number of File-SD errors caused by filesystem watch failures.",
        "file", "file_watcher_errors",
    ),
    (
        "prometheus_sd_http_failures_total",
        "Number of HTTP service discovery refresh failures.",
        "http", "refresh_failures",
    ),
    ("prometheus_sd_dns_lookups_total", "The number of DNS-SD lookups.", "dns", "dns_lookups"),
    (
        "prometheus_sd_dns_lookup_failures_total",
        "The number of DNS-SD lookup failures.",
        "dns", "dns_lookup_failures",
    ),
    (
        "prometheus_sd_consul_rpc_failures_total",
        "The number of Consul RPC call failures.",
        "consul", "consul_rpc_failures",
    ),
)  # fmt: skip
"""Name, help text, kind of discovery, and what it counts."""
CONSUL_CALLS = (("catalog", "services"), ("health", "service"))
REFRESHED = frozenset({"dns", "http"})
"""The kinds that look again and again for no other reason than the time; those of plugins come on top."""


def discovery_families(discovery: DiscoveryManager) -> Iterator[Family | Summary]:
    """How many targets each discovery has, whether its last look failed, and how often looks happened and failed."""
    found = [({"name": "scrape", "config": job}, float(n)) for job, n in discovery.discovered().items()]
    yield Family("gauge", "prometheus_sd_discovered_targets", "Current number of discovered targets.", found)
    failing: Counter[tuple[str, str]] = Counter()
    for jobs, status, _ in discovery.status():
        failing.update({(job, status.kind): bool(status.last_error) for job in jobs})
    failed = [({"config": job, "kind": kind}, float(n > 0)) for (job, kind), n in failing.items()]
    yield Family("gauge", "pyscrape_sd_failing", "1 while a discovery's last look failed.", failed)
    yield from _manager_families(discovery)
    counts, seconds = discovery.totals()
    for name, help_text, kind, counted in COUNTERS:
        yield single("counter", name, help_text, float(counts[kind, counted]))
    looked = {kind for kind, what in counts if what == "refresh" and kind != "file"}
    refreshed = sorted(REFRESHED | looked)
    yield Family(
        "counter",
        "prometheus_sd_refresh_failures_total",
        "Number of refresh failures for the given SD mechanism.",
        [({"mechanism": kind}, float(counts[kind, "refresh_failures"])) for kind in refreshed],
    )
    yield Summary(
        "prometheus_sd_refresh_duration_seconds",
        "The duration of a refresh in seconds for the given SD mechanism.",
        _durations((({"mechanism": kind}, kind, "refresh") for kind in refreshed), counts, seconds),
    )
    yield Summary(
        "prometheus_sd_file_scan_duration_seconds",
        "The duration of the File-SD scan in seconds.",
        _durations([({}, "file", "file_scan")], counts, seconds),
    )
    yield Summary(
        "prometheus_sd_consul_rpc_duration_seconds",
        "The duration of a Consul RPC call in seconds.",
        _durations(
            (({"endpoint": at, "call": call}, "consul", f"consul_{at}") for at, call in CONSUL_CALLS),
            counts,
            seconds,
        ),
    )
    yield Family(
        "gauge",
        "prometheus_sd_file_mtime_seconds",
        "Timestamp (mtime) of files read by FileSD. Timestamp is set at read time.",
        [({"filename": name}, written_s) for name, written_s in _files(discovery).items()],
    )


def _manager_families(discovery: DiscoveryManager) -> Iterator[Family]:
    rows = (
        ("gauge", "prometheus_sd_failed_configs", discovery.failed_configs(),
         "Current number of service discovery configurations that failed to load."),
        ("counter", "prometheus_sd_received_updates_total", discovery.received_updates,
         "Total number of update events received from the SD providers."),
        ("counter", "prometheus_sd_updates_total", discovery.sent_updates,
         "Total number of update events sent to the SD consumers."),
    )  # fmt: skip
    for kind, name, value, help_text in rows:
        yield Family(kind, name, help_text, [({"name": "scrape"}, float(value))])


def _durations(
    rows: Iterable[tuple[dict[str, str], str, str]],
    counts: Mapping[tuple[str, str], int],
    seconds: Mapping[tuple[str, str], float],
) -> Iterator[tuple[dict[str, str], int, float]]:
    for labels, kind, counted in rows:
        yield labels, counts.get((kind, counted), 0), seconds.get((kind, counted), 0.0)


def _files(discovery: DiscoveryManager) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for _, status, _ in discovery.status():
        found |= cast("Mapping[str, float]", status.details.get("files", {}))
    return found
