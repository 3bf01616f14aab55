"""Lists of target groups, as file_sd and http_sd have them, checked with their places."""

from collections.abc import Iterator, Mapping

from pyscrape.discovery.settings import STATIC_TYPE
from pyscrape.model.kinds import LABEL_SET, TEXTS, ListKind
from pyscrape.model.names import quoted
from pyscrape.model.problems import Problem, format_path
from pyscrape.model.settings import Decoder, Section, SectionKind, Settings, Spot, setting
from pyscrape.model.yaml_nodes import Node


class TargetEntry(Settings, go_type=STATIC_TYPE, go_name="targetgroup.Group"):
    """A group of a target list."""

    targets: tuple[str, ...] = setting(TEXTS, "Addresses, host:port.", always=True)
    labels: Mapping[str, str] = setting(LABEL_SET, "Labels of all these targets.")

    @classmethod
    def finish(cls, section: Section) -> None:
        node = section.nodes.get("targets")
        for index, address in enumerate(section["targets"]):
            if "/" in address and node is not None and node.kind == "list":
                section.decoder.add(
                    "warning",
                    "url-target",
                    f"{quoted(address)} is not a valid hostname unless relabeling changes it",
                    node.items[index],
                    (*section.path, "targets", index),
                    hint="the scheme belongs into __scheme__, the path into __metrics_path__",
                )


TARGET_LIST = ListKind(SectionKind(TargetEntry), null_item="nil target group item found")


def check_targets(root: Node | None, text: str, filename: str) -> list[Problem]:
    """Problems of a target list; its parsed document is at `root`. A name in .json asks for JSON, not only YAML."""
    decoder = Decoder(file=filename, text_size=len(text))
    as_json = filename.endswith((".json", ".JSON"))
    if root is not None and as_json:
        root = _in_lower_case(root)
    if root is not None and not root.is_null:
        TARGET_LIST.decode(Spot(decoder, root, ()))
    if not as_json:
        return decoder.problems
    problems = [
        # Go's JSON takes the last of several; its YAML refuses them.
        problem._replace(severity="warning") if problem.id == "duplicate-key" else problem
        for problem in decoder.problems
    ]
    return [*problems, *_json_problems(root, text, filename)]


def _in_lower_case(root: Node) -> Node:
    """The document with the names of its groups' fields in lower case: to Go's JSON, `Targets` is `targets`."""
    if root.kind != "list":
        return root
    return _like(root, [_like(group, _lower_keys(group)) for group in root.items])


def _lower_keys(group: Node) -> object:
    if group.kind != "map":
        return group.value
    return [
        (_like(key, key.value.casefold()) if key.kind == "scalar" else key, value)
        for key, value in group.pairs
    ]


def _like(node: Node, value: object) -> Node:
    return Node(node.kind, value, node.line, node.column, node.plain, node.tag, node.style)


def _json_problems(root: Node | None, text: str, filename: str) -> Iterator[Problem]:
    """What is YAML and no JSON; numbers and words where JSON must have a string."""
    import json

    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        hint = "a file whose name ends in .json is read as JSON"
        message = f"json: {error.msg}"
        yield Problem("error", "json-syntax", message, filename, error.lineno, error.colno, hint=hint)
        return
    except RecursionError:
        yield Problem("error", "json-syntax", "json: nested too deep", filename, 1, 1)
        return
    for index, group in enumerate(root.items if root is not None and root.kind == "list" else ()):
        for field in ("targets", "labels"):
            found = group.get(field)
            for step, node in _scalars(found) if found is not None else ():
                if node.plain and not node.is_null:
                    yield Problem(
                        "error",
                        "wrong-type",
                        f"json: cannot unmarshal {_json_type(node)} into a value of type string",
                        filename,
                        node.line,
                        node.column,
                        format_path((index, field, step)),
                        hint=f'write "{node.value}"',
                    )


def _scalars(node: Node) -> Iterator[tuple[str | int, Node]]:
    if node.kind == "list":
        yield from ((index, item) for index, item in enumerate(node.items) if item.kind == "scalar")
    elif node.kind == "map":
        yield from ((key.text, value) for key, value in node.pairs if value.kind == "scalar")


def _json_type(node: Node) -> str:
    return "bool" if node.value in {"true", "false"} else "number"
