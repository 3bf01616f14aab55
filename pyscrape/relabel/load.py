"""Relabel rules from YAML text or plain data, checked as Prometheus checks them, and applied with one call."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pyscrape.model.names import ValidationScheme
from pyscrape.relabel.plans import Rules, compile_rules

if TYPE_CHECKING:
    from pyscrape.model.problems import Problem
    from pyscrape.relabel.settings import Rule

_KEPT_COMPILED = 64


class RelabelConfigError(ValueError):
    """Rules that Prometheus refuses. `problems` has every mistake with its place; the text is the first one's."""

    def __init__(self, problems: "Sequence[Problem]") -> None:
        self.problems = list(problems)
        first = self.problems[0]
        place = f"line {first.line}, column {first.column}: " if first.line else ""
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(f"{place}{first.path + ': ' if first.path else ''}{first.message}{more}")


def load_relabel_configs(
    source: str | Sequence[Mapping[str, Any]], scheme: ValidationScheme = "utf8"
) -> Rules:
    """Compile rules from a YAML list, or from mappings with the names of prometheus.yml.

    Absent fields have their defaults, `null` and `""` do not. `scheme` is the validation of label names, "utf8" or
    "legacy". The result is a sequence of rules for `relabel` and `explain`.

    Raises:
        RelabelConfigError: Prometheus would refuse the rules.

    >>> rules = load_relabel_configs("- {source_labels: [app], target_label: service}")
    >>> rules[0].replacement
    '$1'
    """
    from pyscrape.model.problems import Problem
    from pyscrape.model.yaml_nodes import YAMLError, compose, from_python

    if not isinstance(source, str):
        return Rules(decode_rules(from_python(list(source)), scheme), scheme)
    try:
        node = compose(source).root
    except YAMLError as error:
        problem = Problem("error", "yaml", error.message, line=error.line, column=error.column)
        raise RelabelConfigError([problem]) from None
    return Rules(() if node is None else decode_rules(node, scheme), scheme)


def decode_rules(node: Any, scheme: ValidationScheme, file: str = "-") -> "tuple[Rule, ...]":
    """The rules of a YAML node; raises RelabelConfigError with every mistake."""
    from pyscrape.model.kinds import ListKind
    from pyscrape.model.settings import Decoder, SectionKind, Spot
    from pyscrape.relabel.settings import Rule, rule_mistake

    if node.is_null:
        return ()
    decoder = Decoder(file=file, text_size=1 << 20)
    kind = ListKind(SectionKind(Rule), null_item="empty or null relabeling rule")
    spot = Spot(decoder, node, ())
    rules: tuple[Rule, ...] | object = kind.decode(spot)
    if scheme == "legacy" and not decoder.problems and spot.child:
        for section in spot.child:
            fields = {name: section[name] for name in Rule.keys}
            mistake = rule_mistake(fields, given=set(section.nodes), scheme=scheme)
            if mistake is not None:
                section.error(mistake[0], mistake[1], problem_id="bad-relabel-rule")
    errors = [problem for problem in decoder.problems if problem.severity == "error"]
    if errors:
        raise RelabelConfigError(errors)
    assert isinstance(rules, tuple)
    return rules


@lru_cache(maxsize=_KEPT_COMPILED)
def _compiled(rules: "tuple[Rule, ...]") -> Rules:
    return compile_rules(rules)


def as_rules(rules: "Rules | Iterable[Rule]") -> Rules:
    """Compiled rules as they are; the `relabel_configs` of a configuration compiled (and remembered)."""
    return rules if isinstance(rules, Rules) else _compiled(tuple(rules))


def relabel(labels: Mapping[str, str], rules: "Rules | Iterable[Rule]") -> dict[str, str] | None:
    """What `rules` make of `labels`: a new dict, or None where they are dropped. The input is untouched.

    Labels with two leading underscores are labels like others here; a scrape hides them afterwards.

    Raises:
        RelabelTimeout: a regular expression took too long.
    """
    return (rules if isinstance(rules, Rules) else as_rules(rules)).apply(labels)
