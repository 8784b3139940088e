"""`kpt tokenizer`: learns a tokenizer's vocabulary from text."""

from __future__ import annotations

import argparse
import time
from typing import Any

from kpt.cli.arguments import add_corpus_arguments, add_out_argument, check_out, corpus_from, positive_integer
from kpt.cli.output import Output

__all__ = ["add_parser", "run"]


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "tokenizer",
        help="train a tokenizer on text",
        description="Train a tokenizer on text and write its folder, which Hugging Face's tokenizers also load.",
        epilog="Example: kpt tokenizer --vocabulary-size 8000 --out tokenizer reviews/*.txt speeches.jsonl.gz",
    )
    add_corpus_arguments(parser)
    parser.add_argument(
        "--kind", choices=("wordpiece",), default="wordpiece", help="the algorithm (default: wordpiece)"
    )
    parser.add_argument(
        "--vocabulary-size",
        type=positive_integer,
        default=8000,
        metavar="N",
        help="number of pieces, the special ones included (default: 8000)",
    )
    parser.add_argument("--keep-case", action="store_true", help="keep upper case and accents")
    parser.add_argument(
        "--minimum-frequency",
        type=positive_integer,
        default=2,
        metavar="N",
        help="how often two pieces must stand together to be joined (default: 2)",
    )
    add_out_argument(parser, "the tokenizer")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Train and save."""
    from kpt.text import WordPieceTokenizer

    begin = time.perf_counter()
    corpus = corpus_from(arguments)
    check_out(arguments.out, "tokenizer.json", overwrite=arguments.overwrite)
    tokenizer = WordPieceTokenizer.train(
        corpus,
        arguments.vocabulary_size,
        lowercase=not arguments.keep_case,
        minimum_frequency=arguments.minimum_frequency,
        progress=output.is_terminal,
    )
    tokenizer.save(arguments.out)
    return {
        "tokenizer": str(arguments.out),
        "vocabulary_size": tokenizer.vocabulary.size,
        "problems": dict(corpus.problems),
        "seconds": round(time.perf_counter() - begin, 2),
    }
