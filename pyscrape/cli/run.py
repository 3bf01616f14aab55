"""Scrape targets, store their samples, answer queries and show pages.

Examples:
  pyscrape run                                   ./prometheus.yml, or without one: scrape itself
  pyscrape run --config.file=prometheus.yml --web.listen-address=127.0.0.1:9090
  pyscrape run --agent --config.file=prometheus.yml              scrape and forward, keep only what waits to be sent
  pyscrape run --config.file=prometheus.yml --web.enable-lifecycle   then: curl -X POST localhost:9090/-/reload
"""

import argparse
import sys

from pyscrape import __version__
from pyscrape.app.flags import BY_NAME, FLAGS, Flag, FlagError, Flags, FlagValue, parse_value, print_value
from pyscrape.app.memory import prepare_environment


def configure(parser: argparse.ArgumentParser) -> None:
    version = f"pyscrape, version {__version__} (Python {sys.version.split()[0]})"
    parser.add_argument("--version", action="version", version=version, help="print the version")
    for flag in FLAGS:
        option = f"--{flag.name}"
        shown = (flag.help or flag.why) + ("" if flag.kind == "bool" else _default(flag))
        if flag.kind == "bool":
            parser.add_argument(
                option, f"--no-{flag.name}", dest=flag.name, action=_Switch, nargs=0, help=shown
            )
        else:
            action = "append" if flag.kind == "list" else "store"
            parser.add_argument(option, dest=flag.name, action=action, metavar=flag.kind.upper(), help=shown)


def _default(flag: Flag) -> str:
    value = print_value(flag, flag.default)
    return f" [{value.replace('%', '%%')}]" if value and value != "0" else ""


class _Switch(argparse.Action):
    """`--x` and `--no-x`, as Prometheus' command line has them."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002  # argparse's signature
        namespace: argparse.Namespace,
        values: object,  # noqa: ARG002
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, not (option_string or "").startswith("--no-"))


def given_flags(args: argparse.Namespace) -> Flags:
    """The flags that stand on the command line, decoded.

    Raises:
        FlagError: a value is not of its flag's kind.
    """
    given: dict[str, FlagValue] = {}
    for name, value in vars(args).items():
        if value is None or name not in BY_NAME:
            continue
        flag = BY_NAME[name]
        if flag.kind == "bool":
            given[name] = bool(value)
        elif flag.kind == "list":
            given[name] = tuple(part for item in value for part in item.split(",") if part)
        else:
            given[name] = parse_value(flag, value)
    return Flags(given)


def run(args: argparse.Namespace) -> int:
    try:
        flags = given_flags(args)
    except FlagError as error:
        print(f"pyscrape run: {error}", file=sys.stderr)
        return 2
    if problem := flags.misplaced():
        print(problem, file=sys.stderr)
        return 3
    prepare_environment()
    from pyscrape.app.server import serve

    return serve(flags)
