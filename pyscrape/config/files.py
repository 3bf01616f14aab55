"""The files that a configuration names: are they there, can they be read, are they what they should be.

What is looked for is not what Prometheus needs to start (it reads secrets per request), but what its author would
want to know. A file that is missing is a finding whose severity the caller chooses; `root` stands for the root
directory of the machine that the configuration is written for.
"""

# pathlib costs a tenth of the time that a whole check may take:
# ruff: noqa: PTH110, PTH112, PTH117, PTH120, PTH123

import os
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from pyscrape.config.load import is_pattern
from pyscrape.model.kinds import ListKind, PathKind, join_dir
from pyscrape.model.names import quoted
from pyscrape.model.problems import Problem, format_path
from pyscrape.model.settings import Section
from pyscrape.model.yaml_nodes import Node

MissingFiles = Literal["error", "warn", "ignore"]

# Written by the server, not read: only their directory must exist.
_OUTPUT_FIELDS = {"query_log_file", "scrape_failure_log_file"}
# Read by other modules, which say more than that they are missing.
_LISTED_ELSEWHERE = {"rule_files", "scrape_config_files", "files"}
# What every pod has, and no machine that checks its configuration: only worth a word to who asks for errors.
_IN_PODS = "/var/run/secrets/"


class NamedFile(NamedTuple):
    """A path in a configuration: the section and field it stands in, its node, and the path on this machine."""

    section: Section
    field: str
    node: Node
    path: str


def on_this_machine(path: str, root: str) -> str:
    """A path of the described machine as a path here."""
    return root.rstrip("/") + path if root and os.path.isabs(path) else path


def named_files(root_section: Section, base_dir: str, root: str = "") -> Iterator[NamedFile]:
    """Every path that a configuration gives, in its order."""
    for section in root_section.walk():
        for field, node in section.nodes.items():
            declared = section.cls.keys.get(field)
            if declared is None:
                continue  # a plugin's field: its own section is walked, too
            kind = declared[1].kind
            nodes: list[Node] = []
            if isinstance(kind, PathKind):
                nodes = [node]
            elif isinstance(kind, ListKind) and isinstance(kind.item, PathKind) and node.kind == "list":
                nodes = node.items
            for item in nodes:
                if item.kind == "scalar" and item.text:
                    path = on_this_machine(join_dir(base_dir, item.text), root)
                    yield NamedFile(section, field, item, path)


def missing(named: NamedFile, mode: MissingFiles, job: str = "") -> Problem | None:
    """The finding about a file that is not there, if it is to be one."""
    in_pod = named.path.startswith(_IN_PODS)
    if mode == "ignore" or (mode == "warn" and in_pod):
        return None
    text = named.node.text
    message = f"{named.field}: {quoted(text)} does not point to an existing file"
    hint = "check the path, or use --root DIR, or --missing-files=ignore"
    severity: Any = "error" if mode == "error" else "warning"
    if is_pattern(named.path):
        message, hint = f"{named.field}: no file matches {quoted(text)}", "check the pattern"
        severity = "info" if named.field == "rule_files" else severity
    return _problem(named, severity, "missing-file", message, hint, job)


def _problem(
    named: NamedFile, severity: Any, problem_id: str, message: str, hint: str = "", job: str = ""
) -> Problem:
    path = format_path((*named.section.path, named.field))
    file = named.section.decoder.file
    return Problem(severity, problem_id, message, file, named.node.line, named.node.column, path, job, hint)


def check_files(
    root_section: Section, base_dir: str, mode: MissingFiles, root: str = ""
) -> Iterator[Problem]:
    """Findings about secrets and TLS material; rule files and target files are read by their own modules."""
    tls: dict[int, dict[str, NamedFile]] = {}
    for named in named_files(root_section, base_dir, root):
        if named.field in _LISTED_ELSEWHERE and named.section.cls.__name__ in {"Config", "FileSDConfig"}:
            continue
        if named.field in _OUTPUT_FIELDS:
            folder = os.path.dirname(named.path) or "."
            if mode != "ignore" and not os.path.isdir(folder):
                severity = "error" if mode == "error" else "warning"
                message = f"{named.field}: the directory of {quoted(named.node.text)} does not exist"
                yield _problem(named, severity, "missing-file", message)
            continue
        if not os.path.exists(named.path):
            if (problem := missing(named, mode)) is not None:
                yield problem
        elif (problem := _unreadable(named)) is not None:
            yield problem
        elif named.section.cls.__name__ == "TLSConfig":
            tls.setdefault(id(named.section), {})[named.field] = named
    if tls:
        from pyscrape.config.certificates import (
            check_tls,
        )  # ssl takes 10 ms, and most checks have no such file

        for fields in tls.values():
            yield from (_problem(*finding) for finding in check_tls(fields))


def _unreadable(named: NamedFile) -> Problem | None:
    try:
        if os.path.isdir(named.path):
            return _problem(named, "error", "unreadable-file", f"{named.field}: {named.path} is a directory")
        with open(named.path, "rb") as file:
            content = file.read(64)
    except OSError as error:
        return _problem(named, "error", "unreadable-file", f"{named.field}: {error.strerror}: {named.path}")
    if not content.strip() and not named.field.startswith("kubeconfig"):
        return _problem(named, "warning", "empty-file", f"{named.field}: {named.path} is empty")
    return None
