"""JSON Schema of prometheus.yml for editors, made from the same declarations that the decoder uses.

The schema accepts what the decoder's types accept (null is allowed wherever Prometheus takes it for zero, numbers
and bools wherever text is wanted) and refuses unknown fields. What needs more than one field is the check's.
"""

from collections.abc import Iterator
from typing import Any

from pyscrape.config.settings import Config
from pyscrape.model.duration import Duration
from pyscrape.model.kinds import ListKind, MapKind, SizeKind, format_size
from pyscrape.model.settings import Kind, SectionKind, Setting, Settings

DRAFT = "http://json-schema.org/draft-07/schema#"


def config_schema() -> dict[str, Any]:
    """The schema of a configuration file."""
    return {
        "$schema": DRAFT,
        "title": "Prometheus configuration",
        "description": "prometheus.yml as Prometheus and pyscrape read it",
        **_object(Config),
        "definitions": {
            cls.__name__: _object(cls) for cls in sorted(_reachable(), key=lambda cls: cls.__name__)
        },
    }


def _reachable() -> set[type[Settings]]:
    found: set[type[Settings]] = set()
    waiting: list[type[Settings]] = [Config]
    while waiting:
        for cls in _inner_classes(waiting.pop()):
            if cls not in found:
                found.add(cls)
                waiting.append(cls)
    return found


def _inner_classes(cls: type[Settings]) -> Iterator[type[Settings]]:
    for _, declared in cls.keys.values():
        kind: Kind = declared.kind
        while isinstance(kind, (ListKind, MapKind)):
            kind = kind.item if isinstance(kind, ListKind) else kind.value
        if isinstance(kind, SectionKind):
            yield kind.cls


def _object(cls: type[Settings]) -> dict[str, Any]:
    properties = {name: _property(declared, _default(cls, name)) for name, (_, declared) in cls.keys.items()}
    return {
        "type": ["object", "null"],
        "description": (cls.__doc__ or "").strip().split("\n", 1)[0],
        "properties": properties,
        # YAML's merge key is resolved by the reader, and yet editors show it.
        "patternProperties": {"^<<$": {}},
        "additionalProperties": False,
    }


def _default(cls: type[Settings], name: str) -> Any:
    owner, declared = cls.keys[name]
    return getattr(cls.settings[owner].default, declared.name) if owner else declared.default


def _property(declared: Setting, default: Any) -> dict[str, Any]:
    shape = declared.kind.schema()
    described: dict[str, Any] = {"description": declared.doc}
    if declared.deprecated:
        described |= {"deprecated": True, "description": f"{declared.doc} Deprecated: {declared.deprecated}."}
    if "$ref" in shape:
        # draft-07 ignores what stands beside a $ref.
        return {**described, "anyOf": [shape, {"type": "null"}]}
    if isinstance(default, Duration) and default:
        described["default"] = str(default)
    elif isinstance(declared.kind, SizeKind) and default:
        described["default"] = format_size(default)
    elif isinstance(default, bool) or (isinstance(default, (int, float)) and default):
        described["default"] = default
    elif isinstance(default, str) and default:
        described["default"] = str(default)
    return {**described, **shape}
