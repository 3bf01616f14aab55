"""PromQL: the language, and the engine that answers it over a store."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyscrape.promql.engine import Engine as Engine
    from pyscrape.promql.errors import QueryError as QueryError
    from pyscrape.promql.faults import QueryParseError as QueryParseError
    from pyscrape.promql.parser import parse_expr as parse_expr
    from pyscrape.promql.parser import parse_metric_selector as parse_metric_selector
    from pyscrape.promql.result import Result as Result

_HOMES = {
    "Engine": "pyscrape.promql.engine",
    "QueryError": "pyscrape.promql.errors",
    "QueryParseError": "pyscrape.promql.faults",
    "Result": "pyscrape.promql.result",
    "parse_expr": "pyscrape.promql.parser",
    "parse_metric_selector": "pyscrape.promql.parser",
}
__all__ = ["Engine", "QueryError", "QueryParseError", "Result", "parse_expr", "parse_metric_selector"]


def __getattr__(name: str) -> object:
    """Import on first use: the parser needs no numpy."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
