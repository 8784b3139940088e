"""The token store: the ids of a corpus on disk, with random access by document and sentence."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from kpt.data.permutation import permute, random_bits
from kpt.data.writer import FORMAT, OFFSET_FILES, VERSION, TokenizerLike, hash_file
from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary

__all__ = ["TokenStore"]

_SPLIT = 0x5917


class TokenStore:
    """The ids of a corpus: documents of sentences of tokens, in files that are mapped into memory, never loaded whole.

    All documents stand one after the other in one stream of tokens; a position is an index into that stream. Documents
    have numbers from 0. `kpt.data.prepare` writes a store, `TokenStore.open` opens one, and `split` gives views of it
    that number a part of the documents and share its files.

    Attributes:
        folder: where the store is.
        manifest: the content of `manifest.json`.
        documents: number of documents, of this view.
        sentences: number of sentences, of this view.
        tokens: number of tokens, of this view.
    """

    def __init__(
        self,
        folder: Path,
        manifest: dict[str, Any],
        shards: list[np.ndarray],
        offsets: tuple[np.ndarray, np.ndarray, np.ndarray],
        runs: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        self.folder, self.manifest = folder, manifest
        self._shards = shards
        self._shard_starts = np.cumsum([0, *(len(shard) for shard in shards)], dtype=np.int64)
        self._sentence_tokens, self._document_sentences, self._document_tokens = self._offsets = offsets
        self.documents: int = manifest["documents"]
        self.sentences: int = manifest["sentences"]
        self.tokens: int = manifest["tokens"]
        self._runs = runs
        if runs is not None:  # first document of each run of documents that follow each other, and the run's length
            first, length = runs
            self._run_shift = first - (np.cumsum(length) - length)
            self._run_ends = np.cumsum(length)
            self.documents = int(length.sum())
            self.sentences = int((self._document_sentences[first + length] - self._document_sentences[first]).sum())
            self.tokens = int((self._document_tokens[first + length] - self._document_tokens[first]).sum())

    @classmethod
    def open(cls, folder: str | os.PathLike[str], verify: bool = True) -> TokenStore:
        """Open a store.

        Args:
            folder: what `prepare` wrote.
            verify: whether to read every file and compare its sha256; the sizes are compared in any case.

        Raises:
            InputError: it is no store, one of another format version, or a file is missing or damaged; the message
                names the file.
        """
        manifest = _read_manifest(path := Path(folder))
        for entry in manifest["files"]:
            _check_file(path, entry, verify)
        shards = [_map(path / name, np.dtype(manifest["dtype"]).newbyteorder("<")) for name in manifest["shards"]]
        sentence_tokens, document_sentences, document_tokens = (_map(path / n, np.dtype("<i8")) for n in OFFSET_FILES)
        totals = (
            (sentence_tokens, manifest["sentences"], manifest["tokens"]),
            (document_sentences, manifest["documents"], manifest["sentences"]),
            (document_tokens, manifest["documents"], manifest["tokens"]),
        )
        if sum(map(len, shards)) != manifest["tokens"] or any(
            len(offsets) != count + 1 or offsets[-1] != total for offsets, count, total in totals
        ):
            raise InputError(f"the counts in {path / 'manifest.json'} are not those of its files; prepare it again")
        return cls(path, manifest, shards, (sentence_tokens, document_sentences, document_tokens))

    @property
    def tokenizer_fingerprint(self) -> str:
        """Fingerprint of the tokenizer that wrote the store."""
        return self.manifest["tokenizer"]

    @property
    def tokenizer_folder(self) -> Path:
        """The copy of the tokenizer inside the store, for `kpt.text.load_tokenizer`."""
        return self.folder / "tokenizer"

    @property
    def summary(self) -> dict[str, Any]:
        """Counts of the whole store: documents, sentences, tokens, bytes of text, and problems met by `prepare`."""
        return {key: self.manifest[key] for key in ("documents", "sentences", "tokens", "bytes", "problems")}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer's pieces and special ids."""
        from kpt.text.tokenizer import load_tokenizer

        return load_tokenizer(self.tokenizer_folder).vocabulary

    def check_tokenizer(self, tokenizer: TokenizerLike) -> None:
        """Make sure that a tokenizer is the one that wrote the store.

        Raises:
            InputError: it is another one.
        """
        if tokenizer.fingerprint != self.tokenizer_fingerprint:
            raise InputError(
                f"the token store {self.folder} was written with another tokenizer "
                f"({self.tokenizer_fingerprint[:12]}, not {tokenizer.fingerprint[:12]}); "
                f"use the one in {self.tokenizer_folder} or prepare the text again"
            )

    def document(self, index: int) -> list[np.ndarray]:
        """Return the sentences of a document, each a read-only array of ids.

        Raises:
            IndexError: there is no such document.
        """
        if not 0 <= index < self.documents:
            raise IndexError(f"document {index} is not below {self.documents}")
        whole = int(self._whole_index(np.asarray([index]))[0])
        first, last = self._document_sentences[whole], self._document_sentences[whole + 1]
        begin, end = self._document_tokens[whole], self._document_tokens[whole + 1]
        shard = int(np.searchsorted(self._shard_starts, begin, side="right")) - 1
        tokens = self._shards[shard][begin - self._shard_starts[shard] : end - self._shard_starts[shard]]
        return np.split(tokens, self._sentence_tokens[first + 1 : last] - begin)

    def document_spans(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions where documents start, and one past where they end (int64, the shape of `indices`)."""
        whole = self._whole_index(indices)
        return self._document_tokens[whole], self._document_tokens[whole + 1]

    def sentences_at(self, positions: np.ndarray) -> np.ndarray:
        """Return the number, in the whole store, of the sentence that each position lies in."""
        return np.searchsorted(self._sentence_tokens, positions, side="right") - 1

    def documents_at(self, positions: np.ndarray) -> np.ndarray:
        """Return the number, in the whole store, of the document that each position lies in."""
        return np.searchsorted(self._document_tokens, positions, side="right") - 1

    def sentence_starts(self, sentences: np.ndarray) -> np.ndarray:
        """Return the positions where sentences start."""
        return self._sentence_tokens[sentences]

    def copy_tokens(
        self,
        out: np.ndarray,
        column: np.ndarray | int,
        start: np.ndarray,
        length: np.ndarray,
        row: np.ndarray | None = None,
    ) -> None:
        """Copy pieces of documents into a matrix: `out[row[i], column[i]:][:length[i]] = stream[start[i]:]`.

        Args:
            out: integers [rows, width]; written to.
            column: where in its row each piece goes, [n] or one number.
            start: positions, [n].
            length: tokens of each piece, [n].
            row: the row of each piece, [n]; by default piece i goes to row i.
        """
        shard = np.searchsorted(self._shard_starts, start, side="right") - 1
        local = start - self._shard_starts[shard]
        columns = np.broadcast_to(column, start.shape)
        rows = np.arange(len(start)) if row is None else row
        places = zip(rows.tolist(), shard.tolist(), local.tolist(), columns.tolist(), length.tolist(), strict=True)
        for at, number, begin, first, count in places:
            out[at, first : first + count] = self._shards[number][begin : begin + count]

    def stream(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return tokens `start` to `stop - 1` of this view's documents, one after the other, and where sentences begin.

        Args:
            start: number of the first token, counted within this view.
            stop: one past that of the last; more than `tokens` is taken as `tokens`.

        Returns:
            Ids [n], and the ascending indices into them at which sentences begin, int64; the first token is among
            them only if a sentence begins with it.
        """
        ids: list[np.ndarray] = []
        begins: list[np.ndarray] = []
        done = 0
        for begin, end in self._positions(start, min(stop, self.tokens)):
            first, last = np.searchsorted(self._sentence_tokens, (begin, end))
            begins.append(self._sentence_tokens[first:last] - begin + done)
            done += end - begin
            while begin < end:
                shard = int(np.searchsorted(self._shard_starts, begin, side="right")) - 1
                offset = int(self._shard_starts[shard])
                ids.append(self._shards[shard][begin - offset : end - offset])
                begin += len(ids[-1])
        if not ids:
            return np.zeros(0, np.dtype(self.manifest["dtype"])), np.zeros(0, np.int64)
        return (ids[0] if len(ids) == 1 else np.concatenate(ids)), np.concatenate(begins)

    def counts(self) -> np.ndarray:
        """Return how often each id is in this view's documents, int64 [vocabulary size]; reads them all."""
        total = np.zeros(self.manifest["vocabulary_size"], np.int64)
        for start in range(0, self.tokens, 1 << 22):
            total += np.bincount(self.stream(start, start + (1 << 22))[0], minlength=len(total))
        return total

    def split(self, held_out: float = 0.05, seed: int = 0) -> tuple[TokenStore, TokenStore]:
        """Divide the documents into those to train on and those to evaluate on.

        Args:
            held_out: share of the documents that is held out; at least one, and not all.
            seed: which ones, from 0 to 2^63 - 1; the same seed gives the same documents for ever.

        Returns:
            The two views, train and held out.

        Raises:
            InputError: the share or the seed is out of its range, this is a view already, or there are fewer than two
                documents.
        """
        if not 0 < held_out < 1:
            raise InputError(f"the held-out share is {held_out}; give one between 0 and 1")
        if not 0 <= seed < 1 << 63:
            raise InputError(f"the seed is {seed}; give a number from 0 to 2^63 - 1")
        if self._runs is not None:
            raise InputError("this store is a view already; split the whole store")
        if self.documents < 2:
            raise InputError(f"the token store {self.folder} has one document; there is nothing to hold out")
        count = min(max(1, round(held_out * self.documents)), self.documents - 1)
        chosen = np.sort(permute(np.arange(count), self.documents, key=int(random_bits(seed, _SPLIT))))
        kept_first, kept_end = np.append(0, chosen + 1), np.append(chosen, self.documents)
        return self._view(kept_first, kept_end - kept_first), self._view(chosen, np.ones_like(chosen))

    def _view(self, first: np.ndarray, length: np.ndarray) -> TokenStore:
        some = length > 0
        return TokenStore(self.folder, self.manifest, self._shards, self._offsets, (first[some], length[some]))

    def _positions(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The ranges of the whole store's stream that hold tokens `start` to `stop - 1` of this view."""
        if self._runs is None:
            return [(start, stop)] if start < stop else []
        begins, ends = self._run_tokens
        pieces = []
        run = int(np.searchsorted(ends, start, side="right"))
        while start < stop:
            end = min(stop, int(ends[run]))
            shift = int(begins[run])
            pieces.append((start + shift, end + shift))
            start, run = end, run + 1
        return pieces

    @cached_property
    def _run_tokens(self) -> tuple[np.ndarray, np.ndarray]:
        """How far each run of documents is moved in the whole store's stream, and where it ends in this view's."""
        assert self._runs is not None
        first, length = self._runs
        starts = self._document_tokens[first]
        ends = np.cumsum(self._document_tokens[first + length] - starts)
        return starts - np.concatenate([np.zeros(1, np.int64), ends[:-1]]), ends

    def _whole_index(self, indices: np.ndarray) -> np.ndarray:
        """Turn this view's document numbers into the whole store's."""
        if self._runs is None:
            return indices
        return indices + self._run_shift[np.searchsorted(self._run_ends, indices, side="right")]


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder} is no token store (it has no manifest.json); write one with prepare") from error
    except (OSError, ValueError) as error:
        raise InputError(f"the manifest {path} cannot be read ({error}); prepare the store again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path} is not the manifest of a token store; give a folder that prepare wrote")
    if manifest.get("version") != VERSION:
        raise InputError(
            f"the token store {folder} has format version {manifest.get('version')}, this kpt reads {VERSION}; "
            "prepare it again"
        )
    try:
        whole = [manifest[key] for key in ("documents", "sentences", "tokens", "bytes", "vocabulary_size")]
        names = [entry["file"] for entry in manifest["files"]]
        complete = (
            all(isinstance(number, int) and number >= 0 for number in whole)
            and all(isinstance(entry["bytes"], int) and isinstance(entry["sha256"], str) for entry in manifest["files"])
            and all(".." not in PurePosixPath(name).parts and not PurePosixPath(name).is_absolute() for name in names)
            and set(OFFSET_FILES) | set(manifest["shards"]) <= set(names)
            and manifest["dtype"] in ("uint16", "uint32")
            and isinstance(manifest["tokenizer"], str)
            and isinstance(manifest["problems"], dict)
        )
    except (KeyError, TypeError):
        complete = False
    if not complete:
        raise InputError(f"the manifest {path} is incomplete; prepare the store again")
    return manifest


def _check_file(folder: Path, entry: dict[str, Any], verify: bool) -> None:
    path = folder / entry["file"]
    if not path.is_file():
        raise InputError(f"the token store {folder} lacks its file {entry['file']}; prepare it again")
    if (size := path.stat().st_size) != entry["bytes"]:
        raise InputError(
            f"the file {entry['file']} of the token store {folder} has {size} bytes instead of {entry['bytes']}; "
            "prepare it again"
        )
    if verify and hash_file(path) != entry["sha256"]:
        raise InputError(
            f"the file {entry['file']} of the token store {folder} is damaged (its sha256 differs); prepare it again"
        )


def _map(path: Path, dtype: np.dtype) -> np.ndarray:
    """Map a file into memory, as a plain array: slicing a `numpy.memmap` object costs ten times as much."""
    if path.stat().st_size % dtype.itemsize:
        raise InputError(f"the size of {path} is no multiple of {dtype.itemsize} bytes; prepare the store again")
    return np.asarray(np.memmap(path, dtype, mode="r"))
