"""What `/api/v1/status/runtimeinfo` and `buildinfo` say of this process."""

import asyncio
import os
import platform
import socket
import sys
from pathlib import Path

from pyscrape import __version__
from pyscrape.app.flags import Flags
from pyscrape.web.params import format_time

PROMETHEUS_VERSION = "3.14.0"

BUILD = {
    # Clients decide by this version what they may ask; the own one stands beside it.
    "version": PROMETHEUS_VERSION,
    "revision": f"pyscrape-{__version__}",
    "branch": "pyscrape",
    "buildUser": "",
    "buildDate": "",
    "goVersion": f"{platform.python_implementation()} {platform.python_version()}",
    "pyscrapeVersion": __version__,
}


def runtime_info(
    *,
    start_s: float,
    now_s: float,
    reload_ok: bool,
    reload_error: str,
    last_config_s: float,
    retention: str,
    flags: Flags,
) -> dict[str, object]:
    """The fields of Prometheus' runtime information; Go's own have their nearest meaning here."""
    return {
        "startTime": format_time(start_s),
        "CWD": _folder(),
        "hostname": socket.gethostname(),
        "serverTime": format_time(now_s),
        "reloadConfigSuccess": reload_ok,
        "reloadConfigError": reload_error,
        "lastConfigTime": format_time(last_config_s),
        "corruptionCount": 0,
        "goroutineCount": len(asyncio.all_tasks()),
        "GOMAXPROCS": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        "GOMEMLIMIT": flags.number("storage.memory.max"),
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": retention,
    }


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError as error:  # it was deleted
        return f"<error retrieving current working directory: {error}>"
