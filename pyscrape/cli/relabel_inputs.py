"""What relabeling is shown and tested on: a job's rules with labels, Kubernetes objects, or a page of metrics.

`explain` and `test` share it: the same input goes through discovery's role functions, the job's defaults, the rules
and the checks of a target, in the order in which a server does it.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyscrape.config import Config, ConfigError, load_config
from pyscrape.config.load import decode_config
from pyscrape.config.manifests import Embedded, embedded
from pyscrape.model.names import ValidationScheme, quoted
from pyscrape.model.problems import nearest
from pyscrape.model.yaml_nodes import YAMLError, compose_all, decode_bytes
from pyscrape.relabel.explanation import Explanation, explain
from pyscrape.relabel.page import PageReport, relabel_page
from pyscrape.relabel.plans import compile_rules
from pyscrape.targets.manifests import Discovered, InputError, read_manifests
from pyscrape.targets.populate import TargetError, discovered_labels, finish_labels, job_defaults, rules_of
from pyscrape.targets.url import target_url

_FETCH_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class TargetReport:
    """What became of one discovered target: dropped by a rule, refused with `error`, or scraped at `url`."""

    discovered: Mapping[str, str]
    explanation: Explanation
    final: Mapping[str, str] | None = None
    url: str = ""
    error: str = ""

    @property
    def public(self) -> dict[str, str] | None:
        """The labels that its series get; None where there is no target."""
        if self.final is None:
            return None
        return {name: value for name, value in self.final.items() if not name.startswith("__")}

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data for JSON."""
        return {
            **self.explanation.to_dict(),
            "labels_final": self.public,
            "url": self.url,
            "error": self.error,
        }

    def __str__(self) -> str:
        lines = ["discovered labels:", *_label_lines(self.discovered), *map(str, self.explanation.steps)]
        dropping = self.explanation.dropped_by
        if dropping is not None:
            lines.append(f"no target: dropped by rule {dropping.number}")
        elif self.error:
            lines.append(f"no target: {self.error}")
        else:
            lines += [f"target: {self.url}", *_label_lines(self.public or {})]
        return "\n".join(lines)


def _label_lines(labels: Mapping[str, str]) -> list[str]:
    return [f"    {name}={quoted(value)}" for name, value in sorted(labels.items())]


def read_config(path: str) -> Config:
    """The configuration in a file: a prometheus.yml, or the one inside of a ConfigMap or Secret.

    Raises:
        ConfigError: the configuration holds mistakes.
        OSError: the file cannot be read.
    """
    raw = Path(path).read_bytes()
    if b"ConfigMap" in raw or b"Secret" in raw:
        for found in _texts_inside(raw):
            loaded = decode_config(found, path, os.path.dirname(path) or ".")  # noqa: PTH120  # as load_config does
            if loaded.errors:
                raise ConfigError(loaded.problems, path)
            return loaded.config
    return load_config(path)


def _texts_inside(raw: bytes) -> Iterator[str]:
    """What may be a prometheus.yml in the manifests of a file; nothing where they are none."""
    try:
        roots = [document.root for document in compose_all(decode_bytes(raw)) if document.root is not None]
    except YAMLError:
        return  # loading the file says where it is broken
    for found in embedded(roots):
        if isinstance(found, Embedded) and "scrape_configs:" in found.text:
            yield found.text


def find_job(config_path: str, name: str) -> Any:
    """The ScrapeConfig of that name.

    Raises:
        ConfigError: the configuration holds mistakes.
        InputError: no such job.
        OSError: the file cannot be read.
    """
    jobs = {job.job_name: job for job in read_config(config_path).scrape_configs}
    if name not in jobs:
        near = nearest(name, jobs)
        known = f"did you mean {near!r}?" if near else f"there are: {', '.join(jobs) or 'none'}"
        raise InputError(f"no job {name!r} in {config_path}, {known}")
    return jobs[name]


