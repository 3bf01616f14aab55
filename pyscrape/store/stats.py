"""What the store tells about itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StoreStats:
    """A picture of the store; times are ms, None while it is empty; sizes are the store's own accounting."""

    series: int
    tables: int
    chunks: int
    samples_appended: int
    out_of_order: int
    duplicates: int
    too_old: int
    evicted: int
    min_ms: int | None
    max_ms: int | None
    bytes: Mapping[str, int] = field(default_factory=dict)

    @property
    def total_bytes(self) -> int:
        """Everything accounted."""
        return sum(self.bytes.values())
