"""Texts by number, in blocks: not a Python object for each, which with churn keeps memory that is free from the system.

A small object that lives on keeps an arena of a megabyte in which all around it has died, and label values live as long
as series do. A block is one string of all its texts, and where each begins stands in a vector by number.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pyscrape.store.arrays import ById, stretches_of

BLOCK = 1024
"""So many texts stand in a block; where they begin fills a page of memory."""
_BETWEEN = "\0"
"""Parts the texts of a block: where none has it, they are all read in one call, a third of the time."""
_MANY = BLOCK // 4


class Texts:
    """Texts by number, from 0 on; one that was dropped reads as the empty text. Not locked.

    >>> texts = Texts()
    >>> texts.append(["a", "bc", *("d" for _ in range(BLOCK - 2))])
    >>> texts.drop(np.array([0]))
    >>> texts[0], texts[1], texts.some(np.array([0, 1, BLOCK - 1])), texts.size
    ('', 'bc', ['', 'bc', 'd'], 1024)
    """

    __slots__ = ("_blocks", "_length", "_starts")

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._starts = ById(np.uint32)  # by number: where the text begins in its block
        self._length = 0

    @property
    def size(self) -> int:
        """Every number is smaller."""
        return len(self._blocks) * BLOCK

    @property
    def nbytes(self) -> int:
        """Bytes held, where a character takes one."""
        return self._length + self._starts.nbytes + 60 * len(self._blocks)

    def append(self, texts: Sequence[str]) -> None:
        """The next block."""
        self._starts.resize(self.size + BLOCK)
        self._blocks.append("")
        self._put(len(self._blocks) - 1, texts)

    def __getitem__(self, number: int) -> str:
        block = self._blocks[number // BLOCK]
        starts = self._starts.data
        if number % BLOCK == BLOCK - 1:
            return block[starts.item(number) :]
        return block[starts.item(number) : max(0, starts.item(number + 1) - 1)]

    def some(self, numbers: NDArray[np.integer]) -> list[str]:
        """The texts of some numbers of one block."""
        if not len(numbers):
            return []
        block = int(numbers[0]) // BLOCK
        text = self._blocks[block]
        places = numbers - block * BLOCK
        if len(numbers) >= _MANY:
            texts = text.split(_BETWEEN)
            if len(texts) == BLOCK:
                return texts if len(numbers) == BLOCK else list(map(texts.__getitem__, places.tolist()))
        bounds = self._bounds(block)
        starts, ends = bounds[places].tolist(), (bounds[places + 1] - 1).tolist()
        return [text[start:end] if end > start else "" for start, end in zip(starts, ends, strict=True)]

    def those(self, texts: Sequence[str], numbers: Sequence[int]) -> dict[str, int]:
        """Those texts that have the number beside them, which may be less than 0: of none."""
        blocks, start_of = self._blocks, self._starts.data.item
        found = {}
        for text, number in zip(texts, numbers, strict=True):
            if number < 0:
                continue
            block, start = blocks[number // BLOCK], start_of(number)
            end = start + len(text)
            if block[start:end] == text:
                last = number % BLOCK == BLOCK - 1
                if end == (len(block) if last else start_of(number + 1) - 1):
                    found[text] = number
        return found

    def drop(self, numbers: NDArray[np.integer]) -> None:
        """Give texts back."""
        for block in np.bincount(numbers // BLOCK).nonzero()[0].tolist():
            first = block * BLOCK
            texts = self.some(np.arange(first, first + BLOCK))
            for number in numbers[numbers // BLOCK == block].tolist():
                texts[number - first] = ""
            self._put(block, texts)

    def release(self) -> None:
        """Give back the memory of blocks that have no text left."""
        gone = np.fromiter(map(len, self._blocks), np.int64, len(self._blocks)) == 0
        self._starts.release([(start * BLOCK, stop * BLOCK) for start, stop in stretches_of(gone, 1)])

    def lengths(self) -> NDArray[np.int64]:
        """How many characters each text has, by number."""
        parts = [np.maximum(np.diff(self._bounds(block)) - 1, 0) for block in range(len(self._blocks))]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def _bounds(self, block: int) -> NDArray[np.int64]:
        """Where the texts of a block begin, and where another one would."""
        bounds = np.empty(BLOCK + 1, np.int64)
        bounds[:-1] = self._starts.data[block * BLOCK : (block + 1) * BLOCK]
        bounds[-1] = len(self._blocks[block]) + 1
        return bounds

    def _put(self, block: int, texts: Sequence[str]) -> None:
        text = _BETWEEN.join(texts) if any(texts) else ""
        starts = self._starts.data[block * BLOCK : (block + 1) * BLOCK]
        starts[0] = 0
        starts[1:] = np.cumsum(np.fromiter(map(len, texts), np.int64, BLOCK) + 1)[:-1] if text else 0
        self._length += len(text) - len(self._blocks[block])
        self._blocks[block] = text
