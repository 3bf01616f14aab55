"""Configuration: prometheus.yml as a typed value, and everything that can be wrong with it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyscrape.config.check import check_text
    from pyscrape.config.load import ConfigError, load_config, parse_config, read_config
    from pyscrape.config.settings import Config
    from pyscrape.model.problems import Problem

_HOMES = {
    "Config": "pyscrape.config.settings",
    "ConfigError": "pyscrape.config.load",
    "Problem": "pyscrape.model.problems",
    "check_text": "pyscrape.config.check",
    "load_config": "pyscrape.config.load",
    "parse_config": "pyscrape.config.load",
    "read_config": "pyscrape.config.load",
}
__all__ = ["Config", "ConfigError", "Problem", "check_text", "load_config", "parse_config", "read_config"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(name)
