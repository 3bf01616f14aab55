"""What matchers say about label values, remembered by code.

A matcher is asked once per distinct value. Codes are never given to another string, so an answer stays true, and
the same expression in the next refresh of a dashboard asks about new values only.
"""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from pyscrape.model.matcher import Matcher
from pyscrape.store.symbols import StoreSymbols

Codes = NDArray[np.int32]

_UNKNOWN, _NO, _YES = 0, 1, 2
_KEPT_BYTES = 16 << 20


class Verdicts:
    """Answers of the matchers used last; bounded in bytes."""

    __slots__ = ("_answers", "_symbols")

    def __init__(self, symbols: StoreSymbols) -> None:
        self._symbols = symbols
        self._answers: OrderedDict[Matcher, NDArray[np.uint8]] = OrderedDict()

    @property
    def nbytes(self) -> int:
        return sum(answers.nbytes for answers in list(self._answers.values()))

    def chosen(self, matcher: Matcher, codes: Codes) -> NDArray[np.bool_]:
        """Which of `codes` the matcher chooses; 0 is the empty value."""
        values = matcher.set_values
        if values is not None and len(values) <= 4:
            return self._among(values, codes) ^ matcher.type.negative
        chosen: NDArray[np.bool_] = self._table(matcher, codes)[codes] == _YES
        return chosen

    def learn(self, matcher: Matcher, codes: Codes) -> None:
        """Ask the matcher about distinct codes ahead of time, where `chosen` would have to."""
        values = matcher.set_values
        if values is None or len(values) > 4:
            self._table(matcher, codes)

    def _among(self, values: tuple[str, ...], codes: Codes) -> NDArray[np.bool_]:
        found = np.zeros(len(codes), np.bool_)
        for value in values:
            code = self._symbols.find(value)
            if code is not None:
                found |= codes == code
        return found

    def _table(self, matcher: Matcher, codes: Codes) -> NDArray[np.uint8]:
        answers = self._answers.get(matcher)
        given = self._symbols.given
        if answers is None or len(answers) < given:
            longer = np.zeros(given + given // 8 + 64, np.uint8)
            if answers is not None:
                longer[: len(answers)] = answers
            answers = self._answers[matcher] = longer
        self._answers.move_to_end(matcher)
        open_codes = codes[answers[codes] == _UNKNOWN]
        if len(open_codes):
            self._ask(matcher, answers, np.unique(open_codes))
        while len(self._answers) > 1 and self.nbytes > _KEPT_BYTES:
            self._answers.popitem(last=False)
        return answers

    def _ask(self, matcher: Matcher, answers: NDArray[np.uint8], codes: Codes) -> None:
        texts = self._symbols.distinct_texts(codes)
        values = matcher.set_values
        if values is not None:
            among = frozenset(values)
            said = [_YES if (text in among) is not matcher.type.negative else _NO for text in texts]
        else:
            matches = matcher.matches
            said = [_YES if matches(text) else _NO for text in texts]
        answers[codes] = said
