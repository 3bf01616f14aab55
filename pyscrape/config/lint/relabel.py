"""Lints of relabel rules: each looks at one chain of rules and yields what it finds."""

import re
from collections.abc import Iterator

from pyscrape.config.lint import patterns
from pyscrape.config.lint.subjects import BY_NAME, Chain, Finding, Link
from pyscrape.discovery.settings import DiscoverySettings
from pyscrape.relabel.settings import DEFAULT_REGEX, DEFAULT_REPLACEMENT, Rule

_ON_TARGETS = {"target", "alertmanager"}
_SET_LABELS = {"replace", "labelmap", "lowercase", "uppercase", "hashmod"}
_REFERENCE = re.compile(r"\$(?:\$|\{([^{}]*)\}|(\w+))", re.ASCII)
_BACKSLASH = r"\\[0-9]"
_IDENTITY = ("__address__", "instance", "job", "__name__", "le", "quantile")


def _compared(link: Link) -> bool:
    """Whether the rule matches its regex against the values of its source labels."""
    return link.rule.action in {"replace", "keep", "drop"}


def contradicting_keeps(chain: Chain) -> Iterator[Finding]:
    """Keeps of the same labels whose patterns share no text; a keep of what was dropped."""
    kept: dict[tuple[tuple[str, ...], str], tuple[int, tuple[str, ...]]] = {}
    for link in chain.links:
        rule = link.rule
        key = (rule.source_labels, rule.separator)
        words = patterns.finite(rule.regex)
        if rule.action == "keep" and rule.source_labels and words is not None:
            before = kept.get(key)
            if before is not None and not set(before[1]) & set(words):
                yield Finding(
                    link.section,
                    f"keep rules add up: nothing passes both this one and rule {before[0]} ({'|'.join(before[1])})",
                    "regex",
                    f"write one rule with the regex {'|'.join((*before[1], *words))}",
                )
            kept.setdefault(key, (link.number, words))
        elif rule.action == "drop" and words is not None and (before := kept.get(key)):
            if set(before[1]) <= set(words):
                yield Finding(
                    link.section,
                    f"this drops everything that rule {before[0]} keeps",
                    "regex",
                    "delete one of the two",
                )
        elif rule.target_label and "$" not in rule.target_label:
            kept = {known: value for known, value in kept.items() if rule.target_label not in known[0]}
        elif rule.action == "labelmap" or "$" in rule.target_label:
            kept.clear()


def unreachable_rules(chain: Chain) -> Iterator[Finding]:
    """What comes after a rule that drops everything; a rule that drops everything."""
    for position, link in enumerate(chain.links):
        if not _drops_all(link):
            continue
        yield Finding(
            link.section,
            f"this {link.rule.action} rule drops everything",
            "action",
            "name the source_labels and the regex it is to look at",
        )
        for later in chain.links[position + 1 :]:
            yield Finding(later.section, f"never reached: rule {link.number} drops everything before")
        return


def _drops_all(link: Link) -> bool:
    rule = link.rule
    if rule.action == "drop":
        return patterns.matches_everything(rule.regex) or (
            not rule.source_labels and patterns.matches(rule.regex, "")
        )
    return rule.action == "keep" and not rule.source_labels and not patterns.matches(rule.regex, "")


def impossible_joins(chain: Chain) -> Iterator[Finding]:
    """Words that hold fewer separators than the joined value has."""
    for link in chain.links:
        rule = link.rule
        words = patterns.finite(rule.regex)
        if not _compared(link) or words is None or len(rule.source_labels) < 2 or not rule.separator:
            continue
        least = len(rule.source_labels) - 1
        if all(word.count(rule.separator) < least for word in words):
            yield Finding(
                link.section,
                f"never matches: the values of {least + 1} labels are joined with {least} `{rule.separator}`,"
                " and the regex has fewer",
                "regex",
                "write the values with the separator between them, such as "
                + rule.separator.join(label.rsplit("_", 1)[-1] or "x" for label in rule.source_labels),
            )


