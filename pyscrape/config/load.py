"""From text to a Config: decode, inherit, cross-check, read the files that belong to it, with all problems at once.

`decode_config` is the one way for `run`, reload, the library and `check`; they differ only in what they do with the
problems. Files on disk are touched in two places: the configuration itself and its `scrape_config_files`.
"""

# pathlib costs a tenth of the time that a whole check may take, and os.path joins as Go does:
# ruff: noqa: PTH100, PTH110, PTH117, PTH120, PTH123, PTH207

import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pyscrape.config.settings import UTF8_STRATEGIES, Config
from pyscrape.model.names import quoted
from pyscrape.model.problems import Problem, format_path
from pyscrape.model.settings import Decoder, Section, decode_node
from pyscrape.model.yaml_nodes import Document, YAMLError, compose, decode_bytes
from pyscrape.scrape.settings import GlobalConfig, ScrapeConfig, ScrapeConfigs, inherit

# Compiled where they are used: most files need none of them, and each costs a quarter of a millisecond.
_RULE_PATH = r"[^*]*(\*[^/]*)?"
_VARIABLE = r"\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*|[*#$@!?0-9-])|)"


class ConfigError(ValueError):
    """A configuration with mistakes: `problems` has all of them, warnings too; the text is Prometheus' and more."""

    def __init__(self, problems: Sequence[Problem], filename: str = "-") -> None:
        self.problems = list(problems)
        errors = [problem for problem in problems if problem.severity == "error"]
        lines = [f"{p.file}:{p.line}:{p.column}: {p.message}" for p in errors[1:]]
        first = errors[0] if errors else problems[0]
        place = f" (line {first.line}, column {first.column})" if first.line else ""
        super().__init__("\n".join([f"parsing YAML file {filename}: {first.message}{place}", *lines]))


class Loaded:
    """What `decode_config` found: the Config as far as it could be read, its sections, the problems."""

    def __init__(self, config: Config, section: Section | None, problems: list[Problem]) -> None:
        self.config = config
        self.section = section
        self.problems = problems
        self.job_sections: list[tuple[Section, ScrapeConfig]] = []

    @property
    def errors(self) -> list[Problem]:
        """The problems that make the configuration unusable."""
        return [problem for problem in self.problems if problem.severity == "error"]


def load_config(path: str | os.PathLike[str], *, agent: bool = False) -> Config:
    """Read and check a configuration file with the scrape_config_files that it names.

    Raises:
        ConfigError: it holds mistakes.
        OSError: it cannot be read.
    """
    config, problems = read_config(path, agent=agent)
    if config is None:
        raise ConfigError(problems, os.fspath(path))
    return config


def read_config(path: str | os.PathLike[str], *, agent: bool = False) -> tuple[Config | None, list[Problem]]:
    """As `load_config`, but with every finding, lints too: the Config (None when there are errors), the problems.

    Raises:
        OSError: the file cannot be read.
    """
    filename = os.fspath(path)
    with open(filename, "rb") as file:
        raw = file.read()
    loaded = load_bytes(raw, filename, os.path.dirname(filename) or ".", agent=agent)
    if loaded.errors:
        return None, loaded.problems
    return loaded.config, loaded.problems


def parse_config(text: str, base_dir: str = ".") -> Config:
    """A Config from its text; relative paths are joined to `base_dir`.

    Raises:
        ConfigError: it holds mistakes.
    """
    loaded = decode_config(text, "-", base_dir)
    if loaded.errors:
        raise ConfigError(loaded.problems)
    return loaded.config


def load_bytes(raw: bytes, filename: str, base_dir: str, *, agent: bool = False) -> Loaded:
    """Decode a file's bytes and run the lints; what is no UTF-8 is a problem, too."""
    from pyscrape.config.lint.run import lint, without_ignored  # the lints import this module's neighbours

    try:
        text = decode_bytes(raw)
    except YAMLError as error:
        return Loaded(Config(), None, [syntax_problem(error, filename)])
    loaded = decode_config(text, filename, base_dir, agent=agent)
    if loaded.section is not None:
        found = with_jobs(lint(loaded.section, loaded.job_sections), loaded.section, filename)
        loaded.problems = in_order(without_ignored([*loaded.problems, *found], text.split("\n"), filename))
    return loaded


def syntax_problem(error: YAMLError, filename: str) -> Problem:
    """A problem from a text that is no YAML."""
    hint = ""
    if "cannot start any token" in error.message:
        hint = "indent with spaces, not tabs, and put texts that begin with @, ` or % in quotes"
    elif "mapping values are not allowed" in error.message:
        hint = "look for a missing line break, a wrong indentation, or put a text that holds ': ' in quotes"
    elif "did not find expected" in error.message or "could not find expected" in error.message:
        hint = "look at the indentation and at brackets and quotes that are not closed, here and in the lines above"
    return Problem("error", "yaml-syntax", error.message, filename, error.line, error.column, hint=hint)


