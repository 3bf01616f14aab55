"""Every case of the corpus through target construction; a scenario runs the same cases through Prometheus itself."""

from typing import Any

import pytest

from pyscrape.relabel import explain, load_relabel_configs
from pyscrape.targets import populate_labels, target_url
from tests.relabel.corpus import JOB, corpus

CASES = [pytest.param(case, id=f"{case['file']}: {case['name']}") for case in corpus()]


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    job = {"job_name": JOB, "relabel_configs": case["rules"]}
    final = populate_labels(case["labels"], job)
    assert (explain({"job": JOB, **case["labels"]}, load_relabel_configs(case["rules"])).result is None) is (
        final is None
    )
    if case.get("dropped"):
        assert final is None
        return
    assert final is not None
    assert {name: value for name, value in final.items() if not name.startswith("__")} == case["result"]
    if "url" in case:
        assert target_url(final, {}) == case["url"]


def test_names_are_unique() -> None:
    names = [case["name"] for case in corpus()]
    assert len(names) == len(set(names))
