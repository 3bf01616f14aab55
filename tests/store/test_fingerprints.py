"""The table of fingerprints against a dict, and the sieve in front of it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.store.fingerprints import MISSING, FingerprintTable, Keys
from pyscrape.store.sieve import Sieve

# Many keys that want one of few slots, and wrap round the end.
_key = st.builds(lambda high, low: (high << 32) + 1022 + low, st.integers(1, 40), st.integers(0, 3))
_step = st.tuples(st.booleans(), st.lists(_key, max_size=60, unique=True))


def _keys(keys: list[int]) -> Keys:
    return np.array(keys, np.uint64)


@given(st.lists(_step, max_size=12))
def test_finds_what_a_dict_finds(steps: list[tuple[bool, list[int]]]) -> None:
    table, plain = FingerprintTable(), dict[int, int]()
    for put, keys in steps:
        found, slots = table.find(_keys(keys))
        assert found.tolist() == [plain.get(key, MISSING) for key in keys]
        if put:
            new = found == MISSING
            ids = np.arange(len(plain) + 1, len(plain) + 1 + int(new.sum()), dtype=np.int32)
            table.insert(_keys(keys)[new], ids, slots[new])
            plain.update(zip(_keys(keys)[new].tolist(), ids.tolist(), strict=True))
        else:
            table.remove(_keys(keys), found)
            for key in keys:
                plain.pop(key, None)
        assert table.size == len(plain)
    assert table.find(_keys(list(plain)))[0].tolist() == list(plain.values())
    assert sorted(table.keys().tolist()) == sorted(plain)
    asked = {*plain, *(key for _, keys in steps for key in keys), 7}
    assert [table.get(key) for key in asked] == [plain.get(key, MISSING) for key in asked]


def test_grows_with_its_keys() -> None:
    table = FingerprintTable()
    keys = np.arange(2, 5002, dtype=np.uint64)
    for some in np.array_split(keys, 7):
        table.insert(some, some.astype(np.int32), table.find(some)[1])
    assert table.find(keys)[0].tolist() == keys.tolist()
    assert table.find(np.array([5002], np.uint64))[0].tolist() == [MISSING]


@given(st.lists(st.lists(_key, max_size=60), max_size=12))
def test_a_sieve_lets_all_through_that_were_added(added: list[list[int]]) -> None:
    sieve = Sieve(_keys([2, 3]))
    for keys in added:
        sieve.add(_keys(keys))
    everything = _keys([2, 3, *(key for keys in added for key in keys)])
    assert sieve.maybe(everything).tolist() == list(range(len(everything)))


def test_a_sieve_holds_back_most_others_until_it_is_full() -> None:
    keys = np.random.default_rng(1).integers(2, 2**63, 20_000, np.uint64)
    sieve = Sieve(keys[:2000])
    assert len(sieve.maybe(keys[10_000:])) < 500
    for some in np.array_split(keys[2000:10_000], 80):
        if sieve.full:
            break
        sieve.add(some)
    assert sieve.added > 6000
    assert len(sieve.maybe(keys[10_000:])) < 2000
