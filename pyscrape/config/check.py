"""`pyscrape check` as a function: everything that can be said about a text, whatever kind of input it is.

`check_bytes` is the front door: it finds the kind, checks the text and what it names, runs the lints, and gives one
`Report`. It never raises for bad input. Nothing here prints.
"""

# pathlib costs a tenth of the time that a whole check may take:
# ruff: noqa: PTH120, PTH123

import os
from collections.abc import Callable, Iterator, Sequence, Set
from typing import NamedTuple

from pyscrape.config import inputs
from pyscrape.config.files import MissingFiles, check_files, missing, named_files
from pyscrape.config.lint.run import IDS, lint, without_ignored
from pyscrape.config.load import (
    Loaded,
    decode_document,
    in_order,
    matching_files,
    syntax_problem,
    with_jobs,
)
from pyscrape.model.problems import Problem, format_path
from pyscrape.model.settings import Section
from pyscrape.model.yaml_nodes import Document, Node, YAMLError, compose, compose_all, decode_bytes
from pyscrape.relabel.settings import Rule

# Fields whose files are read and checked themselves.
_READ_HERE = {("Config", "rule_files"), ("Config", "scrape_config_files"), ("FileSDConfig", "files")}


class Options(NamedTuple):
    """How to check: what a missing file is, where the described machine's root is here, which lints run.

    `relabel_tests` checks a document of relabel unit tests (its root, the text's size, the file's name): their
    language belongs to a layer above.
    """

    missing_files: MissingFiles = "warn"
    root: str = ""
    lints: Set[str] = IDS
    agent: bool = False
    relabel_tests: Callable[[Node, int, str], tuple[int, list[Problem]]] | None = None


class Report(NamedTuple):
    """What was found in one file: its kind, what it holds ("3 jobs", texts of a manifest), the problems in order."""

    file: str
    kind: inputs.InputKind
    holds: tuple[str, ...]
    problems: list[Problem]

    @property
    def valid(self) -> bool:
        """Whether there is no error."""
        return not any(problem.severity == "error" for problem in self.problems)


def check_text(text: str, filename: str = "-", base_dir: str = ".") -> list[Problem]:
    """All problems of a text, in the order of their places; never raises for bad input.

    The text is a prometheus.yml, or anything else that `pyscrape check` takes. Relative paths are joined to `base_dir`.
    """
    return check_bytes(text.encode("utf-8", "surrogatepass"), filename, base_dir).problems


def check_bytes(
    raw: bytes, filename: str = "-", base_dir: str = ".", options: Options | None = None
) -> Report:
    """Check a file's content."""
    options = options or Options()
    kind: inputs.InputKind = "config"
    try:
        text = decode_bytes(inputs.gunzip(raw))
        document = compose(text)
        kind = inputs.kind_of(document)
        if kind == "manifest":
            return _check_manifest(text, filename, base_dir, options)
        return _check_document(kind, document, text, filename, base_dir, options)
    except YAMLError as error:
        return Report(filename, kind, (), [syntax_problem(error, filename)])


def check_file(path: str, options: Options | None = None) -> Report:
    """Check a file; OSError when it cannot be read."""
    with open(path, "rb") as file:
        raw = file.read(64 * 1024 * 1024)
    return check_bytes(raw, path, os.path.dirname(path) or ".", options)


def _check_document(
    kind: inputs.InputKind, document: Document, text: str, filename: str, base_dir: str, options: Options
) -> Report:
    if kind == "config":
        holds, problems = _check_config(document, text, filename, base_dir, options)
    elif kind == "jobs":
        root = document.root
        assert root is not None
        wrapped = Node("map", [(Node("scalar", "scrape_configs", 0, 0), root)], root.line, root.column)
        holds, problems = _check_config(Document(wrapped), text, filename, base_dir, options)
    elif kind == "rules":
        from pyscrape.config.rulefiles import check_rules

        rules, problems = check_rules(document, text, filename)
        holds = (_count(rules, "rule"),)
    elif kind == "targets":
        from pyscrape.config.targetfiles import check_targets

        assert document.root is not None
        problems = check_targets(document.root, text, filename)
        holds = (_count(len(document.root.items), "target group"),)
    elif kind == "relabel-tests":
        holds, problems = _check_relabel_tests(document, len(text), filename, options)
    else:
        message = "neither a configuration nor anything else that can be checked here"
        holds, problems = (), [Problem("error", "unknown-input", message, filename, 1, 1)]
    problems = problems + [_question_mark(node, filename) for node in document.question_marks]
    problems = without_ignored(problems, text.split("\n"), filename)
    return Report(filename, kind, holds, in_order(problems))


def _question_mark(node: Node, filename: str) -> Problem:
    message = "yaml: a `?` in a text without quotes between brackets: did not find expected ',' or '}'"
    hint = "put the text in quotes; Prometheus refuses the file, pyscrape run reads it"
    column = node.column + str(node.value).find("?")
    return Problem("error", "unquoted-question-mark", message, filename, node.line, column, hint=hint)


