"""`kpt export`: turns a model into a folder that others load."""

from __future__ import annotations

import argparse
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from kpt.cli.arguments import add_source_argument, add_task_argument, positive_integer
from kpt.cli.backend import load_backend, load_quietly
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["add_parser", "run"]

TOKEN_FORMATS = ("onnx", "openvino")
FORMATS = ("saved_model", "huggingface", "keras_hub", "sentence-transformers", *TOKEN_FORMATS)
BY_TASK = "name it with --task"


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "export",
        help="export a model for serving",
        description="Export a model as a SavedModel that takes raw text, or word vectors as one that takes words. It "
        "becomes the next version in the folder, complete or not at all, so that a server may watch the folder. Or "
        "export it as a Hugging Face folder, which transformers loads with no code beside it, as a preset of "
        "KerasHub, or an encoder as a folder of sentence-transformers, which makes a text one vector. An encoder or "
        "a tuned model also becomes a file of token ids for ONNX Runtime or OpenVINO, with its tokenizer.",
        epilog="Example: kpt export --from run --to saved_models/bert",
    )
    add_source_argument(parser, required=False)
    add_task_argument(parser, "export alone")
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help=f"(default: {FORMATS[0]})")
    parser.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="DIR",
        help="the model's folder, which gets a version; for the other formats a new one, which is it",
    )
    parser.add_argument(
        "--length",
        type=positive_integer,
        metavar="N",
        help="tokens at most (default: as trained; for a model that generates, all of its positions)",
    )
    parser.add_argument("--top-k", type=positive_integer, default=5, metavar="N", help="guesses a mask (default: 5)")
    parser.add_argument(
        "--weights",
        choices=("int8",),
        help="store the matrices of a SavedModel in 8 bits: a quarter of the size, and answers that differ a little",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="load the SavedModel in a process with tensorflow and tensorflow_text alone, compare its answers with the "
        "model's and measure its latency; without --from, that of the newest version in DIR",
    )
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Load and export."""
    if arguments.check and arguments.format != "saved_model":
        raise InputError(f"--check is for a SavedModel, not for {arguments.format}; leave it out")
    if arguments.weights and arguments.format != "saved_model":
        raise InputError(f"--weights is for a SavedModel, not for {arguments.format}; leave it out")
    if arguments.source is None:
        if not arguments.check:
            raise InputError("no model is given; name one with --from, or an export with --to and --check")
        return checked(arguments.to)
    begin = time.perf_counter()
    exports = {"saved_model": saved_model, **dict.fromkeys(TOKEN_FORMATS, token_model)}
    export = exports.get(arguments.format, folder_of_others)
    path, step = export(arguments)
    results = {
        arguments.format.replace("-", "_"): str(path),
        "step": step,
        "seconds": round(time.perf_counter() - begin, 2),
    }
    if arguments.weights:
        results["weights"] = stored_weights(path)
    return results | (checked(path) if arguments.check else {})


def stored_weights(folder: Path) -> dict[str, Any]:
    """Return what an export says of its weights of 8 bits, nothing where it has others."""
    from kpt.export.check import read_notes

    found: dict[str, Any] = read_notes(folder).get("weights", {})
    return found


def checked(folder: Path) -> dict[str, Any]:
    """Check an export; returns what was found, by its names in the verb's results."""
    check = load_quietly(lambda: import_module("kpt.export")).check_saved_model
    found = check(folder)
    weights = stored_weights(found.folder)
    return {
        "checked": str(found.folder),
        **({"weights": weights} if weights else {}),
        "loaded_seconds": found.seconds,
        "requests": found.requests,
        "largest_difference": found.largest_difference,
        "latency_ms": found.latency_ms,
    }


def saved_model(arguments: argparse.Namespace) -> tuple[Path, int]:
    """Export a SavedModel; returns its folder, and the steps its model was trained."""
    load_backend("tensorflow")  # a SavedModel is TensorFlow's, whatever the weights were trained with
    from kpt.export import export_word_vectors, generates, saved_model
    from kpt.training import RunFolder, open_source

    source = open_source(arguments.source)
    if isinstance(source, RunFolder) and source.config.get("kind") == "word2vec":
        from kpt.training.word2vec import run_vectors

        if any(getattr(arguments, name) is not None for name in ("length", "task", "weights")):
            names = "--length, --task and --weights"
            raise InputError(f"{names} are for models of texts, not for word vectors; leave them out")
        return export_word_vectors(run_vectors(source), arguments.to), source.step
    model = one_task(source.load(compile=False), arguments)
    length = arguments.length
    if length is None and not generates(model):
        length = trained_length(source, model)
    options = {"length": length, "top_k": arguments.top_k, "weights": arguments.weights}
    return saved_model(model, source.tokenizer, arguments.to, **options), source.step


def trained_length(source: Any, model: Any) -> int | None:
    """Return the length that a run was pre-trained with; `None` for a tuned model, which knows its own."""
    from kpt.tasks import MultiTask, TaskModel

    return None if isinstance(model, TaskModel | MultiTask) else source.config.get("training", {}).get("length")


def token_model(arguments: argparse.Namespace) -> tuple[Path, int]:
    """Export a model of token ids; returns its folder, and the steps its model was trained."""
    load_backend("tensorflow")
    from kpt.export import export_token_model
    from kpt.tasks import refuse_several
    from kpt.training import open_source

    source = open_source(arguments.source)
    refuse_vectors(source, arguments.format)
    model = one_task(source.load(compile=False), arguments)
    refuse_several(model, source.path, BY_TASK)
    length = trained_length(source, model) if arguments.length is None else arguments.length
    path = export_token_model(model, source.tokenizer, arguments.to, arguments.format, length=length)
    return path, source.step


def refuse_vectors(source: Any, format: str) -> None:
    """Refuse a run of word2vec, which has no model of texts."""
    if source.config.get("kind") == "word2vec":
        raise InputError(f"{source.path} has word vectors, for which --format {format} has no model")


def folder_of_others(arguments: argparse.Namespace) -> tuple[Path, int]:
    """Export a folder that other libraries load; returns it, and the steps its model was trained."""
    if arguments.length is not None and arguments.format != "sentence-transformers":
        raise InputError("--length is for a SavedModel; what other libraries load has all of its positions")
    load_backend()
    from kpt.interop import write_hugging_face, write_keras_hub, write_sentence_transformers
    from kpt.tasks import refuse_several
    from kpt.training import open_source

    source = open_source(arguments.source)
    refuse_vectors(source, arguments.format)
    model, tokenizer = one_task(source.load(compile=False), arguments), source.tokenizer
    refuse_several(model, source.path, BY_TASK)
    if arguments.format == "sentence-transformers":
        length = trained_length(source, model) if arguments.length is None else arguments.length
        return write_sentence_transformers(model, tokenizer, arguments.to, length=length), source.step
    write = {"huggingface": write_hugging_face, "keras_hub": write_keras_hub}[arguments.format]
    return write(model, tokenizer, arguments.to), source.step


def one_task(model: Any, arguments: argparse.Namespace) -> Any:
    """Return the task of a model that `--task` names, or the model as it is where none is named.

    Raises:
        InputError: the model has no such task.
    """
    if arguments.task is None:
        return model
    tasks = getattr(model, "tasks", {})
    if arguments.task not in tasks:
        has = f"has the tasks {', '.join(tasks)}" if tasks else "is no run of several tasks"
        raise InputError(
            f"{arguments.source} {has}, and {arguments.task!r} is asked for; name another, or leave it out"
        )
    return tasks[arguments.task]
