"""The fast way to apply rules: a plan per layout, which is the label names of a target or series in their order.

Targets and series come with the same names again and again. For a layout it is known beforehand which rules can see
a value at all (the others do nothing, or always the same), which labels a labelmap copies and which a labeldrop
removes. What is left is a short list of steps on a dict (`steps`), with results remembered where that is cheaper
than to find them again. Filters at the beginning of the list that want a label to be there run before all this.
Benchmark: `python -m benchmarks relabel`. `tests/properties/test_relabel.py` holds it to `engine.apply_plainly`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, overload

from pyscrape.model.names import ValidationScheme, valid_label_name
from pyscrape.relabel import steps
from pyscrape.relabel.engine import ACTIONS, CompiledRule, LabelsBuilder, Memo, RelabelTimeout, apply_plainly
from pyscrape.relabel.steps import Copy, Filter, Step, value_reader

if TYPE_CHECKING:
    from pyscrape.relabel.settings import Rule

_MAX_PLANS = 1024
# Rules that copy a label's value: by their regular expression, whether an absent source removes the target.
_WHOLE_VALUE = {"(.*)": True, "(.+)": False}

T = TypeVar("T")

Plan = tuple[tuple[Filter, ...], tuple[Step, ...]]
"""The filters before the first change, which need no copy of the labels, and all further steps."""


class _PlainOnly(Exception):  # noqa: N818 - a signal inside this module
    """The rules need the order of labels, or names that are known too late, for these label names."""


class _Names:
    """The label names that may be there when a rule runs, and those that certainly are.

    `open` once a rule made up a name: from then on any name may be there, and none is sure.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = set(names)
        self.sure = set(self.names)
        self.open = False

    def any_of(self, names: Iterable[str]) -> bool:
        return self.open or any(name in self.names for name in names)

    def may_hold(self, name: str) -> None:
        """A rule may have set the label or removed it."""
        self.names.add(name)
        self.sure.discard(name)

    def hold(self, name: str) -> None:
        """A rule has set the label for certain, which none has where names are open."""
        self.names.add(name)
        self.sure.add(name)

    def copy(self, copy: Copy) -> None:
        """A rule has copied a label that may be there."""
        if copy.sure:
            self.hold(copy.target)
        elif copy.removes:
            self.may_hold(copy.target)
        else:
            self.names.add(copy.target)

    def lose(self, names: Iterable[str]) -> None:
        """A rule has removed these labels."""
        self.names.difference_update(names)
        self.sure.difference_update(names)

    def open_up(self) -> None:
        """A rule may have changed any label."""
        self.open = True
        self.sure.clear()


class RuleRunner:
    """A rule with its memories, which all plans share."""

    __slots__ = ("change", "conversion", "matches", "rename", "replacement", "rule", "target")

    def __init__(self, rule: CompiledRule) -> None:
        self.rule = rule
        self.target = rule.target.literal
        """The target label of a replace rule where it is always the same."""
        quick = rule.pattern.engine != "guarded"
        # Several labels joined seldom give the same text twice, and a set of texts is a memory already.
        forget = quick and (len(rule.sources) > 1 or rule.pattern.alternatives is not None)
        self.matches = _remembering(rule.matches, forget)
        self.conversion = _remembering(rule.converted, len(rule.sources) > 1)
        self.replacement = _remembering(rule.replacer(), forget)
        self.change = _remembering(rule.replaced, forget)
        self.rename = _remembering(rule.renamed, False)


def _remembering(make: Callable[[str], T], forget: bool) -> Callable[[str], T]:
    """`make`, with its results remembered unless told to `forget` them."""
    return make if forget else Memo(make).__getitem__


# -- one planner per action: (rule, names that may be there) -> what is to be done


