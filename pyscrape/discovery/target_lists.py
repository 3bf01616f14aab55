"""Lists of targets as files and HTTP endpoints give them, and `sd` writes them: groups of targets and labels.

Each group is `{"targets": [...], "labels": {...}}`, in JSON or YAML.
Both are strict, as Prometheus' are: an unknown field, a null group or a target that is no string refuses the whole
list, so that a slip of the pen does not silently empty a job.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any
from zlib import crc32

import msgspec

from pyscrape.discovery.groups import TargetGroup
from pyscrape.discovery.settings import StaticConfig
from pyscrape.model.kinds import ListKind
from pyscrape.model.names import quoted
from pyscrape.model.settings import FAILED, Decoder, SectionKind, Spot
from pyscrape.model.yaml_nodes import YAMLError, compose, decode_bytes

PIECE = 64
"""Targets of a piece of a long group, on average."""
SHORT_GROUP = 4 * PIECE

NULL_GROUP = "nil target group item found"
NO_NAME = '"" is not a valid label name'
# Go prints a struct without a name as a whole.
GO_GROUP = 'struct { Targets []string "json:\\"targets\\""; Labels model.LabelSet "json:\\"labels\\"" }'


class TargetListError(ValueError):
    """A list of targets that cannot be read; the text says where and why."""


class _Group(msgspec.Struct, forbid_unknown_fields=True):
    """One group in JSON, as nearly all lists have it; what does not fit is read by `read_json_plainly`."""

    targets: list[str] | None = None
    labels: dict[str, str] | None = None


_decoder = msgspec.json.Decoder(list[_Group | None] | None)

Groups = list[tuple[tuple[str, ...], Mapping[str, str]]]


def read_json(raw: bytes) -> Groups:
    """(targets, labels) of every group of a JSON list.

    Raises:
        TargetListError: it is no such list.
    """
    try:
        found = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return read_json_plainly(raw)
    groups: Groups = []
    for group in found or ():
        if group is None:
            raise TargetListError(NULL_GROUP)
        labels = group.labels or {}
        if "" in labels:
            raise TargetListError(NO_NAME)
        groups.append((tuple(group.targets or ()), labels))
    return groups


class _Fields(list[tuple[str, Any]]):
    """The fields of a JSON object, in order, repeated ones too."""


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def read_json_plainly(raw: bytes) -> Groups:
    """What `read_json` gives and says, in the words and with the leniency of Go's encoding/json.

    Names of fields are the same in any case, null is the empty value, the last of several fields counts, and bytes
    that are no UTF-8 become U+FFFD.

    Raises:
        TargetListError: it is no list of target groups.
    """
    try:
        document = json.loads(raw.decode(errors="replace"), object_pairs_hook=_Fields)
    except (ValueError, RecursionError) as error:
        raise TargetListError(f"json: {error}") from error
    if document is None:
        return []
    _expect(list, document, "value of type []*targetgroup.Group")
    return [_plain_group(group) for group in document]


def _plain_group(group: object) -> tuple[tuple[str, ...], Mapping[str, str]]:
    if group is None:
        raise TargetListError(NULL_GROUP)
    targets: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    for name, value in _expect(_Fields, group, f"value of type {GO_GROUP}"):
        match name.casefold():
            case "targets":
                items = _expect(list, value, "struct field .targets of type []string")
                targets = tuple(_text(item, "struct field .targets of type string") for item in items)
            case "labels":
                pairs = _expect(
                    _Fields, value, "struct field .labels of type map[model.LabelName]model.LabelValue"
                )
                labels = {
                    _scrubbed(key): _text(text, f"struct field .{key} of type model.LabelValue")
                    for key, text in pairs
                }
                if "" in labels:
                    raise TargetListError(NO_NAME)
            case _:
                raise TargetListError(f"json: unknown field {quoted(name)}")
    return targets, labels


def _expect(kind: type[list[Any]], value: object, where: str) -> list[Any]:
    """The list or the fields that `value` is; null is an empty one."""
    if value is None:
        return []
    if type(value) is not kind:
        raise TargetListError(f"json: cannot unmarshal {_json_kind(value)} into Go {where}")
    return value


def _text(value: object, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TargetListError(f"json: cannot unmarshal {_json_kind(value)} into Go {where}")
    return _scrubbed(value)


def _scrubbed(text: str) -> str:
    return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _json_kind(value: object) -> str:
    kinds: dict[type, str] = {_Fields: "object", list: "array", str: "string", bool: "bool"}
    return kinds.get(type(value), "number")


def read_yaml(raw: bytes) -> Groups:
    """(targets, labels) of every group of a YAML list.

    Raises:
        TargetListError: it is no such list.
    """
    decoder = Decoder(text_size=len(raw))
    try:
        document = compose(decode_bytes(raw))
        if document.root is None or document.root.is_null:
            return []
        spot = Spot(decoder, document.root, ())
        found = ListKind(SectionKind(StaticConfig), null_item=NULL_GROUP).decode(spot)
    except YAMLError as error:
        raise TargetListError(f"line {error.line}: {error.message}") from error
    errors = [problem for problem in decoder.problems if problem.severity == "error"]
    if errors or found is FAILED:
        raise TargetListError("; ".join(f"line {p.line}: {p.message}" for p in errors))
    return [(group.targets, group.labels) for group in found]


def as_groups(found: Groups, source: str, label: str) -> tuple[TargetGroup, ...]:
    """Target groups with sources `<source>:<index>` and the meta label that names where they came from.

    A long group becomes several, cut at addresses that are chosen by a checksum: where some of its targets change, or
    come and go, all others stay in groups that are equal to those before, and are not built again.
    """
    groups = []
    for index, (targets, labels) in enumerate(found):
        named = {**labels, label: source}
        for name, piece in pieces(f"{source}:{index}", targets):
            groups.append(TargetGroup(name, tuple({"__address__": address} for address in piece), named))
    return tuple(groups)


def list_items(group: TargetGroup) -> list[dict[str, Any]]:
    """The items of a list that `file_sd_configs` would read as this group: one for each set of labels.

    Targets a:1 and b:1 with labels of the group alone -> `[{"targets": ["a:1", "b:1"], "labels": {...}}]`
    """
    addresses: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for target in group.targets:
        labels = {**group.labels, **target}
        address = labels.pop("__address__", "")
        addresses.setdefault(tuple(sorted(labels.items())), []).append(address)
    if not addresses:
        addresses[tuple(sorted(group.labels.items()))] = []
    return [
        {"targets": targets} | ({"labels": dict(labels)} if labels else {})
        for labels, targets in addresses.items()
    ]


def pieces(source: str, addresses: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(source, addresses) of the parts of a group; a short one stays whole.

    A piece is named by the address that it begins with, not by its number: one that comes or goes renames no other.
    """
    if len(addresses) <= SHORT_GROUP:
        yield source, addresses
        return
    cuts = [k for k, address in enumerate(addresses) if k and crc32(address.encode()) % PIECE == 0]
    names: Counter[str] = Counter()
    for begin, end in pairwise([0, *cuts, len(addresses)]):
        name = f"{source}/{addresses[begin]}" if begin else source
        names[name] += 1
        yield f"{name}#{names[name]}" if names[name] > 1 else name, addresses[begin:end]


def changes(before: Mapping[str, TargetGroup], now: Iterable[TargetGroup]) -> list[TargetGroup]:
    """What to hand over so that `before` becomes `now`: new and changed groups, and empty ones for those gone."""
    wanted = {group.source: group for group in now}
    changed = [
        group for source, group in wanted.items() if (old := before.get(source)) is not group and old != group
    ]
    return changed + [TargetGroup(source) for source in before if source not in wanted]
