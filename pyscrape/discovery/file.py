"""Targets from files: read again when their folders change, and every `refresh_interval` in any case.

A file that cannot be read keeps the groups it last gave (Prometheus' documentation, "file_sd_config"); one that is
gone gives none. Folders are watched rather than files, so that atomic renames and the swap of a ConfigMap's symbolic
link are seen.
"""

import asyncio
import glob
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from watchfiles import awatch

from pyscrape.discovery.groups import TargetGroup, UpdateGroups
from pyscrape.discovery.refresh import RefreshDiscoverer
from pyscrape.discovery.settings import FileSDConfig
from pyscrape.discovery.target_lists import TargetListError, as_groups, read_json, read_yaml

logger = logging.getLogger("pyscrape.discovery")

LABEL = "__meta_filepath"
SETTLE_MS = 50
FOLDER_LOOK_S = 5.0
POLL_MS = 1000
START_UP_S = 0.5

Content = bytes | str
"""What a file holds, or why it could not be read."""


def matching(patterns: Iterable[str]) -> list[str]:
    """The files that the patterns name now, in order, each once."""
    return list(dict.fromkeys(name for pattern in patterns for name in sorted(glob.glob(pattern))))  # noqa: PTH207


def read_files(names: Iterable[str]) -> dict[str, Content]:
    """Every file's content."""
    found: dict[str, Content] = {}
    for name in names:
        try:
            found[name] = Path(name).read_bytes()
        except OSError as error:
            found[name] = f"{name}: {error.strerror or error}"
    return found


class FileGroups:
    """What the files said last; decides what a new reading means. No I/O."""

    def __init__(self) -> None:
        self._groups: dict[str, tuple[TargetGroup, ...]] = {}
        self._raw: dict[str, bytes] = {}
        self.errors: dict[str, str] = {}
        self.read_errors = 0

    def take(self, files: Mapping[str, Content]) -> list[TargetGroup]:
        """All groups, given the content of every file that there is now."""
        errors = {}
        for name, content in files.items():
            if isinstance(content, bytes) and self._raw.get(name) == content and name not in self.errors:
                continue
            try:
                if isinstance(content, str):
                    raise TargetListError(content)
                read = read_json if name.lower().endswith(".json") else read_yaml
                self._groups[name] = as_groups(read(content), name, LABEL)
                self._raw[name] = content
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
        self.errors = errors
        return [group for name in files for group in self._groups.get(name, ())]


class FileLooker:
    """Looks at files; wakes when `changed` is set."""

    kind = "file"

    def __init__(self, config: FileSDConfig) -> None:
        self._patterns = config.files
        self.interval_s = config.refresh_interval.seconds
        self.files = FileGroups()
        self.changed = asyncio.Event()

    async def look(self) -> Iterable[TargetGroup]:
        return await asyncio.to_thread(lambda: self.files.take(read_files(matching(self._patterns))))

    def folders(self) -> tuple[str, ...]:
        """The folders that hold, or may come to hold, files of these patterns, as far as they exist."""
        return tuple(sorted({str(Path(p).parent) for p in self._patterns if Path(p).parent.is_dir()}))

    async def wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.changed.wait()
        self.changed.clear()


class FileDiscoverer(RefreshDiscoverer):
    """The discoverer of `file_sd_configs`."""

    def __init__(self, config: FileSDConfig) -> None:
        self._files = FileLooker(config)
        super().__init__(self._files)

    async def run(self, update: UpdateGroups) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="watch of target files")
            await super().run(update)

    async def _watch(self) -> None:
        """Wake the looker when a folder changes; look for folders that do not exist yet.

        Where the system watches no more folders (its limit of inotify instances or watches is reached), they are
        looked at again and again instead.
        """
        changed = self._files.changed
        polling = False
        while True:
            folders = self._files.folders()
            if not folders:
                await asyncio.sleep(FOLDER_LOOK_S)
                continue
            # What changed while the watch was being set up is seen by one look a moment later.
            asyncio.get_running_loop().call_later(START_UP_S, changed.set)
            try:
                async for _ in awatch(
                    *folders,
                    debounce=SETTLE_MS,
                    step=SETTLE_MS,
                    recursive=False,
                    watch_filter=None,
                    force_polling=polling,
                    poll_delay_ms=POLL_MS,
                ):
                    changed.set()
                    if self._files.folders() != folders:
                        break
            except FileNotFoundError:
                continue  # a folder went in the meantime
            except (OSError, RuntimeError) as error:
                if not polling:
                    logger.warning(
                        "Cannot watch folders, looking at them again and again instead",
                        extra={"folders": ",".join(folders), "err": str(error)},
                    )
                polling = True
                await asyncio.sleep(FOLDER_LOOK_S)
