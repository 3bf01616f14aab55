"""What can go wrong while a query runs. Parse errors are the parser's."""

from typing import TYPE_CHECKING

from pyscrape.promql.ast import byte_length

if TYPE_CHECKING:
    from pyscrape.promql.stats import QueryStats


class QueryError(Exception):
    """A query that cannot be answered; the text is Prometheus', `kind` the API's errorType, "execution" for example."""

    kind = "execution"
    stats: "QueryStats | None" = None
    """What it had cost until then, where it had begun to run."""


class SpanError(QueryError):
    """A span of time that only the query's step and range show to be none: `[1m - step()]` at a step of 5m.

    `start` and `end` are the place of its expression, in characters.
    """

    kind = "bad_data"

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.start, self.end = start, end

    def placed(self, query: str) -> "SpanError":
        """The same with its place in the text, from 0 and in bytes as Prometheus has it: `8:13: division by zero`.

        Of a tree whose text is not known it has none.
        """
        if not query:
            return self
        start, end = (byte_length(query[:place]) for place in (self.start, self.end))
        return SpanError(f"{start}:{end}: {self}", self.start, self.end)


class QueryTimeout(QueryError):  # noqa: N818 - Prometheus' word
    """The query ran longer than its timeout."""

    kind = "timeout"

    def __init__(self) -> None:
        super().__init__("query timed out in expression evaluation")


class QueryCanceled(QueryError):  # noqa: N818 - Prometheus' word
    """Whoever asked has gone away."""

    kind = "canceled"

    def __init__(self) -> None:
        super().__init__("query was canceled in expression evaluation")


class TooManySamples(QueryError):  # noqa: N818 - the limit's name
    """The query would hold more samples in memory than allowed."""

    def __init__(self) -> None:
        super().__init__("query processing would load too many samples into memory in query execution")
