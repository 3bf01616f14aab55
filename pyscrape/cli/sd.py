"""Show what a job's discovery finds and what relabeling makes of it; return as soon as all of it is known.

Examples:
  pyscrape sd prometheus.yml --job kubernetes-pods              what is scraped, dropped and failed, and why
  pyscrape sd prometheus.yml --job kubernetes-pods --labels     with all discovered labels
  pyscrape sd prometheus.yml --job kubernetes-pods --format json | jq '.targets[].url'
  pyscrape sd prometheus.yml --job kubernetes-pods --watch      and then every change
  pyscrape sd configmap.yml --job kubernetes-pods --kubeconfig ~/.kube/config
                                                                from outside of the cluster
  pyscrape sd prometheus.yml --job kubernetes-pods --format targets > frozen.json
                                                                what is discovered, for file_sd_configs

Exit codes: 0 all discoveries have answered, 1 one of them has not, 2 wrong usage or configuration.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pyscrape.cli.relabel_inputs import asked_job
from pyscrape.cli.survey import KUBECONFIG_HELP, Outcome, Survey, surveying, through_kubeconfig
from pyscrape.discovery.target_lists import list_items
from pyscrape.model.labels import format_labels
from pyscrape.targets.target import Dropped, Failed, Target


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="a prometheus.yml, or a ConfigMap that holds one")
    parser.add_argument("--job", required=True, help="the job_name whose discovery is run")
    parser.add_argument("--labels", action="store_true", help="show all discovered labels")
    parser.add_argument(
        "--watch", action="store_true", help="go on and print every change, until interrupted"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="wait so long for the first answers [30]",
    )
    parser.add_argument("--kubeconfig", metavar="FILE", help=KUBECONFIG_HELP)
    parser.add_argument("--format", choices=("text", "json", "targets"), help="default: text")


def run(args: argparse.Namespace) -> int:
    if args.watch and args.format == "targets":
        print("pyscrape sd: a list of targets is written once, without --watch", file=sys.stderr)
        return 2
    job = asked_job("sd", args.config, args.job)
    if job is None:
        return 2
    if args.kubeconfig:
        job = through_kubeconfig(job, args.kubeconfig)
    return asyncio.run(_run(job, args))


async def _run(job: Any, args: argparse.Namespace) -> int:
    async with surveying(job) as survey:
        complete = await survey.first_sync(args.timeout)
        outcomes = survey.outcomes()
        if args.format == "targets":
            print(json.dumps(as_target_list(survey), indent=2))
        elif args.format == "json":
            print(json.dumps(as_data(survey, outcomes), indent=None if args.watch else 2), flush=True)
        else:
            print("\n".join(as_text(survey, outcomes, labels=args.labels)), flush=True)
        while args.watch:
            survey.changed.clear()
            await survey.changed.wait()
            before, outcomes = outcomes, survey.outcomes()
            if args.format == "json":
                print(json.dumps(as_data(survey, outcomes)), flush=True)
            else:
                for line in differences(before, outcomes):
                    print(line, flush=True)
    return 0 if complete else 1


def state_of(outcome: Outcome) -> str:
    """active, dropped or failed."""
    return {Target: "active", Dropped: "dropped", Failed: "failed"}[type(outcome.result)]


def reason_of(outcome: Outcome) -> str:
    """Why it is not scraped; empty when it is."""
    match outcome.result:
        case Dropped(reason=reason):
            return reason
        case Failed(error=error):
            return error
    return ""


def as_target_list(survey: Survey) -> list[dict[str, Any]]:
    """What is discovered as a list for `file_sd_configs`; the same rules make the same targets of it."""
    groups = [group for source in survey.sources for group in source.groups.values() if group.targets]
    return [item for group in groups for item in list_items(group)]


def as_data(survey: Survey, outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """The survey as plain data."""
    return {
        "job": survey.job.job_name,
        "complete": survey.complete,
        "seconds": round(survey.took_s, 3),
        "discoveries": [
            {
                "kind": source.kind,
                "synced": source.synced,
                "groups": len(source.groups),
                "error": source.error,
                "advice": source.advice,
                "details": source.discoverer.status.details if source.discoverer else {},
            }
            for source in survey.sources
        ],
        "targets": [
            {
                "state": state_of(outcome),
                "source": outcome.group.source,
                "discoveredLabels": dict(outcome.result.discovered),
                "labels": dict(outcome.result.labels) if isinstance(outcome.result, Target) else {},
                "url": outcome.result.url if isinstance(outcome.result, Target) else "",
                "reason": reason_of(outcome),
                "rule": outcome.result.rule_index if isinstance(outcome.result, Dropped) else None,
            }
            for outcome in outcomes
        ],
    }


def as_text(survey: Survey, outcomes: list[Outcome], *, labels: bool) -> Iterator[str]:
    """The survey for people: totals, failures of discoveries, then target by target."""
    counts = Counter(map(state_of, outcomes))
    keys = [outcome.result.key for outcome in outcomes if isinstance(outcome.result, Target)]
    # A pod's ports whose address a rule replaces by an annotation's, for one.
    again = f" ({len(set(keys))} to scrape, others are the same again)" if len(set(keys)) < len(keys) else ""
    totals = f"{counts['active']} active{again}, {counts['dropped']} dropped, {counts['failed']} failed"
    yield f"job {survey.job.job_name}: {len(outcomes)} discovered, {totals} ({survey.took_s:.2f} s)"
    for source in survey.sources:
        if not source.synced:
            yield f"{source.kind}: no answer yet" + (f": {source.error}" if source.error else "")
        elif source.error:
            yield from (f"{source.kind}: {line}" for line in source.problems or [source.error])
        if source.advice:
            yield from (f"  {line}" for line in source.advice.splitlines())
    for name in survey.skipped:
        yield f"{name}: not run by pyscrape"
    for state in ("active", "dropped", "failed"):
        some = [outcome for outcome in outcomes if state_of(outcome) == state]
        if some:
            yield f"\n{state}"
        for outcome in some:
            yield from _target_lines(outcome, labels)


def _target_lines(outcome: Outcome, labels: bool) -> Iterator[str]:
    result = outcome.result
    where = (
        result.url if isinstance(result, Target) else result.discovered.get("__address__") or "(no address)"
    )
    reason = reason_of(outcome)
    yield f"  {where}  {outcome.group.source}" + (f"  {reason}" if reason else "")
    if isinstance(result, Target):
        yield f"      {format_labels(dict(result.labels))}"
    if labels:
        yield from (f"      {name}={value!r}" for name, value in sorted(result.discovered.items()))


def differences(before: Iterable[Outcome], after: Iterable[Outcome]) -> Iterator[str]:
    """One line for each target that came, went or became something else."""
    old = Counter(map(_line, before))
    new = Counter(map(_line, after))
    yield from (f"- {line}" for line in (old - new).elements())
    yield from (f"+ {line}" for line in (new - old).elements())


def _line(outcome: Outcome) -> str:
    return f"{state_of(outcome)}{next(_target_lines(outcome, labels=False))}"
