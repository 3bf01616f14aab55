"""Scrape a URL once and say how it went: timing, headers, format, sizes, what would be stored, what is odd.

Examples:
  pyscrape scrape http://localhost:9100/metrics
  pyscrape scrape localhost:9100                                 http and /metrics are taken for granted
  pyscrape scrape https://10.0.0.1:10250/metrics --config prometheus.yml --job kubelet
  pyscrape scrape http://localhost:9100/metrics --format json

The exit code is 1 when the scrape would fail.
"""

import argparse
import asyncio
import dataclasses
import json
import sys

from pyscrape.cli.relabel_inputs import asked_job
from pyscrape.config import parse_config
from pyscrape.scrape.diagnosis import Diagnosis, diagnose
from pyscrape.scrape.settings import ScrapeConfig

TOP = 10


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the page to scrape")
    parser.add_argument(
        "--config", metavar="FILE", help="take TLS, credentials, rules and limits from this config"
    )
    parser.add_argument("--job", metavar="J", help="the job of --config to scrape as")
    parser.add_argument("--top", type=int, default=TOP, metavar="N", help=f"list so many families [{TOP}]")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def run(args: argparse.Namespace) -> int:
    if bool(args.config) != bool(args.job):
        print("pyscrape scrape: --config and --job go together", file=sys.stderr)
        return 2
    job: ScrapeConfig | None = asked_job("scrape", args.config, args.job) if args.config else default_job()
    if job is None:
        return 2
    found = asyncio.run(diagnose(full_url(args.url, job), job))
    if args.format == "json":
        print(json.dumps(dataclasses.asdict(found), indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines(found, args.top)))
    return 0 if found.failure is None else 1


def default_job() -> ScrapeConfig:
    """The job of a scrape without a config."""
    return parse_config("scrape_configs: [{job_name: scrape}]").scrape_configs[0]


def full_url(url: str, job: ScrapeConfig) -> str:
    """A URL with scheme and path; what is missing is the job's.

    >>> full_url("localhost:9100", default_job())
    'http://localhost:9100/metrics'
    """
    if "://" not in url:
        url = f"{job.scheme}://{url}"
    if "/" not in url.partition("://")[2]:
        url += job.metrics_path
    return url


def lines(found: Diagnosis, top: int) -> list[str]:
    """The diagnosis for people."""
    shown = [f"{found.url}  (as job {found.job})"]
    if found.failure is None:
        shown.append("up: the scrape would succeed")
    else:
        shown += [f"DOWN ({found.failure.reason}): {found.failure.text}"]
        if found.place:
            shown += found.place.splitlines()[1:]
        if found.failure.advice:
            shown.append(f"hint: {found.failure.advice}")
    shown += ["", f"fetched in {found.fetch_s * 1000:.1f} ms"]
    if not found.status:
        return shown
    shown.append(
        f"status {found.status}, {found.wire_bytes:,} bytes on the wire, {found.body_bytes:,} inflated"
    )
    shown += [f"  {name}: {value}" for name, value in found.headers]
    if not found.format:
        return shown
    shown.append(f"read as {found.format} in {found.parse_s * 1000:.1f} ms: {found.samples:,} samples")
    if found.with_timestamp:
        shown.append(f"  {found.with_timestamp:,} with a timestamp of their own")
    if found.exemplars:
        shown.append(f"  {found.exemplars:,} exemplars")
    return shown + _tables(found, top)


def _tables(found: Diagnosis, top: int) -> list[str]:
    shown = ["", f"largest of {len(found.families)} families:"]
    width = max((len(family.name) for family in found.families[:top]), default=0)
    shown += [
        f"  {family.name.ljust(width)}  {family.type:<9} {family.samples:>8,} samples {family.bytes:>11,} bytes"
        for family in found.families[:top]
    ]
    if found.labels:
        shown += ["", "labels with the most values:"]
        width = max(len(use.name) for use in found.labels[:top])
        shown += [
            f"  {use.name.ljust(width)}  {use.values:>8,} values in {use.samples:,} samples"
            for use in found.labels[:top]
        ]
    dropped = sum(found.dropped.values())
    until = " until the mistake" if found.place else ""
    shown += ["", f"after metric_relabel_configs: {found.kept:,} samples{until}, {dropped:,} dropped"]
    shown += [f"  dropped {count:>8,} of {name}" for name, count in list(found.dropped.items())[:top]]
    if found.collapsed:
        shown.append(
            f"  {found.collapsed:,} samples have the labels of another one: only the first is stored"
        )
    shown += [f"  {text}" for text in found.findings_of_limits]
    if found.findings:
        shown += ["", f"{len(found.findings)} findings about the page:"]
        shown += [
            f"  line {finding.line}: {finding.metric}: {finding.message} ({finding.id})"
            for finding in found.findings
        ]
    return shown
