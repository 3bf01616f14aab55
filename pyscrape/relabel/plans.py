"""The fast way to apply rules: a plan per set of label names.

Targets and series come with the same names again and again. For a set of names it is known beforehand which rules
can see a value at all (the others do nothing, or always the same), which labels a labelmap copies and which a
labeldrop removes. What is left is a short list of steps on a dict, with results remembered per distinct input.
Benchmark: `python -m benchmarks relabel`. `tests/properties/test_relabel.py` holds it to `engine.apply_plainly`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

from pyscrape.model.names import ValidationScheme, valid_label_name
from pyscrape.relabel.engine import CompiledRule, Memo, RelabelTimeout, apply_plainly

if TYPE_CHECKING:
    from pyscrape.relabel.settings import Rule

_MAX_PLANS = 1024
_FILTERS = frozenset({"keep", "drop", "keepequal", "dropequal"})

Step = Callable[[dict[str, str]], bool]
"""Changes the labels in place; True drops them."""

Plan = tuple[tuple[Step, ...], tuple[Step, ...]]
"""The filters before the first change, which need no copy of the labels, and all further steps."""


class _PlainOnly(Exception):  # noqa: N818 - a signal inside this module
    """The rules need the order of labels, or names that are known too late, for these label names."""


class _Names:
    """The label names that may be there when a rule runs; `open` once a rule made up a name."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = set(names)
        self.open = False

    def any_of(self, names: Iterable[str]) -> bool:
        return self.open or any(name in self.names for name in names)


class RuleRunner:
    """A rule with its memories, which all plans share."""

    __slots__ = ("changes", "conversions", "renames", "replacements", "rule", "target", "verdicts")

    def __init__(self, rule: CompiledRule) -> None:
        self.rule = rule
        self.target = rule.target.literal
        """The target label of a replace rule where it is always the same."""
        self.verdicts: Memo[bool] = Memo(rule.matches)
        self.conversions: Memo[str] = Memo(rule.converted)
        self.replacements: Memo[str | None] = Memo(rule.replacer())
        self.changes: Memo[tuple[str, str] | None] = Memo(rule.replaced)
        self.renames: Memo[str | None] = Memo(rule.renamed)


def _value_reader(rule: CompiledRule) -> Callable[[dict[str, str]], str]:
    """A function from labels to the rule's joined value."""
    separator, sources = rule.separator, rule.sources
    if len(sources) == 2:
        first, second = sources
        return lambda labels: f"{labels.get(first, '')}{separator}{labels.get(second, '')}"
    return lambda labels: separator.join([labels.get(name, "") for name in sources])


# -- one planner per action: (rule, names that may be there) -> what is to be done


def _plan_replace(runner: RuleRunner, names: _Names) -> "Step | _Copy | None":
    rule, target = runner.rule, runner.target
    if target is None:
        names.open = True
        return _replace_any(runner)
    if not valid_label_name(target, rule.scheme):
        return None
    if not names.any_of(rule.sources):
        return _set_always(target, runner.replacements[rule.joined(lambda _name: "")], names)
    names.names.add(target)
    return _replace_in(runner, target)


def _set_always(target: str, value: str | None, names: _Names) -> Step | None:
    """The target label always gets the same value: None leaves it, "" removes it."""
    if value is None:
        return None

    def write(labels: dict[str, str]) -> bool:
        labels[target] = value
        return False

    def remove(labels: dict[str, str]) -> bool:
        labels.pop(target, None)
        return False

    if value:
        names.names.add(target)
        return write
    return remove if names.any_of((target,)) else None


def _replace_in(runner: RuleRunner, target: str) -> "Step | _Copy":
    rule, replacements = runner.rule, runner.replacements
    if len(rule.sources) == 1 and rule.rule.regex == "(.*)" and rule.replacement.single == 1:
        return _Copy(rule.sources[0], target)
    if len(rule.sources) != 1:
        read = _value_reader(rule)

        def replace(labels: dict[str, str]) -> bool:
            value = replacements[read(labels)]
            if value:
                labels[target] = value
            elif value is not None:
                labels.pop(target, None)
            return False

        return replace
    (source,) = rule.sources

    def replace_one(labels: dict[str, str]) -> bool:
        value = replacements[labels.get(source, "")]
        if value:
            labels[target] = value
        elif value is not None:
            labels.pop(target, None)
        return False

    return replace_one


