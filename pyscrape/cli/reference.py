"""Topics of `pyscrape help` that are printed from the tables by which the program itself goes, so that they are never
out of date: the flags of `run` and the fields of prometheus.yml.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

SUPPORT = {
    "yes": "as in Prometheus",
    "own": "only here",
    "moot": "accepted, has no meaning here",
    "no": "not supported",
}


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Lines of a Markdown table."""
    heads = list(heads)
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return lines + [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]


def flags() -> str:
    """Every flag of `pyscrape run`: default, meaning, and how far it goes."""
    from pyscrape.app.flags import FEATURES, FLAGS, print_value

    rows = ((f"`--{f.name}`", print_value(f, f.default), f.help or f.why, SUPPORT[f.support]) for f in FLAGS)
    features = ((f"`{name}`", meaning or "is switched on by it") for name, meaning in FEATURES.items())
    return "\n".join(
        [
            "# The flags of `pyscrape run`",
            "",
            "A flag that Prometheus has and this program does not know is refused with a suggestion.",
            "",
            *table(("flag", "default", "meaning", "here"), rows),
            "",
            "## What `--enable-feature` takes",
            "",
            *table(("feature", "here"), features),
            "",
        ]
    )


def configuration() -> str:
    """Every section of prometheus.yml with its fields: type, default, meaning."""
    from pyscrape.config.schema import config_schema

    schema = config_schema()
    lines = [
        "# The fields of prometheus.yml",
        "",
        "Made from the declarations that the program reads a configuration by. The sections of a type follow under its",
        "name; what `pyscrape run` does not do stands in `pyscrape help check` and is said at start.",
        "",
        "## The file",
        "",
        *_fields(schema),
    ]
    for name, section in schema["definitions"].items():
        lines += ["", f"## {name}", "", *([section["description"], ""] if section["description"] else [])]
        lines += _fields(section)
    return "\n".join([*lines, ""])


def _fields(section: Mapping[str, Any]) -> Iterator[str]:
    rows = (
        (f"`{name}`", _type(field), _default(field), field["description"])
        for name, field in section["properties"].items()
    )
    yield from table(("field", "type", "default", "meaning"), rows)


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(field: Mapping[str, Any]) -> str:
    """A field's type in one or two words, out of its JSON Schema."""
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[1]
    if "anyOf" in field:
        kinds = dict.fromkeys(_type(one) for one in field["anyOf"])
        return " or ".join(kind for kind in kinds if kind != "null") or "any"
    if "enum" in field:
        return ", ".join(str(one) for one in field["enum"] if one is not None)
    kinds = field.get("type", "any")
    kind = next((one for one in kinds if one != "null"), "any") if isinstance(kinds, list) else str(kinds)
    if kind == "array":
        return f"list of {_type(field.get('items', {}))}"
    if kind == "object":
        return f"mapping to {_type(field.get('additionalProperties') or {})}"
    return kind


TOPICS: dict[str, tuple[str, Callable[[], str]]] = {
    "configuration": ("The fields of prometheus.yml", configuration),
    "flags": ("The flags of `pyscrape run`", flags),
}
