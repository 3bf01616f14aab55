"""Where the conformance data lies for the relabel layer's runners."""

import json
import os
from pathlib import Path
from typing import Any

CORPUS = Path(os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[3] / "shared/conformance"))
WITHOUT = "no conformance data: set PYSCRAPE_CONFORMANCE"


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of a corpus file; none where the data is absent."""
    path = CORPUS / name
    if not path.exists():
        return []
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in path.read_text().splitlines()]
    found: list[dict[str, Any]] = json.loads(path.read_text())["cases"]
    return found
