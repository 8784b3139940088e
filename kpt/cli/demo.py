"""`kpt demo`: the whole flow on real text that is already there."""

from __future__ import annotations

import argparse
from typing import Any

from kpt.cli.arguments import add_backend_argument, add_out_argument
from kpt.cli.output import Output

__all__ = ["add_parser", "run"]


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser("demo", help="run the whole flow on real text")
    add_out_argument(parser, "all that the demo makes", default="demo")
    add_backend_argument(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    return {}
