"""What can go wrong while a query runs. Parse errors are the parser's."""


class QueryError(Exception):
    """A query that cannot be answered; the text is Prometheus', `kind` the API's errorType, "execution" for example."""

    kind = "execution"


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
