"""The service log: the last state changes, kept for the status page and `/api/v1/status/log`.

State changes are logged where they happen, once per change; this handler remembers them. So many of each part of the
program, that ten thousand targets that go down do not push out why a reload was refused.
"""

import itertools
import logging
from collections import deque

from pyscrape.app.log import BUILT_IN, LEVEL_NAMES
from pyscrape.web.services import LogEntry

KEPT_OF_A_PART = 100
LONGEST_TEXT = 2_000


class ServiceLog(logging.Handler):
    """Keeps the newest records of level INFO and above, by the part of the program that they come from."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._parts: dict[str, deque[tuple[int, LogEntry]]] = {}
        self._numbers = itertools.count()

    def emit(self, record: logging.LogRecord) -> None:
        """Called with the handler's lock held, from whatever thread logs."""
        part = part_of(record.name)
        kept = self._parts.setdefault(part, deque(maxlen=KEPT_OF_A_PART))
        kept.append((next(self._numbers), entry(record, part)))

    def entries(self) -> list[LogEntry]:
        """What is kept, the newest first."""
        self.acquire()
        try:
            found = [numbered for kept in self._parts.values() for numbered in kept]
        finally:
            self.release()
        return [one for _, one in sorted(found, key=lambda numbered: -numbered[0])]


def part_of(logger: str) -> str:
    """
    >>> part_of("pyscrape.scrape.loop"), part_of("pyscrape")
    ('scrape', 'server')
    """
    names = logger.split(".")
    return names[1] if len(names) > 1 else "server"


def entry(record: logging.LogRecord, part: str) -> LogEntry:
    """A record as the page shows it: its text, and the fields of `extra=` beside it."""
    extra = {name: str(value)[:LONGEST_TEXT] for name, value in vars(record).items() if name not in BUILT_IN}
    if record.exc_info:
        extra["err"] = repr(record.exc_info[1])[:LONGEST_TEXT]
    level = LEVEL_NAMES.get(record.levelno, record.levelname).lower()
    return LogEntry(record.created, level, part, record.getMessage()[:LONGEST_TEXT], extra)
