"""Bounded inflating of gzip bodies: every member of the stream, never more than `limit` bytes of output.

A bomb is refused after at most `limit` plus one piece of output. isal does the same work in a quarter of the time
where it is installed.
"""

import zlib
from types import ModuleType

from pyscrape.net.errors import ExchangeError

_engine: ModuleType
try:
    from isal import isal_zlib as _engine
except ImportError:
    _engine = zlib

_GZIP = 31
_PIECE = 1 << 20
# In the words of isal, and of zlib about checksum and length.
_WRONG_CHECKSUM = ("Incorrect checksum", "incorrect data check", "incorrect length check")


class Inflater:
    """Takes compressed pieces, keeps what they inflate to.

    `limit`: output bytes at which the body is refused, 0 = none. Raises ExchangeError (`gzip`, `body_limit`).
    """

    __slots__ = ("_between", "_limit", "_object", "_pieces", "size")

    def __init__(self, limit: int = 0) -> None:
        self._object = _engine.decompressobj(_GZIP)
        self._between = True
        self._limit = limit
        self._pieces: list[bytes] = []
        self.size = 0

    def feed(self, data: bytes | memoryview) -> None:
        """Inflate one more piece of the body."""
        out = b""
        # A full piece of output may leave more inside the engine though its input is used up.
        while data or len(out) == _PIECE:
            self._between = False
            try:
                out = self._object.decompress(data, _PIECE)
            except _engine.error as error:
                raise ExchangeError("gzip", self._mistake(str(error)), while_reading=True) from None
            if out:
                self.size += len(out)
                if self._limit and self.size >= self._limit:
                    raise ExchangeError("body_limit", "body size limit exceeded", while_reading=True)
                self._pieces.append(out)
            if self._object.eof:
                data, out = self._object.unused_data, b""
                self._object = _engine.decompressobj(_GZIP)
                self._between = True
            else:
                data = self._object.unconsumed_tail

    def _mistake(self, said: str) -> str:
        if any(words in said for words in _WRONG_CHECKSUM):
            return "gzip: invalid checksum"
        return "gzip: invalid header" if self.size == 0 else f"flate: corrupt input ({said})"

    def finish(self) -> bytes:
        """The whole body; raises ExchangeError where the stream stopped inside a member."""
        if not self._between:
            raise ExchangeError("gzip", "unexpected EOF", while_reading=True)
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
