"""What kind of text `check` was given, told by its content: a configuration, rules, a target list, a manifest.

The texts inside a ConfigMap or Secret are the business of `manifests`.
"""

import zlib
from typing import Literal

from pyscrape.model.yaml_nodes import (
    MAX_BYTES,
    Document,
    Node,
    YAMLError,
)

InputKind = Literal["config", "rules", "targets", "jobs", "relabel-tests", "manifest", "other"]

_GZIP_MAGIC = b"\x1f\x8b"
CONFIG_KEYS = {
    "scrape_configs", "scrape_config_files", "rule_files", "remote_write", "remote_read", "alerting", "global",
    "storage", "tracing", "otlp", "runtime",
}  # fmt: skip


def kind_of(document: Document) -> InputKind:
    """The kind of a document; "config" when nothing speaks for another one."""
    root = document.root
    if root is None or root.kind == "scalar":
        return "config"
    if root.kind == "list":
        return kind_of_list(root)
    keys = {key.text for key, _ in root.pairs if key.kind == "scalar"}
    if {"apiVersion", "kind"} <= keys:
        return "manifest"
    if "groups" in keys and not keys & CONFIG_KEYS:
        return "rules"
    if "cases" in keys and not keys & CONFIG_KEYS:
        return "relabel-tests"
    if "tests" in keys and not keys & CONFIG_KEYS - {"rule_files"}:
        return "other"  # unit tests of rules, which promtool runs
    return "config"


def kind_of_list(root: Node) -> InputKind:
    keys = {
        key.text for item in root.items if item.kind == "map" for key, _ in item.pairs if key.kind == "scalar"
    }
    if "job_name" in keys or any(key.endswith("_sd_configs") for key in keys):
        return "jobs"
    return "targets"


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
