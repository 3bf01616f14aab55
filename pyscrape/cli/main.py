"""The `pyscrape` command: one module of this package per subcommand, imported when it is asked for.

A subcommand's module has `configure(parser)` and `run(args) -> exit code`. Exit codes: 0 good, 1 at least one
error found, 2 wrong usage or unreadable input.
"""

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from pyscrape import __version__


class Command(NamedTuple):
    """A subcommand: its name, its module under pyscrape.cli, the group in the help and one line."""

    name: str
    module: str
    group: str
    summary: str


COMMANDS: tuple[Command, ...] = (
    Command("run", "run", "Server", "scrape, store, answer queries: a lightweight Prometheus"),
    Command("check", "check", "Configuration", "find every mistake of a config, with place and remedy"),
    Command("test", "test", "Configuration", "run relabel unit tests"),
    Command("explain", "explain", "Configuration", "show rule by rule what relabeling does, and why"),
    Command("schema", "schema", "Configuration", "print the JSON Schema of prometheus.yml"),
    Command("sd", "sd", "Targets", "show what discovery finds and what relabeling makes of it"),
    Command("why", "why", "Targets", "say why a pod, service, node or address is not a target"),
    Command("scrape", "scrape", "Targets", "scrape a URL once, with a diagnosis"),
    Command("query", "query", "Queries", "ask any Prometheus-compatible server"),
    Command("help", "help", "Documentation", "read a topic of the documentation"),
)


HELP_WIDTH = 100

# There are no translations: looking for their catalogues costs a millisecond of every start.
vars(argparse)["_"] = str


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help as it is written, of a fixed width: asking the terminal costs an import that most runs do not need."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=HELP_WIDTH)


class Parser(argparse.ArgumentParser):
    """argparse with whole option names only and a suggestion for a misspelt one."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", HelpFormatter)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed through as they came

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            self._refuse(unknown.split())
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")

    def _refuse(self, arguments: Sequence[str]) -> NoReturn:
        from pyscrape.model.problems import nearest  # only a mistake pays for it

        lines = []
        for argument in arguments:
            if not argument.startswith("-"):
                lines.append(f"{self.prog}: unexpected argument {argument!r}")
                continue
            name = argument.split("=", 1)[0]
            near = nearest(name, self._option_string_actions)
            lines.append(f"{self.prog}: unknown flag {name}" + (f", did you mean {near}?" if near else ""))
        self.exit(2, "\n".join(lines) + f"\nTry '{self.prog} --help'.\n")


def overview() -> str:
    """The help of the bare command: subcommands in their groups."""
    width = max(len(command.name) for command in COMMANDS) + 2
    lines = [
        "usage: pyscrape COMMAND [options]",
        "",
        "A Prometheus-compatible scraper, relabel engine and query server.",
    ]
    group = ""
    for command in COMMANDS:
        if command.group != group:
            group = command.group
            lines += ["", f"{group}:"]
        lines.append(f"  {command.name.ljust(width)}{command.summary}")
    lines += [
        "",
        "'pyscrape COMMAND --help' shows the options and examples of one. 'pyscrape --version' prints the version.",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process') and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(overview())
        return 0 if arguments else 2
    if arguments[0] in {"--version", "-V", "version"}:
        print(f"pyscrape, version {__version__} (Python {sys.version.split()[0]})")
        return 0
    command = next((command for command in COMMANDS if command.name == arguments[0]), None)
    if command is None:
        from pyscrape.model.problems import nearest

        near = nearest(arguments[0], [c.name for c in COMMANDS])
        hint = f", did you mean {near}?" if near else ""
        print(f"pyscrape: unknown command {arguments[0]!r}{hint}\nTry 'pyscrape --help'.", file=sys.stderr)
        return 2
    # Nothing that is imported is garbage: the collector would only look at all of it again and again.
    gc.disable()
    module = importlib.import_module(f"pyscrape.cli.{command.module}")
    gc.enable()
    parser = Parser(prog=f"pyscrape {command.name}", description=module.__doc__)
    module.configure(parser)
    args = parser.parse_args(arguments[1:])
    try:
        code: int = module.run(args)
        sys.stdout.flush()
        if argv is None:
            # The process ends here: the collector need not look at everything once more (4 ms).
            gc.freeze()
    except BrokenPipeError:
        # The reader (head, less) has seen enough; a second write at exit must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return code
