"""`kpt export`: turns a run into a folder that others load."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from kpt.cli.backend import load_backend
from kpt.cli.output import Output

__all__ = ["add_parser", "run"]


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "export",
        help="export a model for serving",
        description="Export a model as a SavedModel that takes raw text: the next version under a model's folder.",
        epilog="Example: kpt export --from run --to saved_models/bert",
    )
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="RUN", help="run folder")
    parser.add_argument("--format", choices=("saved_model",), default="saved_model", help="(default: saved_model)")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder that gets the version")
    parser.add_argument("--length", type=int, metavar="N", help="tokens of a text at most (default: as trained)")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Load and export."""
    load_backend("tensorflow")  # a SavedModel is TensorFlow's, whatever the weights were trained with
    from kpt.export import export_saved_model

    begin = time.perf_counter()
    path = export_saved_model(arguments.source, arguments.to)
    return {"saved_model": str(path), "seconds": round(time.perf_counter() - begin, 2)}
