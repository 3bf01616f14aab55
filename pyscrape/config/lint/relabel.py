"""Lints of relabel rules: each looks at one chain of rules and yields what it finds."""

import re
from collections.abc import Iterator

from pyscrape.config.lint import patterns
from pyscrape.config.lint.subjects import Chain, Finding, Link
from pyscrape.discovery.meta_labels import kubernetes_labels
from pyscrape.discovery.settings import ROLES, AttachMetadata, KubernetesSDConfig
from pyscrape.model.problems import nearest
from pyscrape.relabel.settings import DEFAULT_REGEX, DEFAULT_REPLACEMENT

_ON_TARGETS = {"target", "alertmanager"}
_BY_NAME = {"labelmap", "labeldrop", "labelkeep"}
_TARGET_ONLY = ("__meta_", "__address__", "__scheme__", "__metrics_path__", "__param_", "__scrape_")
_REFERENCE = re.compile(r"\$(?:\$|\{([^{}]*)\}|(\w+))", re.ASCII)
_BACKSLASH = r"\\[0-9]"
_IDENTITY = ("__address__", "instance", "job", "__name__", "le", "quantile")


def _compared(link: Link) -> bool:
    """Whether the rule matches its regex against the values of its source labels."""
    return link.rule.action in {"replace", "keep", "drop"}


def sample_labels(chain: Chain) -> Iterator[Finding]:
    """`__name__` before the scrape."""
    if chain.kind != "target":
        return
    for link in chain.links:
        for item, label in enumerate(link.rule.source_labels):
            if label == "__name__":
                yield Finding(
                    link.section,
                    "relabel_configs sees targets, not samples: `__name__` is always empty here",
                    "source_labels",
                    "move the rule to metric_relabel_configs",
                    item,
                )


def target_labels(chain: Chain) -> Iterator[Finding]:
    """Labels of targets after the scrape."""
    if chain.kind not in {"metric", "write", "alert"}:
        return
    where = {
        "metric": "metric_relabel_configs",
        "write": "write_relabel_configs",
        "alert": "alert relabeling",
    }
    for link in chain.links:
        for item, label in enumerate(link.rule.source_labels):
            if label.startswith(_TARGET_ONLY):
                yield Finding(
                    link.section,
                    f"{where[chain.kind]} runs when labels that begin with __ are gone: `{label}` is always empty here",
                    "source_labels",
                    "copy it into a label of your own in relabel_configs first",
                    item,
                )
        start = patterns.literal_start(link.rule.regex) if link.rule.action in _BY_NAME else ""
        if start.startswith("__meta_"):
            yield Finding(
                link.section,
                f"{where[chain.kind]} runs when labels that begin with __ are gone: no label matches {start}...",
                "regex",
                "move the rule to relabel_configs",
            )


def unknown_labels(chain: Chain) -> Iterator[Finding]:
    """Labels that the job's discoveries cannot give and no rule before has set."""
    known = chain.known
    if chain.kind not in _ON_TARGETS or known is None or known.open or not chain.whole:
        return
    made: set[str] = set()
    anything = False  # after a labelmap or a template any label may be there
    for link in chain.links:
        rule = link.rule
        for item, label in enumerate(rule.source_labels):
            if known.has(label) or label in made or not _looks_internal(label) or label == "__name__":
                continue  # of __name__ another lint speaks
            if anything and not label.startswith("__meta_"):
                continue
            message = f"no discovery of this job gives the label `{label}`"
            if attachment := _attachment(chain, label):
                hint = f"set attach_metadata: {{{attachment}: true}} in the kubernetes_sd_configs"
                yield Finding(link.section, message, "source_labels", hint, item)
            elif roles := _other_roles(chain, label):
                hint = f"a kubernetes_sd_configs with role {' or '.join(roles)} gives it"
                yield Finding(link.section, message, "source_labels", hint, item)
            else:
                yield _unknown(link, message, label, known.examples(), item)
        if rule.action in _BY_NAME and not anything and (start := patterns.literal_start(rule.regex)):
            yield from _unmatched_names(link, start, made, chain)
        if rule.action == "labelmap" or "$" in rule.target_label:
            anything = True
        elif rule.target_label:
            made.add(rule.target_label)


def _attachment(chain: Chain, label: str) -> str:
    """The field of attach_metadata that would bring the label, or ""."""
    for config in chain.owner.kubernetes_sd_configs if chain.owner is not None else ():
        for name in AttachMetadata.settings:
            attached = config.replace(attach_metadata=config.attach_metadata.replace(**{name: True}))
            if _gives(attached, label):
                return name
    return ""


def _other_roles(chain: Chain, label: str) -> list[str]:
    """The roles of Kubernetes that would give the label which the job's role does not."""
    for config in chain.owner.kubernetes_sd_configs if chain.owner is not None else ():
        return [role for role in ROLES if _gives(config.replace(role=role), label)]
    return []


def _gives(config: KubernetesSDConfig, label: str) -> bool:
    names, families = kubernetes_labels(config)
    return label in names or any(label.startswith(family) and label != family for family in families)


def _looks_internal(label: str) -> bool:
    # Labels of one's own (env, team) may come from anywhere: only names in the discoveries' manner are judged.
    return label.startswith("_") or label.lstrip("_").startswith(
        ("meta_", "address", "param_", "metrics_path")
    )


def _unmatched_names(link: Link, start: str, made: set[str], chain: Chain) -> Iterator[Finding]:
    known = chain.known
    assert known is not None
    if not _looks_internal(start):
        return
    regex = link.rule.regex
    candidates = [name for name in (*known.names, *made) if name.startswith(start)]
    if any(patterns.matches(regex, name) for name in candidates):
        return
    if any(patterns.matches_some_of_family(regex, family) for family in known.families):
        return
    message = f"no label that a discovery of this job gives begins with `{start}`"
    yield _unknown(link, message, start, [*known.names, *known.families])


def _unknown(link: Link, message: str, label: str, examples: list[str], item: int = -1) -> Finding:
    meant = _meant(label, examples)
    suggestion = f", did you mean `{meant}`?" if meant else ""
    hint = (
        f"did you mean `{meant}`?"
        if meant
        else "look at the labels of the discovery: pyscrape sd CONFIG --job JOB"
    )
    return Finding(link.section, message + suggestion, "regex" if item < 0 else "source_labels", hint, item)


def _meant(label: str, examples: list[str]) -> str:
    bare = label.strip("_")
    for example in examples:
        if example.strip("_") == bare:
            return example
    # A family ends in a name of the user's: compare its fixed part and keep the ending.
    for example in (example for example in examples if example.endswith("_x")):
        family = example[:-1]
        cut = label[: len(family)]
        # What all labels of the discovery begin with says nothing.
        same = max(length for length in range(len(cut) + 1) if family.startswith(cut[:length]))
        shared = cut[:same].rfind("_") + 1
        if len(label) > len(family) and nearest(cut[shared:], [family[shared:]]):
            return family + label[len(family) :]
    return nearest(label, examples)


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
        if rule.action in _BY_NAME or "$" in rule.target_label:
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
    seen: dict[object, int] = {}
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
        if rule.action in {"replace", "labelmap"}:
            continue  # a label may be set again after it was changed
        what = (rule.action, rule.source_labels, rule.separator, rule.regex, rule.target_label, rule.modulus)
        if what in seen:
            yield Finding(link.section, f"the same rule as rule {seen[what]}", "", "delete one of the two")
        seen.setdefault(what, link.number)


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
    """One `instance` (or `__address__`) for every target, unless something else tells them apart."""
    if chain.kind != "target" or chain.owner is None:
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
