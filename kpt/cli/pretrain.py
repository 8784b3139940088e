"""`kpt pretrain`: trains a model from nothing on a token store, a kind of model a word."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kpt.cli import pretrain_word2vec
from kpt.cli.arguments import (
    add_device_arguments,
    add_source_argument,
    positive_integer,
    positive_number,
    proportion,
    whole_number,
)
from kpt.cli.backend import load_devices
from kpt.cli.output import Output
from kpt.cli.run_arguments import add_checkpoint_arguments, add_replay_argument, add_run_arguments, folder_of
from kpt.errors import InputError

__all__ = ["add_parser", "run_bert", "run_gpt"]

# What is handed on to the settings under its own name.
SETTINGS = (
    "size",
    "architecture",
    "steps",
    "batch_size",
    "length",
    "learning_rate",
    "warmup_steps",
    "precision",
    "accumulate",
    "remat",
    "document_vectors",
    "held_out",
    "evaluations",
    "checkpoint_every",
    "keep",
    "seed",
)


def add_parser(verbs: Any) -> Sequence[argparse.ArgumentParser]:
    """Describe the verb; returns the parsers of what it trains."""
    verb: argparse.ArgumentParser = verbs.add_parser(
        "pretrain",
        help="pre-train a model on a token store",
        description="Pre-train a model on a token store. The run folder gets the weights, the metrics and a report.",
        epilog="Example: kpt pretrain bert --data store --size mini --steps 3000 --out run",
    )
    models = verb.add_subparsers(title="models", dest="objective", required=True, parser_class=type(verb))

    bert: argparse.ArgumentParser = models.add_parser(
        "bert",
        help="masked tokens and next sentences",
        description="Pre-train an encoder on masked tokens and next sentences, of a token store or of masked records.",
        epilog="Example: kpt pretrain bert --data store --size mini --steps 3000 --out run",
    )
    add_sequence_arguments(
        bert, sizes="tiny, mini, small, medium, base or large", published="BERT's of 2018", records=True
    )
    bert.add_argument("--whole-words", action="store_true", help="mask all pieces of a word together")
    bert.set_defaults(run=run_bert)

    gpt: argparse.ArgumentParser = models.add_parser(
        "gpt",
        help="the next token",
        description="Pre-train a decoder on the next token of packed documents.",
        epilog="Example: kpt pretrain gpt --data store --size mini --steps 3000 --out run",
    )
    add_sequence_arguments(gpt, sizes="tiny, mini, small, medium, large or xl", published="GPT-2's of 2019")
    gpt.add_argument("--separate", action="store_true", help="let no token see another document than its own")
    gpt.set_defaults(run=run_gpt)

    word2vec: argparse.ArgumentParser = models.add_parser(
        "word2vec", help=pretrain_word2vec.HELP, description="Train vectors of words.", epilog=pretrain_word2vec.EPILOG
    )
    pretrain_word2vec.add_arguments(word2vec)
    return bert, gpt, word2vec


def add_sequence_arguments(
    parser: argparse.ArgumentParser, *, sizes: str, published: str, records: bool = False
) -> None:
    """Add what all models of sequences of tokens have in common; `records`: also those in place of a store."""
    parser.add_argument("--data", type=Path, required=not records, metavar="DIR", help="token store, see kpt prepare")
    if records:
        add_record_arguments(parser)
    add_source_argument(parser, ": go on with its model on this text", required=False)
    add_run_arguments(parser)
    add_replay_argument(parser)
    add_device_arguments(parser)
    group = parser.add_argument_group("model")
    group.add_argument("--size", metavar="NAME", help=f"{sizes} (default: mini)")
    group.add_argument(
        "--architecture",
        choices=("modern", "published"),
        help=f"modern: the recipe for small corpora; published: {published} (default: modern)",
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
    group.add_argument(
        "--accumulate",
        type=positive_integer,
        default=1,
        metavar="N",
        help="batches whose gradients are averaged for one change of the weights (default: 1)",
    )
    group.add_argument(
        "--remat",
        action="store_true",
        help="compute blocks again for their gradient instead of keeping them: less memory, a third more computing",
    )
    group.add_argument(
        "--document-vectors",
        type=whole_number,
        default=128,
        metavar="N",
        help="width of the vectors of tokens by their documents that kpt finetune reads too; 0: none (default: 128)",
    )
    group.add_argument(
        "--held-out", type=proportion, default=0.05, metavar="X", help="share of the documents (default: 0.05)"
    )
    group.add_argument("--evaluations", type=positive_integer, default=8, metavar="N", help="on these (default: 8)")
    group.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of all that is random (default: 0)")
    add_checkpoint_arguments(parser, ", beside those before each evaluation (default: these alone)")


def add_record_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--records` and what belongs to it."""
    group = parser.add_argument_group("records", "TFRecords that are masked already, in place of --data.")
    group.add_argument(
        "--records",
        nargs="+",
        metavar="PATTERN",
        help="files, URLs or globs, of google-research/bert or Model Garden; or a folder of kpt prepare",
    )
    group.add_argument(
        "--tokenizer", type=Path, metavar="DIR", help="folder of theirs (default: the one in the folder of kpt prepare)"
    )
    group.add_argument(
        "--validation-records",
        nargs="+",
        metavar="PATTERN",
        help="those to evaluate on (default: the folder's, else a share of the others, --held-out)",
    )