def decode_config(text: str, filename: str, base_dir: str, *, agent: bool = False) -> Loaded:
    """Decode a configuration's text with all cross-checks; never raises for bad input."""
    try:
        document = compose(text)
    except YAMLError as error:
        return Loaded(Config(), None, [syntax_problem(error, filename)])
    return decode_document(document, len(text), filename, base_dir, agent=agent)


def decode_document(
    document: Document, text_size: int, filename: str, base_dir: str, *, agent: bool = False, root: str = ""
) -> Loaded:
    """As `decode_config`, from nodes; `root` is put before the absolute paths of scrape_config_files."""
    decoder = Decoder(file=filename, base_dir=base_dir, text_size=text_size)
    try:
        if document.root is None:
            return Loaded(Config(file=filename), None, [])
        config, section = decode_node(Config, document.root, decoder)
    except YAMLError as error:
        return Loaded(Config(), None, [*decoder.problems, syntax_problem(error, filename)])
    if document.second_line:
        decoder.problems.append(
            Problem(
                "warning", "second-document", "only the first YAML document is read", filename, document.second_line, 1,
                hint="delete the --- line or what comes after it",
            )
        )  # fmt: skip
    loaded = Loaded(config, section, decoder.problems)
    if section is not None:
        _finish(loaded, section, root)
        if agent:
            _check_agent(section)
    loaded.config = loaded.config.replace(file=filename)
    loaded.problems = in_order(with_jobs(loaded.problems, section, filename))
    return loaded


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Problems by place, each once; those of the first file first."""
    rank = {
        file: position for position, file in enumerate(dict.fromkeys(problem.file for problem in problems))
    }
    return sorted(dict.fromkeys(problems), key=lambda p: (rank[p.file], p.line, p.column))


def with_jobs(problems: Sequence[Problem], section: Section | None, filename: str) -> list[Problem]:
    """Name the job that each problem is about."""
    jobs = {
        format_path(child.path): child["job_name"]
        for child in (section.items("scrape_configs") if section is not None else ())
    }
    named = []
    for problem in problems:
        place = problem.path.split("]", 1)[0] + "]" if problem.path.startswith("scrape_configs[") else ""
        if problem.file == filename and not problem.job and jobs.get(place):
            problem = problem._replace(job=jobs[place])
        named.append(problem)
    return named


def _finish(loaded: Loaded, section: Section, root: str) -> None:
    config = loaded.config
    defaults = config.global_
    global_section = section.child("global")
    if defaults == GlobalConfig.zero():
        defaults = GlobalConfig()  # an empty `global:` is no `global` at all
    if config.runtime.gogc == 0:
        config = config.replace(runtime=type(config.runtime)())
    _check_paths(section, "rule_files", "rule file")
    _check_paths(section, "scrape_config_files", "scrape config file")
    unsure = frozenset(global_section.failed if global_section is not None else ())
    seen: dict[str, str] = {}
    jobs = []
    for child in section.items("scrape_configs"):
        job = inherit(child, defaults, unsure=unsure)
        _unique_job(child, seen, "")
        seen.setdefault(child["job_name"], "main configuration")
        jobs.append(job)
        loaded.job_sections.append((child, job))
    own = len(jobs)
    defaults = _expand_external_labels(loaded, defaults, global_section)
    for kind in ("write", "read"):
        if sections := section.items(f"remote_{kind}"):
            from pyscrape.remote.settings import unique_names

            unique_names(sections, kind)
    _check_otlp(section, config, defaults)
    if defaults.metric_name_validation_scheme == "legacy":
        _check_legacy_elsewhere(section)
    config = config.replace(global_=defaults)
    for filename in config_files(config.scrape_config_files, root):
        jobs += _read_jobs(loaded, filename, defaults, unsure, seen)
    loaded.config = config.replace(scrape_configs=tuple(jobs), own_jobs=own)


def config_files(patterns: Sequence[str], root: str = "") -> list[str]:
    """The files that a list of paths and globs names, in Prometheus' order; `root` is put before absolute paths."""
    found: list[str] = []
    for pattern in patterns:
        found += matching_files(root + pattern if root and os.path.isabs(pattern) else pattern)
    return found


def is_pattern(path: str) -> bool:
    """Whether the path is a glob."""
    return any(mark in path for mark in "*?[")


def matching_files(path: str) -> list[str]:
    """The existing files of a path or glob, in order."""
    if not is_pattern(path):
        return [path] if os.path.exists(path) else []
    import glob  # a millisecond that most files can spare

    from pyscrape.model.globs import python_pattern

    return sorted(glob.glob(python_pattern(path), include_hidden=True))


