"""`kpt evaluate`: how good a model is, by the field's own tests."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kpt.cli.arguments import positive_integer
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["EVALUATIONS", "add_parser", "run"]


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "evaluate",
        help="evaluate a model",
        description="Evaluate word vectors on files of word pairs with people's scores (WordSim353, SimLex999) and of "
        "analogies (questions-words). Which of them a file has is recognised by its first line.",
        epilog="Example: kpt evaluate --from run --data wordsim353.tsv questions-words.txt",
    )
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        required=True,
        metavar="PATH",
        help="run folder, or file of vectors (.txt .vec .bin .safetensors)",
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="FILE", help="files of questions")
    group = parser.add_argument_group("word vectors")
    group.add_argument(
        "--restrict-vocabulary",
        type=positive_integer,
        default=300_000,
        metavar="N",
        help="only so many words count, the most frequent (default: 300,000)",
    )
    group.add_argument("--keep-case", action="store_true", help="words that differ in case alone are different ones")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Evaluate on each file."""
    begin = time.perf_counter()
    results = EVALUATIONS[model_kind(arguments.source)](arguments, output)
    return {"from": str(arguments.source), **results, "seconds": round(time.perf_counter() - begin, 2)}


def model_kind(source: Path) -> str:
    """Return which of `EVALUATIONS` a run folder or a file is for.

    Raises:
        InputError: it is missing, is no run folder, or has a model that none is for.
    """
    if source.is_file():
        return "word2vec"
    try:
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        known = config["format"] == "kpt-run"
    except (OSError, ValueError, LookupError, TypeError):
        known = False
    if not known:
        raise InputError(f"{source} is neither a run folder nor a file of vectors; give what `kpt pretrain` wrote")
    kind = config.get("kind")
    if kind not in EVALUATIONS:
        raise InputError(
            f"{source} is a run of {config.get('title', 'another kind')!r}, for which there is no evaluation; "
            f"there are those of {', '.join(EVALUATIONS)}"
        )
    return str(kind)


def word_vectors(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Evaluate word vectors on word pairs and analogies."""
    from kpt.evaluation import evaluate_analogies, evaluate_word_pairs, read_analogies, read_word_pairs
    from kpt.evaluation.lines import question_kind
    from kpt.vectors import WordVectors

    kinds = {name: question_kind(file) for name, file in named(arguments.data).items()}
    path = arguments.source
    if path.is_dir():
        path = path / "vectors.safetensors"
        if not path.is_file():
            raise InputError(f"{arguments.source} has no vectors yet; go on with it to its end (--resume)")
    vectors = WordVectors.load(path)
    options = {"restrict_vocabulary": arguments.restrict_vocabulary, "ignore_case": not arguments.keep_case}
    results: dict[str, Any] = {"words": len(vectors), "dimensions": vectors.dimensions}
    for name, file in named(arguments.data).items():
        if kinds[name] == "analogies":
            summary = evaluate_analogies(vectors, read_analogies(file), **options).summary()
            if not output.as_json:  # too many for one line
                del summary["sections"]
        else:
            summary = evaluate_word_pairs(vectors, read_word_pairs(file), **options).summary()
        results[name] = {"kind": kinds[name], **summary}
    return results


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


#: What evaluates each kind of model: that of a run's `config.json`, under `kind`.
EVALUATIONS: dict[str, Callable[[argparse.Namespace, Output], dict[str, Any]]] = {"word2vec": word_vectors}
