"""Questions and texts as batches: [CLS] question [SEP] a window of the text [SEP], and where the answer is in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kpt.data.labelled_batches import LabelledExamples
from kpt.data.tagged import encode_words
from kpt.data.text_sequences import EncodedTexts, sequence_marks
from kpt.errors import InputError
from kpt.text.tokenizer import Ragged, Tokenizer
from kpt.text.vocabulary import Vocabulary
from kpt.text.word_spans import word_spans

__all__ = ["EncodedQuestions", "QuestionExamples", "encode_questions"]

Answer = tuple[int, int] | None


class EncodedQuestions(NamedTuple):
    """The windows of texts with their questions, and where the words of the texts are.

    Attributes:
        texts: a question and a window of its text a row.
        owners: int64 [windows], the question of each window, ascending.
        offsets: int64 [windows], the first piece of each window in its text.
        starts: for each question the number of the first piece of each word of its text.
        spans: for each question int64 [words, 2], the first character of each word and the one after its last.
    """

    texts: EncodedTexts
    owners: np.ndarray
    offsets: np.ndarray
    starts: list[np.ndarray]
    spans: list[np.ndarray]

    def words(self, window: int) -> tuple[int, np.ndarray]:
        """Return the number of the first word of a window, and the columns of its words' first pieces."""
        starts, begin = self.starts[self.owners[window]], self.offsets[window]
        first, last = np.searchsorted(starts, [begin, begin + self.texts.sizes[window, 1]])
        return int(first), starts[first:last] - begin + self.texts.sizes[window, 0] + 2

    def nearest(self) -> list[np.ndarray]:
        r"""Return for each question int64 [words]: the window in which each word's first piece has the most context.

        That is the one of the greatest :math:`\min(l, r) + 0.01 n`, with l pieces of the text before it in the window,
        r after it and n in all; of equal ones the first.

        Source: Devlin et al. 2018, google-research/bert, `run_squad.py` (`_check_is_max_context`).
        """
        best = [np.full(len(starts), -1.0) for starts in self.starts]
        nearest = [np.zeros(len(starts), np.int64) for starts in self.starts]
        for window, owner in enumerate(self.owners):
            first, columns = self.words(window)
            asked, pieces = self.texts.sizes[window]
            before = columns - asked - 2
            context = np.minimum(before, pieces - 1 - before) + 0.01 * pieces
            words = np.arange(first, first + len(columns))
            more = context > best[owner][words]
            best[owner][words[more]], nearest[owner][words[more]] = context[more], window
        return nearest

    def labels(self, answers: Sequence[Answer]) -> np.ndarray:
        """Return int32 [windows, 2]: the columns of the first and the last word of the answer, 0 ([CLS]) for none.

        An answer that begins or ends within a word is taken to the whole word; a window that has not both of its ends
        has no answer.

        Args:
            answers: of each question, the first character and the one after the last; None for no answer.

        Raises:
            InputError: there are not as many answers as questions, or one lies not in its text or has no word.
        """
        if len(answers) != len(self.spans):
            raise InputError(f"{len(answers)} answers for {len(self.spans)} questions; give one, or None, to each")
        words = [self._words_of(number, answer) for number, answer in enumerate(answers)]
        result = np.zeros((len(self.owners), 2), np.int32)
        for window, owner in enumerate(self.owners):
            if (ends := words[owner]) is not None:
                first, columns = self.words(window)
                if ends[0] >= first and ends[1] < first + len(columns):
                    result[window] = columns[ends[0] - first], columns[ends[1] - first]
        return result

    def _words_of(self, number: int, answer: Answer) -> tuple[int, int] | None:
        if answer is None:
            return None
        spans, (begin, end) = self.spans[number], answer
        first = int(np.searchsorted(spans[:, 1], begin, "right"))
        last = int(np.searchsorted(spans[:, 0], end, "left")) - 1
        if not 0 <= begin < end or first > last:
            raise InputError(f"question {number}: the answer {answer!r} has no word of the text; give its characters")
        return first, last


