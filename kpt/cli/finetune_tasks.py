"""`kpt finetune multi-task` and `kpt finetune continual`: several tasks, at once or one after another."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from kpt.cli.arguments import check_out, positive_integer, positive_number, proportion
from kpt.cli.backend import load_devices
from kpt.cli.finetune_arguments import SETTINGS, add_arguments, check_source, source_of
from kpt.cli.output import Output

__all__ = ["add_task_parsers", "run"]

FORM = (
    "The file of tasks is TOML (or JSON) with a table for each, such as: [mood] task = 'classify' "
    "train = 'train.jsonl' validation = 'dev.jsonl'. A task is classify, regress or tag; train and validation are "
    "files, or lists of them, from the folder of that file on; text_field, pair_field, label_field, multi_label, "
    "class_weights, pooling, windows, training_windows, dropout, column and repair_tags are as in the settings of one "
    "task."
)
#: What is handed on to the settings of `continual` under its own name.
CONTINUAL = ("method", "ewc_strength", "fisher_texts", "replay_share", "replay_texts")


def add_task_parsers(kinds: Any) -> Sequence[argparse.ArgumentParser]:
    """Describe both kinds of fine-tuning; returns their parsers."""
    together: argparse.ArgumentParser = kinds.add_parser(
        "multi-task",
        help="several tasks at once",
        description="Fine-tune one model on several tasks at once, each with its own head. Each batch is of one task, "
        "as often as the sizes of their data say. The run folder gets the model of the epoch with the best mean score. "
        f"{FORM}",
        epilog="Example: kpt finetune multi-task --from run --tasks tasks.toml --out tuned",
    )
    add_arguments(together, several=True)
    together.add_argument(
        "--temperature",
        type=positive_number,
        default=1.0,
        metavar="T",
        help="mix tasks by their sizes to the power 1/T, unless they have a proportion in the file (default: 1)",
    )
    after: argparse.ArgumentParser = kinds.add_parser(
        "continual",
        help="several tasks one after another",
        description="Fine-tune one model on several tasks one after another, in the order of the file, and see after "
        f"each how well it does all of them. {FORM}",
        epilog="Example: kpt finetune continual --from run --tasks tasks.toml --method replay --out tuned",
    )
    add_arguments(after, several=True)
    group = after.add_argument_group("earlier tasks")
    group.add_argument(
        "--method",
        choices=("plain", "ewc", "replay"),
        default="replay",
        help="replay stored texts, hold the weights that matter (ewc), or neither (default: replay)",
    )
    group.add_argument(
        "--replay-share", type=proportion, default=0.25, metavar="X", help="of each batch (default: 0.25)"
    )
    group.add_argument(
        "--replay-texts", type=positive_integer, default=200, metavar="N", help="stored of each task (default: 200)"
    )
    group.add_argument(
        "--ewc-strength", type=positive_number, default=1000.0, metavar="X", help="of the penalty (default: 1000)"
    )
    group.add_argument(
        "--fisher-texts",
        type=positive_integer,
        default=200,
        metavar="N",
        help="texts of each task that tell which weights matter (default: 200)",
    )
    for parser in (together, after):
        parser.set_defaults(run=run)
    return together, after


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Train, evaluate and report."""
    check_source(arguments)
    from kpt.training.task_files import read_task_files

    tasks = read_task_files(arguments.tasks)
    devices = load_devices(arguments)
    if devices.chief:
        check_out(arguments.out, "config.json", overwrite=arguments.overwrite, written_as="kpt-run")
    from kpt.training.continual import ContinualSettings, finetune_continual
    from kpt.training.finetune_settings import FinetuneSettings
    from kpt.training.multi_task import finetune_multi_task

    names = (*SETTINGS, "pooling", "windows", "training_windows", "document_vectors", "probe")
    settings = FinetuneSettings(**{name: getattr(arguments, name) for name in names})
    options = {"overwrite": arguments.overwrite, "progress": True, "devices": devices}
    if arguments.task == "multi-task":
        options["temperature"] = arguments.temperature
        return finetune_multi_task(source_of(arguments), tasks, arguments.out, settings, **options)
    continual = ContinualSettings(**{name: getattr(arguments, name) for name in CONTINUAL})
    return finetune_continual(source_of(arguments), tasks, arguments.out, settings, continual, **options)