def fixed_values(chain: Chain) -> Iterator[Finding]:
    """Labels that a rule before has set to one text, and a regex that this text does not match."""
    fixed: dict[str, str] = {}
    for link in chain.links if chain.whole else ():
        rule = link.rule
        label = rule.source_labels[0] if len(rule.source_labels) == 1 else ""
        if _compared(link) and label in fixed and not patterns.matches(rule.regex, fixed[label]):
            outcome = "drops everything" if rule.action == "keep" else "never matches"
            yield Finding(
                link.section,
                f"{outcome}: a rule before sets `{label}` to `{fixed[label]}` everywhere",
                "regex",
                "let the rule before look at source_labels and a regex, or write the value that it sets",
            )
        if rule.action in BY_NAME or "$" in rule.target_label:
            fixed.clear()
        elif (
            rule.action == "replace"
            and patterns.matches_everything(rule.regex)
            and "$" not in rule.replacement
        ):
            fixed[rule.target_label] = rule.replacement
        else:
            fixed.pop(rule.target_label, None)


def capture_groups(chain: Chain) -> Iterator[Finding]:
    """References to groups that the regex does not have."""
    for link in chain.links:
        rule = link.rule
        if rule.action not in {"replace", "labelmap"}:
            continue
        for field in ("replacement", "target_label"):
            text = getattr(rule, field)
            if "$" not in text or (text == DEFAULT_REPLACEMENT and rule.regex == DEFAULT_REGEX):
                continue
            count = patterns.groups(rule.regex)
            for name in _numbers(text):
                if int(name) > count:
                    given = link.section.given(field)
                    has = "no group" if count == 0 else "one group" if count == 1 else f"{count} groups"
                    yield Finding(
                        link.section,
                        f"${name} is always empty: the regex `{rule.regex}` has {has}"
                        + ("" if given else " (replacement is $1 by default)"),
                        field if given else "regex",
                        "put the part that is meant in parentheses",
                    )
                    break


def _numbers(text: str) -> Iterator[str]:
    for braced, bare in _REFERENCE.findall(text):
        name = braced or bare
        if name.isascii() and name.isdigit() and (name == "0" or not name.startswith("0")):
            yield name


def glued_references(chain: Chain) -> Iterator[Finding]:
    """`$1foo`, which is the group named 1foo."""
    for link in chain.links:
        for field in ("replacement", "target_label"):
            text = getattr(link.rule, field)
            for braced, bare in _REFERENCE.findall(text) if "$" in text else ():
                digits = re.match(r"[0-9]+", bare)
                if not braced and digits and bare != digits[0]:
                    yield Finding(
                        link.section,
                        f"${bare} is the group named `{bare}`, which is always empty",
                        field,
                        f"write ${{{digits[0]}}}{bare[digits.end() :]}",
                    )


def backslash_references(chain: Chain) -> Iterator[Finding]:
    r"""`\1`, which is no reference."""
    for link in chain.links:
        for field in ("replacement", "target_label"):
            text = getattr(link.rule, field)
            if "\\" in text and (found := re.search(_BACKSLASH, text)):
                yield Finding(
                    link.section,
                    f"{found[0]} is no reference to a group, it is taken as it stands",
                    field,
                    f"write ${found[0][1:]}",
                )


def suffix_patterns(chain: Chain) -> Iterator[Finding]:
    """`.*foo` and `^foo$`: patterns of someone who may not know that the whole value must match."""
    for link in chain.links:
        regex = link.rule.regex
        if re.fullmatch(r"\.\*[A-Za-z0-9_-]+", regex):
            yield Finding(
                link.section,
                f"the regex must match the whole value: `{regex}` matches only what ends in `{regex[2:]}`",
                "regex",
                f"write {regex}.* if it may stand anywhere",
            )
        elif len(regex) > 2 and regex.startswith("^") and regex.endswith("$") and not regex.endswith("\\$"):
            yield Finding(
                link.section, "^ and $ are not needed: the regex must match the whole value anyway", "regex"
            )


def constant_labelmaps(chain: Chain) -> Iterator[Finding]:
    """A labelmap that gives all labels one name."""
    for link in chain.links:
        rule = link.rule
        if rule.action == "labelmap" and "$" not in rule.replacement:
            yield Finding(
                link.section,
                f"every label that matches is copied to the one label `{rule.replacement}`, only the last one stays",
                "replacement",
                "use $1 in the replacement",
            )


