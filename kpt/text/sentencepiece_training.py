"""Learns the pieces of a SentencePiece model from text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import Literal

from kpt.errors import InputError
from kpt.text.byte_pair_training import plain_texts
from kpt.text.document import Document, refuse_one_string
from kpt.text.sentencepiece_model import SentencePieceModel, parse_model

__all__ = ["learn_model"]

END_OF_TEXT = "<|endoftext|>"
# SentencePiece leaves out what has more than 4,192 bytes.
_LONGEST_STRETCH = 1000
_MOST_STRETCHES = 1_000_000
# Sums are added up by thread, so that their number must not depend on the machine.
_THREADS = 4


def learn_model(
    corpus: Iterable[str | Document],
    vocabulary_size: int,
    *,
    algorithm: Literal["unigram", "bpe"] = "unigram",
    character_coverage: float = 0.9995,
) -> SentencePieceModel:
    """Return a model of exactly `vocabulary_size` pieces: `<unk>`, `<|endoftext|>`, the 256 bytes, then learned ones.

    It leaves characters and white space as they are and spells characters without a piece by bytes. Text is cut to
    stretches of at most 1,000 characters; of more than a million, a random part (the same every time) is learned from.
    SentencePiece keeps that part in memory.

    Raises:
        InputError: the corpus is one string or path, it is empty, or it cannot give exactly that many pieces; an
            argument is out of its range.
    """
    refuse_one_string(corpus)
    if algorithm not in ("unigram", "bpe"):
        raise InputError(f"algorithm is {algorithm!r}; choose unigram or bpe")
    if not 0.98 <= character_coverage <= 1:
        raise InputError(f"character_coverage is {character_coverage}; give a share from 0.98 to 1")
    if vocabulary_size <= 258:
        raise InputError(
            f"vocabulary_size is {vocabulary_size}; give more than the 258 that the bytes and the special tokens take"
        )
    import sentencepiece

    stretches = _Stretches(corpus)
    out = io.BytesIO()
    sentencepiece.set_random_generator_seed(0)
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(stretches),
            model_writer=out,
            model_type=algorithm,
            vocab_size=vocabulary_size,
            character_coverage=character_coverage,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            byte_fallback=True,
            unk_id=0,
            eos_id=1,
            bos_id=-1,
            pad_id=-1,
            eos_piece=END_OF_TEXT,
            input_sentence_size=_MOST_STRETCHES,
            shuffle_input_sentence=True,
            num_threads=_THREADS,
            minloglevel=2,
        )
    except (RuntimeError, OSError, ValueError) as error:
        if stretches.error is not None:
            raise stretches.error from error
        raise InputError(_explained(str(error), vocabulary_size)) from error
    if stretches.error is not None:
        raise stretches.error
    return parse_model(out.getvalue(), "what SentencePiece learned")


class _Stretches:
    """The texts of a corpus in stretches that SentencePiece takes, and the error that reading it ended with."""

    def __init__(self, corpus: Iterable[str | Document]) -> None:
        self._corpus = corpus
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[str]:
        try:
            for text in plain_texts(self._corpus):
                begin = 0
                while begin < len(text):
                    end = begin + _LONGEST_STRETCH
                    if end < len(text):  # after the last line end, else before the last space
                        end = text.rfind("\n", begin, end) + 1 or max(text.rfind(" ", begin + 1, end), 0) or end
                    yield text[begin:end]
                    begin = end
        except Exception as error:
            self.error = error


def _explained(message: str, vocabulary_size: int) -> str:
    most = re.search(r"too high .* a value <= (\d+)", message)
    if most:
        return (
            f"the corpus gives at most {most[1]} pieces and {vocabulary_size} were wanted; ask for at most {most[1]}, "
            "or give more text"
        )
    least = re.search(r"smaller than required_chars. \d+ vs (\d+)", message)
    if least:
        return (
            f"vocabulary_size is {vocabulary_size} and the special tokens, the bytes and the frequent characters of "
            f"the corpus take {least[1]}; give more than that, or lower character_coverage"
        )
    return f"SentencePiece could not learn from the corpus ({' '.join(message.split())}); give more text"
