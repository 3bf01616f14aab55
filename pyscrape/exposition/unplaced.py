"""The lines of a page that are not where a line was before: found among those that are gone, or read as new ones.

A new line costs no pattern of its own as a rule: cut at its quotes, it has the structure of a line that was proven
right before, and its values are anything at all. Its number is read with the other ones, and proven so.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pyscrape.exposition.cut import Cut, Structure, cut
from pyscrape.exposition.lines import CLOCKED, PLAIN, Lines, Offsets, check_text, read_lines, usual_series
from pyscrape.exposition.negotiation import Format
from pyscrape.exposition.values import CLOCK_DIGITS

_STRUCTURES_REMEMBERED = 16384
_proven: dict[Format, set[Structure]] = {"text": set(), "openmetrics": set()}


class Unplaced(NamedTuple):
    """What is known of the samples that are not where one was before, in the order of the page.

    `origins`: the old sample with the same series text, -1 for a new one. `cuts`: the new ones' series texts cut at
    their quotes, None where they were not.
    """

    origins: list[int]
    lengths: list[int]
    kinds: Sequence[int]
    hashes: list[int]
    cuts: list[Cut] | None


def look_up(
    old: Lines, gone: Offsets, body: bytes, starts: list[int], ends: list[int], form: Format
) -> Unplaced:
    """Find the samples at `starts` and `ends` among the old ones that are `gone`, read the others. Raises NotLined."""
    texts, kinds = split_lines(body, starts, ends, clocked=old.clocked)
    hashes = list(map(hash, texts))
    among_gone = not set(old.hashes[gone].tolist()).isdisjoint(hashes)
    known = _places(old, gone) if among_gone else {}
    origins = [known.get(text, -1) for text in texts] if known else [-1] * len(texts)
    rows = [row for row, origin in enumerate(origins) if origin < 0] if known else range(len(texts))
    cuts = proven([texts[row] for row in rows] if known else texts, form) if rows else None
    if cuts is None and rows:
        known = known or _places(old, gone)
        for row, text, kind in zip(rows, *_read(body, starts, ends, rows, form), strict=True):
            texts[row], kinds[row], hashes[row], origins[row] = text, kind, hash(text), known.get(text, -1)
    return Unplaced(origins, list(map(len, texts)), kinds, hashes, cuts)


def _places(old: Lines, gone: Offsets) -> dict[bytes, int]:
    """The old samples that are gone, the first of each text."""
    return dict(zip(reversed(old.texts(gone)), reversed(gone.tolist()), strict=True))


def split_lines(
    body: bytes, starts: list[int], ends: list[int], *, clocked: bool
) -> tuple[list[bytes], list[int]]:
    """Series texts and kinds as far as blanks tell: what comes before the number, or before number and clock."""
    heads = [body[start:end].rpartition(b" ") for start, end in zip(starts, ends, strict=True)]
    texts, kinds = [head for head, _, _ in heads], [PLAIN] * len(heads)
    if clocked:
        for row, (head, _, last) in enumerate(heads):
            if len(last) == CLOCK_DIGITS and last.isdigit():
                texts[row], kinds[row] = head.rpartition(b" ")[0], CLOCKED
    return texts, kinds


def proven(texts: list[bytes], form: Format) -> list[Cut] | None:
    """Series texts cut at their quotes, if all are right and usual; None where that cannot be said."""
    cuts = cut(texts)
    if cuts is None:
        return None
    known = _proven[form]
    for one in cuts:
        if one.structure not in known:
            if not usual_series(texts[one.places[0]], form):
                return None
            if len(known) >= _STRUCTURES_REMEMBERED:
                known.clear()
            known.add(one.structure)
    return cuts


def _read(
    body: bytes, starts: list[int], ends: list[int], rows: Sequence[int], form: Format
) -> tuple[list[bytes], Sequence[int]]:
    """Series texts and kinds of some lines, by their pattern or the grammar. Raises NotLined."""
    for row in rows:
        check_text(body[starts[row] : ends[row]])
    return read_lines(body, [starts[row] for row in rows], [ends[row] for row in rows], form)
