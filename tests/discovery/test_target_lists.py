"""Lists of targets as groups: long ones in pieces that changes elsewhere leave alone."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.target_lists import (
    TargetListError,
    as_groups,
    changes,
    pieces,
    read_json,
    read_json_plainly,
)

LONG = [f"10.0.{k // 250}.{k % 250}:9100" for k in range(5000)]


def groups_of(addresses: list[str]) -> dict[str, TargetGroup]:
    made = as_groups([(tuple(addresses), {"env": "prod"})], "f.json", "__meta_filepath")
    found = {group.source: group for group in made}
    assert len(found) == len(made), "sources are unique"
    return found


@given(
    st.lists(
        st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "targets": st.none() | st.lists(st.text() | st.none() | st.integers()),
                "labels": st.none() | st.dictionaries(st.text(), st.text() | st.none()),
                "Targets": st.lists(st.text()),
                "label": st.none(),
            },
        )
    )
)
def test_the_fast_reader_agrees_with_the_plain_one(document: list[object]) -> None:
    raw = json.dumps(document).encode()

    def outcome(read: Callable[[bytes], object]) -> object:
        try:
            return read(raw)
        except TargetListError as error:
            return str(error)

    assert outcome(read_json) == outcome(read_json_plainly)


def test_a_short_group_stays_whole() -> None:
    (group,) = groups_of(LONG[:200]).values()
    assert (group.source, len(group.targets)) == ("f.json:0", 200)


@given(st.lists(st.sampled_from(LONG), max_size=2000))
def test_pieces_are_the_list_again(addresses: list[str]) -> None:
    made = list(pieces("s", tuple(addresses)))
    assert [address for _, piece in made for address in piece] == addresses
    assert len({name for name, _ in made}) == len(made)


@pytest.mark.parametrize(
    "changed",
    [
        ["new:1", *LONG],
        LONG[1:],
        [*LONG[:2500], "new:1", "new:2", *LONG[2500:]],
        [*LONG[:10], *LONG[20:]],
        [f"new:{k}" for k in range(10)] + LONG[10:],
    ],
    ids=["first", "first gone", "middle", "ten gone", "ten others"],
)
def test_few_targets_that_change_leave_the_others_alone(changed: list[str]) -> None:
    before, now = groups_of(LONG), groups_of(changed)
    found = changes(before, now.values())
    assert 0 < sum(len(group.targets) for group in found) < 600
    merged = before | {group.source: group for group in found}
    left = [t["__address__"] for group in merged.values() for t in group.targets]
    assert sorted(left) == sorted(changed)
