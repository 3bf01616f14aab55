"""The engine beside the real Prometheus: the same samples, hundreds of queries, every answer compared.

Values agree to 1e-12 relative, series and times exactly, errors and annotations word for word but for what `KNOWN`
and `AMBIGUOUS` list with reasons. The first forms of a template are asked at an instant and over a range, the others in
turns (`PYSCRAPE_EXAMPLES=2` asks all of them for both).
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyscrape.promql import Engine, QueryError, QueryParseError
from pyscrape.store import Store
from tests.helpers.compliance import expanded, names, own, templates
from tests.helpers.demo_data import SCRAPES, START_MS, STEP_MS, demo_series
from tests.helpers.examples import FACTOR
from tests.helpers.processes import Process, prometheus
from tests.helpers.remote_write import push

START_S = START_MS / 1000
END_S = START_S + SCRAPES * STEP_MS / 1000
INSTANTS = (START_S + 3.3, START_S + 2_000, END_S - 1, END_S + 200)
RANGE = (START_S + 600, END_S + 400, 47.0)
RELATIVE = 1e-12
FORMS_ASKED_TWICE = 4

KNOWN: list[tuple[str, str, str]] = [
    # what 3.14 says and this engine says too, in the form that older versions have: pattern, replacement, reason
    (r", from buckets .* \(", " (", "3.14 tells what had to be repaired"),
    (r' for metric name "" \(', " (", "3.14 leaves out a name that is not there"),
    (r"Scalar value NaN overflows int64", "Parameter value is NaN", "3.14 names the fault"),
    (r"(found duplicate series .*): \[.*\];", r"\1;", "3.14 sorts the two series it names"),
    (r"PromQL warning: sort is ineffective .*", "", "3.14 warns of sorting in range queries"),
]
AMBIGUOUS = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
"""3.14 refuses ambiguous comparisons even where the comparison then keeps at most one; older versions do not."""

Answer = dict[str, Any]


@contextmanager
def beside_prometheus(folder: Path, features: str) -> Iterator[tuple[Store, Process]]:
    """A store and the real Prometheus with the same samples."""
    config = folder / "prometheus.yml"
    config.write_text("global:\n  evaluation_interval: 1m\n")
    store = Store()
    with prometheus(config, "--web.enable-remote-write-receiver", f"--enable-feature={features}") as server:
        series = demo_series()
        for first in range(
            0, SCRAPES * STEP_MS, 600_000
        ):  # ten minutes of all series at a time, as a sender would
            part = []
            for labels, times, values in series:
                chosen = [k for k, at in enumerate(times) if first <= at - START_MS < first + 600_000]
                part.append((labels, [times[k] for k in chosen], [values[k] for k in chosen]))
            push(server.url, part)
        for labels, times, values in series:
            store.append(labels, times, values)
        yield store, server


def asked(engine: Engine, query: str, at: float | None) -> Answer:
    """Our answer in the API's envelope."""
    try:
        result = engine.range(query, *RANGE) if at is None else engine.instant(query, at)
    except (QueryError, QueryParseError) as error:
        return {"status": "error", "error": str(error)}
    answer = {"status": "success", "data": result.to_prometheus()}
    return answer | {"warnings": sorted(result.warnings), "infos": sorted(result.infos)}


def answered(server: Process, query: str, at: float | None) -> Answer:
    """Prometheus' answer; ours has no prefix about what failed."""
    if at is None:
        start, end, step = map(repr, RANGE)
        answer = server.get("/api/v1/query_range", query=query, start=start, end=end, step=step)
    else:
        answer = server.get("/api/v1/query", query=query, time=repr(at))
    if answer["status"] == "error":
        return {"status": "error", "error": answer["error"].removeprefix('invalid parameter "query": ')}
    notes = {kind: sorted(answer.get(kind, [])) for kind in ("warnings", "infos")}
    return {"status": "success", "data": answer["data"], **notes}


