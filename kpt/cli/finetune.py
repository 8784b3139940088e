"""`kpt finetune`: trains a model on labelled texts, a kind of task a word."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kpt.cli.arguments import (
    add_device_arguments,
    add_out_argument,
    add_source_argument,
    check_out,
    positive_integer,
    positive_number,
    proportion,
    whole_number,
)
from kpt.cli.backend import load_devices
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["add_parser", "run"]

# What is handed on to the settings under its own name.
SETTINGS = (
    "epochs",
    "batch_size",
    "length",
    "learning_rate",
    "dropout",
    "patience",
    "precision",
    "seed",
)
#: What is handed on where a task has it.
OWN_SETTINGS = ("multi_label", "pooling", "windows", "text_field", "pair_field", "label_field", "column", "repair_tags")


def add_parser(verbs: Any) -> Sequence[argparse.ArgumentParser]:
    """Describe the verb; returns the parsers of its tasks."""
    verb: argparse.ArgumentParser = verbs.add_parser(
        "finetune",
        help="train a model on labelled texts",
        description="Fine-tune a pre-trained model on labelled texts. The run folder gets the model of the best epoch, "
        "the metrics, the errors and a report.",
        epilog="Example: kpt finetune classify --from run --train train.jsonl --validation dev.jsonl --out tuned",
    )
    tasks = verb.add_subparsers(title="tasks", dest="task", required=True, parser_class=type(verb))
    classify: argparse.ArgumentParser = tasks.add_parser(
        "classify",
        help="labels of texts or of pairs of texts",
        description="Fine-tune a model to tell the labels of texts, or of pairs of texts.",
        epilog="Example: kpt finetune classify --from run --train train.jsonl --validation dev.jsonl --out tuned",
    )
    add_arguments(classify)
    classify.add_argument("--multi-label", action="store_true", help="a text may have several labels, or none")
    classify.add_argument(
        "--balance", action="store_true", help="let a text count in inverse proportion to its label's frequency"
    )
    regress: argparse.ArgumentParser = tasks.add_parser(
        "regress",
        help="a number for each text or pair of texts",
        description="Fine-tune a model to tell a number of texts, or of pairs of texts.",
        epilog="Example: kpt finetune regress --from run --train train.tsv --validation dev.tsv --pair-field sentence2 "
        "--text-field sentence1 --label-field score --out tuned",
    )
    add_arguments(regress)
    tag: argparse.ArgumentParser = tasks.add_parser(
        "tag",
        help="tags of words, such as names of people and places",
        description="Fine-tune a model to tag words. The files are in columns, a word and its tag (O, B-TYPE, I-TYPE) "
        "a line, with an empty line between sentences; an I-TYPE must continue a B-TYPE or an I-TYPE of its type.",
        epilog="Example: kpt finetune tag --from run --train train.conll --validation dev.conll --out tuned",
    )
    add_arguments(tag, records=False)
    tag.add_argument(
        "--column", type=int, default=-1, metavar="N", help="of the tag; the word's is 0, -1 the last (default: -1)"
    )
    tag.add_argument(
        "--repair-tags", action="store_true", help="let an I-TYPE that continues nothing begin an entity, and count it"
    )
    for parser in (classify, regress, tag):
        parser.set_defaults(run=run)
    return classify, regress, tag


def add_arguments(parser: argparse.ArgumentParser, records: bool = True) -> None:
    """Add what the tasks have in common; `records`: what those on records of texts have."""
    add_source_argument(parser, required=False)
    kinds = ".jsonl .csv .tsv, or .gz; also URLs" if records else "in columns, or .gz; also URLs"
    parser.add_argument("--train", nargs="+", required=True, metavar="FILE", help=kinds)
    parser.add_argument("--validation", nargs="+", required=True, metavar="FILE", help="likewise")
    add_out_argument(parser, "the run")
    add_device_arguments(parser)
    group = parser.add_argument_group("a model that was not trained, in place of --from")
    group.add_argument("--size", metavar="NAME", help="tiny, mini, small, medium, base or large")
    group.add_argument("--tokenizer", type=Path, metavar="DIR", help="its tokenizer")
    if records:
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
            default="mean",
            help="what stands for a text (default: mean)",
        )
    group.add_argument("--patience", type=positive_integer, metavar="N", help="end after N epochs without a better one")
    group.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
        default="float32",
        help="of a model that was not trained (default: float32)",
    )
    group.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of all that is random (default: 0)")


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Train, evaluate and report."""
    check_source(arguments)
    devices = load_devices(arguments)
    if devices.chief:
        check_out(arguments.out, "config.json", overwrite=arguments.overwrite, written_as="kpt-run")
    from kpt.training.finetune_settings import FinetuneSettings
    from kpt.training.finetuning import finetune, new_source, trained_source

    settings = FinetuneSettings(
        task=arguments.task,
        class_weights="balanced" if getattr(arguments, "balance", False) else "none",
        **{name: getattr(arguments, name) for name in SETTINGS},
        **{name: getattr(arguments, name) for name in OWN_SETTINGS if hasattr(arguments, name)},
    )
    if arguments.source is not None:
        source = trained_source(arguments.source)
    else:
        source = new_source(arguments.size, arguments.tokenizer)
    files = arguments.train, arguments.validation
    options = {"overwrite": arguments.overwrite, "progress": True, "devices": devices}
    return finetune(source, *files, arguments.out, settings, **options)


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
