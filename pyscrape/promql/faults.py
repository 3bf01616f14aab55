"""The one error of the query language: what is wrong, and where."""

from collections.abc import Sequence
from typing import NamedTuple

from pyscrape.promql.ast import byte_length, place


class Fault(NamedTuple):
    """One thing that is wrong with a query; `start` and `end` are character offsets."""

    start: int
    end: int
    message: str


class Position(str):
    """`line:column` from 1, columns in bytes; `offset` is the place in characters from 0."""

    __slots__ = ("column", "line", "offset")

    def __new__(cls, query: str, offset: int) -> "Position":
        text = place(query, offset)
        position = super().__new__(cls, text)
        line, _, column = text.partition(":")
        position.offset = offset
        position.line = int(line) if column else 0
        position.column = int(column or 0)
        return position

    offset: int
    line: int
    column: int


class QueryParseError(ValueError):
    """A query that is none; its text is Prometheus': `1:5: parse error: unexpected ...`.

    `message` and `position` are those of the first fault; `faults` has all, in the order of their discovery.
    A position is a text `line:column`, from 1 and in bytes as Prometheus counts, with `line`, `column` and `offset`
    (characters from 0) beside it.
    """

    def __init__(self, query: str, faults: Sequence[Fault]) -> None:
        first = faults[0]
        self.query = query
        self.faults = tuple(faults)
        self.message = first.message
        self.position = Position(query, first.start)
        super().__init__(f"{self.position}: parse error: {first.message}")

    @property
    def errors(self) -> list[dict[str, object]]:
        """All faults with byte offsets and full texts: {"start", "end", "message", "text"}."""
        return [
            {
                "start": byte_length(self.query[: fault.start]),
                "end": byte_length(self.query[: fault.end]),
                "message": fault.message,
                "text": f"{place(self.query, fault.start)}: parse error: {fault.message}",
            }
            for fault in self.faults
        ]
