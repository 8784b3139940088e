"""Text to records of BERT pre-training that are masked once and for all, for those who train with other programs.

kpt itself masks anew in every epoch, from a token store; records hold the corpus `dupe_factor` times instead.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kpt.data import Batches, SentencePairs, TokenStore, prepare
from kpt.data.progress import RecordProgress
from kpt.data.record_layouts import LAYOUTS, serialise_record
from kpt.data.record_writer import COMPRESSIONS, MOST_SHARDS, RecordWriter
from kpt.data.segments import check_settings
from kpt.errors import InputError
from kpt.files import atomic_folder, write_json
from kpt.objectives.masked_lm import MaskedLM
from kpt.objectives.masking import prediction_slots
from kpt.text import Corpus, DocumentationCorpus, Tokenizer

__all__ = ["MANIFEST", "RECORDS_FORMAT", "StaticMasking", "prepare_records", "write_records"]

MANIFEST = "records.json"
RECORDS_FORMAT = "kpt-masked-records"
_BATCH = 256
#: Records of a shard, unless told otherwise: about 100 MB at 128 tokens.
_SHARD_RECORDS = 100_000


@dataclass(frozen=True, kw_only=True)
class StaticMasking:
    """How records are made; the names are those of google-research/bert's `create_pretraining_data.py` where it can be.

    Args:
        layout: names of the features, `"bert"` or `"model-garden"`.
        length: tokens of a sequence.
        predictions: slots of masked tokens of a sequence; by default as many as `MaskedLM` has.
        masking_rate: share of the tokens that are masked.
        whole_words: whether all pieces of a word are masked together.
        short_probability: share of the pairs that are shorter than they could be.
        dupe_factor: how often the corpus is gone through, each time with other pairs and masks.
        held_out: share of the documents whose records, of one time through, go to files of their own.
        seed: of all that is random.
        shards: number of files; by default one for each 100,000 records; the validation has as many where it is given.
        compression: `"none"` or `"gzip"`.

    Raises:
        InputError: a value is out of its range, or a name is unknown.
    """

    layout: str = "bert"
    length: int = 128
    predictions: int | None = None
    masking_rate: float = 0.15
    whole_words: bool = False
    short_probability: float = 0.1
    dupe_factor: int = 10
    held_out: float = 0.0
    seed: int = 0
    shards: int | None = None
    compression: str = "none"

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("layout", self.layout, LAYOUTS),
            ("compression", self.compression, COMPRESSIONS),
        ):
            if value not in choices:
                raise InputError(f"the {name} is {value!r}; choose one of {', '.join(choices)}")
        if self.dupe_factor < 1:
            raise InputError(f"dupe_factor is {self.dupe_factor}; give at least 1")
        if not 0 <= self.held_out < 1:
            raise InputError(f"the held-out share is {self.held_out}; give one from 0 to below 1")
        if self.shards is not None and not 1 <= self.shards <= MOST_SHARDS:
            raise InputError(f"the number of shards is {self.shards}; give one from 1 to {MOST_SHARDS}")
        check_settings(self.length, 5, self.seed)
        self.objective()

    @property
    def slots(self) -> int:
        """Slots of masked tokens of a sequence."""
        return self.predictions or prediction_slots(self.length, self.masking_rate, self.whole_words)

    def objective(self) -> MaskedLM:
        """Return what masks the tokens."""
        return MaskedLM(self.masking_rate, self.predictions, self.whole_words)

    def examples(self, store: TokenStore) -> SentencePairs:
        """Return what makes the pairs.

        Raises:
            InputError: the documents or the settings do not do.
        """
        return SentencePairs(store, length=self.length, short_probability=self.short_probability, seed=self.seed)


def write_records(
    store: TokenStore,
    folder: str | os.PathLike[str],
    settings: StaticMasking | None = None,
    *,
    progress: bool | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the documents of a token store as masked records.

    The records are those that `Batches(SentencePairs(store, ...), [MaskedLM(...)], batch_size=256)` gives, so they are
    a pure function of (store, settings). The folder gets `train-00000-of-00004.tfrecord` and so on, `validation-...`
    where documents are held out, `records.json` and the tokenizer; it appears when it is complete.

    Args:
        store: the documents.
        folder: where the records go; it must not exist, or be empty.
        settings: how they are made.
        progress: True: a bar on a terminal and lines elsewhere, on standard error; None: a bar on a terminal alone;
            False: nothing.
        overwrite: replace records that are in the folder.

    Returns:
        What `records.json` says, without the files: `records`, `validation_records`, and the settings.

    Raises:
        InputError: the folder holds something or cannot be written, or the documents or settings do not do.

    Example:
        >>> from kpt.text import Vocabulary, WordPieceTokenizer
        >>> pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "it", "rained", "stopped", "."]
        >>> tokenizer = WordPieceTokenizer(Vocabulary.from_tokens(pieces))
        >>> store = prepare(["It rained. It stopped.", "It rained."], tokenizer, "store")
        >>> written = write_records(store, "records", StaticMasking(length=16, dupe_factor=3))
        >>> written["records"], sorted(path.name for path in Path("records").iterdir())
        (6, ['records.json', 'tokenizer', 'train-00000-of-00001.tfrecord'])

    Source: Devlin et al. 2018, "BERT", and `create_pretraining_data.py` of its code.
    """
    path = Path(folder)
    with atomic_folder(path, overwrite=overwrite and (path / MANIFEST).is_file()) as temporary:
        return _write(store, temporary, settings or StaticMasking(), progress)


