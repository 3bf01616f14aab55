"""The store's symbols: the shared table with bulk look-up and a way to give strings back in two steps.

A string is first retired: new series that carry it get a new code, a query that still holds the old code can still
read it. Its memory goes in a second step, when no such query can be left.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.symbols import NAME, Symbols


class _Codes(dict[str, int]):
    """Codes by string; asking for a string that has none gives it one. So that many are looked up without a loop."""

    __slots__ = ("_new",)

    def __init__(self, codes: Mapping[str, int], new: Callable[[str], int]) -> None:
        super().__init__(codes)
        self._new = new

    def __missing__(self, text: str) -> int:
        return self._new(text)


class StoreSymbols(Symbols):
    """Symbols with `codes` for many strings at once, and `retire` before `forget`."""

    __slots__ = ("text_bytes",)

    def __init__(self) -> None:
        super().__init__()
        self._codes = _Codes(self._codes, self._new)
        self.text_bytes = 0

    def codes(self, texts: Iterable[str]) -> list[int]:
        """The codes of many strings, new ones included; same order."""
        return list(map(self._codes.__getitem__, texts))

    def code(self, text: str) -> int:
        return self._codes[text]

    def _new(self, text: str) -> int:
        """Give out the next code, for a string that has none."""
        code = self._codes[text] = len(self._texts)
        self._texts.append(text)
        self.text_bytes += len(text)
        return code

    def texts(self, codes: NDArray[np.int32]) -> list[str]:
        """The strings of many codes."""
        return [text or "" for text in map(self._texts.__getitem__, codes.tolist())]

    @property
    def given(self) -> int:
        """How many codes were ever given out; every code is smaller."""
        return len(self._texts)

    def known(self, code: int) -> str | None:
        """The string behind a code, None where it was given back."""
        return self._texts[code]

    def retire(self, codes: Iterable[int]) -> list[int]:
        """Stop finding these codes by their string; returns those that were findable."""
        gone = []
        for code in codes:
            text = self._texts[code]
            if code > NAME and text is not None and self._codes.get(text) == code:
                del self._codes[text]
                gone.append(code)
        return gone

    def forget(self, codes: Iterable[int]) -> None:
        """Drop the strings of retired codes."""
        for code in codes:
            text = self._texts[code]
            if text is not None and self._codes.get(text) != code:
                self.text_bytes -= len(text)
                self._texts[code] = None

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated: a string object, its place in the dict and in the list."""
        return self.text_bytes + 150 * len(self._codes) + 8 * len(self._texts)
