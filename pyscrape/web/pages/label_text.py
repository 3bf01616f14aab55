"""Labels as people paste them: one `name="value"` or `name: value` a line, a PromQL selector, or a JSON object."""

import json
import re
from collections.abc import Mapping

from pyscrape.web.pages.shape import visible

_LINE = re.compile(r'^\s*"?(?P<name>[^\s"=:]+)"?\s*[=:]\s*(?P<value>.*?)\s*,?\s*$')


class LabelTextError(ValueError):
    """The text is no list of labels; the message says which line."""


def parse_labels(text: str) -> dict[str, str]:
    """
    >>> parse_labels('a="1"\\nb: 2')
    {'a': '1', 'b': '2'}
    >>> parse_labels('{"a": "1"}') == parse_labels('{a="1"}')
    True
    """
    stripped = text.strip()
    if stripped.startswith("{"):
        try:
            return _checked(json.loads(stripped))
        except json.JSONDecodeError as error:
            if not stripped.endswith("}"):
                raise LabelTextError(f"line {error.lineno}: {error.msg}") from error
            stripped = re.sub(r'",\s*(?=[^\s"=:]+\s*=)', '"\n', stripped[1:-1])
    labels = {}
    for number, line in enumerate(stripped.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line)
        if found is None:
            raise LabelTextError(f'line {number}: expected name="value", got {line.strip()[:80]!r}')
        labels[found["name"]] = _unquoted(found["value"], number)
    return labels


def _unquoted(text: str, number: int) -> str:
    if len(text) < 2 or text[0] != '"':
        return text
    try:
        value = json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        raise LabelTextError(f"line {number}: {error.msg}") from error
    return str(value)


def _checked(found: object) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise LabelTextError("line 1: expected an object whose values are texts")
    return found


def print_labels(labels: Mapping[str, str]) -> str:
    """The text that `parse_labels` reads, by name; marks of writing direction as escapes."""
    return "\n".join(
        visible(f"{name}={json.dumps(value, ensure_ascii=False)}") for name, value in sorted(labels.items())
    )
