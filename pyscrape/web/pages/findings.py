"""Findings of a check beside the lines that they belong to.

The page shows the configuration as it is in force, with defaults, so the file's line numbers mean nothing there: a
finding's path in the tree leads to its line, or to that of the nearest part around it that is printed.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from pyscrape.model.problems import Problem
from pyscrape.model.yaml_nodes import Node, YAMLError, compose

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@lru_cache(maxsize=2)
def findings_beside(config: str, problems: tuple[Problem, ...]) -> Mapping[int, Sequence[Problem]]:
    """Problems by the line (from 1) of `config` after which they are shown; those that have no place in it are not.

    >>> found = findings_beside("a:\\n  b: 1\\n", (Problem("info", "x", "y", path="a.b.c"),))
    >>> list(found)
    [2]
    """
    try:
        top = compose(config).root if problems else None
    except YAMLError:  # cut off in its middle
        top = None
    beside: dict[int, list[Problem]] = {}
    for problem in problems:
        line = _line_of(top, problem) if top is not None and problem.path else 0
        if line:
            beside.setdefault(line, []).append(problem)
    return beside


def _line_of(top: Node, problem: Problem) -> int:
    """The line of the last step of the path that is there; 0 where even the first one is not.

    Jobs are found by their names: those of scrape_config_files stand after the others.
    """
    node, line = top, 0
    steps = _STEP.findall(problem.path)
    if problem.job and steps[0][0] == "scrape_configs":
        jobs = top.get("scrape_configs")
        items = jobs.items if jobs is not None and jobs.kind == "list" else []
        found = next(
            (job for job in items if (name := job.get("job_name")) and name.text == problem.job), None
        )
        if found is None:
            return 0
        node, line, steps = found, found.line, steps[2:]
    for name, index in steps:
        step = _item(node, int(index)) if index else _value(node, name)
        if step is None:
            break
        line, node = step
    return line


def _item(node: Node, index: int) -> tuple[int, Node] | None:
    if node.kind != "list" or index >= len(node.items):
        return None
    return node.items[index].line, node.items[index]


def _value(node: Node, name: str) -> tuple[int, Node] | None:
    if node.kind != "map":
        return None
    return next(((key.line, value) for key, value in node.pairs if key.value == name), None)
