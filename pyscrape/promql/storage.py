"""What a query needs of a store: one question, answered in columns.

The engine asks once per distinct selector of a query, before it evaluates anything, and never writes.
"""

from collections.abc import Sequence
from typing import Protocol

from pyscrape.model.blocks import Newest, Room, Selection, unlimited
from pyscrape.model.matcher import Matcher


class Storage(Protocol):
    """The store as a query sees it.

    Both may be called from a worker thread while samples are appended elsewhere. The answer is a snapshot:
    its arrays do not change afterwards and the caller does not change them. Every logical series stands in
    exactly one block or column; a series without a sample in (start_ms, end_ms] may be left out.
    """

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        room: Room = unlimited,
        *,
        ragged: bool = False,
    ) -> Selection:
        """The series that satisfy all `matchers`, with their samples at times start_ms < t <= end_ms.

        `room` is asked before memory is taken, part by part, and what it raises comes out here. With `ragged` some
        of the series may be in the selection's `ragged` instead of its blocks.
        """

    def newest(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Newest:
        """Of each series that satisfies all `matchers` the newest sample at start_ms < t <= end_ms, if it has one."""