def _check_relabel_tests(
    document: Document, text_size: int, filename: str, options: Options
) -> tuple[tuple[str, ...], list[Problem]]:
    """Relabel unit tests, by who knows their language; without it their outer shape."""
    assert document.root is not None
    if options.relabel_tests is not None:
        number, problems = options.relabel_tests(document.root, text_size, filename)
        return (_count(number, "relabel test"),), problems
    cases = document.root.get("cases")
    if cases is None or cases.kind != "list" or not cases.items:
        place = cases or document.root
        message = "`cases` must be a list of test cases"
        return (), [Problem("error", "bad-test", message, filename, place.line, place.column, "cases")]
    return (_count(len(cases.items), "relabel test"),), []


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _check_config(
    document: Document, text: str, filename: str, base_dir: str, options: Options
) -> tuple[tuple[str, ...], list[Problem]]:
    loaded = decode_document(
        document, len(text), filename, base_dir, agent=options.agent, root=options.root.rstrip("/")
    )
    problems = [*loaded.problems, *_static_targets(loaded)]
    if loaded.section is not None:
        found = lint(loaded.section, loaded.job_sections, options.lints)
        done: set[str] = set()
        for section, own_dir, job in _parts(loaded, base_dir):
            of_part = [
                *check_files(section, own_dir, options.missing_files, options.root),
                *_check_named(section, own_dir, options, done),
            ]
            found += [problem._replace(job=job) if job else problem for problem in of_part]
        problems = problems + with_jobs(_without_echo(found, problems), loaded.section, filename)
    return (_count(len(loaded.config.scrape_configs), "job"),), problems


def _static_targets(loaded: Loaded) -> Iterator[Problem]:
    """Static targets that cannot be scraped, as promtool finds them: after relabeling."""
    for section, job in loaded.job_sections:
        if "relabel_configs" in section.failed:
            continue
        for group, child in enumerate(section.items("static_configs")):
            node = child.nodes.get("targets")
            dubious = any(name.startswith("__") for name in child["labels"]) or any(
                map(_spoils, job.relabel_configs)
            )
            for index, address in enumerate(child["targets"]):
                if node is None or len(node.items) != len(child["targets"]):
                    continue
                # Without rules the decoder has judged it; to ask the relabel engine of every address is too dear.
                if not (dubious or not address or ("/" in address and job.relabel_configs)):
                    continue
                from pyscrape.relabel import RelabelTimeout
                from pyscrape.targets import TargetError, populate_labels

                try:
                    populate_labels({**child["labels"], "__address__": address}, job)
                except (TargetError, RelabelTimeout) as error:
                    at = node.items[index]
                    yield Problem(
                        "error", "bad-target", f"instance {index} in group {group}: {error}", section.decoder.file,
                        at.line, at.column, format_path((*child.path, "targets", index)), job.job_name,
                    )  # fmt: skip


def _spoils(rule: Rule) -> bool:
    """Whether a rule may make a good target one that cannot be scraped."""
    if rule.target_label == "__address__":
        return rule.replacement == "" or "/" in rule.replacement
    return rule.target_label.startswith("__scrape_")


def _without_echo(found: Sequence[Problem], errors: Sequence[Problem]) -> list[Problem]:
    """Leave out what a lint says about a place that is an error anyway."""
    places = {
        (problem.file, problem.line, problem.column) for problem in errors if problem.severity == "error"
    }
    return [problem for problem in found if (problem.file, problem.line, problem.column) not in places]


def _parts(loaded: Loaded, base_dir: str) -> Iterator[tuple[Section, str, str]]:
    """The main file and each job of its scrape_config_files: section, directory of relative paths, job name."""
    assert loaded.section is not None
    yield loaded.section, base_dir, ""
    for section, job in loaded.job_sections:
        file = section.decoder.file
        if file != loaded.section.decoder.file:
            yield section, os.path.dirname(file) or ".", job.job_name


def _check_named(root: Section, base_dir: str, options: Options, done: set[str]) -> Iterator[Problem]:
    """Check the rule files and target lists that a part of the configuration names; each file once."""
    for named in named_files(root, base_dir, options.root):
        if (named.section.cls.__name__, named.field) not in _READ_HERE:
            continue
        paths = matching_files(named.path)
        if not paths and (problem := missing(named, options.missing_files)) is not None:
            yield problem
        for path in paths if named.field != "scrape_config_files" else ():
            if path not in done:
                done.add(path)
                yield from _check_named_file(path, named.field)


def _check_named_file(path: str, field: str) -> list[Problem]:
    try:
        with open(path, "rb") as file:
            raw = file.read()
        if field == "rule_files":
            from pyscrape.config.rulefiles import check_rule_bytes

            return check_rule_bytes(raw, path).problems
        from pyscrape.config.targetfiles import check_targets

        text = decode_bytes(raw)
        return check_targets(compose(text).root, text, path)
    except YAMLError as error:
        return [syntax_problem(error, path)]
    except OSError as error:
        return [Problem("error", "unreadable-file", f"{error.strerror}: {path}", path)]


def _check_manifest(text: str, filename: str, base_dir: str, options: Options) -> Report:
    """Check every text of every ConfigMap and Secret; places are those of the manifest."""
    from pyscrape.config import manifests

    lines = text.split("\n")
    roots = [document.root for document in compose_all(text) if document.root is not None]
    holds: list[str] = []
    problems: list[Problem] = []
    for found in manifests.embedded([root for root in roots if root.kind == "map"]):
        if isinstance(found, YAMLError):
            problems.append(syntax_problem(found, filename))
            continue
        inner = manifests.document_of(found)
        if isinstance(inner, YAMLError):
            holds.append(found.name)
            problems.append(found.outer(syntax_problem(inner, filename), lines, filename))
            continue
        kind = manifests.looks_like_config(inner) if inner is not None else None
        if inner is None or kind is None:
            continue
        report = _check_document(kind, inner, found.text, filename, base_dir, options)
        holds.append(f"{found.name} in {found.owner}: {', '.join(report.holds)}")
        problems += [
            found.outer(problem, lines, filename) if problem.file == filename else problem
            for problem in report.problems
        ]
    if not holds and not problems:
        message = "no configuration was found in the manifests"
        hint = "a ConfigMap or Secret whose data hold a prometheus.yml, rules or targets is looked for"
        problems.append(Problem("warning", "no-config-in-manifest", message, filename, 1, 1, hint=hint))
    return Report(filename, "manifest", tuple(holds), in_order(problems))
