"""Rule files: their shape, their expressions (by our PromQL parser) and their templates, each with its place."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pyscrape.model.names import quoted
from pyscrape.model.problems import Path, Problem, Severity, format_path, nearest
from pyscrape.model.settings import Decoder, Section, decode_node
from pyscrape.model.yaml_nodes import Document, Node, YAMLError, compose, decode_bytes, place_inside
from pyscrape.rules.settings import RuleGroups

_OPEN, _CLOSE = "{{", "}}"
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|\'(?:[^\'\\\n]|\\.)*\'')
_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)")
_CALL = re.compile(r"[|(]\s*([A-Za-z_]\w*)")
# What Prometheus defines before the text of every template.
_VARIABLES = {"labels", "value", "externalLabels", "externalURL"}
_FIRST_WORD = re.compile(r"-?\s*([A-Za-z_][A-Za-z0-9_]*)")
_CONTROL = {"if", "else", "end", "range", "with", "define", "template", "block", "break", "continue", "nil"}
_FUNCTIONS = {
    "and", "call", "html", "index", "slice", "js", "len", "not", "or", "print", "printf", "println", "urlquery",
    "eq", "ge", "gt", "le", "lt", "ne", "true", "false",
    "query", "first", "label", "value", "strvalue", "args", "reReplaceAll", "safeHtml", "match", "title", "toUpper",
    "toLower", "graphLink", "tableLink", "sortByLabel", "stripPort", "stripDomain", "humanize", "humanize1024",
    "humanizeDuration", "humanizePercentage", "humanizeTimestamp", "toTime", "toDuration", "now", "pathPrefix",
    "externalURL", "parseDuration", "urlQueryEscape", "tmpl", "toJson",
}  # fmt: skip


class RuleFile(NamedTuple):
    """What a rule file holds: how many rules, and what is wrong with it."""

    rules: int
    problems: list[Problem]


def check_rule_text(text: str, filename: str) -> RuleFile:
    """Check a rule file's text."""
    from pyscrape.config.load import syntax_problem

    try:
        return check_rules(compose(text), text, filename)
    except YAMLError as error:
        return RuleFile(0, [syntax_problem(error, filename)])


def check_rule_bytes(raw: bytes, filename: str) -> RuleFile:
    """Check a rule file's bytes."""
    from pyscrape.config.load import syntax_problem

    try:
        return check_rule_text(decode_bytes(raw), filename)
    except YAMLError as error:
        return RuleFile(0, [syntax_problem(error, filename)])


def check_rules(document: Document, text: str, filename: str) -> RuleFile:
    """Check a rule file whose nodes are known already."""
    decoder = Decoder(file=filename, text_size=len(text))
    if document.root is None:
        return RuleFile(0, [])
    _, section = decode_node(RuleGroups, document.root, decoder)
    count = 0
    lines = text.split("\n")
    seen: dict[tuple[object, ...], Section] = {}
    for group in section.items("groups") if section is not None else ():
        for index, rule in enumerate(group.items("rules")):
            count += 1
            name = rule["record"] or rule["alert"]
            context = f"group {quoted(group['name'])}, rule {index + 1}, {quoted(name)}"
            decoder.problems += _expression(rule, lines, context)
            decoder.problems += _templates(rule, lines, context)
            decoder.problems += _duplicate(rule, seen)
    return RuleFile(count, decoder.problems)


def _problem(
    section: Section, node: Node, place: tuple[int, int], field: str, message: str, hint: str = ""
) -> Problem:
    path: Path = (*section.path, field)
    line, column = place if node.line else (0, 0)
    return Problem(
        "error", "bad-rule", message, section.decoder.file, line, column, format_path(path), "", hint
    )


