"""Labels as JSON objects, made a column at a time: equal to what json makes of each series alone."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from pyscrape.store import Store
from pyscrape.web.encode import metric_objects

NAMES = st.sampled_from(["job", "a%s", 'q"uote', "\\", '","', "ü"])
VALUES = st.text(st.sampled_from(list('a",\\%s\n\x00\u2028ü😀')), min_size=1, max_size=6) | st.sampled_from(
    ['","', '\\"']
)
LABEL_SETS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=8)


@given(LABEL_SETS)
@example([{"job": '",'}, {"job": "\\"}])
def test_objects_are_what_json_makes_of_each_series(label_sets: list[dict[str, str]]) -> None:
    store = Store()
    for labels in label_sets:
        store.append({"__name__": "m", **labels}, [1000], [1.0])
    frame = store.label_sets([()], 0, 2000)
    expected = [dict(frame.labels(row)) for row in range(len(frame))]
    found = [json.loads(text) for text in metric_objects(frame)]
    assert found == expected
    assert [list(one) for one in found] == [sorted(one) for one in expected]
    assert len(found) == len({tuple(sorted(one.items())) for one in label_sets})
