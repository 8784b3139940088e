"""The arguments that several verbs share, and how their values are read."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kpt.errors import InputError
from kpt.files import check_writable_folder

if TYPE_CHECKING:
    from kpt.text import Corpus, DocumentationCorpus

__all__ = [
    "add_backend_argument",
    "add_corpus_arguments",
    "add_device_arguments",
    "add_out_argument",
    "add_source_argument",
    "add_task_argument",
    "check_out",
    "corpus_from",
    "named",
    "positive_integer",
    "positive_number",
    "proportion",
    "whole_number",
]


# A comma counts where it parts thousands: 1,5 is not 15.
GROUPS = re.compile(r"(?<=\d),(?=\d{3}(,\d{3})*$)")


def whole_number(text: str) -> int:
    """Read a whole number from 0 up; `1_000` and `1,000` are 1000."""
    try:
        number = int(GROUPS.sub("", text))
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return number


def positive_integer(text: str) -> int:
    """Read a whole number from 1 up; `1_000` and `1,000` are 1000."""
    try:
        number = int(GROUPS.sub("", text))
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


def positive_number(text: str) -> float:
    """Read a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def proportion(text: str) -> float:
    """Read a number above 0 and below 1."""
    number = positive_number(text)
    if number >= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return number


def add_backend_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--backend`."""
    parser.add_argument(
        "--backend",
        choices=("tensorflow", "jax", "torch"),
        help="what Keras runs on (default: KERAS_BACKEND or the Keras configuration, else tensorflow)",
    )


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--backend`, `--strategy` and `--mesh`."""
    add_backend_argument(parser)
    parser.add_argument(
        "--strategy",
        choices=("auto", "none", "mirrored", "multi_worker", "tpu"),
        default="auto",
        help="how several devices or hosts are used on tensorflow (default: auto, all of the GPUs, TPU or TF_CONFIG)",
    )
    parser.add_argument(
        "--mesh",
        default="auto",
        metavar="SHAPE",
        help="how they are used on jax: 8 parts the batches, 2x4 batches and weights (default: auto, the batches)",
    )


def add_source_argument(parser: argparse.ArgumentParser, more: str = "", *, required: bool = True) -> None:
    """Add `--from`, which `kpt.training.open_source` reads; `more` ends the sentence on what it may be."""
    parser.add_argument(
        "--from",
        dest="source",
        required=required,
        metavar="MODEL",
        help=f"run folder, Hugging Face folder, {'or ' if not more else ''}hf://OWNER/MODEL{more}",
    )


def add_task_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--task`; `what` says what is done with it."""
    parser.add_argument("--task", metavar="NAME", help=f"of a run of several tasks, the one to {what}")


def add_out_argument(
    parser: argparse.ArgumentParser, what: str, default: str | None = None, *, required: bool = True
) -> None:
    """Add `--out` and `--overwrite`; `required` where there is no default."""
    note = f" (default: {default})" if default else ""
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        required=required and default is None,
        default=default,
        help=f"folder for {what}{note}",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier call left in that folder")


def add_corpus_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the files, and how documents are read from them."""
    group = parser.add_argument_group("text")
    group.add_argument(
        "files",
        nargs="*",
        metavar="FILES",
        help="files (.txt .jsonl .tsv .csv, or .gz of these), folders, globs or URLs",
    )
    group.add_argument(
        "--documentation",
        action="store_true",
        help="read the documentation of the installed packages instead of FILES",
    )
    group.add_argument(
        "--documents",
        choices=("auto", "blank-line", "line", "file", "wikitext"),
        default="auto",
        help="what separates documents in text files (default: auto)",
    )
    group.add_argument(
        "--maximum-characters",
        type=positive_integer,
        metavar="N",
        help="longer documents are cut into several (default: 1,048,576)",
    )
    group.add_argument("--text-field", default="text", metavar="NAME", help="field of the text (default: text)")


def corpus_from(arguments: argparse.Namespace) -> Corpus | DocumentationCorpus:
    """Open the corpus that the arguments name.

    Raises:
        InputError: there are no files and no --documentation, or both, or a file is missing.
    """
    from kpt import text

    if bool(arguments.files) == arguments.documentation:
        problem = "both FILES and --documentation are given" if arguments.files else "no text is given"
        raise InputError(f"{problem}; name FILES to read, or --documentation for that of the installed packages")
    if arguments.documentation:
        return text.documentation()
    limit = {} if arguments.maximum_characters is None else {"maximum_characters": arguments.maximum_characters}
    return text.Corpus(arguments.files, documents=arguments.documents, text_field=arguments.text_field, **limit)


def check_out(folder: Path, marker: str, *, overwrite: bool, written_as: str | None = None) -> None:
    """Make sure, before long work, that a folder can be written and holds nothing that would be lost.

    Args:
        folder: where the work will go.
        marker: the file by which an earlier result of the same verb is known.
        overwrite: whether such a result may be replaced.
        written_as: what the marker, a JSON object, has under `format`; None takes any file of its name.

    Raises:
        InputError: it holds something, or cannot be written.
    """
    if scheme := re.match(r"[a-z][a-z0-9+.-]+:/", str(folder)):  # of a URL, whose two slashes Path makes one
        raise InputError(
            f"{scheme[0]}/{str(folder)[scheme.end() :]} is a URL; write to a folder here, then copy it there"
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file where a folder is to be written; choose another --out")
    check_writable_folder(folder if folder.is_dir() else Path(os.path.abspath(folder)).parent)
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / marker).exists():
        raise InputError(f"the folder {folder} holds something else (it has no {marker}); choose another --out")
    if written_as is not None and format_of(folder / marker) != written_as:
        raise InputError(f"the folder {folder} holds something else (its {marker} is not ours); choose another --out")
    if not overwrite:
        raise InputError(f"the folder {folder} is not empty; choose another --out, or add --overwrite to replace it")


def format_of(path: Path) -> str | None:
    """What a JSON file says that it is, under `format`; None where it says nothing."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["format"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def named(files: Sequence[Path]) -> dict[str, Path]:
    """Return files by their names without ending, or by their paths where two have one name.

    Example:
        >>> list(named([Path("a/pairs.tsv"), Path("b/questions.txt")]))
        ['pairs', 'questions']
    """
    names = [file.stem for file in files]
    taken = {"from", "words", "dimensions", "seconds"}
    unique = len(set(names)) == len(names) and not taken & set(names)
    return {name if unique else str(file): file for name, file in zip(names, files, strict=True)}
