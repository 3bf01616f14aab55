"""`/federate`, made a column at a time: equal to the page that the plain writer makes of each series alone."""

from itertools import groupby

from hypothesis import assume, example, given
from hypothesis import strategies as st

from pyscrape.exposition import parse
from pyscrape.exposition.write import Family, Sample, write_text
from pyscrape.model.value import STALE
from pyscrape.store import Store
from pyscrape.web.federate import Lines, add_lines, page
from tests.helpers.values import is_stale

NAMES = st.sampled_from(["job", "instance", "zone", "c d", "zz"])
VALUES = st.text(st.sampled_from(list('a"\\\\\nü')), min_size=1, max_size=4)
SERIES = st.tuples(
    st.sampled_from(["up", "a.b", "m"]),
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.sampled_from([0.0, 1.0, -2.5, 1e6, 123456789.25, float("inf"), float("nan"), STALE]),
)
EXTERNAL = st.dictionaries(st.sampled_from(["zone", "region", "instance"]), VALUES, max_size=2)


def outside_labels(labels: dict[str, str], external: dict[str, str]) -> dict[str, str]:
    shown = dict(sorted((name, value) for name, value in labels.items() if name != "__name__"))
    for name, value in sorted(external.items(), key=lambda pair: (pair[0] == "instance", pair[0])):
        shown.setdefault(name, value)
    shown.setdefault("instance", "")
    return shown


def entries(text: bytes) -> list[str]:
    """What a page says, whatever the order of its labels."""
    found = []
    for entry in parse(text):
        if entry.kind == "series":
            found.append(f"{sorted(entry.labels.items())} {entry.value!r} {entry.timestamp_ms}")
        else:
            found.append(repr(entry))
    return sorted(found)


@given(st.lists(SERIES, max_size=6), EXTERNAL)
@example([("up", {}, 0.0), ("up", {"instance": "a"}, 0.0)], {"zone": "z", "instance": "a"})
@example([("up", {"instance": "a"}, 1.0), ("up", {}, 2.0)], {"zone": "z"})
def test_the_page_is_what_the_plain_writer_makes(
    series: list[tuple[str, dict[str, str], float]], external: dict[str, str]
) -> None:
    store = Store()
    samples = {}
    for name, labels, value in series:
        full = {"__name__": name, **labels}
        store.append(full, [1000], [value])
        samples.setdefault(tuple(sorted(full.items())), value)
    lines: Lines = {}
    for _ in range(2):  # a second selector finds nothing new
        add_lines(lines, store.newest([], 0, 2000), external)
    expected = [
        (dict(pairs)["__name__"], outside_labels(dict(pairs), external), value)
        for pairs, value in samples.items()
        if not is_stale(value)
    ]
    assume(len({(name, *sorted(labels.items())) for name, labels, _ in expected}) == len(expected))
    families = [
        Family(name, [Sample(labels, value, 1000) for _, labels, value in group])
        for name, group in groupby(sorted(expected, key=lambda row: row[0]), key=lambda row: row[0])
    ]
    assert entries(b"".join(page(lines))) == entries(write_text(families))
