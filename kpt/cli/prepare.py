"""`kpt prepare`: writes a token store, or records for other programs, on all cores."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from kpt.cli.arguments import (
    add_corpus_arguments,
    add_out_argument,
    check_out,
    corpus_from,
    positive_integer,
    proportion,
    whole_number,
)
from kpt.cli.output import Output
from kpt.errors import InputError

__all__ = ["add_parser", "run"]

# The settings of records, handed on under their own names; what is not given is left to their defaults.
RECORD_SETTINGS: dict[str, dict[str, Any]] = {
    "layout": {"choices": ("bert", "model-garden"), "help": "names of the features (default: bert)"},
    "length": {"type": positive_integer, "metavar": "N", "help": "tokens of a sequence (default: 128)"},
    "predictions": {
        "type": positive_integer,
        "metavar": "N",
        "help": "slots of masked tokens (default: the masked share of the length)",
    },
    "masking_rate": {"type": proportion, "metavar": "X", "help": "share of the tokens (default: 0.15)"},
    "whole_words": {"action": "store_true", "help": "mask all pieces of a word together"},
    "dupe_factor": {
        "type": positive_integer,
        "metavar": "N",
        "help": "times through the text, each with other pairs and masks (default: 10)",
    },
    "held_out": {
        "type": proportion,
        "metavar": "X",
        "help": "share of the documents whose records go to validation-* (default: none)",
    },
    "seed": {"type": whole_number, "metavar": "N", "help": "of pairs and masks (default: 0)"},
    "shards": {
        "type": positive_integer,
        "metavar": "N",
        "help": "number of files (default: one for each 100,000 records)",
    },
    "compression": {"choices": ("none", "gzip"), "help": "of the files (default: none)"},
}


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "prepare",
        help="turn text into a token store, or into records for other programs",
        description="Turn text into a token store: what every kind of pre-training reads. With --format tfrecord, into "
        "masked records of BERT pre-training, as google-research/bert and TensorFlow Model Garden read them.",
        epilog="Example: kpt prepare --tokenizer tokenizer --out store reviews/*.txt speeches.jsonl.gz",
    )
    add_corpus_arguments(parser)
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="DIR", help="folder of the tokenizer")
    parser.add_argument("--workers", type=positive_integer, metavar="N", help="processes (default: one a core)")
    parser.add_argument(
        "--format", choices=("store", "tfrecord"), default="store", help="what to write (default: store)"
    )
    add_out_argument(parser, "the token store or the records")
    group = parser.add_argument_group("records", "With --format tfrecord.")
    for name, options in RECORD_SETTINGS.items():
        group.add_argument(option(name), default=argparse.SUPPRESS, **options)
    parser.set_defaults(run=run)
    return parser


def option(name: str) -> str:
    """Return how a setting is written on the command line."""
    return f"--{name.replace('_', '-')}"


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Encode and write."""
    from kpt.text import load_tokenizer

    begin = time.perf_counter()
    given = {name: getattr(arguments, name) for name in RECORD_SETTINGS if hasattr(arguments, name)}
    if given and arguments.format == "store":
        names = ", ".join(map(option, given))
        raise InputError(f"a token store has no {names}; add --format tfrecord, or leave them to kpt pretrain")
    corpus = corpus_from(arguments)
    tokenizer = load_tokenizer(arguments.tokenizer)
    if arguments.format == "tfrecord":
        results = records(arguments, corpus, tokenizer, given)
    else:
        from kpt.data import prepare

        check_out(arguments.out, "manifest.json", overwrite=arguments.overwrite)
        store = prepare(
            corpus, tokenizer, arguments.out, workers=arguments.workers, progress=True, overwrite=arguments.overwrite
        )
        results = {"store": str(arguments.out), **store.summary}
    return {**results, "seconds": round(time.perf_counter() - begin, 2)}


def records(arguments: argparse.Namespace, corpus: Any, tokenizer: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Write masked records."""
    from kpt.cli.backend import load_backend

    load_backend()
    from kpt.objectives.static_masking import MANIFEST, RECORDS_FORMAT, StaticMasking, prepare_records

    settings = StaticMasking(**given)
    check_out(arguments.out, MANIFEST, overwrite=arguments.overwrite, written_as=RECORDS_FORMAT)
    written = prepare_records(
        corpus,
        tokenizer,
        arguments.out,
        settings,
        workers=arguments.workers,
        progress=True,
        overwrite=arguments.overwrite,
    )
    return {"folder": str(arguments.out), **written}
