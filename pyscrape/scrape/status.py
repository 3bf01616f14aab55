"""How a target is doing, for the API, the pages and the log."""

from dataclasses import dataclass

UNKNOWN, UP, DOWN = "unknown", "up", "down"


@dataclass(slots=True)
class TargetStatus:
    """The last scrape of a target. Times are unix seconds, None = never; `reason` is a class of failure or empty."""

    health: str = UNKNOWN
    last_scrape_s: float | None = None
    last_duration_s: float = 0.0
    last_error: str = ""
    reason: str = ""
    advice: str = ""
    scraped: int = 0
    kept: int = 0
    added: int = 0
    body_bytes: int = 0
    series: int = 0
    scrapes: int = 0
    failures: int = 0