def data_of(arguments: argparse.Namespace) -> Any:
    """Return the token store, or the records, that the arguments name.

    Raises:
        InputError: it is neither or both, or something is named that belongs to the other.
    """
    from kpt.training.pretraining_data import RecordSource

    if bool(arguments.data) == bool(arguments.records):
        problem = "both --data and --records are given" if arguments.data else "neither --data nor --records is given"
        raise InputError(f"{problem}; name a token store, or records that are masked already")
    if arguments.records:
        if arguments.whole_words:
            raise InputError("--whole-words does nothing to records that are masked already; leave it out")
        return RecordSource(arguments.records, arguments.tokenizer, arguments.validation_records)
    if arguments.tokenizer or arguments.validation_records:
        name = "--tokenizer" if arguments.tokenizer else "--validation-records"
        raise InputError(f"{name} is for --records; a token store has its own")
    return arguments.data


def run_bert(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Train, evaluate and report."""
    devices = load_devices(arguments)
    from kpt.models import Encoder
    from kpt.training.bert import BertPretraining, BertSettings, pretrain_bert

    settings, data = BertSettings(**settings_of(arguments), whole_words=arguments.whole_words), data_of(arguments)
    if without_a_run(arguments):
        return look(BertPretraining(begun(settings, arguments, Encoder)), data, arguments, output, devices)
    options = {"source": arguments.source, **folder_of(arguments, devices), "devices": devices}
    return pretrain_bert(data, arguments.out, settings, **options)


def run_gpt(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Train, evaluate and report."""
    devices = load_devices(arguments)
    from kpt.models import Decoder
    from kpt.training.gpt import GptPretraining, GptSettings, pretrain_gpt

    settings = GptSettings(**settings_of(arguments), separate=arguments.separate)
    if without_a_run(arguments):
        return look(GptPretraining(begun(settings, arguments, Decoder)), arguments.data, arguments, output, devices)
    options = {"source": arguments.source, **folder_of(arguments, devices), "devices": devices}
    return pretrain_gpt(arguments.data, arguments.out, settings, **options)


def begun(settings: Any, arguments: argparse.Namespace, kind: type) -> Any:
    """Return the settings, those for going on with a model where one is named."""
    if arguments.source is None:
        return settings
    from kpt.training.adaptation import adapted, open_beginning

    return adapted(settings, open_beginning(arguments.source, kind))


def without_a_run(arguments: argparse.Namespace) -> bool:
    """Return whether a run is only looked at, one to come or one that was."""
    return bool(arguments.dry_run or arguments.replay_step)


def look(task: Any, data: Any, arguments: argparse.Namespace, output: Output, devices: Any) -> dict[str, Any]:
    """Return what a run would take, or what happened in a step of one."""
    if arguments.dry_run:
        from kpt.training.dry_run import dry_run, readable

        table = dry_run(task, data, devices)
        return table if output.as_json else readable(table)
    if arguments.out is None:
        raise InputError("--out is missing; name the folder of the run that --replay-step is to look at")
    from kpt.training.replay import replay

    return replay(task, data, arguments.out, arguments.replay_step, devices)


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what all settings have in common.

    Raises:
        InputError: there is a size or an architecture beside a model that has its own.
    """
    for name, default in (("size", "mini"), ("architecture", "modern")):
        if getattr(arguments, name) is None:
            setattr(arguments, name, default)
        elif arguments.source is not None:
            raise InputError(f"--{name} is that of the model to go on with, {arguments.source}; leave it out")
    return {name: getattr(arguments, name) for name in SETTINGS}
