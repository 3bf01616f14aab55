"""Queries that take less time than a thread's turn would: those that did so the last time they were asked.

A small query needs a quarter of a millisecond, and handing it to a thread and back as much again or twice that. What
was quick and looked at little is answered on the loop; what it looks at bounds how much longer it may take the next
time (a block that has to be unpacked again), and then it is no longer quick.
"""

from pyscrape.promql.stats import QueryStats

Question = tuple[str, float, float]
"""A query's text, the length of its range and its step in seconds; 0 for an instant query."""

QUICK_S = 0.002
FEW_SAMPLES = 50_000
FEW_SERIES = 500
_REMEMBERED = 1024


class QuickQueries:
    """What was quick, bounded in number; safe to share between threads."""

    def __init__(self) -> None:
        self._known: dict[Question, None] = {}

    def __contains__(self, question: Question) -> bool:
        return question in self._known

    def note(self, question: Question, seconds: float, stats: QueryStats) -> None:
        """A query was answered, in so many seconds of the clock."""
        quick = seconds <= QUICK_S and stats.peak_samples <= FEW_SAMPLES and stats.series_read <= FEW_SERIES
        if not quick:
            self._known.pop(question, None)
        elif question not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[question] = None
