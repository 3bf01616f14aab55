"""The types that fields of the configuration have, each with its decoder, its printed form and its JSON Schema."""

# pathlib costs a tenth of the time that a whole check may take, and os.path joins as Go does:
# ruff: noqa: PTH117, PTH118

import os.path
import re
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

from pyscrape.model.duration import Duration, DurationError, parse_duration
from pyscrape.model.names import quoted, valid_label_name, valid_utf8
from pyscrape.model.problems import nearest
from pyscrape.model.settings import EMPTY_MAP, FAILED, FlowList, Kind, Secret, SectionKind, Spot, merged_maps
from pyscrape.model.yaml_nodes import Node, as_bool, as_float, as_int

_SCALAR = ["string", "number", "boolean", "null"]
_DEEPEST_FREE_VALUE = 50
_LONGEST_DURATION = 200  # a longer text is none, and stays none when it is cut


class TextKind(Kind):
    """Text: any scalar's source text. `check` may refuse it by returning a message."""

    def __init__(self, check: Callable[[str], str] | None = None, pattern: str = "") -> None:
        self._check = check
        self._pattern = pattern

    def decode(self, spot: Spot) -> Any:
        node = spot.node
        if node.kind != "scalar":
            spot.wrong_type("text", self.go_type)
            return FAILED
        text = node.text
        if self._check is not None and (message := self._check(text)):
            spot.error(message)
            return FAILED
        return text

    def dump(self, value: Any) -> Any:
        return str(value)

    def schema(self) -> dict[str, Any]:
        return {"type": _SCALAR, **({"pattern": self._pattern} if self._pattern else {})}


class SecretKind(TextKind):
    """Text that is never printed."""

    go_type = "config.plain"
    zero = Secret("")
    secret = True

    def decode(self, spot: Spot) -> Any:
        text = super().decode(spot)
        return text if text is FAILED else Secret(text)


class PathKind(TextKind):
    """A file's path, joined to the directory of the configuration file."""

    def decode(self, spot: Spot) -> Any:
        text = super().decode(spot)
        return text if text is FAILED else join_dir(spot.decoder.base_dir, text)


def join_dir(base_dir: str, path: str) -> str:
    """`path` as seen from `base_dir`; empty and absolute paths stay as they are."""
    if not path or os.path.isabs(path):
        return path
    return os.path.normpath(os.path.join(base_dir, path))


class BoolKind(Kind):
    """true/false, yes/no, on/off, y/n in YAML 1.1's spellings."""

    go_type = "bool"
    zero = False

    def decode(self, spot: Spot) -> Any:
        value = as_bool(spot.node)
        if value is None:
            spot.wrong_type("true or false", self.go_type)
            return FAILED
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": ["boolean", "null"]}


class TristateKind(BoolKind):
    """A bool that inherits when it is not given."""

    zero = None  # type: ignore[assignment]  # "not given" is a third value


class IntKind(Kind):
    """A whole number; `unsigned` ones start at zero. `wide`: Go's type names its 64 bits."""

    zero = 0

    def __init__(self, *, unsigned: bool = False, wide: bool = False) -> None:
        self.go_type = ("uint" if unsigned else "int") + ("64" if wide else "")
        self._unsigned = unsigned

    def decode(self, spot: Spot) -> Any:
        value = as_int(spot.node)
        lowest, highest = (0, 2**64 - 1) if self._unsigned else (-(2**63), 2**63 - 1)
        if value is None or not lowest <= value <= highest:
            spot.wrong_type("a whole number" + (" of at least 0" if self._unsigned else ""), self.go_type)
            return FAILED
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": ["number", "null"], **({"minimum": 0} if self._unsigned else {})}


class FloatKind(Kind):
    """A number."""

    go_type = "float64"
    zero = 0.0

    def decode(self, spot: Spot) -> Any:
        value = as_float(spot.node)
        if value is None:
            spot.wrong_type("a number", self.go_type)
            return FAILED
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": ["number", "null"]}


class DurationKind(Kind):
    """A duration such as 30s or 1h30m."""

    go_type = "model.Duration"
    zero = Duration(0)

    def decode(self, spot: Spot) -> Any:
        if spot.node.kind != "scalar":
            spot.wrong_type("a duration such as 30s", "string")
            return FAILED
        try:
            return parse_duration(spot.node.text[:_LONGEST_DURATION])
        except DurationError as error:
            spot.error(str(error), problem_id="bad-duration", hint=_duration_hint(spot.node.text))
            return FAILED

    def dump(self, value: Any) -> Any:
        return str(value)

    def schema(self) -> dict[str, Any]:
        pattern = r"^((\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?|0)$"
        return {"type": ["string", "integer", "null"], "pattern": pattern, "maximum": 0}


