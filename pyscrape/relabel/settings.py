"""One relabel rule as it is written, with its place; its validity is Prometheus', its texts too.

Rules are compiled elsewhere (`relabel.engine`); this module only says what may be written.
"""

import re
from collections.abc import Set
from typing import Any, Protocol

from pyscrape.model.kinds import LABEL_NAMES, TEXT, EnumKind, IntKind, TextKind
from pyscrape.model.names import ValidationScheme, quoted, valid_label_name
from pyscrape.model.settings import FAILED, Section, Settings, Spot, setting
from pyscrape.relabel.simple_regex import is_simple

ACTIONS = (
    "replace", "keep", "drop", "keepequal", "dropequal", "hashmod",
    "labelmap", "labeldrop", "labelkeep", "lowercase", "uppercase",
)  # fmt: skip
DEFAULT_SEPARATOR = ";"
DEFAULT_REGEX = "(.*)"
DEFAULT_REPLACEMENT = "$1"

_NEEDS_TARGET = {"replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"}
_NO_REPLACEMENT = {"lowercase", "uppercase", "keepequal", "dropequal"}
# Prometheus' pattern without its nested repetitions, which would take for ever on some texts.
_LEGACY_TEMPLATE = r"(?:[a-zA-Z_]|\$(?:\{\w+\}|\w))(?:\w|\$(?:\{\w+\}|\w))*"


class Fields(Protocol):
    """The fields of a rule by name: a mapping, or a section that has defaults for what is not given."""

    def __getitem__(self, name: str, /) -> Any: ...


class RegexKind(TextKind):
    """A regular expression in RE2's syntax."""

    def is_omitted(self, value: Any) -> bool:
        """Whether it is the default; the empty regex is printed, as null."""
        return bool(value == DEFAULT_REGEX)

    def dump(self, value: Any) -> Any:
        return value or None

    def decode(self, spot: Spot) -> Any:
        text = super().decode(spot)
        if text is FAILED:
            return FAILED
        if is_simple(text):
            return text
        from pyscrape.model.regex_syntax import (  # a few milliseconds that most files can spare
            RegexError,
            parse,
        )

        try:
            parse(f"^(?s:{text})$")
        except RegexError as error:
            spot.error(str(error), problem_id="bad-regex")
            return FAILED
        return text


class Rule(Settings, go_type="relabel.plain", go_name="relabel.Config"):
    """A relabel rule. `line`, `column` (from 1; 0 = unknown) and `file` say where it stands."""

    source_labels: tuple[str, ...] = setting(LABEL_NAMES, "Labels whose values are joined and matched.")
    separator: str = setting(TEXT, "What stands between the joined values.", default=DEFAULT_SEPARATOR)
    regex: str = setting(RegexKind(), "What the joined values must match, as a whole.", default=DEFAULT_REGEX)
    modulus: int = setting(
        IntKind(unsigned=True, wide=True), "Modulus of the hash of the joined values (hashmod)."
    )
    target_label: str = setting(TEXT, "Label that receives the result; may hold $1 for action replace.")
    replacement: str = setting(
        TEXT, "The result; $1 or ${name} are capture groups.", default=DEFAULT_REPLACEMENT
    )
    action: str = setting(
        EnumKind(
            ACTIONS,
            lambda text: f"unknown relabel action {quoted(text)}",
            fold=True,
        ),
        "What to do.",
        default="replace",
    )
    line: int = setting(IntKind(), "Line of the rule.", default=0, hidden=True)
    column: int = setting(IntKind(), "Column of the rule.", default=0, hidden=True)
    file: str = setting(TEXT, "File of the rule.", default="", hidden=True)

    @classmethod
    def finish(cls, section: Section) -> None:
        section.values["line"] = section.node.line
        section.values["column"] = section.node.column
        section.values["file"] = section.decoder.file
        if section.failed:
            return  # a rule that is half read would only give misleading messages
        # An empty list of source labels is more than none, a null is not.
        given = {name for name, node in section.nodes.items() if name != "source_labels" or not node.is_null}
        before = len(section.decoder.problems)
        _note(section, rule_mistake(section, given=given, scheme="utf8"))
        if len(section.decoder.problems) > before:
            section.failed.add("action")  # not a rule that lints or the legacy scheme should look at


def check_legacy_rules(section: Section, field: str) -> None:
    """Hold the rules of a list field to the legacy names too: which names are valid is said elsewhere in the file."""
    for child in section.items(field):
        if not child.failed:
            _note(child, rule_mistake(child, given=set(), scheme="legacy"))


def _note(section: Section, found: tuple[str, str] | None) -> None:
    if found is None:
        return
    message, field = found
    place = field if section.given(field) else ""
    hint = f"add `{field}`" if field and not place and "requires" in message else ""
    section.error(message, place, problem_id="bad-relabel-rule", hint=hint)


def rule_mistake(rule: Fields, *, given: Set[str], scheme: ValidationScheme) -> tuple[str, str] | None:
    """Prometheus' text about a rule that cannot be, and the field it is about; None for a good rule.

    `given` are the fields that were written out: `regex: (.*)` is more than the default for keepequal.
    """
    action = rule["action"]
    if not action:
        return "relabel action cannot be empty", "action"
    if action == "hashmod" and not rule["modulus"]:
        return "relabel configuration for hashmod requires non-zero modulus", "modulus"
    if action in _NEEDS_TARGET and not rule["target_label"]:
        return f"relabel configuration for {action} action requires 'target_label' value", "target_label"
    return _bad_names(rule, scheme) or _superfluous(rule, given)


def _bad_names(rule: Fields, scheme: ValidationScheme) -> tuple[str, str] | None:
    action, target, replacement = rule["action"], rule["target_label"], rule["replacement"]
    bad_target = f"{quoted(target)} is invalid 'target_label' for {action} action", "target_label"
    if action == "replace":
        good = _valid_template(target, scheme) if "$" in target else valid_label_name(target, scheme)
        return None if good else bad_target
    if action in _NO_REPLACEMENT:
        if not valid_label_name(target, scheme):
            return bad_target
        if replacement != DEFAULT_REPLACEMENT:
            return f"'replacement' can not be set for {action} action", "replacement"
    if action == "labelmap" and not _valid_template(replacement, scheme):
        return f"{quoted(replacement)} is invalid 'replacement' for {action} action", "replacement"
    if action == "hashmod" and not valid_label_name(target, scheme):
        return bad_target
    return None


def _valid_template(text: str, scheme: ValidationScheme) -> bool:
    if scheme == "utf8":
        return valid_label_name(text, scheme)
    return re.fullmatch(_LEGACY_TEMPLATE, text, re.ASCII) is not None


def _superfluous(rule: Fields, given: Set[str]) -> tuple[str, str] | None:
    action = rule["action"]
    changed = {
        name
        for name, default in (
            ("modulus", 0),
            ("separator", DEFAULT_SEPARATOR),
            ("replacement", DEFAULT_REPLACEMENT),
        )
        if rule[name] != default
    }
    if action in {"keepequal", "dropequal"}:
        extra = changed | ({"regex"} & given)
        if extra:
            message = f"{action} action requires only 'source_labels' and `target_label`, and no other fields"
            return message, min(extra)
    if action in {"labeldrop", "labelkeep"}:
        extra = changed | ({"target_label"} if rule["target_label"] else set())
        extra |= {"source_labels"} & given
        if extra:
            return f"{action} action requires only 'regex', and no other fields", min(extra)
    return None
