"""What kind of text `check` was given, told by its content: a configuration, rules, a target list, a manifest.

A ConfigMap or Secret holds further texts; `embedded` takes them out and remembers how places inside them are places
in the manifest.
"""

import base64
import binascii
import zlib
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from pyscrape.model.problems import Problem
from pyscrape.model.yaml_nodes import (
    MAX_BYTES,
    Document,
    Node,
    YAMLError,
    compose,
    decode_bytes,
    place_inside,
)

InputKind = Literal["config", "rules", "targets", "jobs", "relabel-tests", "manifest", "other"]

_GZIP_MAGIC = b"\x1f\x8b"
_CONFIG_KEYS = {
    "scrape_configs", "scrape_config_files", "rule_files", "remote_write", "remote_read", "alerting", "global",
    "storage", "tracing", "otlp", "runtime",
}  # fmt: skip
_ALERTMANAGER_KEYS = {"route", "receivers", "inhibit_rules"}


def kind_of(document: Document) -> InputKind:
    """The kind of a document; "config" when nothing speaks for another one."""
    root = document.root
    if root is None or root.kind == "scalar":
        return "config"
    if root.kind == "list":
        return _kind_of_list(root)
    keys = {key.text for key, _ in root.pairs if key.kind == "scalar"}
    if {"apiVersion", "kind"} <= keys:
        return "manifest"
    if "groups" in keys and not keys & _CONFIG_KEYS:
        return "rules"
    if "cases" in keys and not keys & _CONFIG_KEYS:
        return "relabel-tests"
    if "tests" in keys and not keys & _CONFIG_KEYS - {"rule_files"}:
        return "other"  # unit tests of rules, which promtool runs
    return "config"


def _kind_of_list(root: Node) -> InputKind:
    keys = {
        key.text for item in root.items if item.kind == "map" for key, _ in item.pairs if key.kind == "scalar"
    }
    if "job_name" in keys or any(key.endswith("_sd_configs") for key in keys):
        return "jobs"
    return "targets"


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
        return _kind_of_list(root) if keys & {"job_name", "targets"} else None
    keys = {key.text for key, _ in root.pairs if key.kind == "scalar"}
    if keys & _ALERTMANAGER_KEYS or "apiVersion" in keys:
        return None
    kind = kind_of(document)
    if kind == "config":
        return "config" if keys & _CONFIG_KEYS else None
    return kind


def gunzip(raw: bytes) -> bytes:
    """Inflate what is gzip, with a bound; other bytes stay as they are. Raises YAMLError."""
    if not raw.startswith(_GZIP_MAGIC):
        return raw
    inflater = zlib.decompressobj(31)
    try:
        plain = inflater.decompress(raw, MAX_BYTES + 1)
    except zlib.error as error:
        raise YAMLError(f"gzip: {error}") from error
    if len(plain) > MAX_BYTES:
        raise YAMLError(f"the file inflates to more than the {MAX_BYTES} bytes that are read")
    return plain


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
