"""Layouts: the series of several of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.store.layout import union


@given(st.lists(st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 9)), min_size=1, max_size=5))
def test_a_union_has_every_id_once(several: list[list[int]]) -> None:
    found = union([np.array(ids, np.int32) for ids in several])
    assert found.dtype == np.int32
    assert found.tolist() == sorted(set().union(*several))
