"""Symbols: codes of strings and back, whatever is at hand, in a block, retired or given back."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pyscrape.model.symbols import LocalSymbols, Symbols
from pyscrape.store.symbols import StoreSymbols
from pyscrape.store.texts import BLOCK, Texts
from tests.helpers.examples import examples

some_texts = st.lists(st.text("aé\0\ud800", max_size=2), max_size=6)
stretches = st.tuples(st.integers(0, 3 * BLOCK), st.integers(1, 2 * BLOCK), st.integers(1, 400))


def colliding(text: str) -> int:
    """A hash that many strings share."""
    return len(text) * 5 + sum(map(ord, text[-2:])) % 7


class AsADictionary(RuleBasedStateMachine):
    """Beside a dict and a list, with few strings at hand."""

    hash_of: Callable[[str], int] = hash

    def __init__(self) -> None:
        super().__init__()
        self.symbols = StoreSymbols(at_hand=8, hash_of=type(self).hash_of)
        self.codes = {"": 0, "__name__": 1}
        self.texts: list[str | None] = ["", "__name__"]
        self.retired: list[int] = []

    def ask(self, texts: list[str]) -> None:
        for text in texts:
            if text not in self.codes:
                self.codes[text] = len(self.texts)
                self.texts.append(text)
        assert self.symbols.codes(texts) == [self.codes[text] for text in texts]

    @rule(texts=some_texts)
    def odd_texts(self, texts: list[str]) -> None:
        self.ask(texts)

    @rule(stretch=stretches)
    def many_texts(self, stretch: tuple[int, int, int]) -> None:
        first, count, step = stretch
        self.ask([f"pod-{k}" for k in range(first, first + count, step)])

    @rule(count=st.integers(BLOCK // 2, BLOCK))
    def a_block(self, count: int) -> None:
        self.ask([f"{len(self.texts) + k:x}" for k in range(count)])

    @rule(step=st.sampled_from([1, 3, 50]), tidy=st.booleans())
    def again(self, step: int, tidy: bool) -> None:
        if tidy:
            self.symbols.tidy()
        self.ask([text for text in self.texts[::step] if text is not None])

    @rule(stretch=stretches)
    def retire(self, stretch: tuple[int, int, int]) -> None:
        first, count, step = stretch
        codes = np.arange(
            min(first, len(self.texts)), min(first + count, len(self.texts)), step, dtype=np.int32
        )
        found = [
            code for code in codes.tolist() if code > 1 and self.codes.get(self.texts[code] or "") == code
        ]
        assert self.symbols.retire(codes).tolist() == found
        for code in found:
            del self.codes[self.texts[code] or ""]
        self.retired += found

    @rule()
    def forget(self) -> None:
        self.symbols.forget(np.array(self.retired, np.int32))
        for code in self.retired:
            self.texts[code] = None
        self.retired.clear()

    @rule()
    def tidy(self) -> None:
        self.symbols.tidy()

    @rule(data=st.data())
    def read_some(self, data: st.DataObject) -> None:
        codes = data.draw(st.lists(st.integers(0, len(self.texts) - 1), max_size=20))
        assert self.symbols.texts(codes) == [self.texts[code] or "" for code in codes]
        assert [self.symbols.known(code) for code in codes] == [self.texts[code] for code in codes]
        for text in ("pod-7", "", "a", *(self.texts[code] for code in codes)):
            assert text is None or self.symbols.find(text) == self.codes.get(text)

    @rule(step=st.integers(1, 3))
    def read_many(self, step: int) -> None:
        codes = np.arange(0, len(self.texts), step, dtype=np.int32)
        expected = [text or "" for text in self.texts[::step]]
        assert self.symbols.distinct_texts(codes) == expected
        assert self.symbols.texts(codes.tolist()[::-1] * 2) == expected[::-1] * 2

    @invariant()
    def counts(self) -> None:
        assert self.symbols.given == len(self.texts)
        assert self.symbols.live.sum() == len(self.codes)
        assert self.symbols.lengths().tolist() == [len(text or "") for text in self.texts]


class WithEqualHashes(AsADictionary):
    hash_of = staticmethod(colliding)


TestAsADictionary = AsADictionary.TestCase
TestWithEqualHashes = WithEqualHashes.TestCase
TestAsADictionary.settings = TestWithEqualHashes.settings = settings(examples(12), stateful_step_count=25)


def test_what_is_given_back_has_no_string() -> None:
    symbols = StoreSymbols()
    [code] = symbols.retire(np.array(symbols.codes(["a"]), np.int32)).tolist()
    assert (symbols.text(code), symbols.find("a")) == ("a", None)
    symbols.forget(np.array([code]))
    with pytest.raises(KeyError, match="symbol 2 was given back"):
        symbols.text(code)


def test_strings_that_are_found_are_not_given_back() -> None:
    symbols = StoreSymbols()
    [code] = symbols.codes(["a"])
    symbols.forget(np.array([code]))
    assert symbols.text(code) == "a"


def test_memory_comes_back() -> None:
    symbols = StoreSymbols()
    empty = symbols.nbytes
    codes = np.array(symbols.codes([f"pod-{k:06}" for k in range(100_000)]), np.int32)
    assert symbols.nbytes > 100_000 * 20
    symbols.forget(symbols.retire(codes))
    symbols.tidy()
    assert symbols.nbytes - empty < 100_000
    assert symbols.codes(["pod-000001"]) == [100_002]


def test_strings_are_read_while_others_come_and_go() -> None:
    """Another thread sees every string of a series that stays, at every moment."""
    symbols = StoreSymbols(at_hand=16)
    kept = symbols.codes([f"node-{k}" for k in range(3000)])[::3]
    expected = [f"node-{k}" for k in range(0, 3000, 3)]
    wrong: list[object] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            if symbols.distinct_texts(np.array(kept)) != expected:
                wrong.append("distinct_texts")
            for code, text in zip(kept[::97], expected[::97], strict=True):
                if (symbols.known(code), symbols.find(text)) != (text, code):
                    wrong.append((code, text))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for one in readers:
        one.start()
    for turn in range(60):
        new = np.array(symbols.codes([f"pod-{turn}-{k}" for k in range(700)]), np.int32)
        symbols.forget(symbols.retire(new))
        if not turn:
            symbols.forget(symbols.retire(np.setdiff1d(np.arange(2, 3002, dtype=np.int32), kept)))
        if turn % 7 == 0:
            symbols.tidy()
    stop.set()
    for one in readers:
        one.join()
    assert not wrong


@given(st.lists(st.text("a\0é", max_size=3), min_size=1, max_size=12))
def test_texts_of_a_block(some: list[str]) -> None:
    texts = (some * BLOCK)[:BLOCK]
    kept = Texts()
    kept.append(texts[::-1])
    kept.append(texts)
    assert [kept[BLOCK + k] for k in range(BLOCK)] == texts
    gone = np.arange(BLOCK + 1, 2 * BLOCK, 2)
    kept.drop(gone)
    assert kept.some(gone) == [""] * len(gone)
    assert kept.some(gone - 1) == texts[::2]
    assert kept.lengths().sum() == sum(map(len, texts)) + sum(map(len, texts[::2]))


def test_texts_of_a_query_and_of_the_store() -> None:
    base = Symbols()
    codes = [base.code("x"), 0]
    local = LocalSymbols(base)
    assert local.texts(codes) == ["x", ""]
    codes.insert(1, local.code("made"))
    assert local.texts(codes) == ["x", "made", ""]
