"""YAML text as a tree of nodes that keep their raw text and place: the only thing that decodes as Go's YAML does.

`compose` builds the tree from the event stream itself rather than by the library's composer, which crashes the
process on very deep input, refuses an anchor that is defined twice and a second document, and hands out cyclic
trees. Values are resolved later, by the type that the reader wants (`as_bool`, `as_int`, `as_float`, `is_null`):
`regex: true` is the text `true` where text is wanted.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pyscrape.model.light_yaml import yaml

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 1_000
# A second of reading and 100 MB of nodes; the largest configurations that are known have a tenth of it.
MAX_NODES = 300_000

_STR_TAG = "tag:yaml.org,2002:str"
_NULL_TAG = "tag:yaml.org,2002:null"
_BINARY_TAG = "tag:yaml.org,2002:binary"
_INT_LIMIT = 2**63
_UINT_LIMIT = 2**64
_LONGEST_NUMBER = 400  # more digits than any float has, fewer than Python refuses to convert
_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_SPECIAL_FLOATS = {
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
# Compiled where they are used: many a configuration holds no number.
_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
_INT = r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))"

Kind = Literal["scalar", "list", "map"]


class YAMLError(ValueError):
    """A text that is no YAML; the message is Go's, line and column count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class Node:
    """A place in a YAML document: a scalar's raw text, a list's items, or a map's pairs in their order.

    `plain` is true for a scalar without quotes; only those can be null, a number or a bool. `style` is how a scalar
    is written: "" (plain), one of the quotes, `|` or `>`.
    """

    __slots__ = ("column", "kind", "line", "plain", "style", "tag", "value")

    def __init__(
        self,
        kind: Kind,
        value: Any,
        line: int,
        column: int,
        plain: bool = False,
        tag: str = "",
        style: str = "",
    ) -> None:
        self.kind = kind
        self.value = value
        self.line = line
        self.column = column
        self.plain = plain
        self.tag = tag
        self.style = style

    def __repr__(self) -> str:
        return f"Node({self.kind}, {self.value!r}, {self.line}:{self.column})"

    @property
    def text(self) -> str:
        """A scalar's text as a string field takes it."""
        if self.tag == _BINARY_TAG:
            return _binary(self)
        return "" if self.is_null else str(self.value)

    @property
    def items(self) -> "list[Node]":
        """The items of a list."""
        assert self.kind == "list"
        found: list[Node] = self.value
        return found

    @property
    def pairs(self) -> "list[tuple[Node, Node]]":
        """The pairs of a map, merge keys (`<<`) still among them."""
        assert self.kind == "map"
        found: list[tuple[Node, Node]] = self.value
        return found

    @property
    def is_null(self) -> bool:
        """Whether this is an explicit or implicit null."""
        if self.kind != "scalar":
            return False
        return self.tag == _NULL_TAG or (self.plain and not self.tag and self.value in _NULLS)

    @property
    def is_merge(self) -> bool:
        """Whether this key is `<<`."""
        return self.kind == "scalar" and self.value == "<<" and self.plain

    @property
    def go_tag(self) -> str:
        """The short tag that Go's messages name: `!!str`, `!!int`, `!!seq`, ..."""
        if self.kind != "scalar":
            return "!!seq" if self.kind == "list" else "!!map"
        if self.tag.startswith("tag:yaml.org,2002:"):
            return "!!" + self.tag.removeprefix("tag:yaml.org,2002:")
        if not self.plain:
            return "!!str"
        if self.is_null:
            return "!!null"
        if self.value in _BOOLS:
            return "!!bool"
        if _int(self.value) is not None:
            return "!!int"
        return "!!float" if as_float(self) is not None else "!!str"

    def get(self, name: str) -> "Node | None":
        """The value of a map's key, for a look at a document whose type is not known yet."""
        if self.kind != "map":
            return None
        return next((value for key, value in self.pairs if key.kind == "scalar" and key.value == name), None)


class Document(NamedTuple):
    """A document of a text: its root (None when it is empty), and where a second one begins, if one does.

    `question_marks` are the unquoted texts between brackets that hold a `?`: one of YAML's newer versions lets them
    stand, and Go's library, which reads the older one, refuses the file.
    """

    root: Node | None
    second_line: int = 0
    question_marks: tuple[Node, ...] = ()


def _binary(node: Node) -> str:
    import base64
    import binascii

    try:
        raw = base64.b64decode("".join(str(node.value).split()), validate=True)
    except binascii.Error as error:
        raise YAMLError(
            "yaml: !!binary value contains invalid base64 data", node.line, node.column
        ) from error
    return raw.decode("utf-8", "surrogateescape")


