"""`kpt tokenizer`: learns a tokenizer's vocabulary from text."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpt.cli.arguments import (
    add_corpus_arguments,
    add_out_argument,
    check_out,
    corpus_from,
    positive_integer,
    positive_number,
)
from kpt.cli.output import Output
from kpt.errors import InputError

if TYPE_CHECKING:
    from kpt.text import Corpus, DocumentationCorpus, Tokenizer

__all__ = ["add_parser", "run"]

KINDS = ("wordpiece", "bpe", "sentencepiece", "characters", "words")
#: The options, and the kinds that have each.
OPTIONS = {
    "vocabulary_size": ("wordpiece", "bpe", "sentencepiece", "words"),
    "minimum_frequency": ("wordpiece", "bpe", "characters", "words"),
    "keep_case": ("wordpiece", "words"),
    "word_pattern": ("words",),
    "extend": ("words", "wordpiece"),
    "new_tokens": ("wordpiece",),
    "algorithm": ("sentencepiece",),
    "character_coverage": ("sentencepiece",),
    "end_token": ("characters",),
    "unknown_token": ("characters",),
}


def add_parser(verbs: Any) -> argparse.ArgumentParser:
    """Describe the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "tokenizer",
        help="train a tokenizer on text",
        description="Train a tokenizer on text and write its folder, which Hugging Face's tokenizers also load.",
        epilog="Example: kpt tokenizer --vocabulary-size 8000 --out tokenizer reviews/*.txt speeches.jsonl.gz",
    )
    add_corpus_arguments(parser)
    parser.add_argument("--kind", choices=KINDS, default="wordpiece", help="the algorithm (default: wordpiece)")
    parser.add_argument(
        "--vocabulary-size",
        type=positive_integer,
        metavar="N",
        help="number of pieces, the special ones included (default: 8000; of words no limit); not of characters",
    )
    parser.add_argument(
        "--minimum-frequency",
        type=positive_integer,
        metavar="N",
        help="how often two pieces must stand together to be joined (default: 2), or a character (default: 1) or a "
        "word (default: 5) must occur to have an id; not of sentencepiece",
    )
    parser.add_argument(
        "--keep-case",
        action="store_true",
        default=None,
        help="wordpiece, words: keep upper case (and accents, which words keep in any case)",
    )
    parser.add_argument(
        "--word-pattern",
        metavar="REGEX",
        help="words: what a word is, such as '[A-Za-z]+' (default: what stands between white space)",
    )
    parser.add_argument(
        "--extend",
        type=Path,
        metavar="DIR",
        help="words, wordpiece: add frequent new words of the text to the tokenizer in that folder, or a run's",
    )
    parser.add_argument(
        "--new-tokens",
        type=positive_integer,
        metavar="N",
        help="wordpiece, with --extend: how many words to add (default: 1000)",
    )
    parser.add_argument("--algorithm", choices=("unigram", "bpe"), help="sentencepiece: of which (default: unigram)")
    parser.add_argument(
        "--character-coverage",
        type=positive_number,
        metavar="X",
        help="sentencepiece: share of the text whose characters get pieces (default: 0.9995)",
    )
    parser.add_argument(
        "--end-token", action="store_true", default=None, help="characters: add a token that ends texts"
    )
    parser.add_argument(
        "--unknown-token",
        action="store_true",
        default=None,
        help="characters: add a token for others than those of the text (by default where some are too rare)",
    )
    add_out_argument(parser, "the tokenizer")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace, output: Output) -> dict[str, Any]:
    """Train and save."""
    begin = time.perf_counter()
    options = options_of(arguments)
    corpus = corpus_from(arguments)
    check_out(arguments.out, "tokenizer.json", overwrite=arguments.overwrite)
    tokenizer = train(arguments.kind, corpus, options, progress=output.is_terminal)
    tokenizer.save(arguments.out)
    return {
        "tokenizer": str(arguments.out),
        "vocabulary_size": tokenizer.vocabulary.size,
        "problems": dict(corpus.problems),
        "seconds": round(time.perf_counter() - begin, 2),
    }


def options_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options that are given, by the names that `train` has for them.

    Raises:
        InputError: one does not fit the kind.
    """
    given = {name: getattr(arguments, name) for name in OPTIONS if getattr(arguments, name) is not None}
    for name in given:
        if arguments.kind not in OPTIONS[name]:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} is for --kind {' or '.join(OPTIONS[name])}, not {arguments.kind}; leave it out")
    if "new_tokens" in given and "extend" not in given:
        raise InputError("--new-tokens are added to those of a tokenizer; name it with --extend")
    if "extend" in given:
        owned = ("vocabulary_size",) if arguments.kind == "wordpiece" else ()
        for name in ("keep_case", "word_pattern", *owned):
            if name in given:
                raise InputError(
                    f"--{name.replace('_', '-')} is that of the tokenizer that --extend names; leave it out"
                )
    elif arguments.kind in OPTIONS["keep_case"]:
        given["lowercase"] = not given.pop("keep_case", False)
    if arguments.kind in OPTIONS["vocabulary_size"] and arguments.kind != "words" and "extend" not in given:
        given.setdefault("vocabulary_size", 8000)
    return given


def train(
    kind: str, corpus: Corpus | DocumentationCorpus, options: dict[str, Any], *, progress: bool = False
) -> Tokenizer:
    """Train a tokenizer of a kind."""
    from kpt import text

    if (folder := options.pop("extend", None)) is not None:
        return extended(kind, folder, corpus, options)
    if kind == "wordpiece":
        return text.WordPieceTokenizer.train(corpus, progress=progress, **options)
    if kind == "bpe":
        return text.BytePairTokenizer.train(corpus, progress=progress, **options)
    if kind == "sentencepiece":
        return text.SentencePieceTokenizer.train(corpus, **options)
    if kind == "words":
        return text.WordTokenizer.train(corpus, **options)
    return text.CharacterTokenizer.train(corpus, **options)


def extended(kind: str, folder: Path, corpus: Corpus | DocumentationCorpus, options: dict[str, Any]) -> Tokenizer:
    """Return a tokenizer with more words; a run's is in its folder `tokenizer`.

    Raises:
        InputError: it is of another kind.
    """
    from kpt import text
    from kpt.text.wordpiece_extension import extend_wordpiece

    path = folder / "tokenizer" if (folder / "tokenizer").is_dir() else folder
    old = text.load_tokenizer(path)
    if kind == "words" and isinstance(old, text.WordTokenizer):
        return old.extend(corpus, **options)
    if kind == "wordpiece" and isinstance(old, text.WordPieceTokenizer):
        return extend_wordpiece(old, corpus, options.pop("new_tokens", 1000), **options)
    made = "words" if kind == "words" else "WordPiece"
    raise InputError(f"the tokenizer {path} is not one of {made}; give one made with --kind {kind}")
