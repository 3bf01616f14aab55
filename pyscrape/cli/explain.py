"""Show rule by rule what relabeling does to a target, and why; or what metric relabeling does to a page.

Examples:
  pyscrape explain prometheus.yml --job node --labels '{"__address__": "10.0.0.1:9100"}'
  pyscrape explain prometheus.yml --job kubernetes-pods --object pod.yml
  pyscrape explain prometheus.yml --job kubelet --metrics http://localhost:10255/metrics
  pyscrape explain prometheus.yml --job node                  the job's static targets
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pyscrape.cli.relabel_inputs import (
    TargetReport,
    asked_job,
    explain_page,
    explain_target,
    page_series,
    parse_labels,
    read_page,
    read_text,
    static_targets,
)
from pyscrape.relabel import RelabelTimeout
from pyscrape.targets.manifests import Discovered, InputError, object_targets, read_manifests


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="a prometheus.yml, or a ConfigMap that holds one")
    parser.add_argument("--job", required=True, help="the job_name whose rules are explained")
    parser.add_argument(
        "--labels",
        metavar="LABELS",
        help="labels of a discovered target, as a JSON or YAML mapping or name=value,name=value; "
        "with --metrics the labels of the scraped target",
    )
    parser.add_argument(
        "--object", metavar="FILE", help="Kubernetes objects (YAML or JSON) that discovery finds"
    )
    parser.add_argument("--metrics", metavar="FILE|URL", help="a page of metrics for metric_relabel_configs")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def run(args: argparse.Namespace) -> int:
    if args.object and (args.labels or args.metrics):
        print("pyscrape explain: --object goes with neither --labels nor --metrics", file=sys.stderr)
        return 2
    job = asked_job("explain", args.config, args.job)
    if job is None:
        return 2
    try:
        report = _page(job, args) if args.metrics else _targets(job, args)
    except (InputError, OSError) as error:
        print(f"pyscrape explain: {error}", file=sys.stderr)
        return 2
    except RelabelTimeout as error:
        print(f"pyscrape explain: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report[1], indent=2, ensure_ascii=False) if args.format == "json" else report[0])
    return 0


def _page(job: Any, args: argparse.Namespace) -> tuple[str, Any]:
    body, content_type = read_page(args.metrics, job)
    target = parse_labels(args.labels) if args.labels else {"job": job.job_name}
    report = explain_page(job, page_series(body, content_type), target)
    return str(report), report.to_dict()


def _targets(job: Any, args: argparse.Namespace) -> tuple[str, Any]:
    found: list[Discovered]
    if args.labels:
        found = [(parse_labels(args.labels), {})]
    elif args.object:
        found = object_targets(job, read_manifests(read_text(Path(args.object))))
    else:
        found = list(static_targets(job))
    if not found:
        raise InputError(f"job {job.job_name!r} has no static targets; give --labels, --object or --metrics")
    reports = [explain_target(job, own, group) for own, group in found]
    return "\n\n".join(map(_titled, reports)), [report.to_dict() for report in reports]


def _titled(report: TargetReport) -> str:
    address = report.discovered.get("__address__", "")
    title = f"target {address}" if address else "target without an address"
    return f"{title}\n{'=' * len(title)}\n{report}"
