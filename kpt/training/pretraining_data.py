"""What a pre-training learns from and is evaluated on: a token store, or records that are masked already."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpt.data import Batches, MaskedRecords, TokenStore
from kpt.errors import InputError
from kpt.objectives import Pretrainer
from kpt.objectives.static_masking import MANIFEST, RECORDS_FORMAT
from kpt.text import Tokenizer, load_tokenizer
from kpt.text.sources import Files
from kpt.training.settings import PretrainSettings

__all__ = [
    "Data",
    "Part",
    "PretrainingData",
    "RecordSource",
    "batches_of",
    "content_of",
    "open_data",
    "open_tokenizer",
]

#: The documents, or the records, of one side.
Part = TokenStore | MaskedRecords


@dataclass(frozen=True)
class RecordSource:
    """Masked records to train on in place of a token store, see `kpt.data.MaskedRecords`.

    Args:
        records: files, URLs, patterns or folders; or one folder that `kpt prepare --format tfrecord` wrote, of which
            the records to train on are taken, and the other arguments too unless they are given.
        tokenizer: folder of the tokenizer whose ids the records have.
        validation: the records to evaluate on; by default a share of the others.
    """

    records: Files
    tokenizer: str | os.PathLike[str] | None = None
    validation: Files | None = None

    def complete(self) -> RecordSource:
        """Return this with what the folder says that the records are in.

        Raises:
            InputError: the folder's `records.json` is damaged, or no tokenizer is known.
        """
        names = [self.records] if isinstance(self.records, str | os.PathLike) else list(self.records)
        folder = Path(names[0]) if len(names) == 1 else Path()
        found = self
        if len(names) == 1 and (folder / MANIFEST).is_file():
            train, validation = (_files_of(folder, f"{name}-") for name in ("train", "validation"))
            found = RecordSource(train, self.tokenizer or folder / "tokenizer", self.validation or validation or None)
        if found.tokenizer is None:
            raise InputError(f"no tokenizer is named for the records {names[0]}; pass its folder as --tokenizer")
        return found


Data = str | os.PathLike[str] | RecordSource


@dataclass(frozen=True)
class PretrainingData:
    """What `open_data` opened.

    Attributes:
        tokenizer: whose ids the data have.
        train: what to train on.
        held_out: what to evaluate on.
        description: what the run's configuration keeps of the data.
    """

    tokenizer: Tokenizer
    train: Part
    held_out: Part
    description: dict[str, Any]


def open_data(
    data: Data, settings: PretrainSettings, *, least_held_out: int, takes_records: bool, progress: bool = False
) -> PretrainingData:
    """Open a token store or records, and divide them.

    Args:
        data: folder of the token store, or the records.
        settings: of the run.
        least_held_out: documents that evaluation needs.
        takes_records: whether the pre-training can do with records.
        progress: whether to show how far it is with reading records.

    Raises:
        InputError: the data are damaged, do not fit the settings, or are too few.
    """
    if not isinstance(data, RecordSource):
        return _open_store(data, settings, least_held_out)
    if not takes_records:
        raise InputError("masked records are for the pre-training of BERT alone; give a token store")
    source = data.complete()
    tokenizer = open_tokenizer(source)
    options: dict[str, Any] = {"length": settings.length, "seed": settings.seed, "progress": progress}
    train = MaskedRecords(source.records, tokenizer.vocabulary, **options)
    files = [train.files]
    if source.validation is None:
        train, held_out = train.split(settings.held_out, settings.seed)
    else:
        held_out = MaskedRecords(source.validation, tokenizer.vocabulary, **options)
        files.append(held_out.files)
    for part in (train, held_out):
        if not part.next_sentence:
            raise InputError(f"the records of {part.files.names[0]} have no next_sentence_labels; make them with these")
        if part.predictions != train.predictions:
            raise InputError(
                f"{part.files.place(0)}: its masked_lm_positions has {part.predictions} values, those to train on "
                f"{train.predictions}; make both with the same number"
            )
    description = {
        "store": ", ".join(files[0].names[:3]) + (", ..." if len(files[0].names) > 3 else ""),
        "tokenizer": tokenizer.fingerprint,
        "content": digest([each.fingerprint() for each in files]),
        "records": train.examples_per_epoch + held_out.examples_per_epoch,
    }
    return PretrainingData(tokenizer, train, held_out, description)


def open_tokenizer(data: Data) -> Tokenizer:
    """Return the tokenizer of a store or of records.

    Raises:
        InputError: there is none.
    """
    if isinstance(data, RecordSource):
        folder = data.complete().tokenizer
        assert folder is not None
        return load_tokenizer(folder)
    return load_tokenizer(TokenStore.open(data, verify=False).tokenizer_folder)


def batches_of(examples: Any, model: Pretrainer, **options: Any) -> Batches:
    """Return batches for a model; its objectives corrupt the examples, unless these are records that were masked."""
    return Batches(examples, () if isinstance(examples, MaskedRecords) else model.objectives, **options)


def content_of(store: TokenStore) -> str:
    """Return a fingerprint of a whole store's ids and bounds, the same wherever the store is moved."""
    files = [entry for entry in store.manifest["files"] if not entry["file"].startswith("tokenizer/")]
    return digest(sorted((entry["file"], entry["sha256"]) for entry in files))


def _open_store(data: str | os.PathLike[str], settings: PretrainSettings, least: int) -> PretrainingData:
    store = TokenStore.open(data)
    tokenizer = load_tokenizer(store.tokenizer_folder)
    store.check_tokenizer(tokenizer)
    train, held_out = store.split(settings.held_out, settings.seed)
    if held_out.documents < least:
        raise InputError(
            f"{100 * settings.held_out:g} % of {store.documents:,} documents leaves {held_out.documents} to evaluate "
            f"on, where {least} are the least; raise --held-out, add documents, or prepare "
            "the text with another --documents"
        )
    description = {
        "store": str(store.folder),
        "tokenizer": store.tokenizer_fingerprint,
        "content": content_of(store),
        **store.summary,
    }
    return PretrainingData(tokenizer, train, held_out, description)


def _files_of(folder: Path, beginning: str) -> list[Path]:
    """Return the files of a folder that `kpt prepare --format tfrecord` wrote whose names begin so."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        ours = manifest["format"] == RECORDS_FORMAT
        names = [Path(str(entry["file"])).name for entry in manifest["files"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{folder / MANIFEST} cannot be read ({error}); name the files of the records") from error
    if not ours:
        raise InputError(f"{folder / MANIFEST} is of another program; name the files of the records")
    return [folder / name for name in names if name.startswith(beginning)]


def digest(content: Any) -> str:
    """Return the hex sha256 of JSON values."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
