"""Learns the merges of byte-level BPE from text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from kpt.errors import InputError
from kpt.text.byte_pair_bytes import BYTE_CHARACTERS
from kpt.text.clean import replace_surrogates
from kpt.text.document import Document, refuse_one_string

__all__ = ["learn_merges", "plain_texts"]


def learn_merges(
    corpus: Iterable[str | Document],
    pieces: int,
    *,
    minimum_frequency: int = 2,
    progress: bool = False,
    special_tokens: int = 0,
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return exactly `pieces` pieces, the 256 bytes first, and the merges that make the others.

    Each merge joins the two neighbouring pieces that are most frequent together within the words of GPT-2's pattern.
    The same corpus gives the same merges in any process. The corpus is read once and not kept in memory; its distinct
    words are. `special_tokens` is how many the vocabulary will have besides; messages count them in.

    Raises:
        InputError: the corpus is one string or path, it is empty, or it cannot give exactly that many pieces; the
            message says how many it can.
    """
    refuse_one_string(corpus)
    if pieces < len(BYTE_CHARACTERS):
        raise InputError(f"{pieces} pieces are wanted; give at least {len(BYTE_CHARACTERS)}, one for each byte")
    if minimum_frequency < 1:
        raise InputError(f"minimum_frequency is {minimum_frequency}; give 1 or more")
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=pieces,
        min_frequency=minimum_frequency,
        initial_alphabet=list(BYTE_CHARACTERS),
        show_progress=progress,
    )
    tokenizer.train_from_iterator(plain_texts(corpus), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    if len(tokens) != pieces:
        most = len(tokens) + special_tokens
        raise InputError(
            f"the corpus gives {most} pieces at minimum_frequency={minimum_frequency} and {pieces + special_tokens} "
            f"were wanted; ask for at most {most}, lower minimum_frequency, or give more text"
        )
    return tokens, [(left, right) for left, right in model["merges"]]


def plain_texts(corpus: Iterable[str | Document]) -> Iterator[str]:
    """Yield the texts of a corpus, lone surrogates replaced.

    Raises:
        InputError: they have no character.
    """
    empty = True
    for document in corpus:
        text = document if isinstance(document, str) else document.text
        empty = empty and not text
        yield text if text.isascii() else replace_surrogates(text)
    if empty:
        raise InputError("the corpus has no text to learn pieces from; give one that is not empty")
