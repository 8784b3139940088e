"""`kpt pretrain`: trains a model from nothing on a token store."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kpt.cli.arguments import (
    add_backend_argument,
    add_out_argument,
    check_out,
    positive_integer,
    positive_number,
    proportion,
    whole_number,
)
from kpt.cli.backend import load_backend
from kpt.cli.output import Output

__all__ = ["add_parser", "run"]


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "pretrain",
        help="pre-train a model on a token store",
        description="Pre-train a model on a token store. The run folder gets the weights, the metrics and a report.",
        epilog="Example: kpt pretrain bert --data store --size mini --steps 3000 --out run",
    )
    parser.add_argument("objective", choices=("bert",), help="bert: masked tokens and next sentence")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="token store, see kpt prepare")
    add_out_argument(parser, "the run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder, if it was begun")
    add_backend_argument(parser)
    group = parser.add_argument_group("model")
    group.add_argument(
        "--size", default="mini", metavar="NAME", help="tiny, mini, small, medium, base or large (default: mini)"
    )
    group.add_argument(
        "--architecture",
        choices=("modern", "published"),
        default="modern",
        help="modern: the recipe for small corpora; published: BERT's of 2018 (default: modern)",
    )
    group = parser.add_argument_group("training")
    group.add_argument("--steps", type=positive_integer, required=True, metavar="N", help="number of batches")
    group.add_argument("--batch-size", type=positive_integer, default=32, metavar="N", help="sequences (default: 32)")
    group.add_argument(
        "--length", type=positive_integer, default=128, metavar="N", help="tokens of a sequence (default: 128)"
    )
    group.add_argument(
        "--learning-rate", type=positive_number, metavar="X", help="its peak (default: that of the architecture)"
    )
    group.add_argument("--warmup-steps", type=whole_number, metavar="N", help="(default: a tenth of the steps)")
    group.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
        default="float32",
        help="what is computed in (default: float32)",
    )
    group.add_argument("--whole-words", action="store_true", help="mask all pieces of a word together")
    group.add_argument(
        "--held-out", type=proportion, default=0.05, metavar="X", help="share of the documents (default: 0.05)"
    )
    group.add_argument("--evaluations", type=positive_integer, default=8, metavar="N", help="on these (default: 8)")
    group.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of all that is random (default: 0)")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Train, evaluate and report."""
    load_backend(arguments.backend)
    from kpt.training.bert import BertSettings, pretrain_bert

    settings = BertSettings(
        size=arguments.size,
        architecture=arguments.architecture,
        steps=arguments.steps,
        batch_size=arguments.batch_size,
        length=arguments.length,
        learning_rate=arguments.learning_rate,
        warmup_steps=arguments.warmup_steps,
        precision=arguments.precision,
        whole_words=arguments.whole_words,
        held_out=arguments.held_out,
        evaluations=arguments.evaluations,
        seed=arguments.seed,
    )
    if not arguments.resume:
        check_out(arguments.out, "config.json", overwrite=arguments.overwrite, written_as="kpt-run")
    return pretrain_bert(
        arguments.data,
        arguments.out,
        settings,
        resume=arguments.resume,
        overwrite=arguments.overwrite,
        progress=True,
    )
