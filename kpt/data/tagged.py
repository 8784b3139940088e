"""Words with tags as batches: the pieces of all words of a text, and a tag at the first piece of each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kpt.data.labelled_batches import LabelledExamples
from kpt.data.text_sequences import EncodedTexts, sequence_marks
from kpt.errors import InputError
from kpt.text.tokenizer import Ragged, Tokenizer
from kpt.text.vocabulary import Vocabulary

__all__ = ["EncodedWords", "TaggedExamples", "encode_words"]


class EncodedWords(NamedTuple):
    """The pieces of the words of texts, and where each word begins.

    Attributes:
        texts: the pieces, cut to a length.
        starts: int64 [words of all texts], the column of each word's first piece, also where it was cut off.
        splits: int64 [texts + 1]: text i has the words `splits[i]` to `splits[i + 1]`.
    """

    texts: EncodedTexts
    starts: np.ndarray
    splits: np.ndarray

    def words(self, text: int) -> np.ndarray:
        """Return the columns of a text's words, of those that were not cut off."""
        starts = self.starts[self.splits[text] : self.splits[text + 1]]
        begin = self.texts.marks.begin is not None
        return starts[starts < begin + self.texts.sizes[text, 0]]


def encode_words(tokenizer: Tokenizer, texts: Sequence[Sequence[str]], *, length: int) -> EncodedWords:
    """Encode texts that are cut to words already, so that it is known which piece is from which word.

    Each word is encoded by itself, with a space before it but for the first one. A word that has no piece (of control
    characters, with some tokenizers) gets that for what is unknown.

    Args:
        tokenizer: encodes the words.
        texts: the words of each text.
        length: tokens of a sequence at most, marks included; what is over it is cut off at the end.

    Raises:
        InputError: the length leaves no room for a token, or a word has no piece and the tokenizer none for what is
            unknown.
    """
    marks = sequence_marks(tokenizer.vocabulary)
    room = length - marks.single
    if room < 1:
        raise InputError(f"length is {length}, which leaves no room for a token of text; give more")
    encoded = tokenizer.encode([f" {word}" if number else word for words in texts for number, word in enumerate(words)])
    found = np.diff(encoded.row_splits).astype(np.int64)
    unknown = tokenizer.vocabulary.roles.get("unk")
    if unknown is None and (found == 0).any():
        raise InputError("a word has no piece and the tokenizer none for what is unknown; leave such words out")
    pieces = np.maximum(found, 1)
    ends = np.cumsum(pieces)
    values = np.full(int(pieces.sum()), 0 if unknown is None else unknown, np.int32)
    values[np.repeat(found > 0, pieces)] = encoded.values
    splits = np.concatenate([[0], np.cumsum([len(words) for words in texts])]).astype(np.int64)
    row_splits = np.concatenate([[0], ends])[splits]
    starts = ends - pieces - np.repeat(row_splits[:-1], np.diff(splits)) + (marks.begin is not None)
    sizes = np.stack([np.minimum(np.diff(row_splits), room), np.zeros(len(texts), np.int64)], axis=1)
    cut = int(np.count_nonzero(np.diff(row_splits) > room))
    return EncodedWords(EncodedTexts(Ragged(values, row_splits), None, sizes, marks, length, 1, cut), starts, splits)


class TaggedExamples(LabelledExamples):
    """Makes batches of tagged texts of similar length, as `LabelledExamples` does.

    The labels are int32 [rows, columns], a tag at the first piece of each word; the weights float32 of the same shape
    are 1 there and 0 elsewhere.

    Args:
        words: the encoded words.
        vocabulary: their tokenizer's.
        tags: for each text the numbers of its words' tags; None for texts that have none.
        **options: of `LabelledExamples`: `seed` and `shuffle`.

    Raises:
        InputError: there is no text, or a text has not as many tags as words.
    """

    def __init__(
        self, words: EncodedWords, vocabulary: Vocabulary, tags: np.ndarray | None = None, **options: Any
    ) -> None:
        super().__init__(words.texts, vocabulary, tags, **options)
        self.words = words
        for text, some in enumerate(() if tags is None else tags):
            count = int(words.splits[text + 1] - words.splits[text])
            if len(some) != count:
                raise InputError(f"text {text} has {count} words and {len(some)} tags; give one to each word")

    def batch_of(self, chosen: np.ndarray, epoch: int | None = None, exact: bool = False) -> Any:
        """Return the batch of some texts by their numbers; they have one window each, whatever the epoch."""
        inputs = self.texts.batch(chosen, exact=exact)
        if self.labels is None:
            return (inputs,)
        labels = np.zeros(inputs["token_ids"].shape, np.int32)
        weights = np.zeros(labels.shape, np.float32)
        for row, text in enumerate(chosen):
            columns = self.words.words(text)
            labels[row, columns] = self.labels[text][: len(columns)]
            weights[row, columns] = 1
        return inputs, labels, weights

    def blank_targets(self, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Return tags and weights for so many texts that are not of this task."""
        return np.zeros((rows, columns), np.int32), np.zeros((rows, columns), np.float32)

    def widened(self, batch: Any, columns: int) -> Any:
        """Return a batch with so many columns of padding more."""
        inputs, *others = super().widened(batch, columns)
        return (inputs, *(np.pad(values, ((0, 0), (0, columns))) for values in others))