def merging_drops(chain: Chain) -> Iterator[Finding]:
    """labeldrop and labelkeep that take away what tells targets or series apart."""
    identity = ("__address__",) if chain.kind in _ON_TARGETS else _IDENTITY[1:]
    for link in chain.links:
        action, regex = link.rule.action, link.rule.regex
        if action not in {"labeldrop", "labelkeep"}:
            continue
        lost = [label for label in identity if patterns.matches(regex, label) == (action == "labeldrop")]
        if chain.kind in _ON_TARGETS and lost:
            yield Finding(
                link.section,
                "this takes `__address__` away: no target is left",
                "regex",
                "add __.* to the labels that are kept"
                if action == "labelkeep"
                else "exclude labels that begin with __",
            )
        elif lost and (action == "labeldrop" or "__name__" in lost):
            yield Finding(
                link.section,
                f"this takes {', '.join(f'`{label}`' for label in lost)} away: series that differ in nothing else"
                " become one and are lost as duplicates",
                "regex",
                "drop whole series instead, or aggregate with a recording rule",
            )


def unused_hashes(chain: Chain) -> Iterator[Finding]:
    """hashmod without a rule that looks at its result."""
    for position, link in enumerate(chain.links):
        target = link.rule.target_label
        if link.rule.action != "hashmod" or not target.startswith("__") or not chain.whole:
            continue
        later = chain.links[position + 1 :]
        if not any(target in other.rule.source_labels for other in later):
            yield Finding(
                link.section,
                f"no rule after this one looks at `{target}`: the hash has no effect",
                "target_label",
                f"add a keep rule with source_labels: [{target}] and the number of the shard as regex",
            )


def no_ops(chain: Chain) -> Iterator[Finding]:
    """A label copied to itself; a rule that stands twice."""
    seen: dict[Rule, int] = {}
    for link in chain.links:
        rule = link.rule
        if (
            rule.action == "replace"
            and rule.source_labels == (rule.target_label,)
            and rule.regex in {DEFAULT_REGEX, "(.+)"}
            and rule.replacement in {"$1", "${1}"}
        ):
            yield Finding(
                link.section, f"copies `{rule.target_label}` to itself", "target_label", "delete the rule"
            )
        if rule in seen and rule.action not in {"replace", "labelmap"}:
            yield Finding(link.section, f"the same rule as rule {seen[rule]}", "", "delete one of the two")
            continue
        if rule.action in _SET_LABELS:
            # A label may be set again after it was changed, and looked at again, too.
            target = "" if "$" in rule.target_label else rule.target_label
            seen = {
                other: number
                for other, number in seen.items()
                if target and other.source_labels and target not in (*other.source_labels, other.target_label)
            }
        seen[rule] = link.number


def probe_without_address(chain: Chain) -> Iterator[Finding]:
    """The pattern of blackbox and snmp exporters with its last step forgotten."""
    if chain.kind != "target" or not chain.whole:
        return
    moved = next(
        (
            link
            for link in chain.links
            if link.rule.target_label == "__param_target" and "__address__" in link.rule.source_labels
        ),
        None,
    )
    if moved is not None and not any(link.rule.target_label == "__address__" for link in chain.links):
        yield Finding(
            moved.section,
            "the address becomes a parameter, and yet the scrape still goes to it: no rule sets `__address__`",
            "target_label",
            "add a rule with target_label: __address__ and the exporter's host:port as replacement",
        )


def same_instance(chain: Chain) -> Iterator[Finding]:
    """One `instance` for every target, where nothing else is seen to tell them apart."""
    if chain.kind != "target" or chain.owner is None or _told_apart(chain, chain.owner):
        return
    for link in chain.links:
        rule = link.rule
        constant = rule.action == "replace" and not rule.source_labels and "$" not in rule.replacement
        if rule.target_label == "instance" and constant and rule.replacement:
            yield Finding(
                link.section,
                f"every target of the job has the instance `{rule.replacement}`: their series collide",
                "replacement",
                "take it from a label of the target",
            )


def _told_apart(chain: Chain, owner: DiscoverySettings) -> bool:
    """Whether targets of the job may differ in other labels, or there is but one."""
    if chain.known is None or chain.known.open:  # files and HTTP endpoints give labels of their own
        return True
    if not owner.discoveries() and not owner.foreign_discoveries():
        statics = [sorted(static.labels.items()) for static in owner.static_configs for _ in static.targets]
        if all(statics.count(labels) == 1 for labels in statics):
            return True
    return any(_gives_labels(link.rule) for link in chain.links)


def _gives_labels(rule: Rule) -> bool:
    """Whether targets may get labels by a rule that differ from one to the next, `instance` aside."""
    if rule.action == "labelmap":
        return True
    target = rule.target_label
    return bool(rule.source_labels) and target not in {"", "instance"} and not target.startswith("__")
