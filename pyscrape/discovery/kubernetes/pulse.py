"""Notices that an API server has been away although its connections stayed open.

A server that is told to end stops listening at once and leaves open watches silent for about a minute; a dead peer
behind a load balancer says nothing at all. A watch cannot tell either from a quiet cluster. So one small request
every few seconds asks whether somebody is there, and when somebody is there again, watches that have heard nothing
since are opened anew: from where they were, which costs the server next to nothing.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from pyscrape.discovery.kubernetes.reflector import Reflector
from pyscrape.net.streams import StreamError, Streams

logger = logging.getLogger("pyscrape.discovery.kubernetes")

PATH = "/version"
EVERY_S = 5.0
EVERY_WHILE_AWAY_S = 1.5
ANSWER_S = 5.0


class Pulse:
    """`reflectors` gives those that are to be told."""

    def __init__(self, streams: Streams, reflectors: Callable[[], Iterable[Reflector]]) -> None:
        self._streams = streams
        self._reflectors = reflectors
        self._away_since_s: float | None = None

    async def run(self) -> None:
        """Feel the pulse until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S if self._away_since_s is None else EVERY_WHILE_AWAY_S)
            asked_s = time.time()
            self.felt(await self._is_there(), asked_s)

    async def _is_there(self) -> bool:
        """Whether anything answers; what it answers does not matter."""
        try:
            async with self._streams.get(PATH, {}, answer_s=ANSWER_S, silence_s=ANSWER_S) as answer:
                await answer.read()
        except StreamError:
            return False
        return True

    def felt(self, is_there: bool, at_s: float) -> None:
        """Take a finding: after an absence, wake whoever has heard nothing since it began."""
        if not is_there:
            if self._away_since_s is None:
                self._away_since_s = at_s
            return
        away_since_s, self._away_since_s = self._away_since_s, None
        if away_since_s is None:
            return
        for reflector in self._reflectors():
            heard_s = max(reflector.status.last_event_s or 0.0, reflector.status.last_list_s or 0.0)
            if heard_s <= away_since_s:
                logger.debug("The API server was away: watching anew", extra={"path": reflector.source.path})
                reflector.resume()
