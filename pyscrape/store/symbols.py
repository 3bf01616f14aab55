"""The store's symbols: the shared table with bulk look-up and a way to give strings back in two steps.

A string is first retired: new series that carry it get a new code, a query that still holds the old code can still
read it. Its memory goes in a second step, when no such query can be left.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.symbols import NAME, Symbols
from pyscrape.store.arrays import Growing

_RENEWED_AT_ONCE = 8192
_FEW = 4096


def side_by_side(texts: list[str]) -> list[str]:
    """Copies of texts that lie in memory by themselves.

    What lives on keeps the pool and the arena in which all around it dies, for one the labels of a first page.
    """
    copies = "\0".join(texts).split("\0")
    return copies if len(copies) == len(texts) else texts


class StoreSymbols(Symbols):
    """Symbols with `codes` for many strings at once, and `retire` before `forget`."""

    __slots__ = ("_most", "_renewed", "_retired", "text_bytes")

    def __init__(self) -> None:
        super().__init__()
        self.text_bytes = 0
        self._retired = Growing(np.bool_)
        self._most = 0  # strings since the last renewal
        self._renewed: dict[str, int] | None = None  # the codes to be, while `renew` is under way

    def codes(self, texts: Sequence[str]) -> list[int]:
        """The codes of many strings, new ones included; same order."""
        codes = self._codes
        try:
            return list(map(codes.__getitem__, texts))
        except KeyError:
            self._give([text for text in dict.fromkeys(texts) if text not in codes])
            return list(map(codes.__getitem__, texts))

    def code(self, text: str) -> int:
        code = self._codes.get(text)
        if code is None:
            code = self._give([text])
        return code

    def _give(self, new: list[str]) -> int:
        """Give out the next codes, for distinct strings that have none; returns the first."""
        given = len(self._texts)
        new = side_by_side(new)
        self._texts += new
        for codes in self._writable():
            codes.update(zip(new, range(given, given + len(new)), strict=True))
        self._most = max(self._most, len(self._codes))
        self.text_bytes += sum(map(len, new))
        return given

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
                for known in self._writable():
                    known.pop(text, None)
                gone.append(code)
        self.retired()[gone] = True
        return gone

    def retired(self) -> NDArray[np.bool_]:
        """By code, whether it was retired; not a copy."""
        self._retired.resize(len(self._texts))
        return self._retired.view

    def _writable(self) -> list[dict[str, int]]:
        return [self._codes] if self._renewed is None else [self._codes, self._renewed]

    def forget(self, codes: Iterable[int]) -> None:
        """Drop the strings of retired codes."""
        for code in codes:
            text = self._texts[code]
            if text is not None and self._codes.get(text) != code:
                self.text_bytes -= len(text)
                self._texts[code] = None

    def renew(self) -> Iterator[None]:
        """Give back the room of strings that are gone, in steps; nothing while most of what ever was is still there.

        A dict keeps the size of its best days, and a string that lives on keeps the pool and the arena in which all
        around it has died; copies lie side by side.
        """
        if len(self._codes) * 2 > self._most or self._most < _FEW:
            return
        renewed = self._renewed = {}
        texts = self._texts
        for start in range(0, len(texts), _RENEWED_AT_ONCE):
            for code in range(start, min(start + _RENEWED_AT_ONCE, len(texts))):
                text = texts[code]
                if text is not None and self._codes.get(text) == code:
                    copy = texts[code] = text.encode("utf-8", "surrogatepass").decode(
                        "utf-8", "surrogatepass"
                    )
                    renewed[copy] = code
            yield
        # What has come meanwhile has been entered in both.
        self._codes, self._renewed = renewed, None
        self._most = len(renewed)

    @property
    def nbytes(self) -> int:
        """Bytes held, estimated: a string object, its place in the dict and in the list."""
        return self.text_bytes + 150 * len(self._codes) + 8 * len(self._texts) + self._retired.nbytes
