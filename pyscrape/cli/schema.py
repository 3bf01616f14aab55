"""Print the JSON Schema of prometheus.yml, for completion and checks in editors.

Examples:
  pyscrape schema > prometheus.schema.json
  then, as the first line of prometheus.yml:   # yaml-language-server: $schema=./prometheus.schema.json
"""

import argparse
import json

from pyscrape.config.schema import config_schema


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--indent", type=int, default=2, metavar="N", help="spaces of indentation [2]")


def run(args: argparse.Namespace) -> int:
    print(json.dumps(config_schema(), indent=args.indent, ensure_ascii=False))
    return 0
