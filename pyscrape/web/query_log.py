"""`global.query_log_file`: one JSON object a line for every query that was evaluated, in Prometheus' fields."""

import logging
import threading
from datetime import UTC, datetime
from io import FileIO
from typing import TYPE_CHECKING, NamedTuple

import orjson

if TYPE_CHECKING:
    from pyscrape.promql.stats import QueryStats
    from pyscrape.web.routes import Call

logger = logging.getLogger("pyscrape.web")


class Span(NamedTuple):
    """The times of a query in seconds; an instant query has one time twice and step 0."""

    start_s: float
    end_s: float
    step_s: float


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def entry(
    call: "Call", path: str, span: Span, stats: "QueryStats", error: str, now_s: float
) -> dict[str, object]:
    """One line of the log as a mapping."""
    try:
        start, end = _time(span.start_s), _time(span.end_s)
    except (OverflowError, ValueError):  # a time that no calendar has; the query is logged nevertheless
        start, end = str(span.start_s), str(span.end_s)
    step = int(span.step_s) if span.step_s == int(span.step_s) else span.step_s
    line: dict[str, object] = {
        "time": _time(now_s),
        "level": "INFO",
        "msg": "promql query logged",
        "params": {"end": end, "query": call.params.first("query"), "start": start, "step": step},
    }
    if error:
        line["error"] = error
    line["stats"] = stats.to_prometheus()
    line["httpRequest"] = {"clientIP": call.client_host, "method": call.method, "path": path}
    return line


class QueryLog:
    """The log in use, if any. Queries write from their threads; a reload opens the file anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self._path = ""

    @property
    def on(self) -> bool:
        return self._file is not None

    def use(self, path: str) -> None:
        """Append to `path` from now on; to nothing where it is empty.

        Raises:
            OSError: the file cannot be opened; the log goes on as it was.
        """
        opened = FileIO(path, "ab") if path else None
        with self._lock:
            old, self._file, self._path = self._file, opened, path
        if old is not None:
            old.close()

    def write(self, line: dict[str, object]) -> None:
        """Add a line; a disk that takes no more is said once, and the log ends."""
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(orjson.dumps(line) + b"\n")
            except OSError as error:
                logger.error("cannot write query_log_file", extra={"file": self._path, "err": str(error)})
                self._file.close()
                self._file = None