def prepare_records(
    corpus: Corpus | DocumentationCorpus,
    tokenizer: Tokenizer,
    folder: str | os.PathLike[str],
    settings: StaticMasking | None = None,
    *,
    workers: int | None = None,
    progress: bool | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the records of a corpus: `kpt.data.prepare`, whose store is put away afterwards, and `write_records`.

    Args:
        corpus: documents, read once.
        tokenizer: gives the ids.
        folder: see `write_records`, as the further arguments; while it is made it also holds the token store.
        settings: how records are made.
        workers: processes that split and encode, see `kpt.data.prepare`.
        progress: whether to show how far it is.
        overwrite: replace records that are in the folder.

    Raises:
        InputError: what `prepare` and `write_records` raise.
    """
    path = Path(folder)
    with atomic_folder(path, overwrite=overwrite and (path / MANIFEST).is_file()) as temporary:
        store = prepare(corpus, tokenizer, temporary / "store", workers=workers, progress=progress)
        counts = store.summary
        result = _write(store, temporary, settings or StaticMasking(), progress)
        shutil.rmtree(temporary / "store")
    return {**counts, **result}


def _write(store: TokenStore, folder: Path, settings: StaticMasking, progress: bool | None) -> dict[str, Any]:
    parts = {"train": (store, settings.dupe_factor)}
    if settings.held_out:
        train, held_out = store.split(settings.held_out, settings.seed)
        parts = {"train": (train, settings.dupe_factor), "validation": (held_out, 1)}
    examples = {name: (settings.examples(part), times) for name, (part, times) in parts.items()}
    counts = {name: times * maker.examples_per_epoch for name, (maker, times) in examples.items()}
    files: list[dict[str, Any]] = []
    done = 0
    with RecordProgress(progress, sum(counts.values())) as display:
        for name, (maker, _) in examples.items():
            shards = settings.shards or min(MOST_SHARDS, math.ceil(counts[name] / _SHARD_RECORDS))
            with closing(RecordWriter(folder, name, shards, settings.compression)) as writer:
                for row in _rows(Batches(maker, [settings.objective()], batch_size=_BATCH, steps=1), counts[name]):
                    writer.write(serialise_record(row, settings.layout))
                    done += 1
                    if done % _BATCH == 0:
                        display.update(done)
                files += writer.finish()
    shutil.copytree(store.tokenizer_folder, folder / "tokenizer")
    summary = {
        "records": counts["train"],
        "validation_records": counts.get("validation", 0),
        **asdict(settings),
        "predictions": settings.slots,
        "shards": len(files),
    }
    content = {
        "format": RECORDS_FORMAT,
        "version": 1,
        **summary,
        "tokenizer": store.tokenizer_fingerprint,
        "vocabulary_size": store.vocabulary.size,
        "files": files,
    }
    write_json(folder / MANIFEST, content)
    return summary


def _rows(batches: Batches, count: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield the first examples one by one."""
    for step in range(math.ceil(count / _BATCH)):
        batch = batches.batch(step)
        for row in range(min(_BATCH, count - step * _BATCH)):
            yield {key: values[row] for key, values in batch.items()}
