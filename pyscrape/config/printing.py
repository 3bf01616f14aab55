"""Plain data as YAML in the manner of Go's library, which is how Prometheus prints its configuration."""

from typing import Any

import yaml

from pyscrape.model.settings import FlowList
from pyscrape.model.yaml_nodes import Node

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class GoDumper(_Dumper):  # type: ignore[misc]  # which of the two dumpers there is shows at run time
    """Texts that would read as something else in double quotes, texts of several lines as blocks."""


def _text(dumper: Any, text: str) -> Any:
    style = None
    if "\n" in text:
        style = "|"
    elif Node("scalar", text, 0, 0, plain=True).go_tag != "!!str":
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _flow(dumper: Any, items: FlowList) -> Any:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


GoDumper.add_representer(str, _text)
GoDumper.add_representer(FlowList, _flow)


def as_yaml(data: dict[str, Any]) -> str:
    """The data as YAML text, keys in their order."""
    return str(yaml.dump(data, Dumper=GoDumper, sort_keys=False, allow_unicode=True, width=1 << 30))
