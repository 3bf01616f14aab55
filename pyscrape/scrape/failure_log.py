"""`scrape_failure_log_file`: one JSON object a line for every failed scrape, in the fields of Prometheus."""

import json
import logging
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

logger = logging.getLogger("pyscrape.scrape")


class FailureLog:
    """An open failure log; jobs that name the same file share one."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: TextIOWrapper | None = None
        self.reopen()

    def reopen(self) -> None:
        """Go on in the file that has the name now: the one before may have been moved away, or its disk been full."""
        self.close()
        path = self.path
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._file = Path(path).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115  # closed by close()
        except OSError as error:
            logger.error("cannot open scrape_failure_log_file %s: %s", path, error)

    def write(self, *, job: str, target: str, reason: str, error: str, at_s: float) -> None:
        """Add a line; a disk that is full is said once and then left alone until the next `reopen`."""
        if self._file is None:
            return
        line = {
            "time": datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds"),
            "level": "ERROR",
            "msg": error,
            "job_name": job,
            "target": target,
            "reason": reason,
        }
        try:
            self._file.write(json.dumps(line) + "\n")
        except OSError as problem:
            logger.error("cannot write scrape_failure_log_file %s: %s", self.path, problem)
            self.close()

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            # What a full disk did not take is tried once more, and was said.
            with suppress(OSError):
                file.close()
