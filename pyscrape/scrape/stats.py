"""The scraper's own counters, named as Prometheus names its metrics; the app exposes them."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from pyscrape.scrape.failure import ScrapeFailure

# Upper bounds in seconds of the histogram of how late scrapes begin.
LATENESS_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass(slots=True)
class Lateness:
    """How late scrapes began: how many up to each of the bounds and above the last, and the seconds added up."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENESS_BOUNDS_S) + 1))
    total_s: float = 0.0

    def count(self, late_s: float) -> None:
        """One more scrape, `late_s` seconds after its time."""
        self.counts[bisect_left(LATENESS_BOUNDS_S, late_s)] += 1
        self.total_s += late_s


@dataclass(slots=True)
class ScrapeStats:
    """Counts since the start; each field is the metric of its name, Counters by the label in the comment."""

    prometheus_target_scrape_pools_total: int = 0
    prometheus_target_scrape_pools_failed_total: int = 0
    prometheus_target_scrape_pool_reloads_total: int = 0
    prometheus_target_scrape_pool_reloads_failed_total: int = 0
    prometheus_target_scrape_pool_exceeded_target_limit_total: int = 0
    prometheus_target_scrape_pool_exceeded_label_limits_total: int = 0
    prometheus_target_scrape_pool_sync_total: Counter[str] = field(default_factory=Counter)  # scrape_job
    prometheus_target_sync_failed_total: Counter[str] = field(default_factory=Counter)  # scrape_job
    prometheus_target_scrapes_exceeded_sample_limit_total: int = 0
    prometheus_target_scrapes_exceeded_body_size_limit_total: int = 0
    prometheus_target_scrapes_sample_duplicate_timestamp_total: int = 0
    prometheus_target_scrapes_sample_out_of_order_total: int = 0
    prometheus_target_scrapes_sample_out_of_bounds_total: int = 0
    prometheus_target_scrapes_exemplar_out_of_order_total: int = 0
    pyscrape_scrapes_total: int = 0
    pyscrape_scrapes_missed_total: int = 0
    pyscrape_scrape_samples_total: int = 0
    pyscrape_scrape_body_bytes_total: int = 0
    pyscrape_scrape_failures_total: Counter[str] = field(default_factory=Counter)  # reason
    pyscrape_scrape_lateness_seconds: Lateness = field(default_factory=Lateness)

    def count_failure(self, failure: ScrapeFailure) -> None:
        """Count a failed scrape by its class, and under Prometheus' own name where it has one."""
        self.pyscrape_scrape_failures_total[failure.reason] += 1
        if failure.reason == "body_limit":
            self.prometheus_target_scrapes_exceeded_body_size_limit_total += 1
        elif failure.text == "sample limit exceeded":
            self.prometheus_target_scrapes_exceeded_sample_limit_total += 1
        elif failure.reason == "limit":
            self.prometheus_target_scrape_pool_exceeded_label_limits_total += 1
