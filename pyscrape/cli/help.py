"""Read a topic of the documentation that comes with the package.

Examples:
  pyscrape help            list the topics
  pyscrape help relabel    read one
"""

import argparse
import sys
from importlib.resources import files

from pyscrape.cli.reference import TOPICS
from pyscrape.model.problems import nearest


def topics() -> dict[str, str]:
    """Topic -> its title: every Markdown file of pyscrape/docs, and what is made from the program's tables."""
    found = {name: title for name, (title, _) in TOPICS.items()}
    for entry in files("pyscrape").joinpath("docs").iterdir():
        if entry.name.endswith(".md"):
            first = entry.read_text(encoding="utf-8").split("\n", 1)[0]
            found[entry.name.removesuffix(".md")] = first.lstrip("# ")
    return dict(sorted(found.items()))


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", nargs="?", help="the topic to read; without it the list of topics")


def run(args: argparse.Namespace) -> int:
    known = topics()
    if args.topic is None:
        width = max(map(len, known), default=0) + 2
        print("Topics:\n" + "\n".join(f"  {name.ljust(width)}{title}" for name, title in known.items()))
        return 0
    if args.topic not in known:
        near = nearest(args.topic, known)
        hint = f", did you mean {near}?" if near else f"; there are: {', '.join(known)}"
        print(f"pyscrape help: no topic {args.topic!r}{hint}", file=sys.stderr)
        return 2
    if args.topic in TOPICS:
        print(TOPICS[args.topic][1](), end="")
        return 0
    print(files("pyscrape").joinpath("docs", f"{args.topic}.md").read_text(encoding="utf-8"), end="")
    return 0
