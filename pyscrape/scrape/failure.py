"""Why a scrape failed, as a value: a class to count by, Prometheus' words to search for, and what to do about it."""

from dataclasses import dataclass

from pyscrape.net.errors import ExchangeError

# Every class that `pyscrape_scrape_failures_total{reason=}` counts, in the order of a scrape.
REASONS = (
    "dns",
    "refused",
    "unreachable",
    "proxy",
    "credentials",
    "tls",
    "tls_to_http",
    "http_to_tls",
    "timeout",
    "reset",
    "protocol",
    "head_limit",
    "redirect",
    "http_3xx",
    "http_4xx",
    "http_5xx",
    "gzip",
    "body_limit",
    "content_type",
    "parse",
    "limit",
    "invalid_series",
    "target_limit",
    "internal",
)

# How servers with TLS complain about plain HTTP: Go, nginx, Apache.
_TLS_COMPLAINTS = (
    b"client sent an http request to an https server",
    b"plain http request was sent to https port",
    b"speaking plain http to an ssl-enabled server port",
)

_ADVICE = {
    "dns": "the name does not resolve here: look at the address label and at the resolver of this machine",
    "refused": "nothing listens on this port: is the exporter running, and is the port the metrics port?",
    "unreachable": "no route to the address: a firewall or a NetworkPolicy may be in between",
    "proxy": "look at proxy_url of job {job}",
    "credentials": "look at the credentials and the files that job {job} names",
    "tls": "the certificate or the handshake was refused: look at tls_config of job {job} (ca_file, server_name)",
    "tls_to_http": "the target speaks plain HTTP: set `scheme: http` in job {job}",
    "http_to_tls": "the target speaks TLS: set `scheme: https` in job {job}",
    "timeout": "no complete answer within {timeout}: a NetworkPolicy, a slow exporter, or too short a scrape_timeout",
    "reset": "the target closed the connection before it had answered",
    "protocol": "the answer is not HTTP: is this the metrics port?",
    "head_limit": "the answer's headers are larger than any exporter's",
    "redirect": "look at metrics_path of job {job}: the target redirects without end or to nowhere",
    "http_3xx": "the target redirects, and does not say where to or follow_redirects is off in job {job}",
    "http_4xx": "look at metrics_path and params of job {job}",
    "http_401": "the target wants credentials: see authorization and basic_auth of job {job}",
    "http_403": "the target refuses these credentials: see authorization of job {job}; in Kubernetes look at its RBAC",
    "http_404": "there is no page under this path: look at metrics_path of job {job}",
    "http_5xx": "the exporter itself failed: its log says why",
    "gzip": "the compressed body is broken: try `enable_compression: false` in job {job}",
    "body_limit": "raise body_size_limit of job {job} or let the exporter say less",
    "content_type": "the page is of no known format: is this the metrics path? Else set fallback_scrape_protocol",
    "parse": "the exporter writes what the format does not allow: `pyscrape scrape URL` shows the place",
    "limit": "raise the limit in job {job} or drop series by metric_relabel_configs",
    "invalid_series": "metric_relabel_configs of job {job} or the exporter make a series that cannot be stored",
    "target_limit": "raise target_limit of job {job} or drop targets by relabel_configs",
    "internal": "this is a fault of pyscrape: please report it with the page",
}


@dataclass(frozen=True, slots=True)
class ScrapeFailure:
    """A scrape that gave no samples. `text` is the target's lastError."""

    reason: str
    text: str
    advice: str = ""


class ScrapeRefusedError(Exception):
    """Raised where a page cannot be taken; `reason` is a class of REASONS."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


def advice_for(reason: str, *, job: str, timeout: str) -> str:
    """What a user can do about a failure of this class."""
    return _ADVICE.get(reason, "").format(job=job, timeout=timeout)


def failure_of_exchange(error: ExchangeError, url: str, *, job: str, timeout: str) -> ScrapeFailure:
    """An exchange that gave no answer, in Prometheus' words."""
    reason = str(error.reason)
    if reason == "protocol" and "malformed HTTP response" in error.text and r'"\x15\x03' in error.text:
        reason = "http_to_tls"  # the answer is a TLS alert
    text = error.text if error.while_reading else f'Get "{url}": {error.text}'
    return ScrapeFailure(reason, text, advice_for(reason, job=job, timeout=timeout))


def failure_of_status(
    status: int, phrase: str, content: bytes, *, job: str, timeout: str
) -> ScrapeFailure | None:
    """The failure that an answer's status means, None for 200. `content` is the beginning of its body."""
    if status == 200:
        return None
    text = f"server returned HTTP status {status} {phrase}".rstrip()
    reason = f"http_{status // 100}xx"
    complaint = content.lower()
    if status == 400 and any(words in complaint for words in _TLS_COMPLAINTS):
        reason = "http_to_tls"
    elif reason not in REASONS:
        reason = "protocol"
    detail = f"http_{status}" if f"http_{status}" in _ADVICE and reason != "http_to_tls" else reason
    return ScrapeFailure(reason, text, advice_for(detail, job=job, timeout=timeout))
