"""Logs as Prometheus writes them: logfmt or JSON lines on standard error, with the fields of `extra=`."""

import json
import logging
import sys
from datetime import UTC, datetime

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
LEVEL_NAMES = {logging.WARNING: "WARN", logging.CRITICAL: "ERROR"}
BUILT_IN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def fields(record: logging.LogRecord) -> dict[str, object]:
    """A record as ordered fields: time, level, source, msg, then what `extra=` gave, then the traceback."""
    moment = datetime.fromtimestamp(record.created, UTC)
    found: dict[str, object] = {
        "time": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
        "level": LEVEL_NAMES.get(record.levelno, record.levelname),
        "source": f"{record.module}.py:{record.lineno}",
        "msg": record.getMessage(),
    }
    found |= {name: value for name, value in vars(record).items() if name not in BUILT_IN}
    if record.exc_info:
        found["err"] = repr(record.exc_info[1])
        found["stack"] = logging.Formatter().formatException(record.exc_info)
    return found


def logfmt_value(value: object) -> str:
    """`plain` as it is, anything with blanks, quotes, `=` or control characters as a JSON string."""
    text = str(value)
    if text and text.isprintable() and not any(c in ' "=' for c in text):
        return text
    return json.dumps(text, ensure_ascii=False)


class LogfmtFormatter(logging.Formatter):
    """`time=... level=INFO source=server.py:10 msg="Server is ready" address=0.0.0.0:9090`."""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={logfmt_value(value)}" for name, value in fields(record).items())


class JsonFormatter(logging.Formatter):
    """The same fields as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(fields(record), default=str, ensure_ascii=False)


def set_up(level: str, form: str) -> None:
    """Send the logs of this process to standard error.

    Raises:
        ValueError: an unknown level or form.
    """
    if level not in LEVELS:
        raise ValueError(f"--log.level: expected one of {', '.join(LEVELS)}, got {level!r}")
    if form not in {"logfmt", "json"}:
        raise ValueError(f"--log.format: expected logfmt or json, got {form!r}")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogfmtFormatter() if form == "logfmt" else JsonFormatter())
    handler.setLevel(LEVELS[level])
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    # Libraries speak only when something is wrong; their request lines may hold what must not be logged.
    for name in ("httpx", "httpcore", "uvicorn", "asyncio", "kubernetes", "urllib3", "watchfiles"):
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.WARNING))


def remember(handler: logging.Handler) -> None:
    """Give this program's own records to `handler` as well, also those that `--log.level` keeps from standard error."""
    own = logging.getLogger("pyscrape")
    own.addHandler(handler)
    own.setLevel(min(own.getEffectiveLevel(), handler.level))
