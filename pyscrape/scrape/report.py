"""The series that a scrape reports about itself, under the target's own labels and outside of every limit."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyscrape.model.label_columns import LabelColumns
from pyscrape.model.labels import METRIC_NAME
from pyscrape.scrape.interfaces import Values

NAMES = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
EXTRA_NAMES = ("scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes")


@dataclass(slots=True)
class Report:
    """The numbers of one scrape. `body_bytes`: -1 when the body limit was hit, 0 after other failures."""

    up: bool
    duration_s: float = 0.0
    scraped: int = 0
    kept: int = 0
    added: int = 0
    body_bytes: int = 0


def report_labels(target: Mapping[str, str], extra: bool) -> LabelColumns:
    """The labels of a target's report series, in the order of `write_report`."""
    names = [*NAMES, *EXTRA_NAMES] if extra else list(NAMES)
    own = {name: value for name, value in target.items() if name != METRIC_NAME}
    return LabelColumns((METRIC_NAME, *own), (names, *own.values()), range(len(names)))


def write_report(into: Values, report: Report, timeout_s: float, sample_limit: int) -> None:
    """Fill the last places of a row with the report's values; `into` has room for 5 or, with the extra ones, 8."""
    into[:5] = (report.up, report.duration_s, report.scraped, report.kept, report.added)
    if len(into) > len(NAMES):
        into[5:] = (timeout_s, sample_limit, report.body_bytes)
