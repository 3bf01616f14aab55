"""The flags of `pyscrape run`: Prometheus' names, with the meaning that they have here.

One table. A row says what kind of value a flag takes, its default, one line of help, and how far it goes:
"yes" (does what Prometheus' flag does), "own" (only here), "moot" (accepted, has no meaning here and says so at
start), or "no" (what it asks for is not supported; said at start). A flag that is not in the table is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pyscrape.model.duration import DurationError, format_duration, parse_duration

Kind = Literal["text", "bool", "duration", "int", "float", "size", "list"]
Support = Literal["yes", "own", "moot", "no"]
FlagValue = str | bool | int | float | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """One row of the table; `why` explains a flag that is moot or not supported."""

    name: str
    kind: Kind
    default: FlagValue
    help: str
    support: Support = "yes"
    why: str = ""
    least: int = 0
    """The smallest number that can be meant."""


FLAGS: tuple[Flag, ...] = (
    Flag(
        "config.file",
        "text",
        "",
        "configuration file (default: ./prometheus.yml, else one that scrapes itself)",
    ),
    Flag("config.auto-reload", "bool", False, "reload when the configuration files change"),
    Flag(
        "config.auto-reload-interval", "duration", 30_000, "how often to look for changed configuration files"
    ),
    Flag(
        "config.skip-unsupported",
        "bool",
        False,
        "run without the service discoveries not supported here",
        "own",
    ),
    Flag("web.listen-address", "list", ("0.0.0.0:9090",), "address to listen on; may be repeated"),
    Flag("web.config.file", "text", "", "TLS, basic auth and headers of the web server"),
    Flag(
        "web.read-timeout",
        "duration",
        300_000,
        "longest time to read a request, and an idle connection's life",
    ),
    Flag("web.max-connections", "int", 512, "most connections at once", least=1),
    Flag("web.external-url", "text", "", "URL under which this server is reached from outside"),
    Flag(
        "web.route-prefix", "text", "", "path prefix of every route (default: the path of the external URL)"
    ),
    Flag("web.enable-lifecycle", "bool", False, "allow POST /-/reload and /-/quit"),
    Flag("web.enable-admin-api", "bool", False, "allow the admin endpoints"),
    Flag("web.enable-remote-write-receiver", "bool", False, "accept remote write at /api/v1/write"),
    Flag(
        "web.remote-write-receiver.accepted-protobuf-messages",
        "list",
        ("prometheus.WriteRequest", "io.prometheus.write.v2.Request"),
        "messages that the receiver takes: 1.0 and 2.0",
    ),
    Flag(
        "web.page-title",
        "text",
        "Prometheus Time Series Collection and Processing Server",
        "title of the pages",
    ),
    Flag("web.cors.origin", "text", ".*", "regex of the origins that may read the API from a browser"),
    Flag("storage.tsdb.path", "text", "", "directory to keep samples in; without it memory is all"),
    Flag("storage.tsdb.retention.time", "duration", 86_400_000, "how long samples are kept"),
    Flag(
        "storage.memory.max", "size", 0, "most memory for samples (default: half of the memory limit)", "own"
    ),
    Flag("query.lookback-delta", "duration", 300_000, "how far back an instant look-up goes"),
    Flag("query.timeout", "duration", 120_000, "longest time of a query"),
    Flag("query.max-concurrency", "int", 20, "most queries at once", least=1),
    Flag("query.max-samples", "int", 50_000_000, "most samples that a query may load"),
    Flag("enable-feature", "list", (), "comma-separated feature names"),
    Flag("log.level", "text", "info", "debug, info, warn or error"),
    Flag("log.format", "text", "logfmt", "logfmt or json"),
    Flag(
        "agent", "bool", False, "scrape and forward by remote_write only: keep no samples, answer no queries"
    ),
    Flag(
        "storage.agent.path", "text", "data-agent/", "directory in which an agent keeps what waits to be sent"
    ),
    Flag("storage.agent.wal-compression", "bool", True, "", "moot", "there is no Prometheus WAL here"),
    Flag(
        "storage.agent.wal-compression-type", "text", "snappy", "", "moot", "there is no Prometheus WAL here"
    ),
    Flag("storage.agent.wal-segment-size", "text", "", "", "moot", "there is no Prometheus WAL here"),
    Flag(
        "storage.agent.wal-truncate-frequency", "duration", 0, "", "moot", "what was sent is cut off at once"
    ),
    Flag("storage.agent.no-lockfile", "bool", False, "", "moot", "a data directory is always locked"),
    Flag(
        "storage.agent.retention.min-time", "duration", 0, "", "moot", "what waits is kept until it is sent"
    ),
    Flag("storage.agent.retention.max-time", "duration", 0, "", "moot", "a size bounds what waits: 1 GiB"),
    Flag("web.enable-otlp-receiver", "bool", False, "", "no", "the OTLP receiver is not supported"),
    Flag(
        "storage.tsdb.retention.size", "text", "", "", "no", "use --storage.memory.max to bound what is kept"
    ),
    Flag("storage.tsdb.no-lockfile", "bool", False, "", "moot", "a data directory is always locked"),
    Flag("storage.tsdb.wal-compression", "bool", True, "", "moot", "there is no Prometheus WAL here"),
    Flag(
        "storage.tsdb.wal-compression-type", "text", "snappy", "", "moot", "there is no Prometheus WAL here"
    ),
    Flag("storage.tsdb.wal-segment-size", "text", "", "", "moot", "there is no Prometheus WAL here"),
    Flag("storage.tsdb.head-chunks-write-queue-size", "int", 0, "", "moot", "there are no chunk files here"),
    Flag("storage.tsdb.samples-per-chunk", "int", 120, "", "moot", "chunks have 32 to 64 rows here"),
    Flag("storage.tsdb.allow-overlapping-blocks", "bool", True, "", "moot", "there are no blocks here"),
    Flag("storage.tsdb.allow-overlapping-compaction", "bool", True, "", "moot", "there are no blocks here"),
    Flag("storage.tsdb.max-block-chunk-segment-size", "text", "", "", "moot", "there are no blocks here"),
    Flag("storage.tsdb.delayed-compaction.max-percent", "int", 10, "", "moot", "there are no blocks here"),
    Flag("storage.tsdb.min-block-duration", "duration", 7_200_000, "", "moot", "there are no blocks here"),
    Flag("storage.tsdb.max-block-duration", "duration", 0, "", "moot", "there are no blocks here"),
    Flag(
        "storage.remote.flush-deadline",
        "duration",
        60_000,
        "longest time for remote write to send the rest",
    ),
    Flag("storage.remote.read-sample-limit", "text", "5e7", "", "moot", "remote read is not supported"),
    Flag("storage.remote.read-concurrent-limit", "int", 10, "", "moot", "remote read is not supported"),
    Flag(
        "storage.remote.read-max-bytes-in-frame", "int", 1 << 20, "", "moot", "remote read is not supported"
    ),
    Flag(
        "scrape.adjust-timestamps", "bool", True, "", "moot", "samples of a page share the time of its scrape"
    ),
    Flag(
        "scrape.timestamp-tolerance",
        "duration",
        2,
        "",
        "moot",
        "samples of a page share the time of its scrape",
    ),
    Flag(
        "scrape.discovery-reload-interval",
        "duration",
        5_000,
        "",
        "moot",
        "what discovery finds is applied at once",
    ),
    Flag("auto-gomaxprocs", "bool", True, "", "moot", "there is no Go runtime here"),
    Flag(
        "auto-gomemlimit", "bool", True, "", "moot", "there is no Go runtime here; see --storage.memory.max"
    ),
    Flag(
        "auto-gomemlimit.ratio",
        "float",
        0.9,
        "",
        "moot",
        "there is no Go runtime here; see --storage.memory.max",
    ),
    Flag("web.local-assets", "text", "", "", "moot", "the pages come with the program"),
    Flag("web.search.max-limit", "int", 10_000, "", "no", "the search API is not supported"),
    Flag("web.console.templates", "text", "consoles", "", "moot", "console templates are not supported"),
    Flag(
        "web.console.libraries",
        "text",
        "console_libraries",
        "",
        "moot",
        "console templates are not supported",
    ),
    Flag("web.user-assets", "text", "", "", "moot", "user assets are not served"),
    Flag(
        "web.max-notifications-subscribers",
        "int",
        16,
        "most clients that follow /api/v1/notifications/live at once",
    ),
    Flag(
        "rules.alert.for-outage-tolerance", "duration", 3_600_000, "", "moot", "rules are not evaluated yet"
    ),
    Flag("rules.alert.for-grace-period", "duration", 600_000, "", "moot", "rules are not evaluated yet"),
    Flag("rules.alert.resend-delay", "duration", 60_000, "", "moot", "rules are not evaluated yet"),
    Flag("rules.max-concurrent-evals", "int", 4, "", "moot", "rules are not evaluated yet"),
    Flag("alertmanager.notification-queue-capacity", "int", 10_000, "", "moot", "alerts are not sent yet"),
    Flag("alertmanager.notification-batch-size", "int", 256, "", "moot", "alerts are not sent yet"),
    Flag(
        "alertmanager.drain-notification-queue-on-shutdown",
        "bool",
        True,
        "",
        "moot",
        "alerts are not sent yet",
    ),
)
BY_NAME: Mapping[str, Flag] = {flag.name: flag for flag in FLAGS}

# Flags that mean nothing in the other mode, and are refused there as Prometheus refuses them.
AGENT_ONLY = "storage.agent."
SERVER_ONLY = (
    "storage.tsdb.",
    "storage.memory.",
    "storage.remote.read-",
    "query.",
    "rules.",
    "alertmanager.",
)

# What Prometheus' feature flags mean here.
FEATURES: Mapping[str, str] = {
    "promql-experimental-functions": "",
    "promql-delayed-name-removal": "",
    "promql-extended-range-selectors": "",
    "promql-binop-fill-modifiers": "",
    "promql-duration-expr": "is on anyway",
    "promql-per-step-stats": "is on anyway: stats=all",
    "exemplar-storage": "is on anyway",
    "extra-scrape-metrics": "",
    "auto-reload-config": "",
    "search-api": "is not supported: /api/v1/search/* is not served",
    "native-histograms": "is not supported",
    "type-and-unit-labels": "is not supported: series get no __type__ and __unit__",
    "remote-write-receiver": "is a flag of its own: --web.enable-remote-write-receiver",
    "agent": "is a flag of its own: --agent",
}

_SIZE_UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}


class FlagError(ValueError):
    """A flag's value cannot be taken; the text names the flag and what it expects."""


