"""ConfigMap and Secret manifests: the texts inside them that `check` knows, and their places in the outer file."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pyscrape.config.inputs import CONFIG_KEYS, InputKind, gunzip, kind_of, kind_of_list
from pyscrape.model.problems import Problem
from pyscrape.model.yaml_nodes import Document, Node, YAMLError, compose, decode_bytes, place_inside

_ALERTMANAGER_KEYS = {"route", "receivers", "inhibit_rules"}


def looks_like_config(document: Document) -> InputKind | None:
    """The kind of a text inside a manifest, when it is one that `check` knows; None for any other text."""
    root = document.root
    if root is None or root.kind == "scalar":
        return None
    if root.kind == "list":
        keys = {
            key.text
            for item in root.items
            if item.kind == "map"
            for key, _ in item.pairs
            if key.kind == "scalar"
        }
        return kind_of_list(root) if keys & {"job_name", "targets"} else None
    keys = {key.text for key, _ in root.pairs if key.kind == "scalar"}
    if keys & _ALERTMANAGER_KEYS or "apiVersion" in keys:
        return None
    kind = kind_of(document)
    if kind == "config":
        return "config" if keys & CONFIG_KEYS else None
    return kind


class Embedded(NamedTuple):
    """A text inside a manifest: the name of its key, its node in the manifest, and whether it was encoded."""

    name: str
    owner: str
    node: Node
    text: str
    encoded: bool

    def outer(self, problem: Problem, lines: Sequence[str], filename: str) -> Problem:
        """A problem of the inner text as one of the manifest, whose lines are given."""
        if not problem.line:
            return problem._replace(file=filename, line=self.node.line, column=self.node.column)
        if self.encoded or self.node.style == ">":
            message = f"{problem.message} (line {problem.line}, column {problem.column} of {self.name})"
            return problem._replace(
                file=filename, line=self.node.line, column=self.node.column, message=message
            )
        line, column = place_inside(self.node, lines, problem.line, problem.column)
        return problem._replace(file=filename, line=line, column=column)


def embedded(manifests: Sequence[Node]) -> Iterator[Embedded | YAMLError]:
    """The texts of all ConfigMaps and Secrets among the manifests; an error where one cannot be decoded."""
    for manifest in manifests:
        kind = _text(manifest.get("kind"))
        items = manifest.get("items")
        if kind.endswith("List") and items is not None and items.kind == "list":
            yield from embedded([item for item in items.items if item.kind == "map"])
        elif kind in {"ConfigMap", "Secret"}:
            yield from _texts(manifest, kind)


def _text(node: Node | None) -> str:
    return node.text if node is not None and node.kind == "scalar" else ""


def _texts(manifest: Node, kind: str) -> Iterator[Embedded | YAMLError]:
    metadata = manifest.get("metadata")
    name = _text(metadata.get("name")) if metadata is not None else ""
    encoded_fields = {"binaryData"} if kind == "ConfigMap" else {"data"}
    for field in ("data", "stringData", "binaryData"):
        found = manifest.get(field)
        for key, value in found.pairs if found is not None and found.kind == "map" else ():
            if value.kind != "scalar":
                continue
            if field not in encoded_fields:
                yield Embedded(key.text, f"{kind} {name}", value, value.text, False)
                continue
            try:
                raw = gunzip(base64.b64decode("".join(value.text.split()), validate=True))
                yield Embedded(key.text, f"{kind} {name}", value, decode_bytes(raw), True)
            except binascii.Error:
                yield YAMLError(f"{key.text}: the value is no base64", value.line, value.column)
            except YAMLError as error:
                if _is_yaml_name(key.text):
                    yield YAMLError(f"{key.text}: {error.message}", value.line, value.column)


def _is_yaml_name(name: str) -> bool:
    return name.removesuffix(".gz").endswith((".yml", ".yaml", ".rules", ".json"))


def document_of(found: Embedded) -> Document | YAMLError | None:
    """The nodes of an embedded text; None when it is no YAML and does not claim to be."""
    try:
        return compose(found.text)
    except YAMLError as error:
        claims = _is_yaml_name(found.name) or any(key in found.text for key in ("scrape_configs:", "groups:"))
        return error if claims else None
