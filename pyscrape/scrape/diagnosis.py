"""One scrape looked at closely: how it went, what is on the page, what would be stored, what is odd about it.

The fetch, the rules and the limits are those of the loop; nothing is stored. `diagnose` gathers, `Diagnosis` is plain
data, and the command line prints it.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from pyscrape.exposition.entries import Comment, Entry, Help, Series, Type, Unit
from pyscrape.exposition.errors import ParseError
from pyscrape.exposition.lint import Finding, lint_page
from pyscrape.exposition.negotiation import ContentTypeError
from pyscrape.exposition.parsing import parse
from pyscrape.exposition.series import DuplicateLabelError
from pyscrape.model.labels import METRIC_NAME, Labels
from pyscrape.net.errors import ExchangeError
from pyscrape.net.fetch import Body
from pyscrape.scrape.failure import (
    ScrapeFailure,
    ScrapeRefusedError,
    advice_for,
    failure_of_exchange,
    failure_of_status,
)
from pyscrape.scrape.job import Job
from pyscrape.scrape.settings import ScrapeConfig
from pyscrape.targets.target import Target


@dataclass(frozen=True, slots=True)
class FamilySize:
    """A metric family: how many samples and bytes of the page it takes."""

    name: str
    type: str
    samples: int
    bytes: int


@dataclass(frozen=True, slots=True)
class LabelUse:
    """A label name: how many values it has, and how many samples carry it."""

    name: str
    values: int
    samples: int


@dataclass(slots=True)
class Diagnosis:
    """What one scrape shows. Counts of a page that does not parse are those of its good part."""

    url: str
    job: str
    failure: ScrapeFailure | None = None
    place: str = ""
    fetch_s: float = 0.0
    parse_s: float = 0.0
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    format: str = ""
    wire_bytes: int = 0
    body_bytes: int = 0
    samples: int = 0
    with_timestamp: int = 0
    exemplars: int = 0
    families: list[FamilySize] = field(default_factory=list)
    labels: list[LabelUse] = field(default_factory=list)
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    collapsed: int = 0
    findings: list[Finding] = field(default_factory=list)
    findings_of_limits: list[str] = field(default_factory=list)


def target_of(url: str, config: ScrapeConfig) -> Target:
    """A target for a bare URL, with the job's timing and the labels that a static target would get."""
    instance = url.partition("://")[2].partition("/")[0]
    labels = Labels({"job": config.job_name, "instance": instance})
    return Target(
        job=config.job_name,
        labels=labels,
        discovered={},
        url=url,
        interval=config.scrape_interval,
        timeout=config.scrape_timeout,
        key="0" * 16,
    )


async def diagnose(url: str, config: ScrapeConfig) -> Diagnosis:
    """Scrape `url` once under a job's settings."""
    job, target = Job(config), target_of(url, config)
    found = Diagnosis(url, job.name)
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    timeout = str(target.timeout)
    fetcher = job.fetcher(target)
    try:
        body = await fetcher.fetch(started_s + target.timeout.seconds, job.body_limit)
    except ExchangeError as error:
        found.failure = failure_of_exchange(error, url, job=job.name, timeout=timeout)
        return found
    finally:
        found.fetch_s = loop.time() - started_s
        fetcher.close()
    take_answer(found, body)
    found.failure = failure_of_status(body.status, body.phrase, body.content, job=job.name, timeout=timeout)
    if found.failure is None:
        take_page(found, body, job, target)
    return found


def take_answer(found: Diagnosis, body: Body) -> None:
    """What the answer's head says."""
    found.url, found.status = body.url, body.status
    found.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in body.headers]
    found.wire_bytes, found.body_bytes = body.wire_bytes, len(body.content)


