"""`--config.auto-reload`: a reload when the configuration's files change, as Prometheus does it.

The files are compared by content (SHA-256), so that a ConfigMap's swap of symbolic links counts only when something
in it differs. Files of discoveries, certificates and passwords are not part of it; those are watched by who uses them.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from pyscrape.config.load import config_files
from pyscrape.config.settings import Config

logger = logging.getLogger("pyscrape")


def watched_files(path: str, config: Config) -> list[str]:
    """The configuration's own file and the rule and scrape config files that it names."""
    return [path, *sorted(config_files([*config.rule_files, *config.scrape_config_files]))]


def checksum(files: Iterable[str]) -> str:
    """One sum over names and contents; a file that cannot be read counts as empty."""
    total = hashlib.sha256()
    for name in files:
        total.update(name.encode() + b"\0")
        try:
            total.update(hashlib.sha256(Path(name).read_bytes()).digest())
        except OSError as error:
            logger.warning("Cannot read a configuration file", extra={"file": name, "err": str(error)})
    return total.hexdigest()


async def watch(
    interval_s: float, files: Callable[[], list[str]], reload: Callable[[], Awaitable[object]]
) -> None:
    """Call `reload` whenever the sum over `files()` has changed; looks every `interval_s` until cancelled."""
    known = await asyncio.to_thread(checksum, files())
    while True:
        await asyncio.sleep(interval_s)
        names = files()
        found = await asyncio.to_thread(checksum, names)
        if found != known:
            logger.info("Configuration file change detected, reloading the configuration.")
            await reload()
            # What was seen before the reload is the base, so that a change during it is not lost; a reload that
            # names other files has no such sum.
            after = files()
            known = found if after == names else await asyncio.to_thread(checksum, after)