def differences(query: str, ours: Answer, theirs: Answer, *, ordered: bool) -> list[str]:
    """What is not the same, in words."""
    if ours["status"] == "error" and ours["error"] == AMBIGUOUS and re.search(r"[<>=]=?", query):
        return []
    if ours["status"] != theirs["status"]:
        return [
            f"{ours['status']} {ours.get('error', '')} against {theirs['status']} {theirs.get('error', '')}"
        ]
    if ours["status"] == "error":
        same = known(ours["error"]) == known(theirs["error"])
        return [] if same else [f"{ours['error']!r} against {theirs['error']!r}"]
    found = [
        f"{kind}: {ours[kind]} against {theirs[kind]}"
        for kind in ("warnings", "infos")
        if {known(text) for text in ours[kind]} - {""} != {known(text) for text in theirs[kind]} - {""}
    ]
    mine, others = ours["data"], theirs["data"]
    if mine["resultType"] != others["resultType"]:
        return [*found, f"type {mine['resultType']} against {others['resultType']}"]
    if mine["resultType"] in ("scalar", "string"):
        same = mine["result"] == others["result"] or close(mine["result"][1], others["result"][1])
        return found if same else [*found, f"{mine['result']} against {others['result']}"]
    return found + _series_differences(mine["result"], others["result"], ordered=ordered)


def known(text: str) -> str:
    """A text with the known differences evened out."""
    for pattern, replacement, _ in KNOWN:
        text = re.sub(pattern, replacement, text)
    return text


def _series_differences(mine: list[Any], others: list[Any], *, ordered: bool) -> list[str]:
    if not ordered:
        mine, others = (
            sorted(rows, key=lambda row: sorted(row["metric"].items())) for rows in (mine, others)
        )
    if [row["metric"] for row in mine] != [row["metric"] for row in others]:
        return [
            f"series {[row['metric'] for row in mine][:4]} against {[row['metric'] for row in others][:4]}"
        ]
    found = []
    for a, b in zip(mine, others, strict=True):
        left, right = (row.get("values", [row.get("value")]) for row in (a, b))
        if [at for at, _ in left] != [at for at, _ in right]:
            found.append(f"{a['metric']}: times differ: {len(left)} points against {len(right)}")
            continue
        off = [(at, x, y) for (at, x), (_, y) in zip(left, right, strict=True) if not close(x, y)]
        if off:
            found.append(f"{a['metric']}: {len(off)} values differ, first {off[0]}")
    return found


def close(left: str, right: str) -> bool:
    """Whether two printed values agree."""
    if left == right:
        return True
    a, b = float(left), float(right)
    return a == b or (math.isfinite(a) and math.isfinite(b) and abs(a - b) <= RELATIVE * max(abs(a), abs(b)))


Asked = dict[str, tuple[float | None, ...]]


def asked_when(queries: dict[str, int]) -> Asked:
    """The times (None is the range) at which to ask each query, by its place among the forms of its template."""
    times: Asked = {}
    for number, (query, form) in enumerate(queries.items()):
        both = (INSTANTS[number % len(INSTANTS)], None)
        times[query] = both if form < FORMS_ASKED_TWICE or FACTOR > 1 else (both[form % 2],)
    return times


def all_differences(engine: Engine, server: Process, times: Asked) -> dict[str, str]:
    """What is not the same, for every query at its times."""
    wrong: dict[str, str] = {}
    for query, instants in times.items():
        for at in instants:
            ordered = at is not None and query.startswith(("sort", "topk(", "bottomk("))
            ours, theirs = asked(engine, query, at), answered(server, query, at)
            found = differences(query, ours, theirs, ordered=ordered)
            if found:
                wrong[f"{query} @ {at}"] = "; ".join(found[:2])
    return wrong


def listed(wrong: dict[str, str]) -> str:
    return f"{len(wrong)} answers differ:\n" + "\n".join(
        f"{query}\n    {why}" for query, why in wrong.items()
    )


def test_every_answer_is_prometheus(tmp_path: Path) -> None:
    corpus = templates()
    if not corpus:
        pytest.skip("the compliance templates are absent: set PYSCRAPE_CONFORMANCE")
    forms = {query: k for template in (*own(), *corpus) for k, query in enumerate(expanded(template))}
    assert len(forms) > 1000
    with beside_prometheus(tmp_path, "promql-experimental-functions,promql-duration-expr") as (store, server):
        wrong = all_differences(
            Engine(store, experimental=True, delayed_names=False), server, asked_when(forms)
        )
    assert not wrong, listed(wrong)


def test_delayed_names_go_when_they_go_in_prometheus(tmp_path: Path) -> None:
    features = "promql-experimental-functions,promql-delayed-name-removal"
    with beside_prometheus(tmp_path, features) as (store, server):
        wrong = all_differences(
            Engine(store, experimental=True, delayed_names=True),
            server,
            asked_when(dict.fromkeys(names(), 0)),
        )
    assert not wrong, listed(wrong)
