"""`kpt evaluate`: how good a model is, by the field's own tests."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kpt.cli.arguments import add_backend_argument, add_source_argument, add_task_argument, named, positive_integer
from kpt.cli.backend import load_backend
from kpt.cli.evaluate_task import TASK_KINDS, task_model
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["EVALUATIONS", "add_parser", "run"]


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "evaluate",
        help="evaluate a model",
        description="Evaluate a language model on text it has not seen: a decoder's loss, perplexity and bits per "
        "byte, an encoder's loss and accuracy on masked tokens. Of the token store that it was trained on, the "
        "documents held out from training are taken. Or evaluate word vectors on files of word pairs with people's "
        "scores (WordSim353, SimLex999) and of analogies (questions-words); which of them a file has is recognised by "
        "its first line. Or evaluate a tuned model on files of labelled texts.",
        epilog="Examples: kpt evaluate --from run --data held-out.txt; "
        "kpt evaluate --from run --data wordsim353.tsv questions-words.txt; "
        "kpt evaluate --from tuned --data test.jsonl",
    )
    add_source_argument(parser, ", or file of vectors (.txt .vec .bin .safetensors)")
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="text, a token store, questions, or labelled texts",
    )
    add_backend_argument(parser)
    add_task_argument(parser, "evaluate")
    group = parser.add_argument_group("tuned models")
    group.add_argument(
        "--group",
        metavar="FIELD",
        help="score the records of each value of this field too, and tell the gap between the best and the worst",
    )
    group.add_argument(
        "--flips",
        type=Path,
        metavar="PAIRS",
        help="file of pairs of words with a tab between them, such as he and she: predict each text that has one of "
        "them again with the other in its place, and tell how many predictions flip",
    )
    group = parser.add_argument_group("language models")
    group.add_argument(
        "--length", type=positive_integer, metavar="N", help="tokens of context (default: as in training)"
    )
    group.add_argument(
        "--stride",
        type=positive_integer,
        metavar="N",
        help="GPT: tokens from one context to the next; fewer give each token more context (default: the length)",
    )
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
    kind = model_kind(arguments.source)
    if arguments.task is not None and kind not in TASK_KINDS:
        raise InputError(f"--task is for a run of several tasks, and {arguments.source} is none; leave it out")
    for name in ("group", "flips"):
        if getattr(arguments, name) is not None and kind not in TASK_KINDS:
            raise InputError(f"--{name} is for a tuned model, and {arguments.source} is none; leave it out")
    results = EVALUATIONS[kind](arguments, output)
    return {"from": arguments.source, **results, "seconds": round(time.perf_counter() - begin, 2)}


def model_kind(source: str) -> str:
    """Return which of `EVALUATIONS` a model is for, without loading what it needs.

    Raises:
        InputError: it is missing, is no model, or is one that none is for.
    """
    if source.startswith("hf:"):
        return "language model"
    if Path(source).is_file():
        return "word2vec"
    try:
        config = json.loads((Path(source) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = None
    if not isinstance(config, dict):
        raise InputError(
            f"{source} is neither a run folder, nor a Hugging Face folder, nor a file of vectors; "
            "give what `kpt pretrain` wrote"
        )
    kind = config.get("kind", "language model")  # which of these it is, its objectives tell
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
    path = Path(arguments.source)
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


def language_model(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Evaluate a decoder or an encoder on text or on a token store."""
    stores = [path for path in arguments.data if (path / "manifest.json").is_file()]
    if stores and len(arguments.data) > 1:
        raise InputError(f"{stores[0]} is a token store, which is evaluated alone; give either it or files of text")
    load_backend(arguments.backend)
    from kpt.data import TokenStore, prepare
    from kpt.evaluation import evaluate_causal_lm, evaluate_masked_lm
    from kpt.objectives import CausalLM, MaskedLM
    from kpt.text import Corpus
    from kpt.training import open_source

    run = open_source(arguments.source)
    tokenizer, training = run.tokenizer, run.config.get("training", {})
    with tempfile.TemporaryDirectory() as temporary:
        if stores:
            store = TokenStore.open(stores[0])
            store.check_tokenizer(tokenizer)
            held_out = all(run.config.get("data", {}).get(name) == value for name, value in store.summary.items())
            if held_out:
                store = store.split(training["held_out"], training["seed"])[1]
        else:
            held_out = False
            store = prepare(Corpus(arguments.data), tokenizer, Path(temporary) / "store", progress=False)
        model = run.load(compile=False)
        objectives = getattr(model, "objectives", ())
        length = arguments.length or training.get("length") or min(longest(model), 1024)
        results: dict[str, Any] = {"step": run.step, "held_out": held_out, "length": length}
        if any(isinstance(objective, CausalLM) for objective in objectives):
            return results | evaluate_causal_lm(model, store, length=length, stride=arguments.stride)
        if not any(isinstance(objective, MaskedLM) for objective in objectives):
            raise InputError(f"the model of {run.path} predicts no tokens; give a run of `kpt pretrain bert` or `gpt`")
        if arguments.stride:
            raise InputError(f"{run.path} is a run with masked tokens, for which there is no --stride; leave it out")
        return results | evaluate_masked_lm(model, store, length=length, seed=training.get("seed", 0))


def longest(model: Any) -> int:
    """Return how many tokens a language model may see at once."""
    return int(getattr(model, "backbone", model).maximum_length)


#: What evaluates each kind of model: that of a run's `config.json`, under `kind`.
EVALUATIONS: dict[str, Callable[[argparse.Namespace, Output], dict[str, Any]]] = {
    "word2vec": word_vectors,
    "language model": language_model,
    **dict.fromkeys(TASK_KINDS, task_model),
}
