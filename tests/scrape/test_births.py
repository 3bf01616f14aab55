"""New samples judged by name become what they become one by one."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyscrape.exposition import PageReader
from pyscrape.scrape.births import Births
from pyscrape.scrape.samples import LabelLimits, SampleRules
from tests.helpers.examples import examples

LINES = st.sampled_from(
    [
        b'm{pod="a"} 1',
        b'm{pod="b"} 1',
        b'm{pod="b",ns="x"} 1',
        b'n{pod="c"} 1',
        b'n{ns="y",pod="c"} 1',
        b"m 1",
        b'h_bucket{le="1"} 1',
        b"# TYPE h histogram",
        b'm{pod=""} 1',
        b'm{job="own"} 1',
        b'm{pod="a",pod="b"} 1',
        b'm{pod="\\\\"} 1',
        b'{"m.x",pod="c"} 1',
    ]
)
TARGETS = ({"job": "j", "instance": "i"}, {"job": "j", "instance": ""}, {})


def stored(births: Births) -> dict[int, dict[str, str]]:
    """Labels by sample."""
    return {
        births.kept[place]: labels
        for columns in births.labels
        for place, labels in zip(columns.places, columns.rows(), strict=True)
    }


@examples(200)
@given(st.lists(LINES, min_size=1, max_size=10), st.sampled_from(TARGETS), st.booleans())
def test_ways_agree(lines: list[bytes], target: Mapping[str, str], legacy: bool) -> None:
    layout = PageReader().feed(b"\n".join(lines)).layout
    rules = SampleRules(target, scheme="legacy" if legacy else "utf8")
    every = np.arange(layout.size)
    plain, steps, fast = Births(), Births(), Births()
    plain.judge_one_by_one(layout, every, rules)
    assert all(step is None for step in steps.judge(layout, every, rules))
    for births in [steps, fast] if fast.judge_by_name(layout, every, rules) else [steps]:
        assert stored(births) == stored(plain)
        assert (births.kept, births.dropped, births.refused_at) == (
            plain.kept,
            plain.dropped,
            plain.refused_at,
        )
        assert str(births.refused) == str(plain.refused)


def test_ordinary_samples_are_judged_by_name() -> None:
    layout = PageReader().feed(b'm{pod="a"} 1\nm{pod="b"} 1\nn 2\n').layout
    assert Births().judge_by_name(layout, np.arange(3), SampleRules({"job": "j"}))


@pytest.mark.parametrize(
    ("line", "target"),
    [
        (b'm{job="own"} 1', {"job": "j"}),
        (b'm{pod=""} 1', {}),
        (b'm{pod="a",pod="b"} 1', {}),
        (b'{"m.x"} 1', {}),
    ],
)
def test_what_is_not_ordinary_is_judged_one_by_one(line: bytes, target: Mapping[str, str]) -> None:
    layout = PageReader().feed(b"m 1\n" + line).layout
    assert not Births().judge_by_name(layout, np.arange(2), SampleRules(target))


def test_limits_ask_for_each_sample() -> None:
    layout = PageReader().feed(b'm{pod="a"} 1\nm{pod="bb"} 1\n').layout
    births = Births()
    for _ in births.judge(layout, np.arange(2), SampleRules({}, limits=LabelLimits(value_length=1))):
        pass
    assert (births.kept, births.refused_at) == ([0], 1)


def test_many_samples_take_several_steps() -> None:
    body = b"".join(b'm{pod="%d"} 1\n' % k for k in range(5000))
    births = Births()
    assert list(births.judge(layout := PageReader().feed(body).layout, np.arange(5000), SampleRules({}))) == [
        None
    ]
    assert stored(births) == {index: layout.labels(index) for index in range(5000)}
