"""What every kind of finding means and what to do about it: the sections of docs/lint.md and docs/check-errors.md."""

from importlib.resources import files

TOPICS = ("check-errors", "lint")


def explanations() -> dict[str, str]:
    """Id of a finding -> its explanation in Markdown, the first line a title."""
    found: dict[str, str] = {}
    for topic in TOPICS:
        text = files("pyscrape").joinpath("docs", f"{topic}.md").read_text(encoding="utf-8")
        for section in text.split("\n## ")[1:]:
            name, _, body = section.partition("\n")
            found[name.strip()] = body.strip()
    return found
