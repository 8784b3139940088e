"""The arguments that all kinds of fine-tuning share, and the model that they name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kpt.cli.arguments import (
    add_device_arguments,
    add_out_argument,
    add_source_argument,
    positive_integer,
    positive_number,
    proportion,
    whole_number,
)
from kpt.errors import InputError

__all__ = ["SETTINGS", "TRAINED", "add_arguments", "check_source", "source_of"]

#: What is handed on to the settings under its own name.
SETTINGS = ("epochs", "batch_size", "length", "learning_rate", "dropout", "patience", "precision", "seed")
#: Likewise, where there is one task.
TRAINED = ("document_vectors", "probe", "layer_decay", "freeze", "gradual_unfreezing", "lora_rank", "lora_alpha")


def add_arguments(
    parser: argparse.ArgumentParser, records: bool = True, several: bool = False, files: bool = True
) -> None:
    """Add what the kinds of fine-tuning have in common.

    Args:
        parser: of one of them.
        records: whether it has what those on records of texts have.
        several: whether it is on several tasks, whose files and fields stand in a file.
        files: whether it takes names of files.
    """
    add_source_argument(parser, required=False)
    kinds = ".jsonl .csv .tsv, or .gz; also URLs" if records else "in columns (qa: SQuAD's .json), or .gz; also URLs"
    if several:
        parser.add_argument(
            "--tasks",
            type=Path,
            required=True,
            metavar="FILE",
            help=".toml or .json: for each task its files and fields",
        )
    elif files:
        parser.add_argument("--train", nargs="+", required=True, metavar="FILE", help=kinds)
        parser.add_argument("--validation", nargs="+", required=True, metavar="FILE", help="likewise")
    add_out_argument(parser, "the run")
    if not several:
        parser.add_argument("--resume", action="store_true", help="go on with the run in that folder, if it was begun")
    add_device_arguments(parser)
    group = parser.add_argument_group("a model that was not trained, in place of --from")
    group.add_argument("--size", metavar="NAME", help="tiny, mini, small, medium, base or large")
    group.add_argument("--tokenizer", type=Path, metavar="DIR", help="its tokenizer")
    if not several:
        group = parser.add_argument_group("several runs")
        group.add_argument(
            "--repeats",
            type=positive_integer,
            default=1,
            metavar="N",
            help="tune with N successive seeds, tell mean and spread, keep the best (default: 1)",
        )
        group.add_argument(
            "--labels",
            type=counts,
            metavar="N,N,...",
            help="tune on so many of the labelled texts, such as 50,200,1400, a trained model and one of its kind "
            "that was not, and draw the learning curve",
        )
    if records and files and not several:
        group = parser.add_argument_group("fields")
        group.add_argument("--text-field", default="text", metavar="NAME", help="of the text (default: text)")
        group.add_argument("--pair-field", metavar="NAME", help="of the second text, where texts come in pairs")
        group.add_argument("--label-field", default="label", metavar="NAME", help="of the label (default: label)")
    group = parser.add_argument_group("training")
    group.add_argument("--epochs", type=positive_integer, default=4, metavar="N", help="(default: 4)")
    group.add_argument("--batch-size", type=positive_integer, default=32, metavar="N", help="texts (default: 32)")
    what = "window" if records else "text"
    group.add_argument(
        "--length", type=positive_integer, metavar="N", help=f"tokens of a {what} at most (default: 256)"
    )
    if records:
        group.add_argument(
            "--windows",
            type=positive_integer,
            default=16,
            metavar="N",
            help="windows that a text is read in at most; a pair has one (default: 16)",
        )
        group.add_argument(
            "--training-windows",
            type=positive_integer,
            metavar="N",
            help="windows of a text that a step trains on at most, drawn anew for each epoch (default: all)",
        )
    group.add_argument(
        "--learning-rate",
        type=positive_number,
        metavar="X",
        help="its peak (default: 2e-5 from the base size on, 3e-4 for smaller models)",
    )
    group.add_argument("--dropout", type=proportion, default=0.1, metavar="X", help="before the head (default: 0.1)")
    if records:
        group.add_argument(
            "--pooling",
            choices=("mean", "distinct", "first", "last", "pooled"),
            default="distinct",
            help="what stands for a text: the mean of its tokens, that of its distinct tokens, its first or its last "
            "one, or what the model has pooled (default: distinct)",
        )
        group.add_argument(
            "--no-document-vectors",
            dest="document_vectors",
            action="store_false",
            help="do not read the vectors of documents that a pre-training left",
        )
        group.add_argument(
            "--no-probe",
            dest="probe",
            action="store_false",
            help="begin with a head of random numbers, not with one that is fitted to the model as it is",
        )
    if not several:
        add_trained_arguments(group)
    group.add_argument("--patience", type=positive_integer, metavar="N", help="end after N epochs without a better one")
    group.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
        default="float32",
        help="of a model that was not trained (default: float32)",
    )
    group.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of all that is random (default: 0)")


def add_trained_arguments(group: Any) -> None:
    """Add what says which weights are trained, and how fast."""
    group.add_argument(
        "--layer-decay",
        type=positive_number,
        default=1.0,
        metavar="X",
        help="factor on the rate from each block to the one below, such as 0.8 (default: 1)",
    )
    group.add_argument(
        "--freeze",
        type=blocks,
        default=0,
        metavar="N|backbone",
        help="train neither the embeddings nor the lowest N blocks; backbone: train the head alone",
    )
    group.add_argument(
        "--gradual-unfreezing",
        action="store_true",
        help="train the head alone in the first epoch, and a block more in each further one, from the highest down",
    )
    group.add_argument(
        "--lora-rank",
        type=positive_integer,
        metavar="N",
        help="train adapters of this rank on the blocks in place of their weights (LoRA), merged in what is saved",
    )
    group.add_argument(
        "--lora-alpha", type=positive_number, metavar="X", help="scale of the adapters (default: their rank)"
    )


def counts(text: str) -> list[int]:
    """Read whole numbers from 1 up with commas between them."""
    return [positive_integer(part) for part in text.split(",")]


def blocks(text: str) -> int | str:
    """Read a number of blocks, or `backbone`."""
    return text if text == "backbone" else whole_number(text)


def check_source(arguments: argparse.Namespace) -> None:
    """Make sure that there is one model to tune.

    Raises:
        InputError: there is none, or there are two.
    """
    new = arguments.size is not None or arguments.tokenizer is not None
    if (arguments.source is None) != new:
        problem = "--from comes together with --size or --tokenizer" if new else "there is no model to tune"
        raise InputError(f"{problem}; give --from MODEL, or --size NAME and --tokenizer DIR")
    if new and (arguments.size is None or arguments.tokenizer is None):
        raise InputError("a model that was not trained needs both --size NAME and --tokenizer DIR; give the other too")
    if arguments.source is not None and arguments.out.resolve() == Path(arguments.source).resolve():
        raise InputError(f"--out is the folder of the model to tune, {arguments.out}; choose another --out")


def source_of(arguments: argparse.Namespace) -> Any:
    """Return what is to be tuned, see `kpt.training.finetuning.Source`."""
    from kpt.training.finetune_sources import new_source, trained_source

    if arguments.source is not None:
        return trained_source(arguments.source)
    return new_source(arguments.size, arguments.tokenizer)