def _duration_hint(text: str) -> str:
    stripped = text.strip().replace(" ", "").lower()
    if stripped.isdigit():
        return f"add a unit: {stripped}s"
    for word, unit in (
        ("minutes", "m"),
        ("minute", "m"),
        ("min", "m"),
        ("seconds", "s"),
        ("sec", "s"),
        ("hours", "h"),
    ):
        if stripped.removesuffix(word).isdigit() and stripped.endswith(word):
            return f"write {stripped.removesuffix(word)}{unit}"
    if re.fullmatch(r"\d*\.\d+[hms]", stripped):
        return "a smaller unit and a whole number, such as 1500ms for 1.5s"
    return "a duration is whole numbers with the units y, w, d, h, m, s, ms in this order, such as 1h30m"


class SizeKind(Kind):
    """A size in bytes such as 10MB, in steps of 1024."""

    go_type = "units.Base2Bytes"
    zero = 0

    def decode(self, spot: Spot) -> Any:
        if spot.node.kind != "scalar":
            spot.wrong_type("a size such as 10MB", self.go_type)
            return FAILED
        try:
            return parse_size(spot.node.text)
        except ValueError as error:
            hint = (
                f"add a unit: {spot.node.text}B"
                if spot.node.text.isdigit()
                else "a size is a number and B, KB, MB, GB"
            )
            spot.error(str(error), problem_id="bad-size", hint=hint)
            return FAILED

    def dump(self, value: Any) -> Any:
        return format_size(value)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "pattern": r"^([0-9.]+([KMGTPE]i?)?B)+$"}


_SIZE_PREFIXES = "KMGTPE"
_SIZE_UNITS = {"B": 1} | {
    f"{prefix}{suffix}": 1024 ** (power + 1)
    for power, prefix in enumerate(_SIZE_PREFIXES)
    for suffix in ("B", "iB")
}
_SIZE_PART = r"([0-9]*\.?[0-9]*)([^0-9.]*)"


def parse_size(text: str) -> int:
    """Bytes of a size text, in steps of 1024; raises ValueError with Prometheus' words.

    >>> parse_size("10MB")
    10485760
    """
    if text == "0":
        return 0
    pattern = re.compile(_SIZE_PART)
    sign, position = (-1, 1) if text[:1] == "-" else (1, int(text[:1] == "+"))
    total = 0.0
    if not text[position:]:
        raise ValueError(f"units: invalid {text}")
    while position < len(text):
        part = pattern.match(text, position)
        if part is None or not part[1].strip("."):
            raise ValueError(f"units: invalid {text}")
        if part[2] not in _SIZE_UNITS:
            raise ValueError(f"units: unknown unit {part[2]} in {text}")
        total += float(part[1]) * _SIZE_UNITS[part[2]]
        position = part.end()
    if total >= 2**63:
        raise ValueError(f"units: invalid {text}")
    return sign * int(total)


def format_size(size: int) -> str:
    """Bytes as Prometheus prints them: `1GiB512MiB`."""
    if size == 0:
        return "0B"
    parts, rest = "", size
    for power in range(len(_SIZE_PREFIXES), 0, -1):
        count, rest = divmod(rest, 1024**power)
        if count:
            parts += f"{count}{_SIZE_PREFIXES[power - 1]}iB"
    return parts + (f"{rest}B" if rest else "")


class EnumKind(Kind):
    """One of several words. `message` makes Prometheus' text for another one; `fold` matches in any case."""

    def __init__(
        self,
        words: Sequence[str],
        message: Callable[[str], str],
        *,
        go_type: str = "string",
        fold: bool = False,
    ) -> None:
        self.words = tuple(words)
        self.go_type = go_type
        self._message = message
        self._fold = fold

    def decode(self, spot: Spot) -> Any:
        if spot.node.kind != "scalar":
            spot.wrong_type(f"one of {', '.join(self.words)}", self.go_type)
            return FAILED
        text = spot.node.text
        word = text.lower() if self._fold else text
        if word in self.words:
            return word
        meant = nearest(text, self.words)
        suggestion = f", did you mean `{meant}`?" if meant else ""
        hint = (
            f"did you mean `{meant}`?"
            if meant
            else f"one of {', '.join(word for word in self.words if word)}"
        )
        spot.error(self._message(text) + suggestion, problem_id="unknown-value", hint=hint)
        return FAILED

    def schema(self) -> dict[str, Any]:
        if self._fold:
            any_case = ("".join(f"[{c}{c.upper()}]" for c in word) for word in self.words)
            return {
                "type": ["string", "null"],
                "pattern": f"^({'|'.join(any_case)})$",
                "examples": list(self.words),
            }
        return {"enum": [*self.words, None]}


