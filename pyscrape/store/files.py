"""The one place where the store touches files: named byte sequences in one directory.

Tests put a directory in its place that forgets what was not synced.
"""

import errno
import fcntl
import os
from pathlib import Path
from typing import Protocol


class Directory(Protocol):
    """Files by name. Every method may raise OSError; nothing is promised before `sync` returned."""

    def names(self) -> list[str]: ...

    def read(self, name: str) -> bytes: ...

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file, which is made if it is not there."""

    def sync(self, name: str) -> None:
        """Return when what was appended will survive a crash."""

    def replace(self, name: str, data: bytes) -> None:
        """Put a whole file in place, at once and for good."""

    def cut(self, name: str, size: int) -> None:
        """Shorten a file."""

    def remove(self, name: str) -> None: ...

    def close(self) -> None: ...


class LockedError(OSError):
    """Another process uses the directory."""


class DiskDirectory:
    """A directory of the file system, locked for as long as it is open."""

    def __init__(self, path: Path) -> None:
        """Makes the directory if need be; LockedError when another process has it."""
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._open: dict[str, int] = {}
        self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise LockedError(
                    error.errno, "lock DB directory: resource temporarily unavailable"
                ) from None
            raise

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self.path.iterdir() if entry.is_file() and entry.name != "lock")

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def append(self, name: str, data: bytes) -> None:
        handle = self._open.get(name)
        if handle is None:
            handle = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
            self._open[name] = handle
            self._sync_names()
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]

    def sync(self, name: str) -> None:
        handle = self._open.get(name)
        if handle is not None:
            os.fdatasync(handle)

    def replace(self, name: str, data: bytes) -> None:
        temporary = self.path / f"{name}.new"
        with temporary.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.rename(self.path / name)
        self._sync_names()

    def cut(self, name: str, size: int) -> None:
        self._forget(name)
        os.truncate(self.path / name, size)

    def remove(self, name: str) -> None:
        self._forget(name)
        (self.path / name).unlink(missing_ok=True)

    def close(self) -> None:
        for name in list(self._open):
            self._forget(name)
        os.close(self._lock)

    def _forget(self, name: str) -> None:
        handle = self._open.pop(name, None)
        if handle is not None:
            os.close(handle)

    def _sync_names(self) -> None:
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
