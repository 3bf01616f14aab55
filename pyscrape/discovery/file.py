"""Targets from files: read again when their folders change, and every `refresh_interval` in any case.

A file that cannot be read keeps the groups it last gave (Prometheus' documentation, "file_sd_config"); one that is
gone gives none. Folders are watched rather than files, so that atomic renames and the swap of a ConfigMap's symbolic
link are seen.
"""

import asyncio
import glob
import logging
import os
import stat
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from watchfiles import awatch

from pyscrape.discovery.groups import DiscoveryStatus, TargetGroup, UpdateGroups
from pyscrape.discovery.refresh import RefreshDiscoverer
from pyscrape.discovery.settings import FileSDConfig
from pyscrape.discovery.target_lists import TargetListError, as_groups, read_json, read_yaml
from pyscrape.model.globs import python_pattern

logger = logging.getLogger("pyscrape.discovery")

LABEL = "__meta_filepath"
SETTLE_MS = 50
FOLDER_LOOK_S = 5.0
POLL_S = 1.0
POLL_FOR_S = 60.0
"""So long folders that cannot be watched are polled before it is tried again."""
START_UP_S = 0.5


class Content(NamedTuple):
    """What a file holds, and when it was last written (unix seconds)."""

    raw: bytes
    written_s: float = 0.0


def matching(patterns: Iterable[str]) -> list[str]:
    """The files that the patterns name now, in order, each once; hidden ones too, as in Prometheus."""
    return list(dict.fromkeys(name for pattern in patterns for name in _glob(pattern)))


def _glob(pattern: str) -> list[str]:
    return sorted(glob.glob(python_pattern(pattern), include_hidden=True))  # noqa: PTH207  # paths with *


def read_files(names: Iterable[str]) -> dict[str, Content | str]:
    """Every file's content, or why it could not be read."""
    found: dict[str, Content | str] = {}
    for name in names:
        try:
            with Path(name).open("rb") as file:
                found[name] = Content(file.read(), os.fstat(file.fileno()).st_mtime)
        except OSError as error:
            found[name] = f"{name}: {error.strerror or error}"
    return found


class FileGroups:
    """What the files said last; decides what a new reading means. No I/O."""

    def __init__(self) -> None:
        self._groups: dict[str, tuple[TargetGroup, ...]] = {}
        self._raw: dict[str, bytes] = {}
        self.errors: dict[str, str] = {}
        self.written_s: dict[str, float] = {}
        self.read_errors = 0

    def take(self, files: Mapping[str, Content | str]) -> list[TargetGroup]:
        """All groups, given the content of every file that there is now."""
        errors = {}
        for name, content in files.items():
            if (
                isinstance(content, Content)
                and self._raw.get(name) == content.raw
                and name not in self.errors
            ):
                self.written_s[name] = content.written_s
                continue
            try:
                if isinstance(content, str):
                    raise TargetListError(content)
                read = read_json if name.lower().endswith(".json") else read_yaml
                self._groups[name] = as_groups(read(content.raw), name, LABEL)
                self._raw[name] = content.raw
                self.written_s[name] = content.written_s
            except TargetListError as error:
                self.read_errors += 1
                errors[name] = str(error)
                if self.errors.get(name) != str(error):
                    logger.error("Error reading file", extra={"path": name, "err": str(error)})
        for name in sorted((self.errors.keys() - errors.keys()) & files.keys()):
            logger.info("File can be read again", extra={"path": name})
        for name in [name for name in self._groups if name not in files]:
            del self._groups[name]
            self._raw.pop(name, None)
            self.written_s.pop(name, None)
        self.errors = errors
        return [group for name in files for group in self._groups.get(name, ())]


Places = tuple[tuple[str, int, int], ...]
"""Folders or files by name and by two numbers (device and inode; or what tells a change): one of the same name may be
another, and a watch stays with the old one."""


