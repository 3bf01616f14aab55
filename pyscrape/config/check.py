"""`check_text`: everything that can be said about a configuration's text."""

from pyscrape.config.load import decode_config
from pyscrape.model.problems import Problem


def check_text(text: str, filename: str = "-", base_dir: str = ".") -> list[Problem]:
    """All problems of a configuration's text, in the order of their places; never raises for bad input."""
    return decode_config(text, filename, base_dir).problems
