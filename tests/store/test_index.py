"""The catalogue of series agrees with a dictionary of label sets, whatever comes together with whatever."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.model.label_columns import LabelColumns, by_names
from pyscrape.store import index as index_module
from pyscrape.store.coded import Coded, keys_of_all
from pyscrape.store.index import SeriesIndex
from tests.helpers.examples import examples

VALUES = st.sampled_from(["", "a", "b", "c"])
LABELS = st.dictionaries(st.sampled_from(["__name__", "job", "pod", "x"]), VALUES, max_size=4)
BATCHES = st.lists(st.lists(LABELS, max_size=12), max_size=8)


class PlainIndex:
    """Label sets in a dictionary."""

    def __init__(self) -> None:
        self.known: dict[frozenset[tuple[str, str]], int] = {}

    def check(self, labels: Sequence[dict[str, str]], ids: Sequence[int]) -> None:
        """Equal label sets have equal ids, others other ones."""
        for one, number in zip(labels, ids, strict=True):
            key = frozenset((name, value) for name, value in one.items() if value)
            assert self.known.setdefault(key, number) == number
        assert len(set(self.known.values())) == len(self.known)

    def remove(self, ids: Sequence[int]) -> None:
        gone = set(ids)
        self.known = {key: number for key, number in self.known.items() if number not in gone}


def few_keys(groups: Sequence[Coded], size: int) -> np.ndarray:
    """Keys of which only six are different."""
    return keys_of_all(groups, size) % np.uint64(6) + np.uint64(2)


@examples(60)
@given(BATCHES, st.lists(st.integers(0, 40), max_size=6), st.booleans())
def test_label_sets_have_the_ids_of_a_dictionary(
    batches: list[list[dict[str, str]]], removed: list[int], collide: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if collide:
            patch.setattr(index_module, "keys_of_all", few_keys)
        index, plain = SeriesIndex(), PlainIndex()
        for k, labels in enumerate(batches):
            plain.check(labels, index.ids(labels).tolist())
            assert index.series == len(plain.known)
            if k < len(removed) and not collide:
                gone = [number for number in plain.known.values() if number % 7 == removed[k] % 7]
                index.remove(np.array(gone, np.int32))
                index.reuse(np.array(gone, np.int32))
                plain.remove(gone)
        ids = np.array(sorted(plain.known.values()), np.int32)
        assert {frozenset(labels.items()) for labels in index.labels(ids)} == plain.known.keys()


def test_ids_follow_the_page() -> None:
    labels = [
        {"__name__": "m", "pod": str(k)} if k % 3 else {"__name__": "n"} | {f"x{k}": "1"} for k in range(30)
    ]
    assert SeriesIndex().ids(labels).tolist() == list(range(30))


def test_ids_that_were_given_back_come_first() -> None:
    index = SeriesIndex()
    ids = index.ids([{"pod": str(k)} for k in range(10)])
    gone = ids[[7, 2, 4]]
    index.remove(gone)
    index.reuse(gone)
    assert index.ids([{"pod": f"new{k}"} for k in range(5)]).tolist() == [2, 4, 7, 10, 11]


@given(st.lists(LABELS, max_size=10))
def test_label_sets_by_name_are_the_label_sets(labels: list[dict[str, str]]) -> None:
    out: list[dict[str, str] | None] = [None] * len(labels)
    for columns in by_names(labels):
        for place, one in zip(columns.places, columns.rows(), strict=True):
            out[place] = one
    assert out == labels


def test_a_text_stands_for_all() -> None:
    index = SeriesIndex()
    columns = LabelColumns(("__name__", "pod", "job"), ("m", ["a", "b"], "j"), (0, 1))
    ids = index.ids_of([columns], 2)
    assert ids.tolist() == index.ids(list(columns.rows())).tolist()
