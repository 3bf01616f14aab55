"""The relabel cases of tests/data/relabel: rules, labels of a discovered target, and what becomes of it."""

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "data" / "relabel"
JOB = "j"


def corpus() -> list[dict[str, Any]]:
    """All cases, each with its `file`."""
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        found += [{**case, "file": path.name} for case in yaml.safe_load(path.read_text(encoding="utf-8"))]
    assert len(found) >= 40
    return found
