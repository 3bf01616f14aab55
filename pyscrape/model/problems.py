"""One finding about a text: what is wrong, where, and what to do about it.

Every language of this package that people write (configuration, relabel tests, rule files) reports with this one
type; lines and columns count from 1, and 0 means "no place". `caret` draws the place under its source line.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "info"]
Path = tuple[str | int, ...]

_LONGEST_EXCERPT = 120
_SURELY_MEANT = 0.85


class Problem(NamedTuple):
    """A finding. `id` names its kind (`pyscrape check --explain ID`), `path` is the place in the document's tree.

    `line` and `column` count from 1, in characters, and are 0 where the place is not known. `job` names the scrape
    config that it is about, `hint` says what to do; "" where there is none.
    """

    severity: Severity
    id: str
    message: str
    file: str = "-"
    line: int = 0
    column: int = 0
    path: str = ""
    job: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.severity}: {self.message} [{self.id}]"


def format_path(path: Path) -> str:
    """A path in the tree as people write it.

    >>> format_path(("scrape_configs", 0, "relabel_configs", 2, "regex"))
    'scrape_configs[0].relabel_configs[2].regex'
    """
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else step)
    return text


def caret(source_line: str, column: int) -> str:
    """The source line with a mark under `column` (from 1); long lines are cut around the place.

    Tabs become single spaces so that the mark stands where the reader looks.
    """
    text = source_line.replace("\t", " ")
    start = max(0, column - 1 - _LONGEST_EXCERPT // 2) if len(text) > _LONGEST_EXCERPT else 0
    shown = text[start : start + _LONGEST_EXCERPT]
    return f"{shown}\n{' ' * (column - 1 - start)}^"


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` most likely was meant to be, or "".

    camelCase spellings (the custom resources of prometheus-operator use them) count as their snake_case form.
    """
    from difflib import SequenceMatcher  # only a mistake pays for it

    wanted = snake_case(word)
    best, best_score = "", 0.0
    for candidate in known:
        if candidate == wanted:
            return candidate
        score = SequenceMatcher(None, wanted, candidate.lower()).ratio()
        if sorted(wanted) == sorted(candidate):
            score += 0.2  # swapped letters
        if score > best_score:
            best, best_score = candidate, score
    # Two short words share most of their letters by chance: ask more of them.
    return best if best_score >= (0.7 if len(word) > 4 else 0.75) else ""


def is_misspelling(word: str, meant: str) -> bool:
    """Whether the two words are so near that one must be the other."""
    from difflib import SequenceMatcher

    wanted = snake_case(word)
    return sorted(wanted) == sorted(meant) or SequenceMatcher(None, wanted, meant).ratio() >= _SURELY_MEANT


def snake_case(word: str) -> str:
    """`targetLabel` and `target-label` as `target_label`."""
    text = "".join(f"_{c.lower()}" if c.isupper() else c for c in word.replace("-", "_"))
    return text.lstrip("_").replace("__", "_") if not word.startswith("_") else text