class _Copy(NamedTuple):
    """The commonest rule: one label's value becomes another's. Those in a row are one step."""

    source: str
    target: str


def _copy_all(copies: Sequence[_Copy]) -> Step:
    pairs = [(source, target) for source, target in copies]

    def copy(labels: dict[str, str]) -> bool:
        for source, target in pairs:
            value = labels.get(source)
            if value is None:
                labels.pop(target, None)
            else:
                labels[target] = value
        return False

    return copy


def _replace_any(runner: RuleRunner) -> Step:
    changes, read = runner.changes, _value_reader(runner.rule)

    def replace(labels: dict[str, str]) -> bool:
        change = changes[read(labels)]
        if change is not None:
            target, value = change
            if value:
                labels[target] = value
            else:
                labels.pop(target, None)
        return False

    return replace


def _always_drop(_labels: dict[str, str]) -> bool:
    return True


def _plan_filter(runner: RuleRunner, names: _Names) -> Step | None:
    rule, verdicts = runner.rule, runner.verdicts
    unwanted = rule.action == "drop"
    if not names.any_of(rule.sources):
        dropped = verdicts[rule.joined(lambda _name: "")] is unwanted
        return _always_drop if dropped else None
    if len(rule.sources) == 1:
        (source,) = rule.sources
        return lambda labels: verdicts[labels.get(source, "")] is unwanted
    read = _value_reader(rule)
    return lambda labels: verdicts[read(labels)] is unwanted


def _plan_equal(runner: RuleRunner, names: _Names) -> Step | None:
    rule = runner.rule
    unwanted, target = rule.action == "dropequal", rule.rule.target_label
    read = _value_reader(rule)
    if not names.any_of((*rule.sources, target)):
        return _always_drop if (read({}) == "") is unwanted else None
    return lambda labels: (labels.get(target, "") == read(labels)) is unwanted


def _plan_conversion(runner: RuleRunner, names: _Names) -> Step | None:
    rule, conversions = runner.rule, runner.conversions
    target = rule.rule.target_label
    if not names.any_of(rule.sources):
        return _set_always(target, conversions[rule.joined(lambda _name: "")], names)
    names.names.add(target)
    read = _value_reader(rule)

    def convert(labels: dict[str, str]) -> bool:
        value = conversions[read(labels)]
        if value:
            labels[target] = value
        else:
            labels.pop(target, None)
        return False

    return convert


def _plan_labelmap(runner: RuleRunner, names: _Names) -> Step | None:
    if names.open:
        raise _PlainOnly
    renames = runner.renames
    pairs = [(name, further) for name in names.names if (further := renames[name]) is not None]
    targets = {further for _, further in pairs}
    if len(targets) < len(pairs):
        raise _PlainOnly  # two labels become one: which wins depends on their order
    copied_further = not targets.isdisjoint(name for name, _ in pairs)
    names.names |= targets
    if not pairs:
        return None

    def copy(labels: dict[str, str]) -> bool:
        for name, further in pairs:
            value = labels.get(name)
            if value is not None:
                labels[further] = value
        return False

    def copy_at_once(labels: dict[str, str]) -> bool:
        labels.update([(further, labels[name]) for name, further in pairs if name in labels])
        return False

    return copy_at_once if copied_further else copy


