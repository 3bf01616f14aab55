"""Relabeling as a library: load rules, apply them, explain what they do, test them.

rules = load_relabel_configs(yaml_text_or_list_of_mappings)
relabel({"__address__": "10.0.0.1:9100"}, rules)      # a new dict, or None when dropped
print(explain(labels, rules))                          # rule by rule, with reasons
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyscrape.relabel.engine import RelabelTimeout as RelabelTimeout
    from pyscrape.relabel.explanation import Explanation as Explanation
    from pyscrape.relabel.explanation import Step as Step
    from pyscrape.relabel.explanation import explain as explain
    from pyscrape.relabel.load import RelabelConfigError as RelabelConfigError
    from pyscrape.relabel.load import load_relabel_configs as load_relabel_configs
    from pyscrape.relabel.load import relabel as relabel
    from pyscrape.relabel.plans import Rules as Rules
    from pyscrape.relabel.plans import compile_rules as compile_rules
    from pyscrape.relabel.testing import assert_relabel as assert_relabel

_HOMES = {
    "Explanation": "explanation",
    "RelabelConfigError": "load",
    "RelabelTimeout": "engine",
    "Rules": "plans",
    "Step": "explanation",
    "assert_relabel": "testing",
    "compile_rules": "plans",
    "explain": "explanation",
    "load_relabel_configs": "load",
    "relabel": "load",
}
__all__ = [
    "Explanation",
    "RelabelConfigError",
    "RelabelTimeout",
    "Rules",
    "Step",
    "assert_relabel",
    "compile_rules",
    "explain",
    "load_relabel_configs",
    "relabel",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