def asked_job(command: str, config_path: str, name: str) -> Any | None:
    """The ScrapeConfig that a command line names; None after saying on stderr why there is none."""
    try:
        return find_job(config_path, name)
    except ConfigError as error:
        print("\n".join(map(str, error.problems)), file=sys.stderr)
    except (InputError, OSError) as error:
        print(f"pyscrape {command}: {error}", file=sys.stderr)
    return None


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        InputError: it is not UTF-8.
        OSError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8: {error}") from None


def explain_target(job: Any, own: Mapping[str, str], group: Mapping[str, str]) -> TargetReport:
    """Take one discovered target of a job all the way; raises RelabelTimeout."""
    discovered = discovered_labels(own, group, job_defaults(job))
    explanation = explain(discovered, rules_of(job))
    if explanation.result is None:
        return TargetReport(discovered, explanation)
    try:
        final = finish_labels(dict(explanation.result))
    except TargetError as error:
        return TargetReport(discovered, explanation, error=str(error))
    return TargetReport(discovered, explanation, final, target_url(final, job.params))


def static_targets(job: Any) -> Iterator[Discovered]:
    """The (own labels, group labels) of a job's static_configs."""
    for group in job.static_configs:
        for address in group.targets:
            yield {"__address__": str(address)}, group.labels


def explain_page(job: Any, exposed: Iterable[Mapping[str, str]], target: Mapping[str, str]) -> PageReport:
    """Take the series of a page through a job's metric relabeling; `target`: the target's labels."""
    from pyscrape.scrape.samples import honored, renamed

    merge = honored if job.honor_labels else renamed
    scheme: ValidationScheme = "legacy" if job.metric_name_validation_scheme == "legacy" else "utf8"
    rules = compile_rules(job.metric_relabel_configs, scheme)
    return relabel_page((merge(labels, target) for labels in exposed), rules)


def page_series(body: bytes, content_type: str = "") -> list[dict[str, str]]:
    """The label sets of a page; the format is told by its content type, or else by its end.

    Raises:
        InputError: the page does not parse.
    """
    from pyscrape.exposition import ParseError, parse

    if not content_type:
        openmetrics = body.rstrip().endswith(b"# EOF")
        content_type = (
            "application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain; version=0.0.4"
        )
    try:
        return [entry.labels for entry in parse(body, content_type) if entry.kind == "series"]
    except (ParseError, ValueError) as error:
        raise InputError(f"the page does not parse: {error}") from None


def read_page(source: str, job: Any) -> tuple[bytes, str]:
    """Body and content type of a page: a file, or an http(s) URL that is asked with the job's credentials.

    Raises:
        InputError: the URL gives no page.
        OSError: the file cannot be read.
    """
    if not source.startswith(("http://", "https://")):
        return Path(source).read_bytes(), ""
    from pyscrape.net.errors import ExchangeError
    from pyscrape.net.fetch import Body, JobClient

    async def fetch() -> Body:
        client = JobClient(job.http, [("Accept", "text/plain;version=0.0.4")])
        fetcher = client.fetcher(source)
        try:
            return await fetcher.fetch(asyncio.get_running_loop().time() + _FETCH_TIMEOUT_S)
        finally:
            fetcher.close()
            await client.aclose()

    try:
        body = asyncio.run(fetch())
    except ExchangeError as error:
        raise InputError(f"cannot read {source}: {error.text}") from None
    if body.status != 200:
        raise InputError(f"{source} answers with status {body.status} {body.phrase}")
    return body.content, body.content_type or ""


def parse_labels(text: str) -> dict[str, str]:
    """Labels of the command line: a JSON or YAML mapping, or `name=value,name=value`.

    Raises:
        InputError: it is none of these.
    """
    if not text.lstrip().startswith("{"):
        pairs = [part.partition("=") for part in text.split(",") if part]
        if not all(separator and name for name, separator, _ in pairs):
            raise InputError(f"labels are a mapping or name=value,name=value, not {text!r}")
        return {name.strip(): value for name, _, value in pairs}
    found = next(iter(read_manifests(text)), None)
    if found is None or not all(isinstance(value, (str, int, float, bool)) for value in found.values()):
        raise InputError(f"labels are a mapping of names to texts, not {text!r}")
    return {
        str(name): value if isinstance(value, str) else json.dumps(value) for name, value in found.items()
    }