def _plan_replace(runner: RuleRunner, names: _Names) -> Step | list[Copy] | None:
    rule, target = runner.rule, runner.target
    if target is None:
        read = value_reader(rule, names.sure)
        names.open_up()
        return steps.replace_any(read, runner.change)
    if not valid_label_name(target, rule.scheme):
        return None
    if not names.any_of(rule.sources):
        return _set_always(target, runner.replacement(rule.value_of_nothing), names)
    removes = _WHOLE_VALUE.get(rule.rule.regex)
    if removes is not None and len(rule.sources) == 1 and rule.replacement.single == 1:
        (source,) = rule.sources
        copy = Copy(source, target, source in names.sure, removes)
        names.copy(copy)
        return [copy]
    read = value_reader(rule, names.sure)
    names.may_hold(target)
    return steps.replace(target, read, runner.replacement)


def _set_always(target: str, value: str | None, names: _Names) -> Step | None:
    """The target label always gets the same value: None leaves it, "" removes it."""
    if value is None:
        return None
    if value:
        names.hold(target)
        return steps.write(target, value)
    there = names.any_of((target,))
    names.lose((target,))
    return steps.remove((target,)) if there else None


def _plan_filter(runner: RuleRunner, names: _Names) -> Filter | None:
    rule, matches = runner.rule, runner.matches
    unwanted = rule.action == "drop"
    if not names.any_of(rule.sources):
        dropped = matches(rule.value_of_nothing) is unwanted
        return steps.always_drop if dropped else None
    literal = rule.pattern.literal
    if literal is not None and len(rule.sources) == 1:
        (source,) = rule.sources
        return lambda labels: (labels.get(source, "") == literal) is unwanted
    read = value_reader(rule, names.sure)
    return lambda labels: matches(read(labels)) is unwanted


def _plan_equal(runner: RuleRunner, names: _Names) -> Filter | None:
    rule = runner.rule
    unwanted, target = rule.action == "dropequal", rule.rule.target_label
    read = value_reader(rule, names.sure)
    if not names.any_of((*rule.sources, target)):
        same = rule.value_of_nothing == ""
        return steps.always_drop if same is unwanted else None
    return lambda labels: (labels.get(target, "") == read(labels)) is unwanted


def _plan_conversion(runner: RuleRunner, names: _Names) -> Step | None:
    rule, target = runner.rule, runner.rule.rule.target_label
    if not names.any_of(rule.sources):
        return _set_always(target, runner.conversion(rule.value_of_nothing), names)
    read = value_reader(rule, names.sure)
    names.may_hold(target)
    return steps.replace(target, read, runner.conversion)


def _plan_labelmap(runner: RuleRunner, names: _Names) -> Step | list[Copy] | None:
    if names.open:
        raise _PlainOnly
    copies = [
        Copy(name, target, name in names.sure, removes=False)
        for name in names.names
        if (target := runner.rename(name)) is not None
    ]
    targets = {copy.target for copy in copies}
    if len(targets) < len(copies):
        raise _PlainOnly  # two labels become one: which wins depends on their order
    for copy in copies:
        names.copy(copy)
    if targets.isdisjoint(copy.source for copy in copies):
        return copies
    return steps.copy_at_once(copies)


def _plan_labelfilter(runner: RuleRunner, names: _Names) -> Step | None:
    matches, unwanted = runner.matches, runner.rule.action == "labeldrop"
    if names.open:
        return steps.remove_where(lambda name: matches(name) is unwanted)
    doomed = [name for name in names.names if matches(name) is unwanted]
    names.lose(doomed)
    return steps.remove(doomed) if doomed else None


_FILTERS: dict[str, Callable[[RuleRunner, _Names], Filter | None]] = {
    "keep": _plan_filter,
    "drop": _plan_filter,
    "keepequal": _plan_equal,
    "dropequal": _plan_equal,
}
_PLANNERS: dict[str, Callable[[RuleRunner, _Names], Step | list[Copy] | None]] = {
    **_FILTERS,
    "replace": _plan_replace,
    "hashmod": _plan_conversion,
    "lowercase": _plan_conversion,
    "uppercase": _plan_conversion,
    "labelmap": _plan_labelmap,
    "labeldrop": _plan_labelfilter,
    "labelkeep": _plan_labelfilter,
}


