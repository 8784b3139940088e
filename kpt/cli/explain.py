"""`kpt explain`: what each token of a text adds to what a tuned model tells of it, and where each token looks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kpt.cli.arguments import add_backend_argument, add_task_argument, positive_integer
from kpt.cli.backend import load_backend
from kpt.cli.evaluate import model_kind
from kpt.cli.evaluate_task import TASK_KINDS
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["add_parser", "run"]


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "explain",
        help="show what each token adds to what a tuned model tells, and where it looks",
        description="Show what each token of a text adds to the logit of a label, or to a number, by integrated "
        "gradients: the values add up to the difference to the text without content, but for what the steps leave. "
        "With --attention also what each token takes from the others in each layer and head, of any encoder or "
        "decoder.",
        epilog='Examples: kpt explain --from tuned "A fine film with a poor end." --out explained.html; '
        'kpt explain --from run "A fine film." --attention --out attention.html',
    )
    parser.add_argument("text", metavar="TEXT", help="what the model tells something of")
    parser.add_argument("--pair", metavar="TEXT", help="the second text, where texts come in pairs")
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="RUN",
        help="what `kpt finetune` wrote; with --attention any run or Hugging Face folder",
    )
    add_task_argument(parser, "explain")
    parser.add_argument("--label", metavar="NAME", help="whose logit (default: that of the most probable label)")
    parser.add_argument(
        "--steps", type=positive_integer, default=64, metavar="N", help="of the integral at first (default: 64)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="picture to write, .html, or .png (with --attention of one map)"
    )
    add_backend_argument(parser)
    group = parser.add_argument_group("attention")
    group.add_argument("--attention", action="store_true", help="show the attention weights too")
    group.add_argument(
        "--layer", type=positive_integer, metavar="N", help="whose weights to print and show first (default: the last)"
    )
    group.add_argument(
        "--head", type=positive_integer, metavar="N", help="whose weights to print (default: the mean over the heads)"
    )
    group.add_argument(
        "--tokens", type=positive_integer, metavar="N", help="of a long text, show the first N (default: 64)"
    )
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Load the model, attribute, look at its attention, write the picture."""
    if arguments.out is not None and arguments.out.suffix not in (".html", ".png"):
        raise InputError(f"{arguments.out} is neither a .html nor a .png file; name the picture so")
    for name in ("layer", "head", "tokens"):
        if getattr(arguments, name) is not None and not arguments.attention:
            raise InputError(f"--{name} is of the attention; add --attention, or leave it out")
    # Only the attention of what has no task can be looked at; what is to be said of the others, their loader says.
    untuned = arguments.attention and arguments.task is None and model_kind(arguments.source) not in TASK_KINDS
    load_backend(arguments.backend)
    from kpt.evaluation.attention_maps import SHOWN, attention_maps
    from kpt.evaluation.attributions import token_attributions
    from kpt.evaluation.explanation import write_explanation
    from kpt.tasks import Classifier, Regressor
    from kpt.training import load
    from kpt.training.finetuning import load_task_model

    if untuned:
        model, tokenizer = load(arguments.source)
    else:
        model = load_task_model(arguments.source, arguments.task)
        tokenizer = model.tokenizer
    results: dict[str, Any] = {}
    found = maps = None
    if not arguments.attention or isinstance(model, Classifier | Regressor):
        found = token_attributions(model, arguments.text, arguments.pair, label=arguments.label, steps=arguments.steps)
        tokens = [[piece, round(float(value), 6)] for piece, value in zip(found.pieces, found.values, strict=True)]
        results = {} if found.label is None else {"label": found.label}
        results |= {"output": round(found.output, 6), "baseline": round(found.baseline, 6), "tokens": tokens}
        results["sum_differs_by"] = round(found.gap, 6)
    elif arguments.label is not None:
        raise InputError(f"{arguments.source} tells no label of a text; leave --label out")
    if arguments.attention:
        shown = arguments.tokens or SHOWN
        maps = attention_maps(model, arguments.text, arguments.pair, tokenizer=tokenizer, tokens=shown)
        results["attention"] = attention_results(maps, arguments.layer, arguments.head, output.as_json)
    if arguments.out is not None:
        written = write_explanation(arguments.out, found, maps, arguments.layer, arguments.head)
        results["picture"] = str(written)
    return results


def attention_results(maps: Any, layer: int | None, head: int | None, whole: bool) -> dict[str, Any]:
    """Return one map by names: for a program the `weights`, for people what each token takes most from.

    Args:
        maps: of `kpt.evaluation.attention_maps.attention_maps`.
        layer: from 1; None for the last.
        head: from 1; None for the mean.
        whole: whether a program reads it.
    """
    weights = maps.map(layer, head)
    layers, heads = maps.weights.shape[:2]
    results: dict[str, Any] = {"layer": layer or layers, "layers": layers, "head": head or "mean", "heads": heads}
    results |= {"tokens_read": maps.read, "tokens_cut": maps.cut}
    if whole:
        return results | {"tokens": maps.pieces, "weights": [[round(float(w), 6) for w in row] for row in weights]}
    best = weights.argmax(axis=1)
    most = [
        [f"{piece} -> {maps.pieces[at]}", round(float(row[at]), 4)]
        for piece, row, at in zip(maps.pieces, weights, best, strict=True)
    ]
    return results | {"most": most} | ({"note": note} if (note := maps.note()) else {})
