"""`kpt export`: turns a run into a folder that others load."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from kpt.cli.arguments import positive_integer
from kpt.cli.backend import load_backend
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["add_parser", "run"]


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "export",
        help="export a model for serving",
        description="Export a model as a SavedModel that takes raw text, or word vectors as one that takes words. It "
        "becomes the next version in the folder, complete or not at all, so that a server may watch the folder.",
        epilog="Example: kpt export --from run --to saved_models/bert",
    )
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="RUN", help="run folder")
    parser.add_argument("--format", choices=("saved_model",), default="saved_model", help="(default: saved_model)")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="the model's folder, which gets a version"
    )
    parser.add_argument(
        "--length",
        type=positive_integer,
        metavar="N",
        help="tokens at most (default: as trained; for a model that generates, all of its positions)",
    )
    parser.add_argument("--top-k", type=positive_integer, default=5, metavar="N", help="guesses a mask (default: 5)")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Load and export."""
    begin = time.perf_counter()
    load_backend("tensorflow")  # a SavedModel is TensorFlow's, whatever the weights were trained with
    from kpt.export import export_word_vectors, generates, saved_model
    from kpt.training import RunFolder

    source = RunFolder(arguments.source)
    if source.config.get("kind") == "word2vec":
        from kpt.training.word2vec import run_vectors

        if arguments.length is not None:
            raise InputError("--length is for models of texts, not for word vectors; leave it out")
        path = export_word_vectors(run_vectors(source), arguments.to)
        return {"saved_model": str(path), "step": source.step, "seconds": round(time.perf_counter() - begin, 2)}
    model = source.load(compile=False)
    length = arguments.length
    if length is None and not generates(model):
        length = source.config.get("training", {}).get("length")
    path = saved_model(model, source.tokenizer, arguments.to, length=length, top_k=arguments.top_k)
    return {"saved_model": str(path), "step": source.step, "seconds": round(time.perf_counter() - begin, 2)}