def _gates(runners: Iterable[RuleRunner]) -> Iterator[Filter]:
    """The filters at the beginning of the list that drop what has none of their labels.

    They drop most of what is dropped at all, so it pays to run them before the layout is looked at. Only those at
    the beginning: a filter that would be overtaken might take too long, which is an error even where a later rule
    drops the labels.
    """
    for runner in runners:
        plan_filter = _FILTERS.get(runner.rule.action)
        if plan_filter is None:
            return
        names = _Names(runner.rule.sources)
        names.open_up()
        gate = plan_filter(runner, names)
        assert gate is not None  # there is something to ask where its labels may be there
        try:
            if not gate({}):
                return
        except RelabelTimeout:
            return
        yield gate


class Rules(Sequence["Rule"]):
    """A compiled list of rules; as a sequence it is the rules as they are written."""

    def __init__(self, rules: Iterable["Rule"], scheme: ValidationScheme = "utf8") -> None:
        self.scheme = scheme
        self.compiled = tuple(CompiledRule(rule, index, scheme) for index, rule in enumerate(rules))
        self._runners = tuple(map(RuleRunner, self.compiled))
        self._gates = tuple(_gates(self._runners))
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
        for gate in self._gates:
            if gate(labels):
                return None
        if not all(labels.values()):
            labels = {name: value for name, value in labels.items() if value}
        names = tuple(labels)
        try:
            plan = self._plans[names]
        except KeyError:
            plan = self._plan(names)
        if plan is None:
            return apply_plainly(self.compiled, labels)
        filters, changes = plan
        for drops in filters:
            if drops(labels):
                return None
        changed = dict(labels)
        for step in changes:
            if step(changed):
                return None
        return changed

    def dropped_by(self, labels: Mapping[str, str]) -> int:
        """Which rule drops these labels, from 0; they are known to be dropped.

        Raises:
            RelabelTimeout: a regular expression took too long this time.
        """
        for index, gate in enumerate(self._gates):
            if gate(labels):
                return index
        changed = LabelsBuilder(labels)
        return next(rule.index for rule in self.compiled if not ACTIONS[rule.action](rule, changed))

    def _plan(self, names: tuple[str, ...]) -> Plan | None:
        """The plan for labels with these names, None where only the plain way will do."""
        if len(self._plans) >= _MAX_PLANS:
            self._plans.clear()
        try:
            plan = _make_plan(self._runners[len(self._gates) :], _Names(names))
        except (_PlainOnly, RelabelTimeout):
            plan = None  # a rule that takes too long counts only where the rules before it let labels through
        self._plans[names] = plan
        return plan


def _make_plan(runners: Iterable[RuleRunner], names: _Names) -> Plan:
    filters: list[Filter] = []
    changes: list[Step] = []
    copies: list[Copy] = []
    for runner in runners:
        action = runner.rule.action
        if action in _FILTERS and not changes and not copies:
            step: Step | list[Copy] | None
            step = drops = _FILTERS[action](runner, names)
            if drops is not None:
                filters.append(drops)
        else:
            step = _PLANNERS[action](runner, names)
            if isinstance(step, list):
                copies += step
            elif step is not None:
                if copies:
                    changes.append(steps.copy_each(copies))
                    copies = []
                changes.append(step)
        if step is steps.always_drop:
            break  # no rule behind it is ever reached
    if copies:
        changes.append(steps.copy_each(copies))
    return tuple(filters), tuple(changes)


def compile_rules(rules: Iterable["Rule"], scheme: ValidationScheme = "utf8") -> Rules:
    """Compile rules that were read from a configuration."""
    return Rules(rules, scheme)
