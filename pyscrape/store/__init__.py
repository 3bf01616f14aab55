"""The time-series store: columnar, in memory."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyscrape.store.stats import StoreStats as StoreStats
    from pyscrape.store.store import Store as Store
    from pyscrape.store.table import AppendResult as AppendResult
    from pyscrape.store.table import Table as Table

_HOMES = {
    "AppendResult": "pyscrape.store.table",
    "Store": "pyscrape.store.store",
    "StoreStats": "pyscrape.store.stats",
    "Table": "pyscrape.store.table",
}
__all__ = ["AppendResult", "Store", "StoreStats", "Table"]


def __getattr__(name: str) -> object:
    """Import on first use, so that `pyscrape.store.settings` needs no numpy."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
