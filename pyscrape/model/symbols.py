"""Symbols: every label name and value once, as a small integer.

Code 0 is the empty string, which is also "no such label". Code 1 is `__name__`. Codes are never given to
another string while the process lives, so a code read from a block stays true after the store drops series.
"""

from collections.abc import Sequence
from typing import Protocol

EMPTY = 0
NAME = 1


class SymbolTable(Protocol):
    """What a query needs of symbols: strings to codes and back; equal strings have equal codes."""

    def code(self, text: str) -> int:
        """The code of `text`, given out now if it is new."""

    def find(self, text: str) -> int | None:
        """The code of `text`, or None where it has none."""

    def text(self, code: int) -> str:
        """The string behind a code."""

    def texts(self, codes: Sequence[int]) -> list[str]:
        """The strings behind many codes."""


class Symbols:
    """A symbol table in plain Python objects, for what has no store."""

    __slots__ = ("_codes", "_texts")

    def __init__(self) -> None:
        self._codes: dict[str, int] = {"": EMPTY, "__name__": NAME}
        self._texts = ["", "__name__"]

    def __len__(self) -> int:
        return len(self._codes)

    def code(self, text: str) -> int:
        code = self._codes.get(text)
        if code is None:
            code = self._codes[text] = len(self._texts)
            self._texts.append(text)
        return code

    def find(self, text: str) -> int | None:
        return self._codes.get(text)

    def text(self, code: int) -> str:
        return self._texts[code]

    def texts(self, codes: Sequence[int]) -> list[str]:
        return list(map(self._texts.__getitem__, codes))


class LocalSymbols:
    """A query's own strings on top of the store's: new ones get negative codes and vanish with the query.

    >>> base = Symbols()
    >>> local = LocalSymbols(base)
    >>> local.code("made by label_replace"), local.code("__name__"), len(base)
    (-1, 1, 2)
    """

    __slots__ = ("_base", "_codes", "_texts")

    def __init__(self, base: SymbolTable) -> None:
        self._base = base
        self._codes: dict[str, int] = {}
        self._texts: list[str] = []

    def code(self, text: str) -> int:
        found = self.find(text)
        if found is not None:
            return found
        self._texts.append(text)
        code = self._codes[text] = -len(self._texts)
        return code

    def find(self, text: str) -> int | None:
        local = self._codes.get(text)
        return local if local is not None else self._base.find(text)

    def text(self, code: int) -> str:
        return self._texts[-code - 1] if code < 0 else self._base.text(code)

    def texts(self, codes: Sequence[int]) -> list[str]:
        if not self._texts:
            return self._base.texts(codes)
        read = iter(self._base.texts([code for code in codes if code >= 0]))
        return [self._texts[-code - 1] if code < 0 else next(read) for code in codes]
