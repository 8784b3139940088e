"""`kpt explain`: what each token of a text adds to what a tuned model tells of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kpt.cli.arguments import add_backend_argument, positive_integer
from kpt.cli.backend import load_backend
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["add_parser", "run"]


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "explain",
        help="show what each token adds to what a tuned model tells",
        description="Show what each token of a text adds to the logit of a label, or to a number, by integrated "
        "gradients: the values add up to the difference to the text without content, but for what the steps leave.",
        epilog='Example: kpt explain --from tuned "A fine film with a poor end." --out explained.html',
    )
    parser.add_argument("text", metavar="TEXT", help="what the model tells something of")
    parser.add_argument("--pair", metavar="TEXT", help="the second text, where texts come in pairs")
    parser.add_argument("--from", dest="source", required=True, metavar="RUN", help="what `kpt finetune` wrote")
    parser.add_argument("--label", metavar="NAME", help="whose logit (default: that of the most probable label)")
    parser.add_argument(
        "--steps", type=positive_integer, default=64, metavar="N", help="of the integral at first (default: 64)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="picture to write, .html or .png")
    add_backend_argument(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Load the model, attribute, write the picture."""
    if arguments.out is not None and arguments.out.suffix not in (".html", ".png"):
        raise InputError(f"{arguments.out} is neither a .html nor a .png file; name the picture so")
    load_backend(arguments.backend)
    from kpt.evaluation.attribution_picture import write_picture
    from kpt.evaluation.attributions import token_attributions
    from kpt.training.finetuning import load_task_model

    model = load_task_model(arguments.source)
    found = token_attributions(model, arguments.text, arguments.pair, label=arguments.label, steps=arguments.steps)
    tokens = [[piece, round(float(value), 6)] for piece, value in zip(found.pieces, found.values, strict=True)]
    results: dict[str, Any] = {} if found.label is None else {"label": found.label}
    results |= {"output": round(found.output, 6), "baseline": round(found.baseline, 6), "tokens": tokens}
    results["sum_differs_by"] = round(found.gap, 6)
    if arguments.out is not None:
        results["picture"] = str(write_picture(found, arguments.out))
    return results
