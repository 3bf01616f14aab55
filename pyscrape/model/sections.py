"""What the decoder of settings knows of a document while it reads it: problems, spots, and sections with places.

A `Spot` is a node that is about to be read, a `Section` a mapping that was: its values and where each of them stands.
Cross-field rules and lints work on sections, so that what they say points at a line and column.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from pyscrape.model.problems import Path, Problem, Severity, format_path
from pyscrape.model.yaml_nodes import Node, YAMLError

if TYPE_CHECKING:
    from pyscrape.model.settings import SectionKind, Settings

MOST_PROBLEMS = 1_000
LONGEST_MESSAGE = 1_000


class Decoder:
    """One decoding: what every place of it needs to know, and the problems found so far."""

    def __init__(self, *, file: str = "-", base_dir: str = ".", text_size: int = 0) -> None:
        self.file = file
        self.base_dir = base_dir
        self.problems: list[Problem] = []
        self.document: type[Settings] | None = None
        self._steps_left = text_size // 2 + 50_000

    def add(
        self,
        severity: Severity,
        problem_id: str,
        message: str,
        node: Node | None,
        path: Path = (),
        *,
        hint: str = "",
    ) -> None:
        """Note a problem at a node."""
        if len(self.problems) >= MOST_PROBLEMS:
            return
        line, column = (node.line, node.column) if node is not None else (0, 0)
        if len(message) > LONGEST_MESSAGE:
            message = message[: LONGEST_MESSAGE - 3] + "..."
        self.problems.append(
            Problem(severity, problem_id, message, self.file, line, column, format_path(path), "", hint)
        )

    def count(self, node: Node) -> None:
        """Refuse a document whose aliases expand to far more than its text holds (Go's words)."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise YAMLError("yaml: document contains excessive aliasing", node.line, node.column)


class Spot:
    """A node that is about to be decoded: where it is and what to do with what is wrong about it."""

    __slots__ = ("child", "decoder", "failed", "node", "path")

    def __init__(self, decoder: Decoder, node: Node, path: Path) -> None:
        self.decoder = decoder
        self.node = node
        self.path = path
        self.failed = False
        self.child: Any = None  # what a kind leaves for the section's tree

    def error(self, message: str, *, problem_id: str = "invalid-value", hint: str = "") -> None:
        """Note an error here."""
        self.failed = True
        self.decoder.add("error", problem_id, message, self.node, self.path, hint=hint)

    def wrong_type(self, expected: str, go_type: str, *, secret: bool = False) -> None:
        """Note that the node is not of the type that the field has; what it holds may be a `secret`."""
        node = self.node
        shown, value = {"list": "a list", "map": "a mapping"}.get(node.kind, ""), ""
        if node.go_tag == "!!str" and secret:
            shown = "`<secret>`"
        elif node.kind == "scalar":
            shown = f"`{node.value}`" if len(node.value) <= 60 else f"`{node.value[:57]}...`"
            value = f" `{node.value[:7]}...`" if len(node.value) > 10 else f" `{node.value}`"
        self.error(
            f"expected {expected}, found {shown}"
            f" (line {node.line}: cannot unmarshal {node.go_tag}{value} into {go_type})",
            problem_id="wrong-type",
        )

    def inner(self, node: Node, step: str | int) -> "Spot":
        """The spot of a child node."""
        self.decoder.count(node)
        return Spot(self.decoder, node, (*self.path, step))


class Section:
    """A decoded mapping with its places: what rules that look at several fields work on.

    `values` are the given fields by YAML name (those of inline sections beside the others), `keys` and `nodes` where
    they stand, `failed` the names of those that could not be read (wholly), `children` the sections below: one, or
    a list with None for items that are null.
    """

    __slots__ = (
        "children",
        "cls",
        "decoder",
        "extended",
        "failed",
        "keys",
        "node",
        "nodes",
        "path",
        "value",
        "values",
    )

    def __init__(self, decoder: Decoder, cls: "type[Settings]", node: Node, path: Path) -> None:
        self.decoder = decoder
        self.cls = cls
        self.node = node
        self.path = path
        self.values: dict[str, Any] = {}
        self.extended: dict[str, None] = {}
        self.keys: dict[str, Node] = {}
        self.nodes: dict[str, Node] = {}
        self.failed: set[str] = set()
        self.children: dict[str, Any] = {}
        self.value: Any = None

    def inline(self, name: str) -> Any:
        """The inline section `name` as it stands now."""
        declared = self.cls.settings[name]
        inner = cast("SectionKind", declared.kind).cls.settings
        return declared.default.replace(**{key: value for key, value in self.values.items() if key in inner})

    def given(self, name: str) -> bool:
        """Whether the field stands in the file (also as null)."""
        return name in self.nodes

    def __getitem__(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        owner, declared = self.cls.keys[name]
        return getattr(self.cls.settings[owner].default, name) if owner else declared.default

    def child(self, name: str) -> "Section | None":
        """The section below a field."""
        found = self.children.get(name)
        return found if isinstance(found, Section) else None

    def items(self, name: str) -> "list[Section]":
        """The sections of a list field; null items are left out."""
        found = self.children.get(name)
        return [item for item in found if item is not None] if isinstance(found, list) else []

    def walk(self) -> "Iterator[Section]":
        """This section and all below it, in the order of the file."""
        yield self
        for found in self.children.values():
            for section in found if isinstance(found, list) else [found]:
                if section is not None:
                    yield from section.walk()

    def add(
        self,
        severity: Severity,
        problem_id: str,
        message: str,
        at: str = "",
        *,
        hint: str = "",
        key: bool = False,
    ) -> None:
        """Note a problem at a field's value (or, with `key`, its name), or at the section when there is none."""
        node = (self.keys if key else self.nodes).get(at)
        path = (*self.path, at) if at else self.path
        self.decoder.add(severity, problem_id, message, node or self.node, path, hint=hint)

    def error(self, message: str, at: str = "", *, problem_id: str = "invalid-value", hint: str = "") -> None:
        """Note an error at a field's value, or at the section itself."""
        self.add("error", problem_id, message, at, hint=hint)
