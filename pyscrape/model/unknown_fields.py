"""What to say about a field that a section does not have: misspelt, in camelCase, or a field of another section.

Beside the decoder because most files need none of it.
"""

from collections.abc import Iterator

from pyscrape.model.problems import Path, format_path, is_misspelling, nearest
from pyscrape.model.sections import Section
from pyscrape.model.settings import Kind, SectionKind, Settings
from pyscrape.model.yaml_nodes import Node


def unknown_field(section: Section, key: Node, name: str) -> str:
    """Note a problem at `key`; the field of the section that was probably meant, or ""."""
    section.failed.add(name)
    meant = nearest(name, section.cls.keys)
    elsewhere = _elsewhere(name, section.decoder.document)
    if elsewhere and not is_misspelling(name, meant):
        meant = ""  # a field that exists is more likely misplaced than misspelt
    owner = format_path(section.path[_last_name(section.path) :])
    suggestion = f", did you mean `{meant}`?" if meant else ""
    hint = f"did you mean `{meant}`?" if meant else ""
    if meant and name.lower() != name:
        hint = f"write `{meant}`: prometheus.yml has snake_case names (the custom resources of the operator camelCase)"
    if not meant:
        hint = elsewhere
    section.decoder.add(
        "error",
        "unknown-field",
        f"unknown field `{name}`{f' of {owner}' if owner else ''}{suggestion}"
        f" (field {name} not found in type {section.cls.go_type})",
        key,
        (*section.path, name),
        hint=hint,
    )
    return meant


def _last_name(path: Path) -> int:
    return max((i for i, step in enumerate(path) if isinstance(step, str)), default=0)


def _elsewhere(name: str, document: type[Settings] | None) -> str:
    """Which sections have a field that is unknown here, among the settings classes that are loaded."""
    owners: dict[str, None] = {}
    if document is not None and name in document.keys:
        owners["the top level"] = None
    for cls in _all_settings(Settings):
        for key, (_, declared) in cls.keys.items():
            inner = _section_class(declared.kind)
            if inner is not None and name in inner.keys:
                owners[f"`{key}`"] = None
    names = list(owners)[:4]
    return f"it belongs to {', '.join(names)}: look at the indentation" if names else ""


def _section_class(kind: Kind) -> type[Settings] | None:
    """The class of a section, or of the sections in a list or mapping; None where it is not loaded."""
    while not isinstance(kind, SectionKind):
        inner = getattr(kind, "item", None) or getattr(kind, "value", None)
        if not isinstance(inner, Kind):
            return None
        kind = inner
    return kind.loaded_cls


def _all_settings(base: type[Settings]) -> Iterator[type[Settings]]:
    for cls in base.__subclasses__():
        yield cls
        yield from _all_settings(cls)
