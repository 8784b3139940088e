"""`kpt pretrain word2vec`: trains vectors of words on a token store."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from kpt.cli.arguments import add_device_arguments, positive_integer, positive_number, whole_number
from kpt.cli.backend import load_devices
from kpt.cli.output import Output
from kpt.cli.run_arguments import add_checkpoint_arguments, add_run_arguments, folder_of

__all__ = ["EPILOG", "HELP", "add_arguments", "run"]

HELP = "vectors of words: skip-gram or CBOW with negative sampling"
EPILOG = "Example: kpt pretrain word2vec --data store --architecture cbow --width 100 --out run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="token store, see kpt tokenizer --kind words"
    )
    add_run_arguments(parser)
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="RUN",
        help="go on with the model of another run on this store, which may have more words, "
        "see kpt tokenizer --extend; what the model is, is that run's",
    )
    add_device_arguments(parser)
    group = parser.add_argument_group("model")
    group.add_argument(
        "--architecture",
        choices=("skip-gram", "cbow"),
        help="what is predicted: the words around one, or one from those around it (default: skip-gram)",
    )
    group.add_argument("--width", type=positive_integer, metavar="N", help="of a vector (default: 100)")
    group.add_argument("--window", type=positive_integer, metavar="N", help="words on either side at most (default: 5)")
    group.add_argument(
        "--negatives", type=positive_integer, metavar="N", help="words of noise for each pair (default: 5)"
    )
    group = parser.add_argument_group("training")
    group.add_argument(
        "--sample",
        type=number_from_zero,
        default=1e-3,
        metavar="X",
        help="threshold above which a frequent word is left out at random; 0: never (default: 0.001)",
    )
    group.add_argument("--epochs", type=positive_integer, default=5, metavar="N", help="over the store (default: 5)")
    group.add_argument("--batch-size", type=positive_integer, default=1, metavar="N", help="examples (default: 1)")
    group.add_argument(
        "--length",
        type=positive_integer,
        metavar="N",
        help="words of an example, a multiple of 16 (default: 2048, fewer where the store is small; cbow: 64 and 4096)",
    )
    group.add_argument(
        "--learning-rate",
        type=positive_number,
        metavar="X",
        help="its first value (default: 0.03 for skip-gram, 0.075 for cbow)",
    )
    group.add_argument(
        "--shuffle", action="store_true", help="take the text in random order, as where it is sorted by subject"
    )
    group.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of all that is random (default: 0)")
    add_checkpoint_arguments(parser, " (default: an epoch)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Train and report."""
    devices = load_devices(arguments)
    from kpt.training.run_folder import RunFolder
    from kpt.training.word2vec import MODEL, pretrain_word2vec
    from kpt.training.word2vec_settings import Word2VecSettings

    old = {} if arguments.source is None else RunFolder(arguments.source).config.get("model", {})
    given = {name: getattr(arguments, name) for name in MODEL if getattr(arguments, name) is not None}
    settings = Word2VecSettings(
        **{name: old[name] for name in MODEL if name in old} | given,
        sample=arguments.sample,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        length=arguments.length,
        learning_rate=arguments.learning_rate,
        shuffle=arguments.shuffle,
        checkpoint_every=arguments.checkpoint_every,
        keep=arguments.keep,
        seed=arguments.seed,
    )
    if arguments.dry_run:
        from kpt.training.dry_run import dry_run_word2vec, readable

        table = dry_run_word2vec(settings, arguments.data, devices)
        return table if output.as_json else readable(table)
    folder = folder_of(arguments, devices)
    return pretrain_word2vec(
        arguments.data, arguments.out, settings, source=arguments.source, **folder, devices=devices
    )


def number_from_zero(text: str) -> float:
    """Read a finite number from 0 up."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not (number >= 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return number