class FileLooker:
    """Looks at files; wakes when `changed` is set."""

    kind = "file"

    def __init__(self, config: FileSDConfig) -> None:
        self._patterns = config.files
        self.interval_s = config.refresh_interval.seconds
        self.files = FileGroups()
        self.status = DiscoveryStatus(self.kind)
        self.changed = asyncio.Event()
        self.watched: Places = ()
        self.moved = asyncio.Event()
        """Set when a look finds that the folders are no longer those that are watched."""

    async def look(self) -> Iterable[TargetGroup]:
        began_s = time.perf_counter()
        found = await asyncio.to_thread(lambda: self.files.take(read_files(matching(self._patterns))))
        self.status.counts["file_read_errors"] = self.files.read_errors
        self.status.counts["file_scan"] += 1
        self.status.seconds["file_scan"] += time.perf_counter() - began_s
        self.status.problems = [
            text if name in text else f"{name}: {text}" for name, text in self.files.errors.items()
        ]
        self.status.details["files"] = dict(self.files.written_s)
        if self.places() != self.watched:
            self.moved.set()
        return found

    def places(self) -> Places:
        """The folders that hold, or may come to hold, files of these patterns, as far as they exist."""
        parents = {str(Path(pattern).parent) for pattern in self._patterns}
        found: list[tuple[str, int, int]] = []
        for name in sorted({name for parent in parents for name in _glob(parent)}):
            with suppress(OSError):  # it went in the meantime
                known = Path(name).stat()
                if stat.S_ISDIR(known.st_mode):
                    found.append((name, known.st_dev, known.st_ino))
        return tuple(found)

    def fingerprints(self) -> Places:
        """The files that there are, and of each what a change of it changes."""
        found: list[tuple[str, int, int]] = []
        for name in matching(self._patterns):
            with suppress(OSError):
                known = Path(name).stat()
                found.append((name, hash((known.st_dev, known.st_ino, known.st_size)), known.st_mtime_ns))
        return tuple(found)

    async def poll(self) -> None:
        """Wake when a file changes, comes or goes, for `POLL_FOR_S`.

        By our own means: the polling of the watching library compares times by the second.
        """
        before: Places | None = None
        for _ in range(max(1, round(POLL_FOR_S / POLL_S))):
            now = await asyncio.to_thread(self.fingerprints)
            if now != before:
                self.changed.set()
            before = now
            await asyncio.sleep(POLL_S)

    async def wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.changed.wait()
        self.changed.clear()


class FileDiscoverer(RefreshDiscoverer):
    """The discoverer of `file_sd_configs`."""

    def __init__(self, config: FileSDConfig) -> None:
        self._files = FileLooker(config)
        super().__init__(self._files, status=self._files.status)

    async def run(self, update: UpdateGroups) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="watch of target files")
            await super().run(update)

    async def _watch(self) -> None:
        """Wake the looker when a folder changes; look for folders that do not exist yet.

        Where the system watches no more folders (its limit of inotify instances or watches is reached), their files
        are looked at again and again instead.
        """
        files = self._files
        changed = files.changed
        told = False
        while True:
            files.watched = files.places()
            files.moved.clear()
            folders = [name for name, _, _ in files.watched]
            if not folders:
                await asyncio.sleep(FOLDER_LOOK_S)
                continue
            # What changed while the watch was being set up is seen by one look a moment later.
            asyncio.get_running_loop().call_later(START_UP_S, changed.set)
            try:
                async for changes in awatch(
                    *folders,
                    debounce=SETTLE_MS,
                    step=SETTLE_MS,
                    recursive=False,
                    watch_filter=None,
                    force_polling=False,
                    stop_event=files.moved,
                ):
                    changed.set()
                    # A folder of its own name, and perhaps its inode, may be there again after it went.
                    if files.places() != files.watched or any(path in folders for _, path in changes):
                        break
            except FileNotFoundError:
                continue  # a folder went in the meantime
            except (OSError, RuntimeError) as error:
                self.status.counts["file_watcher_errors"] += 1
                if not told:
                    logger.warning(
                        "Cannot watch folders, looking at them again and again instead",
                        extra={"folders": ",".join(folders), "err": str(error)},
                    )
                told = True
                await files.poll()
