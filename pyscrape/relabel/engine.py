"""Relabel rules, compiled once, and the plain way to apply them: one rule after the other on a label set.

The plain way is Prometheus' own, order of labels included, and is what explanations run and what the planned way
(`plans`) is held to by a property test. A rule whose regular expression needs too long raises RelabelTimeout.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from pyscrape.model.names import ValidationScheme, valid_label_name
from pyscrape.model.regex import Captures, Pattern, RegexTimeout, Template, compile_re2

if TYPE_CHECKING:
    from pyscrape.relabel.settings import Rule

_REMEMBERED_INPUTS = 8192
_LONGEST_REMEMBERED = 500

T = TypeVar("T")


class RelabelTimeout(RegexTimeout):
    """A rule's regular expression took too long: whether the rule applies is not known, so nothing is answered."""

    def __init__(self, rule: "CompiledRule", cause: RegexTimeout) -> None:
        RuntimeError.__init__(self, f"relabel {rule.title}: {cause}")


class Memo(dict[str, T]):
    """Results by input, made when first asked for; forgets everything when it holds too much."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[str], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, text: str) -> T:
        made = self._make(text)
        if len(text) <= _LONGEST_REMEMBERED:
            if len(self) >= _REMEMBERED_INPUTS:
                self.clear()
            self[text] = made
        return made


class LabelsBuilder:
    """A label set under change, in the order in which Prometheus walks it.

    The base labels sorted by name, then those that were set, in the order of their first setting. The order decides
    which of several labels wins that a labelmap gives the same name. Empty values are no labels.
    """

    __slots__ = ("_set", "map")

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.map = {name: value for name, value in sorted(labels.items()) if value}
        self._set: set[str] = set()

    def get(self, name: str) -> str:
        """The value of a label; "" where there is none."""
        return self.map.get(name, "")

    def set(self, name: str, value: str) -> None:
        """Give a label a value; an empty one removes it."""
        if not value:
            self.remove(name)
            return
        if name not in self._set:
            self.map.pop(name, None)
            self._set.add(name)
        self.map[name] = value

    def remove(self, name: str) -> None:
        """Remove a label, if it is there."""
        self.map.pop(name, None)
        self._set.discard(name)


class CompiledRule:
    """A rule with its pattern and templates read. `index` counts from 0 in its list."""

    __slots__ = (
        "action",
        "index",
        "pattern",
        "replacement",
        "rule",
        "scheme",
        "separator",
        "sources",
        "target",
    )

    def __init__(self, rule: "Rule", index: int, scheme: ValidationScheme) -> None:
        self.rule = rule
        self.index = index
        self.scheme = scheme
        self.action = rule.action
        self.sources = rule.source_labels
        self.separator = rule.separator
        self.pattern: Pattern = compile_re2(rule.regex)
        self.target: Template = self.pattern.template(rule.target_label)
        self.replacement: Template = self.pattern.template(rule.replacement)

    @property
    def title(self) -> str:
        """The rule in messages: its number from 1, and its place where that is known."""
        place = rule_place(self.rule)
        return f"rule {self.index + 1}" + (f" ({place})" if place else "")

    def joined(self, get: Callable[[str], str]) -> str:
        """The value that the rule works on: the source labels' values and the separators between them."""
        return self.separator.join(map(get, self.sources))

    @property
    def value_of_nothing(self) -> str:
        """The value that the rule works on where none of its source labels is there."""
        return self.joined(lambda _name: "")

    def captures(self, text: str) -> Captures | None:
        """The match of the rule's regular expression; raises RelabelTimeout."""
        try:
            return self.pattern.captures(text)
        except RegexTimeout as timeout:
            raise RelabelTimeout(self, timeout) from None

    def matches(self, text: str) -> bool:
        """Whether the rule's regular expression matches; raises RelabelTimeout."""
        try:
            return self.pattern.matches(text)
        except RegexTimeout as timeout:
            raise RelabelTimeout(self, timeout) from None

    def replaced(self, text: str) -> tuple[str, str] | None:
        """For action replace: the label and its new value ("" removes it), or None where nothing happens."""
        captures = self.captures(text)
        if captures is None:
            return None
        target = self.target.expand(captures)
        if not valid_label_name(target, self.scheme):
            return None
        return target, self.replacement.expand(captures)

    def replacer(self) -> Callable[[str], str | None]:
        """For action replace with a fixed, valid target: value -> its new value, or None where nothing happens."""
        replaced = self.pattern.replacer(self.replacement)
        if self.pattern.run is not None:
            return replaced  # it cannot take too long

        def replacement(text: str) -> str | None:
            try:
                return replaced(text)
            except RegexTimeout as timeout:
                raise RelabelTimeout(self, timeout) from None

        return replacement

    def renamed(self, name: str) -> str | None:
        """For action labelmap: the further name of the label `name`, or None."""
        captures = self.captures(name)
        return None if captures is None else self.replacement.expand(captures)

    def converted(self, text: str) -> str:
        """For hashmod, lowercase and uppercase: the target label's value."""
        return _CONVERSIONS[self.action](self, text)


