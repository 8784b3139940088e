"""`kpt finetune`: trains a model on labelled texts, a kind of task a word."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from kpt.cli.arguments import check_out
from kpt.cli.backend import load_devices
from kpt.cli.finetune_arguments import SETTINGS, add_arguments, check_source, source_of
from kpt.cli.finetune_tasks import add_task_parsers
from kpt.cli.output import Output

__all__ = ["add_parser", "run"]

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
    return classify, regress, tag, *add_task_parsers(tasks)


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Train, evaluate and report."""
    check_source(arguments)
    devices = load_devices(arguments)
    if devices.chief:
        check_out(arguments.out, "config.json", overwrite=arguments.overwrite, written_as="kpt-run")
    from kpt.training.finetune_settings import FinetuneSettings
    from kpt.training.finetuning import finetune

    settings = FinetuneSettings(
        task=arguments.task,
        class_weights="balanced" if getattr(arguments, "balance", False) else "none",
        **{name: getattr(arguments, name) for name in SETTINGS},
        **{name: getattr(arguments, name) for name in OWN_SETTINGS if hasattr(arguments, name)},
    )
    files = arguments.train, arguments.validation
    options = {"overwrite": arguments.overwrite, "progress": True, "devices": devices}
    return finetune(source_of(arguments), *files, arguments.out, settings, **options)