def _expression(rule: Section, lines: Sequence[str], context: str) -> Iterator[Problem]:
    text, node = rule["expr"], rule.nodes.get("expr")
    if node is None or not text.strip():
        return
    from pyscrape.promql.faults import Position, QueryParseError
    from pyscrape.promql.parser import parse_expr

    try:
        parse_expr(text)
        return
    except QueryParseError as error:
        first = error
    try:
        # What a server takes depends on its flags: what some flag allows is no error of the file.
        parse_expr(text, experimental=True, extended_ranges=True, fill=True)
        severity: Severity = "warning"
    except QueryParseError as error:
        first, severity = error, "error"
    # The first fault is what Prometheus says; the others mostly follow from it.
    fault = first.faults[0]
    # A text that ends too early is shown where it ends, not on the line after it.
    start = min(fault.start, len(text.rstrip()))
    before = text[:start]
    place = place_inside(node, lines, before.count("\n") + 1, start - before.rfind("\n"))
    reason = f"{Position(text, fault.start)}: parse error: {fault.message}"
    found = _problem(rule, node, place, "expr", f"{context}: could not parse expression: {reason}")
    yield found if severity == "error" else found._replace(severity="warning", id="needs-feature-flag")


def _templates(rule: Section, lines: Sequence[str], context: str) -> Iterator[Problem]:
    for field in ("labels", "annotations"):
        node = rule.nodes.get(field)
        if node is None or node.kind != "map" or not rule["alert"]:
            continue
        for key, value in node.pairs:
            found = template_mistake(value.text) if value.kind == "scalar" else None
            if found is not None:
                message, offset = found
                before = value.text[:offset]
                place = place_inside(value, lines, before.count("\n") + 1, offset - before.rfind("\n"))
                text = f"{context}: could not parse template of {field} {quoted(key.text)}: {message}"
                yield _problem(rule, value, place, field, text)


def template_mistake(text: str) -> tuple[str, int] | None:
    """What Go's template parser would refuse at first sight, with the offset; None when nothing is seen."""
    position, depth = text.find(_OPEN), 0
    variables = set(_VARIABLES)
    while position >= 0:
        end = text.find(_CLOSE, position)
        if end < 0:
            return "unclosed action", position
        action = _STRING.sub(lambda found: " " * len(found[0]), text[position + 2 : end])
        comment = action.lstrip("- ").startswith("/*")
        if not comment and (mistake := _word_mistake(action, variables)) is not None:
            return mistake[0], position + 2 + mistake[1]
        word = _FIRST_WORD.match(action.lstrip())
        if word is not None and not comment:
            name = word[1]
            if name in {"if", "range", "with", "define", "block"}:
                depth += 1
            elif name == "end":
                depth -= 1
            elif name not in _CONTROL | _FUNCTIONS:
                return f"function {quoted(name)} not defined", position + 2
        if depth < 0:
            return "unexpected {{end}}", position
        position = text.find(_OPEN, end + 2)
    return ("unexpected EOF", max(len(text) - 1, 0)) if depth else None


def _word_mistake(action: str, variables: set[str]) -> tuple[str, int] | None:
    """A variable or function of an action (without its texts) that is not there, with its offset.

    What the action defines is added to `variables`; that it ends with its block is left to Prometheus.
    """
    defined, _, _ = action.rpartition(":=")
    variables |= set(_VARIABLE.findall(defined))
    for found in _VARIABLE.finditer(action):
        if found[1] not in variables:
            meant = nearest(found[1], variables)
            suggestion = f", did you mean `${meant}`?" if meant else ""
            return f'undefined variable "${found[1]}"{suggestion}', found.start()
    for found in _CALL.finditer(action):
        if found[1] not in _FUNCTIONS | {"nil"}:
            return f"function {quoted(found[1])} not defined", found.start(1)
    return None


def _duplicate(rule: Section, seen: dict[tuple[object, ...], Section]) -> Iterator[Problem]:
    name = rule["record"] or rule["alert"]
    key = (name, not rule["record"], tuple(sorted(rule["labels"].items())))
    if name and key in seen:
        first = seen[key].node.line
        yield Problem(
            "warning", "duplicate-rule", f"{name} stands with the same labels in line {first}", rule.decoder.file,
            rule.node.line, rule.node.column, format_path(rule.path), "",
            "rules with one name and equal labels overwrite or double each other's series",
        )  # fmt: skip
    seen.setdefault(key, rule)