def rule_place(rule: "Rule") -> str:
    """`file:line` of a rule, "line N" for one from a text, "" where it is not known."""
    if not rule.line:
        return ""
    return f"line {rule.line}" if rule.file in {"", "-"} else f"{rule.file}:{rule.line}"


def hashmod(text: str, modulus: int) -> int:
    """The shard of a value: the last eight bytes of its MD5, big-endian, modulo `modulus`.

    >>> hashmod("foo\\nbar", 1000)
    734
    """
    from hashlib import md5  # loads OpenSSL, which few configurations need

    digest = md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "big") % modulus


def lower(text: str) -> str:
    """Each character by its own lower case (`İ` becomes `i`; a final sigma is no special one)."""
    return text.lower() if text.isascii() else "".join(map(_lower_one, text))


def upper(text: str) -> str:
    """Each character by its own upper case (`ß`, which has none of one character, stays)."""
    return text.upper() if text.isascii() else "".join(map(_upper_one, text))


def _lower_one(character: str) -> str:
    return character.lower()[0]


def _upper_one(character: str) -> str:
    # A Greek letter with iota below has one in title case, which is its simple upper case; others have none.
    return next((one for one in (character.upper(), character.title()) if len(one) == 1), character)


_CONVERSIONS: dict[str, Callable[[CompiledRule, str], str]] = {
    "hashmod": lambda rule, text: str(hashmod(text, rule.rule.modulus)),
    "lowercase": lambda _rule, text: lower(text),
    "uppercase": lambda _rule, text: upper(text),
}


# -- the actions: each changes the labels, or says False to drop them


def _replace(rule: CompiledRule, labels: LabelsBuilder) -> bool:
    change = rule.replaced(rule.joined(labels.get))
    if change is not None:
        labels.set(*change)
    return True


def _keep(rule: CompiledRule, labels: LabelsBuilder) -> bool:
    return rule.matches(rule.joined(labels.get))


def _drop(rule: CompiledRule, labels: LabelsBuilder) -> bool:
    return not rule.matches(rule.joined(labels.get))


def _keepequal(rule: CompiledRule, labels: LabelsBuilder) -> bool:
    return labels.get(rule.rule.target_label) == rule.joined(labels.get)


def _dropequal(rule: CompiledRule, labels: LabelsBuilder) -> bool:
    return labels.get(rule.rule.target_label) != rule.joined(labels.get)


def _convert(rule: CompiledRule, labels: LabelsBuilder) -> bool:
    labels.set(rule.rule.target_label, rule.converted(rule.joined(labels.get)))
    return True


def _labelmap(rule: CompiledRule, labels: LabelsBuilder) -> bool:
    for name, value in tuple(labels.map.items()):
        further = rule.renamed(name)
        if further is not None:
            labels.set(further, value)
    return True


def _labeldrop(rule: CompiledRule, labels: LabelsBuilder) -> bool:
    for name in tuple(labels.map):
        if rule.matches(name):
            labels.remove(name)
    return True


def _labelkeep(rule: CompiledRule, labels: LabelsBuilder) -> bool:
    for name in tuple(labels.map):
        if not rule.matches(name):
            labels.remove(name)
    return True


ACTIONS: dict[str, Callable[[CompiledRule, LabelsBuilder], bool]] = {
    "replace": _replace,
    "keep": _keep,
    "drop": _drop,
    "keepequal": _keepequal,
    "dropequal": _dropequal,
    "hashmod": _convert,
    "lowercase": _convert,
    "uppercase": _convert,
    "labelmap": _labelmap,
    "labeldrop": _labeldrop,
    "labelkeep": _labelkeep,
}


def walk(
    rules: Iterable[CompiledRule], labels: Mapping[str, str]
) -> Iterator[tuple[CompiledRule, dict[str, str], dict[str, str] | None]]:
    """Each rule with the labels before and after it, for those who explain; None, after the last, is dropped.

    The labels after a rule are those before the next, the same dict.
    """
    changed = LabelsBuilder(labels)
    before = dict(changed.map)
    for rule in rules:
        if not ACTIONS[rule.action](rule, changed):
            yield rule, before, None
            return
        after = dict(changed.map)
        yield rule, before, after
        before = after


def apply_plainly(rules: Iterable[CompiledRule], labels: Mapping[str, str]) -> dict[str, str] | None:
    """What `rules` make of `labels`, None where they are dropped; the input is untouched."""
    changed = LabelsBuilder(labels)
    for rule in rules:
        if not ACTIONS[rule.action](rule, changed):
            return None
    return changed.map
