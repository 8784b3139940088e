"""Batches from records that others have masked: google-research/bert's and TensorFlow Model Garden's."""

from __future__ import annotations

import copy
from typing import Self

import numpy as np

from kpt.data.permutation import permute, random_bits
from kpt.data.record_files import RecordFiles
from kpt.data.record_layouts import LABELS, parse_record
from kpt.data.segments import check_settings, epoch_order
from kpt.errors import InputError
from kpt.text.sources import Files
from kpt.text.vocabulary import Vocabulary

__all__ = ["MaskedRecords"]

_SPLIT = 0x7EC0
_DTYPES = {"padding_mask": np.bool_, "mask_weights": np.float32}
_TOKENS = ("token_ids", "segment_ids", "padding_mask")
_SLOTS = ("mask_positions", "mask_labels", "mask_weights")


class MaskedRecords:
    """Examples of BERT pre-training that are masked already, from TFRecord files, for `Batches` without objectives.

    Records have the features of google-research/bert (`input_ids`, `segment_ids`) or of TensorFlow Model Garden
    (`input_word_ids`, `input_type_ids`), and of both `input_mask`, `masked_lm_positions`, `masked_lm_ids`,
    `masked_lm_weights` and `next_sentence_labels`, which may be absent. How `RecordFiles` reads the files, it says.
    TensorFlow need not be installed.

    The order of the records is a pseudo-random permutation, anew each epoch. Example n is a pure function of (files,
    seed, n). The features of the first record of each file are checked at the beginning, those of the others when they
    are read: lengths as in the first record, ids of the vocabulary, positions inside the sequence.

    Args:
        files: paths, URLs, glob patterns or folders (`kpt.text.sources.find_files`).
        vocabulary: the pieces whose ids the records have.
        length: tokens that a sequence must have; by default as many as the first one's.
        seed: of the order.
        progress: whether to show on standard error how far it is with reading the files at the beginning.

    Attributes:
        length: tokens of a sequence.
        predictions: slots of masked tokens of a sequence.
        next_sentence: whether there are next-sentence labels.

    Raises:
        InputError: a file is missing, cannot be read, is cut off or damaged, or its records do not fit; the message
            names the file, the record and its byte.

    Example:
        >>> from pathlib import Path
        >>> from kpt.data.record_layouts import serialise_record
        >>> from kpt.data.tfrecord import frame
        >>> vocabulary = Vocabulary.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "it", "rained"])
        >>> row = {"token_ids": [2, 5, 4, 3, 0], "segment_ids": [0] * 5, "padding_mask": [1, 1, 1, 1, 0]}
        >>> row |= {"mask_positions": [2], "mask_labels": [6], "mask_weights": [1.0], "next_sentence_labels": [0]}
        >>> _ = Path("a.tfrecord").write_bytes(frame(serialise_record(row, "bert")))
        >>> records = MaskedRecords("a.tfrecord", vocabulary)
        >>> records.examples(0, 2)["mask_labels"].tolist()
        [[6], [6]]

    Source: Devlin et al. 2018, "BERT", and `create_pretraining_data.py` of its code.
    """

    def __init__(
        self,
        files: Files,
        vocabulary: Vocabulary,
        *,
        length: int | None = None,
        seed: int = 0,
        progress: bool | None = False,
    ) -> None:
        check_settings(5 if length is None else length, 5, seed)
        self.files = RecordFiles(files, progress=progress)
        self.vocabulary, self.seed = vocabulary, seed
        self._begin, self._size, self._key = 0, len(self.files), 0
        first = self._parse(0)
        self.length, self.predictions = len(first["token_ids"]), len(first["mask_positions"])
        self.next_sentence = LABELS in first
        if length is not None and self.length != length:
            raise self._error(
                0, f"its sequence has {self.length} tokens, not {length}; pass {self.length} as the length"
            )
        firsts = np.cumsum([0, *self.files.counts])[:-1]
        self.records(firsts[np.asarray(self.files.counts) > 0])

    @property
    def examples_per_epoch(self) -> int:
        """The number of records."""
        return self._size

    def examples(self, step: int, batch_size: int, rows: slice = slice(None)) -> dict[str, np.ndarray]:
        """Return the examples `step * batch_size` to `(step + 1) * batch_size - 1`, or some rows of them.

        Returns:
            token_ids int32, segment_ids int32, padding_mask bool, [rows, length] each; mask_positions int32,
            mask_labels int32, mask_weights float32, [rows, predictions] each; and, where the records have them,
            next_sentence_labels int32 [rows] (0: the second text follows the first, 1: it does not).

        Raises:
            InputError: a record does not fit or is damaged.
        """
        return self.records(self._numbers(step, batch_size)[rows])

    def documents(self, step: int, batch_size: int) -> list[list[int]]:
        """Return which record each example of a step is, by its number in all files, in place of its documents."""
        return [[number] for number in self._numbers(step, batch_size).tolist()]

    def split(self, held_out: float = 0.05, seed: int = 0) -> tuple[Self, Self]:
        """Divide the records into those to train on and those to evaluate on.

        Records that were made from one text with several masks may come to be on both sides, which flatters the
        evaluation; where there are records of other texts, evaluate on these.

        Args:
            held_out: share of the records that is held out; at least one, and not all.
            seed: which ones, from 0 to 2^63 - 1.

        Returns:
            The two views, train and held out.

        Raises:
            InputError: the share is out of its range, or there is but one record.
        """
        if not 0 < held_out < 1:
            raise InputError(f"the held-out share is {held_out}; give one between 0 and 1")
        total = len(self.files)
        if total < 2:
            raise InputError(f"there is one record in {self.files.names[0]}; there is nothing to hold out")
        count = min(max(1, round(held_out * total)), total - 1)
        key = int(random_bits(seed, _SPLIT))
        return self._view(count, total - count, key), self._view(0, count, key)

    def records(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Return records by their numbers in all files, in the form of `examples`.

        Args:
            numbers: integers [rows].

        Raises:
            InputError: one does not fit or is damaged.
        """
        parsed = [self._parse(number) for number in numbers.tolist()]
        sizes = {**dict.fromkeys(_TOKENS, self.length), **dict.fromkeys(_SLOTS, self.predictions)}
        sizes |= {LABELS: 1} if self.next_sentence else {}
        for number, arrays in zip(numbers.tolist(), parsed, strict=True):
            for key in sizes.keys() | arrays.keys():
                found, wanted = (len(arrays[key]) if key in arrays else 0), sizes.get(key, 0)
                if found != wanted:
                    raise self._error(number, f"its {key} has {found} values where {wanted} are expected")
        batch = {key: np.stack([arrays[key] for arrays in parsed]) for key in sizes}
        for key, bound in self._bounds().items():
            if key in batch:
                self._refuse(
                    batch[key], (batch[key] < 0) | (batch[key] >= bound), numbers, f"{key} is to be 0 to {bound - 1}"
                )
        weights = batch["mask_weights"]
        self._refuse(weights, ~((weights >= 0) & (weights < np.inf)), numbers, "mask_weights is to be 0 or more")
        if self.next_sentence:
            batch[LABELS] = batch[LABELS][:, 0]
        return {key: values.astype(_DTYPES.get(key, np.int32)) for key, values in batch.items()}

    def _bounds(self) -> dict[str, int]:
        ids = self.vocabulary.size
        return {
            "token_ids": ids,
            "mask_labels": ids,
            "mask_positions": self.length,
            "segment_ids": 2,
            "padding_mask": 2,
            LABELS: 2,
        }

    def _refuse(self, values: np.ndarray, wrong: np.ndarray, numbers: np.ndarray, rule: str) -> None:
        """Raise an error for the first value that is wrong, if one is."""
        if wrong.any():
            row, column = np.argwhere(wrong)[0].tolist()
            raise self._error(int(numbers[row]), f"{rule}, and has {values[row, column]} at {column}")

    def _parse(self, number: int) -> dict[str, np.ndarray]:
        data = self.files[number]
        try:
            return parse_record(data)
        except ValueError as error:
            raise self._error(number, str(error)) from error

    def _error(self, number: int, reason: str) -> InputError:
        return InputError(f"{self.files.place(number)}: {reason}")

    def _numbers(self, step: int, batch_size: int) -> np.ndarray:
        """Return which records the examples of a step are."""
        numbers = step * batch_size + np.arange(batch_size)
        places = self._begin + epoch_order(numbers, self._size, self.seed)[1]
        return permute(places, len(self.files), self._key) if self._key else places

    def _view(self, begin: int, size: int, key: int) -> Self:
        """Return the records at some places of a permutation of all of them."""
        view = copy.copy(self)
        view._begin, view._size, view._key = begin, size, key
        return view