def take_page(found: Diagnosis, body: Body, job: Job, target: Target) -> None:
    """What is on the page, and what the job makes of it."""
    entries: list[Entry] = []
    broken: ScrapeFailure | None = None
    started_s = time.perf_counter()
    try:
        content_type = job.format_of(body.content_type)
        found.format = content_type
        for entry in parse(body.content, content_type):
            entries.append(entry)  # noqa: PERF402  # what came before an error is shown too
    except ContentTypeError as error:
        found.failure = _failure("content_type", str(error), job)
        return
    except ParseError as error:
        broken, found.place = _failure("parse", str(error), job), error.explain()
    found.parse_s = time.perf_counter() - started_s
    count_entries(found, entries)
    judge(found, [entry for entry in entries if isinstance(entry, Series)], job, target)
    if broken is None:
        found.findings = lint_page(body.content, content_type)
    # What is wrong with a series before the place that cannot be read comes first.
    found.failure = found.failure or broken or over_limit(found, job)


def count_entries(found: Diagnosis, entries: Iterable[Entry]) -> None:
    """Sizes of families and label names."""
    types: dict[str, str] = {}
    samples: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    values: defaultdict[str, set[str]] = defaultdict(set)
    carried: Counter[str] = Counter()
    family = ""
    for entry in entries:
        match entry:
            case Type():
                family = entry.metric
                types[family] = entry.type
            case Help() | Unit():
                family = entry.metric
            case Series():
                labels = _labels_of(entry)
                name = labels.get(METRIC_NAME, "")
                owner = family if family and name.startswith(family) else name
                samples[owner] += 1
                sizes[owner] += len(entry.raw) + 8
                found.samples += 1
                found.with_timestamp += entry.timestamp_ms is not None
                found.exemplars += len(entry.exemplars)
                for label, value in labels.items():
                    if label != METRIC_NAME:
                        values[label].add(value)
                        carried[label] += 1
            case Comment():
                pass
    found.families = [
        FamilySize(name, types.get(name, "untyped"), count, sizes[name])
        for name, count in samples.most_common()
    ]
    uses = [LabelUse(name, len(distinct), carried[name]) for name, distinct in values.items()]
    found.labels = sorted(uses, key=lambda use: (-use.values, use.name))


def judge(found: Diagnosis, series: list[Series], job: Job, target: Target) -> None:
    """What metric relabeling and the limits would make of the page's series."""
    rules = job.rules_for(target)
    stored: set[Labels] = set()
    dropped: Counter[str] = Counter()
    for entry in series:
        try:
            labels = rules.apply(entry.labels)
        except DuplicateLabelError as error:
            found.failure = found.failure or _failure("invalid_series", str(error), job)
            continue
        except ScrapeRefusedError as error:
            found.failure = found.failure or _failure(error.reason, error.text, job)
            continue
        if labels is None:
            dropped[entry.labels.get(METRIC_NAME, "")] += 1
            continue
        found.kept += 1
        stored.add(Labels(labels))
    found.collapsed = found.kept - len(stored)
    found.dropped = dict(dropped.most_common())
    config = job.config
    names = {name for labels in stored for name in labels}
    values = {value for labels in stored for value in labels.values()}
    for name, use, limit in (
        ("sample_limit", found.kept, config.sample_limit),
        ("body_size_limit", found.body_bytes, config.body_size_limit),
        ("label_limit", max(map(len, stored), default=0), config.label_limit),
        ("label_name_length_limit", _longest(names), config.label_name_length_limit),
        ("label_value_length_limit", _longest(values), config.label_value_length_limit),
    ):
        if limit:
            found.findings_of_limits.append(f"{name}: {use} of {limit} ({use / limit:.0%})")


def over_limit(found: Diagnosis, job: Job) -> ScrapeFailure | None:
    """The failure of a page with too many samples."""
    limit = job.config.sample_limit
    return _failure("limit", "sample limit exceeded", job) if limit and found.kept > limit else None


def _longest(texts: Iterable[str]) -> int:
    return max((len(text.encode("utf-8", "surrogateescape")) for text in texts), default=0)


def _labels_of(entry: Series) -> dict[str, str]:
    try:
        return entry.labels
    except DuplicateLabelError:
        return {METRIC_NAME: entry.text.partition("{")[0]}


def _failure(reason: str, text: str, job: Job) -> ScrapeFailure:
    timeout = str(job.config.scrape_timeout)
    return ScrapeFailure(reason, text, advice_for(reason, job=job.name, timeout=timeout))
