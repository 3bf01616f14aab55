"""Reads the corpora of targets and scrapes; a run without them skips and says so."""

import base64
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

Case = dict[str, Any]

FOLDER = Path(
    os.environ.get("PYSCRAPE_CONFORMANCE", Path(__file__).parents[2].parent / "shared" / "conformance")
)
_NOW = re.compile(r"\{\{NOW_MS([+-]\d+)?\}\}")


def cases_of(name: str, kind: str) -> list[Any]:
    """The cases of one kind as test parameters; skips the calling module where the corpora are absent.

    Cases without a kind are "scenario".
    """
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"no conformance corpus at {path}", allow_module_level=True)
    cases: list[Case] = json.loads(path.read_text(encoding="utf-8"))["cases"]
    assert cases, f"{path} holds no cases"
    none = pytest.param({}, marks=pytest.mark.skip(f"this part of {name} has no {kind}"), id="none")
    chosen = [case for case in cases if case.get("kind", "scenario") == kind]
    return [pytest.param(case, id=case["name"]) for case in chosen] or [none]


def at_now(text: str, now_ms: int) -> str:
    """`{{NOW_MS-3000}}` and the like, filled in."""
    return _NOW.sub(lambda found: str(now_ms + int(found[1] or 0)), text)


def body_of(response: Case, now_ms: int) -> bytes:
    """The page of a response."""
    if "body_base64" in response:
        found: bytes = base64.b64decode(response["body_base64"])
        return found
    if "body_file" in response:
        path: str = response["body_file"]
        return (FOLDER / path).read_bytes()
    return at_now(response.get("body", ""), now_ms).encode()