def _size(text: str) -> int:
    number = text.upper().replace("IB", "B")
    for unit in ("KB", "MB", "GB", "TB", "B"):
        if number.endswith(unit) and number.removesuffix(unit).isdigit():
            return int(number.removesuffix(unit)) * _SIZE_UNITS[unit]
    raise ValueError("expected a size such as 512MB or 2GB")


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"expected a whole number, got {text!r}") from None
    if number < least:
        raise ValueError(f"expected {least} or more, got {number}")
    return number


def parse_value(flag: Flag, text: str) -> FlagValue:
    """The value of a flag (not a list or a bool) from its text.

    Raises:
        FlagError: the text is not of the flag's kind.
    """
    try:
        match flag.kind:
            case "duration":
                return int(parse_duration(text))
            case "int":
                return _whole(text, flag.least)
            case "float":
                return float(text)
            case "size":
                return _size(text)
            case _:
                return text
    except (ValueError, DurationError) as error:
        raise FlagError(f"--{flag.name}: {error}") from error


def print_value(flag: Flag, value: FlagValue) -> str:
    """A flag's value as `/api/v1/status/flags` shows it."""
    if flag.kind == "bool":
        return "true" if value else "false"
    if flag.kind == "duration":
        return format_duration(int(value))  # type: ignore[arg-type]  # durations are ints
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


