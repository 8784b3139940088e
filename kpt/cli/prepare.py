"""`kpt prepare`: writes a token store, on all cores."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from kpt.cli.arguments import add_corpus_arguments, add_out_argument, check_out, corpus_from, positive_integer
from kpt.cli.output import Output

__all__ = ["add_parser", "run"]


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "prepare",
        help="turn text into a token store",
        description="Turn text into a token store: what every kind of pre-training reads.",
        epilog="Example: kpt prepare --tokenizer tokenizer --out store reviews/*.txt speeches.jsonl.gz",
    )
    add_corpus_arguments(parser)
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="DIR", help="folder of the tokenizer")
    parser.add_argument("--workers", type=positive_integer, metavar="N", help="processes (default: one a core)")
    add_out_argument(parser, "the token store")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Encode and write."""
    from kpt.data import prepare
    from kpt.text import load_tokenizer

    begin = time.perf_counter()
    corpus = corpus_from(arguments)
    tokenizer = load_tokenizer(arguments.tokenizer)
    check_out(arguments.out, "manifest.json", overwrite=arguments.overwrite)
    store = prepare(
        corpus, tokenizer, arguments.out, workers=arguments.workers, progress=True, overwrite=arguments.overwrite
    )
    return {"store": str(arguments.out), **store.summary, "seconds": round(time.perf_counter() - begin, 2)}
