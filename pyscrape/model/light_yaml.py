"""PyYAML, imported without compiling the patterns of its Python reader and resolver.

libyaml's parser, which this package uses, never asks those patterns, yet they take half of the import, and the import
a tenth of a whole `pyscrape check` (`python -m benchmarks config`). While PyYAML is imported, its modules see a
stand-in for `re` that compiles a pattern when it is first asked. Everybody else's `re` is untouched.
"""

import importlib
import re
import sys
from types import ModuleType
from typing import Any


class _Pattern:
    """A pattern that is compiled when one of its attributes is first wanted."""

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments

    def __getattr__(self, name: str) -> Any:
        return getattr(re.compile(*self._arguments), name)


def _import_light() -> None:
    if "yaml" in sys.modules:
        return
    stand_in = ModuleType("re")
    vars(stand_in).update(vars(re), compile=_Pattern)
    sys.modules["re"] = stand_in
    try:
        importlib.import_module("yaml")
    finally:
        sys.modules["re"] = re


_import_light()

import yaml as yaml  # noqa: E402  # found imported by now
