"""Say why a pod, service, node or address is not a target of a job: the causes, nearest first.

Examples:
  pyscrape why prometheus.yml --job kubernetes-pods pod/shop/cart-0
  pyscrape why prometheus.yml --job kubernetes-service-endpoints svc/shop/cart
  pyscrape why prometheus.yml --job kubernetes-nodes node-7
  pyscrape why prometheus.yml --job kubernetes-pods 10.244.0.3:9121

Exit codes: 0 it is a target, 1 it is not (the answer says why), 2 wrong usage or configuration.
"""

import argparse
import asyncio
import difflib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from pyscrape.cli.relabel_inputs import asked_job, explain_target
from pyscrape.cli.survey import KUBECONFIG_HELP, Outcome, Source, Survey, surveying, through_kubeconfig
from pyscrape.targets.target import Dropped, Failed, Target

NAME_LABELS = (
    "pod_name",
    "service_name",
    "node_name",
    "endpoints_name",
    "endpointslice_name",
    "ingress_name",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: `cause` is a stable id, `is_target` whether something is scraped."""

    cause: str
    text: str
    is_target: bool = False


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="a prometheus.yml, or a ConfigMap that holds one")
    parser.add_argument(
        "name", metavar="NAME", help="[kind/][namespace/]name, an address, host:port or a URL"
    )
    parser.add_argument("--job", required=True, help="the job_name that should have it as a target")
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="SECONDS", help="wait so long for discovery [30]"
    )
    parser.add_argument("--kubeconfig", metavar="FILE", help=KUBECONFIG_HELP)
    parser.add_argument("--format", choices=("text", "json"), help="default: text")


def run(args: argparse.Namespace) -> int:
    job = asked_job("why", args.config, args.job)
    if job is None:
        return 2
    if args.kubeconfig:
        job = through_kubeconfig(job, args.kubeconfig)
    findings = asyncio.run(_findings(job, args.name, args.timeout))
    if args.format == "json":
        data = [{"cause": f.cause, "isTarget": f.is_target, "text": f.text} for f in findings]
        print(json.dumps({"job": args.job, "name": args.name, "findings": data}, indent=2))
    else:
        print("\n\n".join(finding.text for finding in findings))
    return 0 if any(finding.is_target for finding in findings) else 1


async def _findings(job: Any, name: str, timeout_s: float) -> list[Finding]:
    async with surveying(job) as survey:
        await survey.first_sync(timeout_s)
        outcomes = survey.outcomes()
        meant = [outcome for outcome in outcomes if is_meant(name, outcome)]
        if meant:
            return list(_of_outcomes(survey, meant, outcomes))
        findings = list(_of_failures(survey))
        findings += [finding for source in survey.sources for finding in _of_objects(source, name)]
        if not findings or all(finding.cause == "wrong-role" for finding in findings):
            findings += [
                finding for source in survey.sources async for finding in _beyond(source, name, timeout_s)
            ]
        return findings or [_not_found(survey, outcomes, name)]


def is_meant(name: str, outcome: Outcome) -> bool:
    """Whether a discovered target is what `name` says: its source, address, URL, or a name among its labels."""
    result, source = outcome.result, outcome.group.source
    address = result.discovered.get("__address__", "")
    if isinstance(result, Target) and name in {result.url, result.labels.get("instance")}:
        return True
    if name in {address, address.rpartition(":")[0].strip("[]")}:
        return True
    kind, _, rest = source.partition("/")
    names = {source, rest, rest.rpartition("/")[2]} if rest else {source}
    if kind in {"svc", "pod", "node", "ingress", "endpoints", "endpointslice"}:
        if kind == "svc":
            names.add(f"service/{rest}")
        namespace = result.discovered.get("__meta_kubernetes_namespace", "")
        for label in NAME_LABELS:
            value = result.discovered.get(f"__meta_kubernetes_{label}", "")
            if value:
                of_kind = label.removesuffix("_name")
                place = value if of_kind == "node" else f"{namespace}/{value}"
                names |= {value, place, f"{of_kind}/{place}", f"{of_kind}/{value}"}
                names |= {f"svc/{place}", f"svc/{value}"} if of_kind == "service" else set()
    return name in names


def _of_outcomes(survey: Survey, meant: list[Outcome], everything: list[Outcome]) -> Iterator[Finding]:
    limit = survey.job.target_limit
    seen: dict[str, Outcome] = {}
    for outcome in everything:
        if isinstance(outcome.result, Target):
            seen.setdefault(outcome.result.key, outcome)
    for outcome in meant:
        result = outcome.result
        where = f"{result.discovered.get('__address__') or '(no address)'} of {outcome.group.source}"
        if isinstance(result, Dropped):
            yield Finding("dropped", f"{where} is dropped by relabeling:\n{_dropping_step(survey, outcome)}")
        elif isinstance(result, Failed):
            yield Finding("failed", f"{where} cannot be scraped: {result.error}")
        elif seen[result.key] is not outcome:
            first = seen[result.key]
            yield Finding(
                "duplicate",
                f"{where} has the same URL and labels as {first.result.discovered.get('__address__')} of "
                f"{first.group.source} after relabeling: both are one target, {result.url}",
                is_target=True,
            )
        elif limit and len(seen) > limit:
            yield Finding(
                "over-limit",
                f"{where} is not scraped: target_limit exceeded (number of targets: {len(seen)}, limit: {limit})",
            )
        else:
            yield Finding("target", f"{where} is a target: {result.url}", is_target=True)


def _dropping_step(survey: Survey, outcome: Outcome) -> str:
    report = explain_target(survey.job, outcome.result.discovered, {})
    step = report.explanation.dropped_by
    lines = str(step).splitlines() if step is not None else [str(outcome.result)]
    return "\n".join(f"  {line}" for line in lines)


def _of_failures(survey: Survey) -> Iterator[Finding]:
    for source in survey.sources:
        if source.error:
            cause = "forbidden" if "lacks a right" in source.advice else "discovery-failed"
            advice = f"\n{source.advice}" if source.advice else ""
            yield Finding(cause, f"{source.kind} discovery fails: {source.error}{advice}")
        elif not source.synced:
            yield Finding("no-answer", f"{source.kind} discovery has not answered yet")
    for name in survey.skipped:
        yield Finding("not-supported", f"{name} is not run by pyscrape")


def _of_objects(source: Source, name: str) -> Iterator[Finding]:
    """What a Kubernetes discovery knows of an object that has no target."""
    from pyscrape.discovery.kubernetes.discoverer import KubernetesDiscoverer
    from pyscrape.discovery.kubernetes.lookup import parse_wanted

    if not isinstance(source.discoverer, KubernetesDiscoverer):
        return
    wanted, role = parse_wanted(name), source.config.role
    looked_at = set(source.discoverer.resources)
    if wanted.plural and wanted.plural not in looked_at:
        yield Finding(
            "wrong-role",
            f"discovery of role {role} does not look at {wanted.plural} (only at {', '.join(sorted(looked_at))})",
        )
        return
    for sighting in source.discoverer.look_up(wanted):
        what = f"{sighting.resource.kind} {'/'.join(part for part in sighting.key if part)}"
        if sighting.reason:
            yield Finding(
                "no-target", f"{what} is known, and discovery makes no target of it: {sighting.reason}"
            )
        elif not sighting.is_used:
            yield Finding(
                "not-behind",
                f"{what} is known, but no {role} object refers to it: role {role} makes targets of those only. "
                "A pod gets there when a Service's selector matches its labels.",
            )


async def _beyond(source: Source, name: str, timeout_s: float) -> AsyncIterator[Finding]:
    """Look once more without the namespaces and selectors of the configuration."""
    from pyscrape.discovery.kubernetes.discoverer import KubernetesDiscoverer, unrestricted
    from pyscrape.discovery.kubernetes.lookup import parse_wanted

    config = source.config
    if not isinstance(source.discoverer, KubernetesDiscoverer):
        return
    if not (config.namespaces.names or config.namespaces.own_namespace or config.selectors):
        return
    wide = KubernetesDiscoverer(unrestricted(config))
    answered = asyncio.Event()
    task = asyncio.create_task(wide.run(lambda _groups: answered.set()), name="look beyond")
    try:
        async with asyncio.timeout(min(timeout_s, 5.0)):
            await answered.wait()
        for sighting in wide.look_up(parse_wanted(name)):
            what = f"{sighting.resource.kind} {'/'.join(part for part in sighting.key if part)}"
            hidden_by = source.discoverer.hidden_by(sighting)
            yield Finding("excluded", f"{what} exists, but {hidden_by}")
    except TimeoutError:
        said = f": {wide.status.last_error}" if wide.status.last_error else ""
        yield Finding(
            "excluded-unknown", f"whether it exists beyond namespaces and selectors cannot be seen{said}"
        )
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _not_found(survey: Survey, outcomes: list[Outcome], name: str) -> Finding:
    known = {outcome.group.source for outcome in outcomes}
    known |= {outcome.result.discovered.get("__address__", "") for outcome in outcomes}
    short = {source.rpartition("/")[2]: source for source in known}
    near = difflib.get_close_matches(name.rpartition("/")[2], short, n=1) or difflib.get_close_matches(
        name, known, n=1
    )
    hint = f"; did you mean {short.get(near[0], near[0])}?" if near else ""
    looked = ", ".join(source.kind for source in survey.sources) or "no discovery at all"
    return Finding("not-found", f"{name} is not among what {looked} of job {survey.job.job_name} finds{hint}")
