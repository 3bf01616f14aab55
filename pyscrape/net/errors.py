"""One error for everything that can go wrong between a URL and a body, with its class and Prometheus' words."""

from typing import Literal

Reason = Literal[
    "dns",
    "refused",
    "unreachable",
    "reset",
    "tls",
    "http_to_tls",
    "tls_to_http",
    "timeout",
    "protocol",
    "redirect",
    "credentials",
    "proxy",
    "gzip",
    "body_limit",
    "head_limit",
]


class ExchangeError(Exception):
    """An HTTP exchange that gave no body.

    `text` is the reason as Go's client words it, without the URL. `while_reading` says that the response's head
    had arrived, which Prometheus words differently (no `Get "URL": ` in front).
    """

    def __init__(
        self, reason: Reason, text: str, *, while_reading: bool = False, retry: bool = False
    ) -> None:
        super().__init__(text)
        self.reason: Reason = reason
        self.text = text
        self.while_reading = while_reading
        self.retry = retry
