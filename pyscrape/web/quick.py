"""Queries that take little more time than a thread's turn would: those that did so the last time they were asked.

A small query needs a quarter of a millisecond, and handing it to a thread and back as much again or twice that, more
where the caches are cold. What takes a few times as long at most, and looks at little, is answered on the loop, where
it may look at little more than the last time: the same question about another time, or after many series came, may be
a large one. Then it is given up and goes to a thread.
"""

from pyscrape.promql.stats import QueryStats

Question = tuple[str, float, float]
"""A query's text, the length of its range and its step in seconds; 0 for an instant query."""

QUICK_S = 0.003
FEW_SAMPLES = 50_000
FEW_SERIES = 500
SOME_SAMPLES = 1000
MOST_S = 0.02
"""On the loop; what takes longer is given up there."""
_REMEMBERED = 1024


class QuickQueries:
    """What was quick, bounded in number; safe to share between threads."""

    def __init__(self) -> None:
        self._known: dict[Question, int] = {}

    def __contains__(self, question: Question) -> bool:
        return question in self._known

    def room(self, question: Question) -> int:
        """So many samples may be looked at on the loop; 0: not there."""
        peak = self._known.get(question)
        return 0 if peak is None else 2 * peak + SOME_SAMPLES

    def forget(self, question: Question) -> None:
        """It is not quick any more."""
        self._known.pop(question, None)

    def note(self, question: Question, seconds: float, stats: QueryStats) -> None:
        """A query was answered, in so many seconds of its thread's own time: what others take is no fault of it."""
        quick = seconds <= QUICK_S and stats.peak_samples <= FEW_SAMPLES and stats.series_read <= FEW_SERIES
        if not quick:
            self.forget(question)
        else:
            if len(self._known) >= _REMEMBERED and question not in self._known:
                self._known.clear()
            self._known[question] = stats.peak_samples
