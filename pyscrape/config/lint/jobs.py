"""Lints of whole jobs and of the configuration around them."""

from collections.abc import Iterator

from pyscrape.config.lint.subjects import Finding, Job
from pyscrape.model.duration import Duration
from pyscrape.model.settings import Section
from pyscrape.relabel.settings import Rule

_LOOKBACK_MS = 300_000
_READ_ONLY_PORT = "10255"


def _auth_field(section: Section) -> str:
    names = ("basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file")
    return next((name for name in names if section.given(name)), "")


def _sets(rules: tuple[Rule, ...], label: str) -> bool:
    return any(rule.target_label == label or "$" in rule.target_label for rule in rules)


def unsupported_discoveries(job: Job) -> Iterator[Finding]:
    """Service discoveries that are understood and not run."""
    for field in job.config.foreign_discoveries():
        yield Finding(
            job.section,
            f"{field} is not supported by pyscrape run",
            field,
            "Prometheus runs it; here use file_sd_configs or http_sd_configs with a helper program",
        )


def no_targets(job: Job) -> Iterator[Finding]:
    """A job without any discovery."""
    config = job.config
    if config.discoveries() or config.foreign_discoveries() or job.section.failed:
        return
    if not any(static.targets for static in config.static_configs):
        yield Finding(
            job.section, "this job has no targets", "job_name", "add static_configs or a service discovery"
        )


def long_intervals(job: Job) -> Iterator[Finding]:
    """A job's own interval above the lookback: queries see gaps."""
    if job.section.given("scrape_interval") and job.config.scrape_interval > _LOOKBACK_MS:
        yield _long_interval(job.section, job.config.scrape_interval)


def long_common_interval(root: Section) -> Iterator[Finding]:
    """An interval above the lookback for all jobs without one of their own: said once."""
    section = root.child("global") if root.cls.__name__ == "Config" else None
    if section is not None and section["scrape_interval"] > _LOOKBACK_MS:
        yield _long_interval(section, section["scrape_interval"])


def _long_interval(section: Section, interval: Duration) -> Finding:
    return Finding(
        section,
        f"the scrape interval of {interval} is longer than the lookback of 5m: instant queries find nothing in between",
        "scrape_interval",
        "at most 2m lets one scrape fail; or raise --query.lookback-delta",
    )


def credentials_over_http(job: Job) -> Iterator[Finding]:
    """Credentials that everyone on the way can read."""
    field = _auth_field(job.section)
    if field and job.config.scheme == "http" and not _sets(job.config.relabel_configs, "__scheme__"):
        yield Finding(
            job.section,
            "credentials are sent over plain http",
            field,
            "set scheme: https, or remove the credentials",
        )


def unused_tls(job: Job) -> Iterator[Finding]:
    """TLS settings of a job that speaks plain http."""
    if not job.section.given("tls_config") or job.config.scheme != "http":
        return
    if (
        not _sets(job.config.relabel_configs, "__scheme__")
        and job.config.http.tls_config != type(job.config.http.tls_config)()
    ):
        yield Finding(
            job.section, "tls_config has no effect with scheme http", "tls_config", "set scheme: https"
        )


def ca_without_verification(job: Job) -> Iterator[Finding]:
    """A CA that is never asked."""
    for section in job.section.walk():
        if section.cls.__name__ != "TLSConfig":
            continue
        tls = section.value
        if tls.insecure_skip_verify and (tls.ca_file or tls.ca):
            yield Finding(
                section,
                "insecure_skip_verify switches the check off that ca_file is for",
                "insecure_skip_verify",
                "delete insecure_skip_verify; set server_name if the certificate has another name",
            )


def duplicate_targets(job: Job) -> Iterator[Finding]:
    """An address that stands twice with the same labels."""
    seen: set[tuple[object, ...]] = set()
    for section in job.section.items("static_configs"):
        static = section.value
        labels = tuple(sorted(static.labels.items()))
        for item, address in enumerate(static.targets):
            if (address, labels) in seen:
                yield Finding(
                    section, f"the target {address} stands twice", "targets", "delete one of the two", item
                )
            seen.add((address, labels))


