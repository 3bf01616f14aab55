"""Settings as plain data with every field and revealed secrets, for comparison with expected values."""

from collections.abc import Mapping
from typing import Any

from pyscrape.model.duration import Duration
from pyscrape.model.kinds import SizeKind, format_size
from pyscrape.model.settings import Secret, Settings

_ZEROS = (None, "", 0, False, 0.0, "0s", "0B")


def plain(value: Any) -> Any:
    """Settings as mappings with YAML names; durations and sizes as Prometheus prints them."""
    if isinstance(value, Settings):
        return _fields(value)
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _fields(value: Settings) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, declared in type(value).settings.items():
        held = getattr(value, name)
        if declared.hidden:
            continue
        if declared.inline:
            shown.update(_fields(held))
        elif isinstance(declared.kind, SizeKind):
            shown[declared.key] = format_size(held)
        else:
            shown[declared.key] = plain(held)
    return shown


def is_zero(value: Any) -> bool:
    """Whether a plain value says nothing."""
    if isinstance(value, dict):
        return all(is_zero(item) for item in value.values())
    if isinstance(value, list):
        return not value
    return value in _ZEROS


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Where two plain values differ; a zero value equals an absent one."""
    if is_zero(expected) and is_zero(found):
        return []
    if isinstance(expected, dict) and isinstance(found, dict):
        names = [*expected, *(name for name in found if name not in expected)]
        return [
            text
            for name in names
            for text in differences(expected.get(name), found.get(name), f"{path}.{name}")
        ]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = zip(expected, found, strict=True)
        return [text for i, (e, f) in enumerate(pairs) for text in differences(e, f, f"{path}[{i}]")]
    return [] if expected == found else [f"{path}: expected {expected!r}, found {found!r}"]
