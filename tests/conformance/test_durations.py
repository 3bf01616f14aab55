"""prometheus/common's tests of durations."""

from typing import Any

import pytest

from pyscrape.model.duration import DurationError, parse_duration
from tests.conformance.relabel_cases import WITHOUT, cases

CASES = cases("durations.json")

pytestmark = pytest.mark.skipif(not CASES, reason=WITHOUT)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_duration(case: dict[str, Any]) -> None:
    negative = bool(case.get("allow_negative"))
    if not case["ok"]:
        with pytest.raises(DurationError):
            parse_duration(case["in"], negative)
        return
    duration = parse_duration(case["in"], negative)
    assert (int(duration), str(duration)) == (case["ms"], case["string"])
    assert parse_duration(str(duration), negative) == duration
