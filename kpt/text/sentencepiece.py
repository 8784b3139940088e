"""SentencePiece: text to ids and back by unigram or BPE models, white space included."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kpt.text.clean import replace_surrogates
from kpt.text.sentencepiece_folder import read_folder, write_folder
from kpt.text.sentencepiece_model import SentencePieceModel
from kpt.text.sentencepiece_training import learn_model
from kpt.text.tokenizer import Ragged, check_texts, fingerprint_of, joined_pieces
from kpt.text.vocabulary import Vocabulary
from kpt.text.word_ids import WordIds

if TYPE_CHECKING:
    from kpt.text.document import Document
    from kpt.text.sentencepiece_graph import GraphSentencePiece

__all__ = ["SentencePieceTokenizer"]

_BATCH_CHARACTERS = 1 << 20
_PART = re.compile(" ?[^ ]+| ")


class SentencePieceTokenizer:
    r"""Divides text into pieces by a SentencePiece model, unigram or BPE.

    A trained model changes no character and spells those without a piece by the bytes of their UTF-8, so that `decode`
    gives back what `encode` was given, with one exception: U+2581 (a low block), which stands for the space in pieces,
    comes back as a space. Models from elsewhere may also put a space before a text (which `decode` takes away), drop
    spaces around it and make several spaces one, and have an unknown token; those that change characters (NFKC) are
    refused: clean the text before (`kpt.text.clean`).

    Where a trained model is used, a text is cut before each space, which no piece goes beyond, and each part is divided
    alone. Of two divisions of a part with the same score it so always gets the same one, offline and in a graph; the
    sentencepiece package and Hugging Face, which add scores up over the whole text, may take the other.

    Text is plain text: a literal `<|endoftext|>` or `<0x0A>` in it is text.

    Args:
        model: the pieces and how they are used.

    Example:
        >>> tokenizer = SentencePieceTokenizer.train(["low lower lowest\n"] * 3, 268, algorithm="bpe")
        >>> ids = tokenizer.encode([" lower\n"]).values
        >>> tokenizer.decode(ids)
        ' lower\n'

    Source: Kudo and Richardson 2018, "SentencePiece", https://arxiv.org/abs/1808.06226; Kudo 2018, "Subword
    Regularization", https://arxiv.org/abs/1804.10959
    """

    #: White space is text like any other, so that documents are encoded whole.
    whole_documents = True

    def __init__(self, model: SentencePieceModel) -> None:
        self.model = model
        self.vocabulary: Vocabulary = model.vocabulary
        self._table: WordIds | None = None

    @classmethod
    def train(
        cls,
        corpus: Iterable[str | Document],
        vocabulary_size: int,
        *,
        algorithm: Literal["unigram", "bpe"] = "unigram",
        character_coverage: float = 0.9995,
    ) -> SentencePieceTokenizer:
        """Learn exactly `vocabulary_size` pieces: `<unk>`, `<|endoftext|>`, the 256 bytes, then learned ones.

        Args:
            corpus: texts or documents, read once; of more than a billion characters, a random part is learned from.
            vocabulary_size: number of pieces, special tokens and bytes included.
            algorithm: ``"unigram"`` or ``"bpe"``.
            character_coverage: share of the text whose characters get pieces; the rarest are spelled by bytes.

        Raises:
            InputError: the corpus is one string or path, or it cannot give exactly that many pieces; the message says
                how many it can.
        """
        return cls(learn_model(corpus, vocabulary_size, algorithm=algorithm, character_coverage=character_coverage))

    def encode(self, texts: Sequence[str]) -> Ragged:
        """Return the ids of each text, without special tokens around them.

        Args:
            texts: any strings; a lone surrogate counts as U+FFFD.

        Returns:
            values int32 [n] and row_splits int64 [len(texts) + 1].

        Raises:
            InputError: `texts` is one string.
        """
        check_texts(texts)
        if self._table is None:
            import sentencepiece

            processor = sentencepiece.SentencePieceProcessor(model_proto=self.model.serialize())
            self._table = WordIds(processor.encode)
        values, lengths = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
        parts: list[str] = []
        counts: list[int] = []
        characters = 0
        for number, text in enumerate(texts, 1):
            text = text if text.isascii() else replace_surrogates(text)
            found = _PART.findall(text) if self.model.divisible else [text]
            parts += found
            counts.append(len(found))
            characters += len(text)
            if characters >= _BATCH_CHARACTERS or number == len(texts):
                ids, ends = self._table.gather(self._table.numbers(parts))
                values.append(ids)
                lengths.append(np.diff(np.append(0, ends)[np.cumsum(counts)], prepend=0))
                parts, counts, characters = [], [], 0
        return Ragged(np.concatenate(values), np.cumsum(np.concatenate(lengths)))

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """Return the text of ids; bytes that are not UTF-8, such as half a character, become U+FFFD.

        Args:
            ids: any ids of the vocabulary.
            skip_special_tokens: whether special tokens count as nothing instead of as their text.

        Raises:
            InputError: an id is not in the vocabulary.
        """
        skipped = self.vocabulary.special_ids if skip_special_tokens else ()
        content = joined_pieces(self.model.contents, ids, skipped)
        return (content.removeprefix(b" ") if self.model.dummy_prefix else content).decode("utf-8", "replace")

    @property
    def options(self) -> dict[str, Any]:
        """What beside the pieces decides which ids a text gets: the model's settings and scores."""
        model = self.model
        return {
            "algorithm": model.algorithm,
            "byte_fallback": model.byte_fallback,
            "dummy_prefix": model.dummy_prefix,
            "collapse_spaces": model.collapse_spaces,
            "scores": [score for _, score, _ in model.pieces],
            "types": [kind for _, _, kind in model.pieces],
        }

    @cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of the model; the same in every process."""
        return fingerprint_of("sentencepiece", self.vocabulary, self.options)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write tokenizer.model, and tokenizer.json and tokenizer_config.json, which Hugging Face's tokenizers load.

        There a text that spells a special token or a byte piece (`<0x0A>`) is taken for it.

        Raises:
            InputError: the folder cannot be written.
        """
        write_folder(folder, self.model)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> SentencePieceTokenizer:
        """Read a folder written by `save`, a published one with a SentencePiece model, or a model file.

        Raises:
            InputError: there is none, or it is damaged or of a kind that kpt has not.
        """
        return cls(read_folder(folder))

    def in_graph(self) -> GraphSentencePiece:
        """Return the same tokenization as a `tf.Module` of TensorFlow operations: string [n] to ragged int32 ids."""
        from kpt.text.sentencepiece_graph import GraphSentencePiece

        return GraphSentencePiece(self.model)

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model, "vocabulary": self.vocabulary, "_table": None}
