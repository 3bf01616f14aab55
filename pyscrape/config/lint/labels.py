"""Lints of the labels that relabel rules look at: whether there are such labels at that point."""

from collections.abc import Iterator

from pyscrape.config.lint import patterns
from pyscrape.config.lint.subjects import BY_NAME, Chain, Finding, Link

_ON_TARGETS = {"target", "alertmanager"}
_TARGET_ONLY = ("__meta_", "__address__", "__scheme__", "__metrics_path__", "__param_", "__scrape_")


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
        start = patterns.literal_start(link.rule.regex) if link.rule.action in BY_NAME else ""
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
            from pyscrape.config.lint.label_hints import attachment, other_roles, unknown

            message = f"no discovery of this job gives the label `{label}`"
            if field := attachment(chain, label):
                hint = f"set attach_metadata: {{{field}: true}} in the kubernetes_sd_configs"
                yield Finding(link.section, message, "source_labels", hint, item)
            elif roles := other_roles(chain, label):
                hint = f"a kubernetes_sd_configs with role {' or '.join(roles)} gives it"
                yield Finding(link.section, message, "source_labels", hint, item)
            else:
                yield unknown(link, message, label, known.examples(), item)
        if rule.action in BY_NAME and not anything and (start := patterns.literal_start(rule.regex)):
            yield from _unmatched_names(link, start, made, chain)
        if rule.action == "labelmap" or "$" in rule.target_label:
            anything = True
        elif rule.target_label:
            made.add(rule.target_label)


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
    from pyscrape.config.lint.label_hints import unknown

    message = f"no label that a discovery of this job gives begins with `{start}`"
    yield unknown(link, message, start, [*known.names, *known.families])