def _check_paths(section: Section, field: str, what: str) -> None:
    node = section.nodes.get(field)
    for index, item in enumerate(node.items if node is not None and node.kind == "list" else ()):
        if item.kind == "scalar" and not re.fullmatch(_RULE_PATH, item.text):
            section.decoder.add(
                "error",
                "invalid-value",
                f"invalid {what} path {quoted(item.text)}",
                item,
                (*section.path, field, index),
                hint="a path may hold one *, in its last part",
            )


def _unique_job(child: Section, seen: Mapping[str, str], suffix: str) -> None:
    name = child["job_name"]
    if name and name in seen:
        child.error(
            f"found multiple scrape configs with job name {quoted(name)}{suffix}",
            "job_name",
            problem_id="duplicate-job",
            hint="a job_name may stand once in all files together",
        )


def _read_jobs(
    loaded: Loaded, filename: str, defaults: GlobalConfig, unsure: frozenset[str], seen: dict[str, str]
) -> list[ScrapeConfig]:
    decoder = Decoder(file=filename, base_dir=os.path.dirname(filename) or ".")
    jobs = []
    try:
        with open(filename, "rb") as file:
            text = decode_bytes(file.read())
        decoder = Decoder(file=filename, base_dir=os.path.dirname(filename) or ".", text_size=len(text))
        root = compose(text).root
        section = decode_node(ScrapeConfigs, root, decoder)[1] if root is not None else None
        for child in section.items("scrape_configs") if section is not None else ():
            job = inherit(child, defaults, unsure=unsure)
            name = child["job_name"]
            _unique_job(child, seen, f", first found in {seen.get(name, '')}")
            seen.setdefault(name, quoted(os.path.abspath(filename)))
            jobs.append(job)
            loaded.job_sections.append((child, job))
        loaded.problems += with_jobs(decoder.problems, section, filename)
    except YAMLError as error:
        loaded.problems += [*decoder.problems, syntax_problem(error, filename)]
    except OSError as error:
        loaded.problems.append(Problem("error", "unreadable-file", f"{error.strerror}: {filename}", filename))
    return jobs


def _expand_external_labels(loaded: Loaded, defaults: GlobalConfig, section: Section | None) -> GlobalConfig:
    labels: Mapping[str, str] = defaults.external_labels
    if not any("$" in value for value in labels.values()):
        return defaults
    unset: list[str] = []
    expanded = {name: expand_env(value, unset) for name, value in labels.items()}
    node = section.nodes.get("external_labels") if section is not None else None
    file = section.decoder.file if section is not None else "-"
    for name in dict.fromkeys(unset):
        loaded.problems.append(
            Problem(
                "warning", "empty-variable", f"Empty environment variable {name}", file,
                node.line if node else 0, node.column if node else 0, "global.external_labels",
                hint=f"set {name}, or write $$ for a dollar sign",
            )
        )  # fmt: skip
    return defaults.replace(external_labels=MappingProxyType(expanded))


def expand_env(text: str, unset: list[str]) -> str:
    """`$VAR` and `${VAR}` from the environment, `$$` as `$`; names without a value are added to `unset`."""

    def value(found: re.Match[str]) -> str:
        name = found[1] if found[1] is not None else found[2]
        if name == "$":
            return "$"
        if name is None:
            return "$"
        if not os.environ.get(name):
            unset.append(name)
        return os.environ.get(name, "")

    return re.sub(_VARIABLE, value, text)


def _check_otlp(section: Section, config: Config, defaults: GlobalConfig) -> None:
    child = section.child("otlp")
    strategy = config.otlp.translation_strategy
    if child and strategy in UTF8_STRATEGIES and defaults.metric_name_validation_scheme == "legacy":
        child.error(
            f"OTLP translation strategy {quoted(strategy)} is not allowed when UTF8 is disabled",
            "translation_strategy",
        )


def _check_legacy_elsewhere(section: Section) -> None:
    from pyscrape.relabel.settings import check_legacy_rules

    for endpoint in section.items("remote_write"):
        check_legacy_rules(endpoint, "write_relabel_configs")
    if (alerting := section.child("alerting")) is not None:
        check_legacy_rules(alerting, "alert_relabel_configs")
        for alertmanager in alerting.items("alertmanagers"):
            check_legacy_rules(alertmanager, "relabel_configs")
            check_legacy_rules(alertmanager, "alert_relabel_configs")


def _check_agent(section: Section) -> None:
    alerting = section["alerting"]
    fields: dict[str, Any] = {
        "alerting": alerting is not None and (alerting.alertmanagers or alerting.alert_relabel_configs),
        "rule_files": section["rule_files"],
        "remote_read": section["remote_read"],
    }
    for name, used in fields.items():
        if used:
            section.add("error", "agent-mode", f"field {name} is not allowed in agent mode", name, key=True)