class Flags:
    """The values of all flags of one run: `flags["query.timeout"]`, and which were given."""

    def __init__(self, given: Mapping[str, FlagValue]) -> None:
        self.given = dict(given)

    def __getitem__(self, name: str) -> FlagValue:
        return self.given.get(name, BY_NAME[name].default)

    def text(self, name: str) -> str:
        return str(self[name])

    def on(self, name: str) -> bool:
        return bool(self[name])

    def number(self, name: str) -> int:
        value = self[name]
        assert isinstance(value, int), name
        return value

    def many(self, name: str) -> tuple[str, ...]:
        value = self[name]
        assert isinstance(value, tuple), name
        return value

    @property
    def auto_reload(self) -> bool:
        """Whether changed files are to be followed: a flag, or the feature that it was before."""
        return self.on("config.auto-reload") or "auto-reload-config" in self.many("enable-feature")

    def printed(self) -> dict[str, str]:
        """Every flag with its value, as the API shows them."""
        return {flag.name: print_value(flag, self[flag.name]) for flag in FLAGS}

    def misplaced(self) -> str:
        """Why the given flags cannot go together; empty when they can."""
        agent = self.on("agent")
        refused = SERVER_ONLY if agent else (AGENT_ONLY,)
        names = sorted(f'"--{name}"' for name in self.given if name.startswith(refused))
        if not names:
            return ""
        where = "can not be used in agent mode" if agent else "can only be used in agent mode"
        return f"The following flag(s) {where}: [{' '.join(names)}]"

    def remarks(self) -> list[str]:
        """One line for each given flag that does less here than its name promises."""
        features = [
            f"--enable-feature={name} {FEATURES.get(name, 'is not known here and has no effect')}"
            for name in self.many("enable-feature")
            if FEATURES.get(name, "unknown")
        ]
        rows = [(name, BY_NAME[name]) for name in self.given if BY_NAME[name].support in {"moot", "no"}]
        return features + [
            f"--{name} has no effect: {flag.why}"
            if flag.support == "moot"
            else f"--{name} is not supported: {flag.why}"
            for name, flag in rows
        ]