def _resolvable(node: Node) -> bool:
    return node.kind == "scalar" and (
        node.plain or (bool(node.tag) and node.tag not in (_STR_TAG, _BINARY_TAG))
    )


def as_bool(node: Node) -> bool | None:
    """The truth value of an unquoted yes/no word of YAML 1.1; None when it is none."""
    return _BOOLS.get(node.value) if _resolvable(node) else None


def as_int(node: Node) -> int | None:
    """An integer as Go reads one (`010` is 8, `1.9` is 1, `1e3` is 1000); None when it is none."""
    if not _resolvable(node):
        return None
    found = _int(node.value)
    if found is not None:
        return found
    number = as_float(node)
    if number is None or number != number or abs(number) >= _UINT_LIMIT:
        return None
    return int(number)


def _int(text: str) -> int | None:
    match = re.fullmatch(_INT, text.replace("_", "")) if len(text) <= _LONGEST_NUMBER else None
    if match is None or not text[:1].strip(".") or text[0] == "_":
        return None
    sign, hexadecimal, binary, octal, decimal = match.groups()
    base, digits = next((b, d) for b, d in ((16, hexadecimal), (2, binary), (8, octal), (10, decimal)) if d)
    value = int(digits, base) * (-1 if sign == "-" else 1)
    return value if -_INT_LIMIT <= value < _UINT_LIMIT else None


def as_float(node: Node) -> float | None:
    """A number as Go reads one; None when it is none or too large for a float."""
    if not _resolvable(node):
        return None
    text: str = node.value
    if text in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[text]
    whole = _int(text)
    if whole is not None:
        return float(whole)
    plain = text.replace("_", "") if text[:1] != "." else text
    if len(text) > _LONGEST_NUMBER or not re.fullmatch(_FLOAT, plain) or text[:1] == "_":
        return None
    number = float(plain)
    return None if number in (float("inf"), float("-inf")) else number


def decode_bytes(raw: bytes) -> str:
    """The text of a file's bytes; raises YAMLError for what is no UTF-8 (or marked UTF-16) or larger than 16 MB."""
    if len(raw) > MAX_BYTES:
        raise YAMLError(f"the file has {len(raw)} bytes, more than the {MAX_BYTES} that are read")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        kind = (
            "invalid leading UTF-8 octet"
            if "start byte" in error.reason
            else "incomplete UTF-8 octet sequence"
        )
        raise YAMLError(f"yaml: {kind}", line, column) from error


def _loader() -> Any:
    # A stranger's build of PyYAML may lack libyaml: slower, the same events.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _as_go(error: yaml.MarkedYAMLError) -> YAMLError:
    """The reader's error in the words of Go's library, which reads as libyaml does."""
    mark: Any = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if error.problem == "exceeded maximum nesting depth":  # newer libyaml counts too, to the same thousand
        return _too_deep(line, column)
    return YAMLError(f"yaml: line {line}: {error.problem or 'could not read the document'}", line, column)


def _too_deep(line: int, column: int) -> YAMLError:
    return YAMLError(f"yaml: exceeded max depth of {MAX_DEPTH}", line, column)


def _control_character(text: str) -> tuple[int, int]:
    # libyaml counts bytes, the Python reader characters: look for the character itself.
    # Compiled on demand: a class of all of Unicode takes longer than a whole small configuration.
    control = re.compile(
        "[^\\x09\\x0a\\x0d\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]"
    )
    found = control.search(text)
    start = found.start() if found else 0
    before = text[:start]
    return before.count("\n") + 1, start - before.rfind("\n")


def compose(text: str) -> Document:
    """The first document of a YAML text as nodes.

    Raises:
        YAMLError: no YAML, deeper than 1,000 levels, larger than 16 MB or 300,000 nodes, or an anchor inside its own
            value.
    """
    if len(text) > MAX_BYTES:
        raise YAMLError(f"the text has {len(text)} characters, more than the {MAX_BYTES} that are read")
    found = compose_all(text, first_only=True)
    return found[0] if found else Document(None)


def compose_all(text: str, *, first_only: bool = False) -> list[Document]:
    """All documents of a YAML text (Kubernetes manifests); with `first_only` as `compose`."""
    try:
        loader = _loader()(text)
        try:
            return _documents(loader.get_event, first_only)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise _as_go(error) from error
    except yaml.reader.ReaderError as error:
        place = _control_character(text)
        raise YAMLError("yaml: control characters are not allowed", *place) from error
    except UnicodeEncodeError as error:
        before = text[: error.start]
        place = before.count("\n") + 1, error.start - before.rfind("\n")
        raise YAMLError("yaml: invalid Unicode character", *place) from error


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _documents(get_event: Callable[[], Any], first_only: bool) -> list[Document]:
    documents: list[Document] = []
    while type(event := get_event()) is not yaml.StreamEndEvent:
        if type(event) is not yaml.DocumentStartEvent:
            continue
        if event.version not in (None, (1, 1)):
            raise YAMLError("yaml: found incompatible YAML document", _line(event), 1)
        question_marks: list[Node] = []
        root = _document(get_event, question_marks)
        second_line = _second_document(get_event) if first_only else 0
        documents.append(Document(root, second_line, tuple(question_marks)))
        if first_only:
            break
    return documents