class ListKind(Kind):
    """A list. `null_item` is Prometheus' text for an item that is null; without one it is the item's zero."""

    zero: tuple[Any, ...] = ()

    def __init__(self, item: Kind, *, null_item: str = "", flow: bool = False, go_type: str = "") -> None:
        self.item = item
        self.secret = item.secret
        self._list: type[list[Any]] = FlowList if flow else list
        self._null_item = null_item
        self._go_type = go_type

    @property
    def go_type(self) -> str:  # type: ignore[override]  # an item's class may not be loaded yet
        if self._go_type:
            return self._go_type
        if isinstance(self.item, SectionKind):
            return f"[]*{self.item.cls.go_name}"
        return f"[]{self.item.go_type}"

    def decode(self, spot: Spot) -> Any:
        node = spot.node
        if node.kind != "list":
            spot.wrong_type("a list", self.go_type, secret=self.secret)
            return FAILED
        values, children = [], []
        for index, item in enumerate(node.items):
            inner = spot.inner(item, index)
            if item.is_null and self._null_item:
                inner.error(self._null_item, problem_id="null-item", hint="delete the item or fill it in")
            elif item.is_null:
                values.append(self.item.zero)
            elif (value := self.item.decode(inner)) is not FAILED:
                values.append(value)
            children.append(inner.child)
            spot.failed = spot.failed or inner.failed
        if isinstance(self.item, SectionKind):
            spot.child = children
        return tuple(values)

    def dump(self, value: Any) -> Any:
        return self._list(self.item.dump(item) for item in value)

    def schema(self) -> dict[str, Any]:
        return {"type": ["array", "null"], "items": self.item.schema()}


class MapKind(Kind):
    """A mapping from text to values of one kind."""

    zero = EMPTY_MAP

    def __init__(
        self, value: Kind, *, check: Callable[[str, Any], str] | None = None, go_type: str = ""
    ) -> None:
        self.value = value
        self.secret = value.secret
        self.go_type = go_type or f"map[string]{value.go_type}"
        self._check = check

    def decode(self, spot: Spot) -> Any:
        if spot.node.kind != "map":
            spot.wrong_type("a mapping", self.go_type, secret=self.secret)
            return FAILED
        values: dict[str, Any] = {}
        children: list[Any] = []
        self._decode_pairs(spot, spot.node, values, children)
        if isinstance(self.value, SectionKind):
            spot.child = children
        return MappingProxyType(values)

    def _decode_pairs(self, spot: Spot, node: Node, values: dict[str, Any], children: list[Any]) -> None:
        for key, value in node.pairs:
            if key.is_merge:
                for merged in merged_maps(spot.decoder, value, spot.path):
                    self._decode_pairs(spot, merged, values, children)
                continue
            if key.is_null:
                continue  # so does Go, for whatever reason
            name = key.text if key.kind == "scalar" else ""
            at_key = Spot(spot.decoder, key, (*spot.path, name))
            if key.kind != "scalar":
                at_key.error("invalid map key: expected text")
            elif name in values:
                at_key.error(f"key {quoted(name)} already set in map", problem_id="duplicate-key")
            else:
                inner = spot.inner(value, name)
                decoded = self.value.zero if value.is_null else self.value.decode(inner)
                if decoded is not FAILED:
                    values[name] = decoded
                    if self._check is not None and (message := self._check(name, decoded)):
                        at_key.error(message, problem_id="bad-label")
                children.append(inner.child)
                spot.failed = spot.failed or inner.failed
            spot.failed = spot.failed or at_key.failed

    def dump(self, value: Any) -> Any:
        return {key: self.value.dump(value[key]) for key in sorted(value)}

    def schema(self) -> dict[str, Any]:
        return {"type": ["object", "null"], "additionalProperties": self.value.schema()}


class FreeKind(Kind):
    """Any value, as YAML resolves it (the claims of a token)."""

    go_type = "interface {}"
    zero = None

    def decode(self, spot: Spot) -> Any:
        node = spot.node
        if len(spot.path) > _DEEPEST_FREE_VALUE:
            spot.error(f"nested deeper than {_DEEPEST_FREE_VALUE} levels")
            return FAILED
        if node.kind == "list":
            return tuple(self.decode(spot.inner(item, index)) for index, item in enumerate(node.items))
        if node.kind == "map":
            return {key.text: self.decode(spot.inner(value, key.text)) for key, value in node.pairs}
        if node.is_null:
            return None
        for read in (as_bool, as_int, as_float):
            if node.plain and (value := read(node)) is not None:
                return value
        return node.text

    def schema(self) -> dict[str, Any]:
        return {}


def check_label(name: str, value: Any) -> str:
    """Prometheus' text about a label that cannot be, or ""."""
    if message := check_label_name(name):
        return message
    return "" if valid_utf8(value) else f"{quoted(value)} is not a valid label value"


def check_label_name(name: str) -> str:
    """Prometheus' text about a name that no label can have, or ""."""
    return "" if valid_label_name(name, "utf8") else f"{quoted(name)} is not a valid label name"


TEXT = TextKind()
SECRET = SecretKind()
SECRETS = ListKind(SECRET, go_type="[]config.Secret")
PATH = PathKind()
BOOL = BoolKind()
TRISTATE = TristateKind()
INT = IntKind()
UINT = IntKind(unsigned=True)
FLOAT = FloatKind()
DURATION = DurationKind()
SIZE = SizeKind()
FREE = FreeKind()
TEXTS = ListKind(TEXT)
TEXT_MAP = MapKind(TEXT)
LABEL_NAMES = ListKind(TextKind(check_label_name), flow=True, go_type="model.LabelNames")
LABEL_SET = MapKind(TEXT, check=lambda name, _: check_label_name(name), go_type="model.LabelSet")
LABELS = MapKind(TEXT, check=check_label, go_type="map[string]string")