def _plan_labelfilter(runner: RuleRunner, names: _Names) -> Step | None:
    verdicts, unwanted = runner.verdicts, runner.rule.action == "labeldrop"
    if names.open:

        def remove_unwanted(labels: dict[str, str]) -> bool:
            for name in [name for name in labels if verdicts[name] is unwanted]:
                del labels[name]
            return False

        return remove_unwanted
    doomed = [name for name in names.names if verdicts[name] is unwanted]
    names.names.difference_update(doomed)
    if not doomed:
        return None

    def remove(labels: dict[str, str]) -> bool:
        for name in doomed:
            labels.pop(name, None)
        return False

    return remove


_PLANNERS: dict[str, Callable[[RuleRunner, _Names], Step | _Copy | None]] = {
    "replace": _plan_replace,
    "keep": _plan_filter,
    "drop": _plan_filter,
    "keepequal": _plan_equal,
    "dropequal": _plan_equal,
    "hashmod": _plan_conversion,
    "lowercase": _plan_conversion,
    "uppercase": _plan_conversion,
    "labelmap": _plan_labelmap,
    "labeldrop": _plan_labelfilter,
    "labelkeep": _plan_labelfilter,
}


class Rules(Sequence["Rule"]):
    """A compiled list of rules; as a sequence it is the rules as they are written."""

    def __init__(self, rules: Iterable["Rule"], scheme: ValidationScheme = "utf8") -> None:
        self.scheme = scheme
        self.compiled = tuple(CompiledRule(rule, index, scheme) for index, rule in enumerate(rules))
        self._runners = tuple(map(RuleRunner, self.compiled))
        self._plans: dict[tuple[str, ...], Plan | None] = {}

    @overload
    def __getitem__(self, index: int) -> "Rule": ...
    @overload
    def __getitem__(self, index: slice) -> "tuple[Rule, ...]": ...
    def __getitem__(self, index: int | slice) -> "Rule | tuple[Rule, ...]":
        return tuple(rule.rule for rule in self.compiled)[index]

    def __len__(self) -> int:
        return len(self.compiled)

    def __iter__(self) -> Iterator["Rule"]:
        return (rule.rule for rule in self.compiled)

    def __repr__(self) -> str:
        return f"Rules({list(self)!r})"

    def apply(self, labels: Mapping[str, str]) -> dict[str, str] | None:
        """What the rules make of `labels`, None where they are dropped; the input is untouched.

        Raises:
            RelabelTimeout: a regular expression took too long for these labels.
        """
        if type(labels) is not dict or not all(labels.values()):
            labels = {name: value for name, value in labels.items() if value}
        names = tuple(labels)
        try:
            plan = self._plans[names]
        except KeyError:
            plan = self._plan(names)
        if plan is None:
            return apply_plainly(self.compiled, labels)
        filters, steps = plan
        for step in filters:
            if step(labels):
                return None
        changed = dict(labels)
        for step in steps:
            if step(changed):
                return None
        return changed

    def _plan(self, names: tuple[str, ...]) -> Plan | None:
        """The plan for labels with these names, None where only the plain way will do."""
        if len(self._plans) >= _MAX_PLANS:
            self._plans.clear()
        try:
            plan = _make_plan(self._runners, _Names(names))
        except (_PlainOnly, RelabelTimeout):
            plan = None  # a rule that takes too long counts only where the rules before it let labels through
        self._plans[names] = plan
        return plan


def _make_plan(runners: Iterable[RuleRunner], names: _Names) -> Plan:
    filters: list[Step] = []
    steps: list[Step] = []
    copies: list[_Copy] = []
    for runner in runners:
        step = _PLANNERS[runner.rule.action](runner, names)
        if isinstance(step, _Copy):
            copies.append(step)
            continue
        if step is None:
            continue
        if copies:
            steps.append(_copy_all(copies))
            copies.clear()
        if runner.rule.action in _FILTERS and not steps:
            filters.append(step)
        else:
            steps.append(step)
        if step is _always_drop:
            break
    if copies:
        steps.append(_copy_all(copies))
    return tuple(filters), tuple(steps)


def compile_rules(rules: Iterable["Rule"], scheme: ValidationScheme = "utf8") -> Rules:
    """Compile rules that were read from a configuration."""
    return Rules(rules, scheme)
