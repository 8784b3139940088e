"""Ids on disk, and ids to batches. Making `Batches` loads keras when it is first used; nothing else here does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpt.data.conll import TaggedWords, bio_tag_names, read_conll
from kpt.data.labelled import LabelledTexts, label_ids, label_names, read_labelled
from kpt.data.masked_records import MaskedRecords
from kpt.data.packed import PackedSequences
from kpt.data.pairs import SentencePairs
from kpt.data.prepare import prepare
from kpt.data.segments import Segments
from kpt.data.squad import Questions, read_squad
from kpt.data.store import TokenStore
from kpt.data.text_sequences import EncodedTexts, Marks, encode_texts, sequence_marks
from kpt.data.windows import Windows
from kpt.lazy import lazy_names

if TYPE_CHECKING:
    from kpt.data.batches import Batches
    from kpt.data.labelled_batches import LabelledBatches, LabelledExamples
    from kpt.data.task_mixture import TaskMixture

__all__ = [
    "Batches",
    "EncodedTexts",
    "LabelledBatches",
    "LabelledExamples",
    "LabelledTexts",
    "Marks",
    "MaskedRecords",
    "PackedSequences",
    "Questions",
    "Segments",
    "SentencePairs",
    "TaggedWords",
    "TaskMixture",
    "TokenStore",
    "Windows",
    "bio_tag_names",
    "encode_texts",
    "label_ids",
    "label_names",
    "prepare",
    "read_conll",
    "read_labelled",
    "read_squad",
    "sequence_marks",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Batches": "kpt.data.batches",
        "LabelledBatches": "kpt.data.labelled_batches",
        "LabelledExamples": "kpt.data.labelled_batches",
        "TaskMixture": "kpt.data.task_mixture",
    },
)