def encode_questions(
    tokenizer: Tokenizer, questions: Sequence[str], contexts: Sequence[str], *, length: int, stride: int = 128
) -> EncodedQuestions:
    r"""Encode questions with their texts, those that are too long in overlapping windows.

    A text of n pieces that has room for r of them beside its question gets :math:`1 + \max(0, \lceil (n-r)/s \rceil)`
    windows. A question is cut to half of the room of both, and counted.

    Args:
        tokenizer: encodes them; of a text, each word of `kpt.text.word_spans` by itself.
        questions: the questions.
        contexts: the text of each.
        length: tokens of a window at most, question and marks included.
        stride: :math:`s`, pieces from the beginning of a window to that of the next; at most r.

    Raises:
        InputError: there are not as many texts as questions, the length leaves no room, or the tokenizer has no marks.

    Source: Devlin et al. 2018, google-research/bert, `run_squad.py` (doc_stride).
    """
    if len(questions) != len(contexts):
        raise InputError(f"{len(questions)} questions and {len(contexts)} texts; give a text to each")
    marks = sequence_marks(tokenizer.vocabulary)
    if marks.begin is None or marks.separator is None:
        raise InputError("the tokenizer has no tokens to stand around questions; take one with [CLS] and [SEP]")
    room = length - marks.pair
    if room < 2 or stride < 1:
        raise InputError(f"length is {length} and stride {stride}; give a length of {marks.pair + 2} or more, and 1")
    spans = [np.array(word_spans(text), np.int64).reshape(-1, 2) for text in contexts]
    words = [[text[begin:end] for begin, end in some] for text, some in zip(contexts, spans, strict=True)]
    encoded = encode_words(tokenizer, words, length=length)
    pieces = np.diff(encoded.texts.first.row_splits).astype(np.int64)
    starts = [encoded.starts[encoded.splits[row] : encoded.splits[row + 1]] - 1 for row in range(len(contexts))]
    asked = tokenizer.encode(questions)
    sizes = np.minimum(np.diff(asked.row_splits), max(1, room // 2)).astype(np.int64)
    rooms = room - sizes
    strides = np.minimum(stride, rooms)
    counts = 1 + np.maximum(0, -(-(pieces - rooms) // strides))
    owners = np.repeat(np.arange(len(questions)), counts)
    offsets = (np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)) * strides[owners]
    parts = np.minimum(rooms[owners], pieces[owners] - offsets)
    first = _parts(asked, owners, np.zeros_like(offsets), sizes[owners])
    second = _parts(encoded.texts.first, owners, offsets, parts)
    both = np.stack([sizes[owners], parts], axis=1)
    cut = int(np.count_nonzero(np.diff(asked.row_splits) > sizes))
    return EncodedQuestions(EncodedTexts(first, second, both, marks, length, 1, cut), owners, offsets, starts, spans)


def _parts(ids: Ragged, rows: np.ndarray, offsets: np.ndarray, sizes: np.ndarray) -> Ragged:
    """Return so many values of some rows, from an offset on."""
    splits = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    begins = np.asarray(ids.row_splits)[rows] + offsets
    return Ragged(ids.values[np.arange(splits[-1]) + np.repeat(begins - splits[:-1], sizes)], splits)


class QuestionExamples(LabelledExamples):
    """Makes batches of windows of similar length, as `LabelledExamples` does of texts.

    Args:
        encoded: the encoded questions and texts.
        vocabulary: their tokenizer's.
        answers: where each question is answered, see `EncodedQuestions.labels`; None where that is not known.
        truth: what `truth` says of each question, for scores.
        **options: of `LabelledExamples`: `seed` and `shuffle`.

    Raises:
        InputError: there is no question, or the answers do not fit.
    """

    def __init__(
        self,
        encoded: EncodedQuestions,
        vocabulary: Vocabulary,
        answers: Sequence[Answer] | None = None,
        truth: np.ndarray | None = None,
        **options: Any,
    ) -> None:
        labels = None if answers is None else encoded.labels(answers)
        super().__init__(encoded.texts, vocabulary, labels, **options)
        self.encoded, self._truth = encoded, truth

    @property
    def truth(self) -> Any:
        """What is true of each question, where it was given."""
        return self._truth
