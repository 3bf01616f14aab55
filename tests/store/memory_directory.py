"""A directory that forgets what was not synced, may tear the last write, and fails when told to."""

import errno
from dataclasses import dataclass, field


@dataclass
class MemoryDirectory:
    """Fulfils `pyscrape.store.files.Directory`."""

    files: dict[str, bytearray] = field(default_factory=dict)
    synced: dict[str, int] = field(default_factory=dict)
    room: int | None = None
    """Bytes that may still be written; None: any number."""
    writes: int = 0

    def names(self) -> list[str]:
        return sorted(self.files)

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", name)
        return bytes(self.files[name])

    def append(self, name: str, data: bytes) -> None:
        self._take(len(data))
        self.files.setdefault(name, bytearray()).extend(data)

    def sync(self, name: str) -> None:
        if name in self.files:
            self.synced[name] = len(self.files[name])

    def replace(self, name: str, data: bytes) -> None:
        self._take(len(data))
        self.files[name] = bytearray(data)
        self.synced[name] = len(data)

    def cut(self, name: str, size: int) -> None:
        del self.files[name][size:]

    def remove(self, name: str) -> None:
        self.files.pop(name, None)

    def close(self) -> None:
        pass

    def crash(self, keep: int = 0) -> None:
        """The machine stops: of unsynced bytes at most `keep` are left in each file."""
        for name in list(self.files):
            del self.files[name][self.synced.get(name, 0) + keep :]

    def _take(self, size: int) -> None:
        self.writes += 1
        if self.room is not None:
            if size > self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.room -= size