def _second_document(get_event: Callable[[], Any]) -> int:
    try:
        while type(event := get_event()) is not yaml.StreamEndEvent:
            if type(event) is yaml.DocumentStartEvent:
                return _line(event)
    except yaml.YAMLError:
        return 0  # Go never reads past the first document either
    return 0


def _document(get_event: Callable[[], Any], question_marks: list[Node]) -> Node | None:
    """Build the nodes of one document from its events, without recursion; note plain texts that hold a `?`."""
    anchors: dict[str, Node] = {}
    open_nodes: list[Node] = []
    pending: list[Node | None] = []  # the key that waits for its value, per open node
    in_brackets = 0  # how many of the open nodes are, or are inside of, [ ] or { }
    root: Node | None = None
    scalar, alias = yaml.ScalarEvent, yaml.AliasEvent
    map_start, list_start = yaml.MappingStartEvent, yaml.SequenceStartEvent
    for _ in range(MAX_NODES):
        event = get_event()
        kind = type(event)
        if kind is scalar:
            mark, tag, style = event.start_mark, event.tag or "", event.style or ""
            plain = not style and not tag
            tag = "" if tag == "!" else tag
            node = Node("scalar", event.value, mark.line + 1, mark.column + 1, plain, tag, style)
            if in_brackets and not style and "?" in event.value:
                question_marks.append(node)
        elif kind is map_start or kind is list_start:
            mark = event.start_mark
            node = Node("map" if kind is map_start else "list", [], mark.line + 1, mark.column + 1)
            if len(open_nodes) >= MAX_DEPTH:
                raise _too_deep(node.line, node.column)
        elif kind is alias:
            node = _alias(event, anchors, open_nodes)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            open_nodes.pop()
            pending.pop()
            in_brackets -= in_brackets > 0
            continue
        else:
            return root  # the document's end
        if kind is not alias and event.anchor is not None:
            anchors[event.anchor] = node
        if not open_nodes:
            root = node
        elif open_nodes[-1].kind == "list":
            open_nodes[-1].value.append(node)
        elif pending[-1] is None:
            pending[-1] = node
        else:
            open_nodes[-1].value.append((pending[-1], node))
            pending[-1] = None
        if kind is map_start or kind is list_start:
            open_nodes.append(node)
            pending.append(None)
            in_brackets += in_brackets > 0 or event.flow_style
    line = open_nodes[0].line if open_nodes else 1
    raise YAMLError(f"the document has more than the {MAX_NODES} nodes that are read", line, 1)


def _alias(event: Any, anchors: Mapping[str, Node], open_nodes: Sequence[Node]) -> Node:
    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    found = anchors.get(event.anchor)
    if found is None:
        raise YAMLError(f"yaml: unknown anchor '{event.anchor}' referenced", line, column)
    if found in open_nodes:
        raise YAMLError(f"yaml: anchor '{event.anchor}' value contains itself", line, column)
    return found


def place_inside(node: Node, lines: Sequence[str], line: int, column: int) -> tuple[int, int]:
    """Where a place inside a scalar's text (from 1) stands in the file, whose lines are `lines`.

    Exact for literal blocks and for texts on one line; of folded texts only the beginning is known.
    """
    if node.style == "|":
        indent = next((len(text) - len(text.lstrip(" ")) for text in lines[node.line :] if text.strip()), 0)
        return node.line + line, column + indent
    if line == 1 and node.style != ">":
        return node.line, node.column + column - 1 + (1 if node.style else 0)
    return node.line, node.column


def from_python(value: object) -> Node:
    """Plain Python data (a manifest, a test's mapping) as nodes without a place."""
    if isinstance(value, Mapping):
        return Node("map", [(from_python(key), from_python(item)) for key, item in value.items()], 0, 0)
    if isinstance(value, (list, tuple)):
        return Node("list", [from_python(item) for item in value], 0, 0)
    if value is None:
        return Node("scalar", "null", 0, 0, plain=True)
    if isinstance(value, bool):
        return Node("scalar", "true" if value else "false", 0, 0, plain=True)
    return Node("scalar", str(value), 0, 0, plain=not isinstance(value, str) or type(value) is not str)
