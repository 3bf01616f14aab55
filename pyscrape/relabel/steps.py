"""The steps of a plan: small functions that change a dict of labels in place, each made for one rule and one layout.

What is certainly there is read by `labels[name]`, which takes half the time of `labels.get(name, "")`; so everything
here is told which names those are (`sure`). A step says True to drop the labels.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from pyscrape.relabel.engine import CompiledRule

Step = Callable[[dict[str, str]], bool]
"""Changes the labels in place; True drops them."""

Filter = Callable[[Mapping[str, str]], bool]
"""A step that changes nothing; True drops the labels."""


class Copy(NamedTuple):
    """The commonest rule: one label's value becomes another's. Those in a row are one step.

    `sure`: the source is certainly there. Where it is not, the target is removed if `removes`, and else stays.
    """

    source: str
    target: str
    sure: bool
    removes: bool


def value_reader(rule: CompiledRule, sure: set[str]) -> Callable[[Mapping[str, str]], str]:
    """A function from labels to the rule's joined value."""
    separator, sources = rule.separator, rule.sources
    there = sure.issuperset(sources)
    if len(sources) == 1:
        (source,) = sources
        return itemgetter(source) if there else lambda labels: labels.get(source, "")
    if len(sources) != 2:
        return lambda labels: separator.join([labels.get(name, "") for name in sources])
    first, second = sources
    if there:
        return lambda labels: f"{labels[first]}{separator}{labels[second]}"
    return lambda labels: f"{labels.get(first, '')}{separator}{labels.get(second, '')}"


def always_drop(_labels: Mapping[str, str]) -> bool:
    """Drop the labels."""
    return True


def write(target: str, value: str) -> Step:
    """Give a label the same value each time."""

    def write_value(labels: dict[str, str]) -> bool:
        labels[target] = value
        return False

    return write_value


def remove(names: Iterable[str]) -> Step:
    """Remove labels that may be there."""
    doomed = tuple(names)

    def remove_all(labels: dict[str, str]) -> bool:
        for name in doomed:
            labels.pop(name, None)
        return False

    return remove_all


def remove_where(doomed: Callable[[str], bool]) -> Step:
    """Remove the labels whose names `doomed` chooses; for names that no plan can know."""

    def remove_doomed(labels: dict[str, str]) -> bool:
        for name in [name for name in labels if doomed(name)]:
            del labels[name]
        return False

    return remove_doomed


def replace(
    target: str, read: Callable[[Mapping[str, str]], str], replaced: Callable[[str], str | None]
) -> Step:
    """Give a label what `replaced` makes of the value: None leaves it, "" removes it."""

    def replace_value(labels: dict[str, str]) -> bool:
        value = replaced(read(labels))
        if value:
            labels[target] = value
        elif value is not None:
            labels.pop(target, None)
        return False

    return replace_value


def replace_any(
    read: Callable[[Mapping[str, str]], str], change: Callable[[str], tuple[str, str] | None]
) -> Step:
    """Give a value to a label that `change` names too."""

    def replace_named(labels: dict[str, str]) -> bool:
        found = change(read(labels))
        if found is not None:
            target, value = found
            if value:
                labels[target] = value
            else:
                labels.pop(target, None)
        return False

    return replace_named


def copy_each(copies: Sequence[Copy]) -> Step:
    """Copy labels one after the other."""
    pairs = [(copy.source, copy.target) for copy in copies]
    if all(copy.sure for copy in copies):

        def copy_all(labels: dict[str, str]) -> bool:
            for source, target in pairs:
                labels[target] = labels[source]
            return False

        return copy_all
    triples = [(copy.source, copy.target, copy.removes) for copy in copies]

    def copy_those_there(labels: dict[str, str]) -> bool:
        for source, target, removes in triples:
            value = labels.get(source)
            if value is not None:
                labels[target] = value
            elif removes:
                labels.pop(target, None)
        return False

    return copy_those_there


def copy_at_once(copies: Sequence[Copy]) -> Step:
    """Copy labels of which some are copied over: each has the value that it had before; none removes its target."""
    pairs = [(copy.source, copy.target) for copy in copies]

    def copy_all(labels: dict[str, str]) -> bool:
        labels.update([(target, labels[source]) for source, target in pairs if source in labels])
        return False

    return copy_all
