"""Reads the corpora of the exposition formats; a run without them skips and says so."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

Case = dict[str, Any]

DEFAULT_FOLDER = Path(__file__).parents[2].parent / "shared" / "conformance"


def load(name: str) -> list[Case]:
    """The cases of one corpus file; skips the calling module where the corpora are absent."""
    folder = Path(os.environ.get("PYSCRAPE_CONFORMANCE", DEFAULT_FOLDER))
    path = folder / name
    if not path.is_file():
        pytest.skip(f"no conformance corpus at {path}", allow_module_level=True)
    cases: list[Case] = json.loads(path.read_text(encoding="utf-8"))["cases"]
    assert cases, f"{path} holds no cases"
    return cases


def body_of(case: Case) -> bytes:
    """The page of a case."""
    if "input_base64" in case:
        return base64.b64decode(case["input_base64"])
    return str(case["input"]).encode()