def read_only_port(job: Job) -> Iterator[Finding]:
    """The kubelet's port that newer clusters do not open."""
    message = f"port {_READ_ONLY_PORT} is the kubelet's read-only port, which clusters no longer open"
    hint = "scrape 10250 with scheme https, a token and the cluster's ca_file"
    for section in job.section.items("relabel_configs"):
        replacement = section["replacement"]
        if replacement.endswith(f":{_READ_ONLY_PORT}"):
            yield Finding(section, message, "replacement", hint)
    for section in job.section.items("static_configs"):
        for item, address in enumerate(section["targets"]):
            if address.endswith(f":{_READ_ONLY_PORT}"):
                yield Finding(section, message, "targets", hint, item)


def federation(job: Job) -> Iterator[Finding]:
    """A federation job that asks for nothing, or that renames what it gets."""
    config = job.config
    if config.metrics_path != "/federate":
        return
    if "match[]" not in config.params and not _sets(config.relabel_configs, "__param_match[]"):
        yield Finding(
            job.section,
            "/federate without match[] answers with nothing",
            "params" if job.section.given("params") else "metrics_path",
            "add params: {'match[]': ['{job=\"x\"}']}",
        )
    elif not config.honor_labels:
        yield Finding(
            job.section,
            "without honor_labels the federated job and instance labels become exported_job and exported_instance",
            "metrics_path",
            "set honor_labels: true",
        )


def url_targets(job: Job) -> Iterator[Finding]:
    """A static target that is a URL, where rules might still repair it."""
    rules = job.config.relabel_configs
    if not rules or any("__address__" in rule.source_labels for rule in rules) or _sets(rules, "__address__"):
        return
    for section in job.section.items("static_configs"):
        for item, address in enumerate(section["targets"]):
            if "/" in address:
                yield Finding(
                    section,
                    f"{address} is no host:port, and no rule changes it: the target will not be scraped",
                    "targets",
                    "the scheme belongs into scheme, the path into metrics_path",
                    item,
                )


def deprecated_fields(root: Section) -> Iterator[Finding]:
    """Fields that have a successor."""
    for section in root.walk():
        for name in section.nodes:
            found = section.cls.keys.get(name)
            if found is not None and found[1].deprecated:
                yield Finding(section, f"`{name}` is deprecated", name, found[1].deprecated)


def secret_refs(root: Section) -> Iterator[Finding]:
    """Names in a secret manager, which neither Prometheus nor this program has."""
    for section in root.walk():
        for name in section.nodes:
            if name.endswith("_ref") and name in section.cls.keys and section.values.get(name):
                yield Finding(
                    section,
                    "cannot use secret ref without manager",
                    name,
                    f"use {name.removesuffix('_ref')}_file",
                )


# Top-level sections that `pyscrape run` has no use for; a row goes when the program learns what it is about.
NOT_RUN = {
    "alerting": "sending alerts is not supported by pyscrape run yet",
    "rule_files": "rules are checked here and not evaluated by pyscrape run yet",
    "remote_read": "remote read is not supported by pyscrape run",
    "tracing": "tracing is not supported by pyscrape run",
    "otlp": "the OTLP receiver is not supported by pyscrape run",
}


# The same of each remote_write.
NOT_SENT = {
    "sigv4": "requests are not signed by pyscrape run: sigv4 is not supported",
    "azuread": "pyscrape run gets no tokens: azuread is not supported",
    "google_iam": "pyscrape run gets no tokens: google_iam is not supported",
    "send_native_histograms": "native histograms are not supported by pyscrape run",
    "round_robin_dns": "round_robin_dns is not supported by pyscrape run",
}


def not_run_yet(root: Section) -> Iterator[Finding]:
    """Sections and settings that are checked here and have no effect in `pyscrape run`."""
    for name, what in NOT_RUN.items():
        if root.given(name) and not root.nodes[name].is_null:
            yield Finding(root, what, name)
    for section in root.items("remote_write"):
        for name, what in NOT_SENT.items():
            if section.values.get(name) and section.given(name):
                yield Finding(section, what, name)


def remote_credentials(root: Section) -> Iterator[Finding]:
    """Credentials of remote endpoints and discoveries that go over plain http."""
    for section in root.walk():
        if section.cls.__name__ == "ScrapeConfig":
            continue
        field = _auth_field(section)
        if not field:
            continue
        url = next(
            (str(section.values[n]) for n in ("url", "api_server", "server") if section.values.get(n)), ""
        )
        scheme = section.values.get("scheme", "http" if section.cls.__name__ in {"ConsulSDConfig"} else "")
        if url.startswith("http://") or (scheme == "http" and "://" not in url):
            yield Finding(section, "credentials are sent over plain http", field, "use https")
