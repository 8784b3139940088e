"""`kpt finetune`: trains a model on labelled texts, a kind of task a word."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kpt.cli.arguments import check_out, positive_integer
from kpt.cli.backend import load_devices
from kpt.cli.finetune_arguments import SETTINGS, TRAINED, add_arguments, check_source, source_of
from kpt.cli.finetune_tasks import add_task_parsers
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["add_parser", "run"]

#: The tasks of GLUE, and whether a number is to be told; `kpt.data.glue` has the rest, and loads more than help needs.
GLUE = {
    "CoLA": False,
    "SST-2": False,
    "MRPC": False,
    "QQP": False,
    "STS-B": True,
    "MNLI": False,
    "QNLI": False,
    "RTE": False,
    "WNLI": False,
}
#: What is handed on where a task has it.
OWN_SETTINGS = (
    "multi_label",
    "pooling",
    "windows",
    "training_windows",
    "text_field",
    "pair_field",
    "label_field",
    "column",
    "repair_tags",
    "stride",
    "answer_words",
)


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
    qa: argparse.ArgumentParser = tasks.add_parser(
        "qa",
        help="the part of a text that answers a question",
        description="Fine-tune a model to find the answers to questions in texts. The files are SQuAD's json (1.1 or "
        "2.0). Long texts are read in overlapping windows.",
        epilog="Example: kpt finetune qa --from run --train train.json --validation dev.json --out tuned",
    )
    add_arguments(qa, records=False)
    qa.add_argument(
        "--stride", type=positive_integer, default=128, metavar="N", help="tokens from window to window (default: 128)"
    )
    qa.add_argument(
        "--answer-words", type=positive_integer, default=30, metavar="N", help="of an answer at most (default: 30)"
    )
    glue: argparse.ArgumentParser = tasks.add_parser(
        "glue",
        help="one of the nine tasks of GLUE",
        description="Fine-tune a model on one of GLUE's tasks, in the folder of its files as GLUE has them, and score "
        "it as GLUE does.",
        epilog="Example: kpt finetune glue --task SST-2 --data GLUE/SST-2 --from run --out tuned",
    )
    glue.add_argument("--task", dest="glue", required=True, choices=GLUE, help="its name")
    glue.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with train.tsv and dev.tsv")
    add_arguments(glue, files=False)
    for parser in (classify, regress, tag, qa, glue):
        parser.set_defaults(run=run)
    return classify, regress, tag, qa, glue, *add_task_parsers(tasks)


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Train, evaluate and report."""
    check_source(arguments)
    devices = load_devices(arguments)
    if arguments.resume and (arguments.repeats > 1 or arguments.labels is not None):
        several = "--labels" if arguments.labels is not None else "--repeats"
        raise InputError(f"--resume goes on with a single run; leave out {several}")
    if devices.chief and not arguments.resume:
        check_out(arguments.out, "config.json", overwrite=arguments.overwrite, written_as="kpt-run")
    from kpt.data.glue import glue_files
    from kpt.training.finetune_settings import FinetuneSettings
    from kpt.training.learning_curve import learning_curve
    from kpt.training.repeats import finetune_repeats

    settings = FinetuneSettings(**settings_of(arguments))
    source = source_of(arguments)
    options = {"overwrite": arguments.overwrite, "progress": True, "devices": devices, "repeats": arguments.repeats}
    if settings.glue is not None:
        train, others = glue_files(settings.glue, arguments.data)
        validation: Any = others[0]
    else:
        train, validation, others = arguments.train, arguments.validation, []
    if arguments.labels is not None:
        options |= {"labels": arguments.labels, "tell": output.line}
        results = learning_curve(source, train, validation, arguments.out, settings, **options)
    else:
        options["resume"] = arguments.resume
        results = finetune_repeats(source, train, validation, arguments.out, settings, **options)
    if others and devices.chief:
        results["glue"] = glue_results(arguments.out, settings, others)
    return results


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings by name."""
    named = {
        name: getattr(arguments, name) for name in (*SETTINGS, *TRAINED, *OWN_SETTINGS) if hasattr(arguments, name)
    }
    named["class_weights"] = "balanced" if getattr(arguments, "balance", False) else "none"
    glue = getattr(arguments, "glue", None)
    if glue is None:
        return {**named, "task": arguments.task}
    return {**named, "glue": glue, "task": "regress" if GLUE[glue] else "classify"}


def glue_results(out: Path, settings: Any, files: Sequence[Path]) -> dict[str, Any]:
    """Return GLUE's scores of a run on each file, and write them among its results."""
    from kpt.evaluation import evaluate_task
    from kpt.evaluation.glue import glue_scores
    from kpt.files import write_json
    from kpt.training.finetune_report import write_finetune_report
    from kpt.training.finetuning import load_task_model, read_files
    from kpt.training.report import read_json

    model = load_task_model(out)
    scores = {
        file.stem: glue_scores(
            settings.glue, evaluate_task(model, read_files(file, settings), batch_size=settings.batch_size, resamples=0)
        )
        for file in files
    }
    write_json(out / "results.json", {**read_json(out / "results.json", {}), "glue": scores})
    write_finetune_report(out)
    return scores
