"""Writing a token store: shards of ids and their offsets, hashed while they are written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from kpt.files import write_json

__all__ = ["FORMAT", "VERSION", "StoreWriter", "TokenizerLike", "hash_file", "token_dtype"]

FORMAT = "kpt-token-store"
VERSION = 1
#: First token of each sentence, first sentence of each document, first token of each document; then the total.
OFFSET_FILES = ("sentence_tokens.bin", "document_sentences.bin", "document_tokens.bin")


class TokenizerLike(Protocol):
    """What a store keeps of a tokenizer."""

    @property
    def fingerprint(self) -> str:
        """Hex digest of everything that decides which ids a text gets."""

    @property
    def vocabulary(self) -> Any:
        """The `kpt.text.Vocabulary`."""

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files."""


def token_dtype(vocabulary_size: int) -> np.dtype:
    """Return the little-endian type that holds the ids: uint16 up to 65,536 pieces, uint32 above."""
    return np.dtype("<u2" if vocabulary_size <= 1 << 16 else "<u4")


def hash_file(path: Path) -> str:
    """Return the hex sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


class StoreWriter:
    """Writes the files of a token store into a folder, documents in the order they come.

    A document is never divided between shards. What is written depends on the documents alone, not on how they were
    grouped into calls of `add`.

    Args:
        folder: an empty folder, best the temporary one of `kpt.files.atomic_folder`.
        tokenizer: its files are copied to `folder/tokenizer`.
        shard_tokens: a shard takes documents until it has this many tokens.
    """

    def __init__(self, folder: Path, tokenizer: TokenizerLike, *, shard_tokens: int = 1 << 26) -> None:
        self.folder = folder
        self.tokenizer = tokenizer
        self.shard_tokens = shard_tokens
        self.dtype = token_dtype(tokenizer.vocabulary.size)
        self.documents = self.sentences = self.tokens = 0
        self._finished: dict[str, dict[str, Any]] = {}
        self._shard: _HashedFile | None = None
        self._shards: list[dict[str, Any]] = []
        self._offsets = [_HashedFile(folder / name) for name in OFFSET_FILES]
        for file in self._offsets:
            file.write(np.zeros(1, "<i8"))

    def add(self, token_ids: np.ndarray, sentence_lengths: np.ndarray, sentence_counts: np.ndarray) -> None:
        """Append documents.

        Args:
            token_ids: the ids of all their sentences, one after the other.
            sentence_lengths: tokens of each sentence, each at least 1.
            sentence_counts: sentences of each document, each at least 1.
        """
        sentence_ends = np.cumsum(sentence_lengths, dtype=np.int64)
        document_ends = np.cumsum(sentence_counts, dtype=np.int64)
        token_ends = sentence_ends[document_ends - 1] if len(document_ends) else document_ends
        self._offsets[0].write((self.tokens + sentence_ends).astype("<i8"))
        self._offsets[1].write((self.sentences + document_ends).astype("<i8"))
        self._offsets[2].write((self.tokens + token_ends).astype("<i8"))
        written = 0
        while written < len(token_ids):
            shard = self._open_shard()
            room = self.shard_tokens - shard.bytes // self.dtype.itemsize
            last = min(int(np.searchsorted(token_ends, written + room)), len(token_ends) - 1)
            stop = int(token_ends[last])
            shard.write(token_ids[written:stop].astype(self.dtype))
            written = stop
            if shard.bytes >= self.shard_tokens * self.dtype.itemsize:
                self._close_shard()
        self.documents += len(sentence_counts)
        self.sentences += len(sentence_lengths)
        self.tokens += len(token_ids)

    def finish(self, **summary: Any) -> dict[str, Any]:
        """Write the tokenizer and the manifest; return the manifest.

        Args:
            summary: further counts to keep, such as the bytes of text and the problems met.
        """
        self._close_shard()
        for file in self._offsets:
            file.close()
        self.tokenizer.save(self.folder / "tokenizer")
        files = [*self._shards, *(file.entry() for file in self._offsets)]
        for path in sorted((self.folder / "tokenizer").iterdir()):
            files.append({"file": f"tokenizer/{path.name}", "bytes": path.stat().st_size, "sha256": hash_file(path)})
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "dtype": self.dtype.name,
            "documents": self.documents,
            "sentences": self.sentences,
            "tokens": self.tokens,
            **summary,
            "tokenizer": self.tokenizer.fingerprint,
            "vocabulary_size": self.tokenizer.vocabulary.size,
            "shards": [entry["file"] for entry in self._shards],
            "files": files,
        }
        write_json(self.folder / "manifest.json", manifest)
        return manifest

    def close(self) -> None:
        """Close the files of a store that is given up."""
        for file in [*self._offsets, *([self._shard] if self._shard else [])]:
            file.close()

    def _open_shard(self) -> _HashedFile:
        if self._shard is None:
            self._shard = _HashedFile(self.folder / f"tokens-{len(self._shards):05d}.bin")
        return self._shard

    def _close_shard(self) -> None:
        if self._shard is not None:
            self._shard.close()
            self._shards.append(self._shard.entry())
            self._shard = None


class _HashedFile:
    """A file that is hashed and counted while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = 0
        self._digest = hashlib.sha256()
        self._file: BinaryIO = path.open("wb")

    def write(self, array: np.ndarray) -> None:
        data = np.ascontiguousarray(array).data.cast("B") if array.size else b""
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)

    def close(self) -> None:
        self._file.close()

    def entry(self) -> dict[str, Any]:
        return {"file": self.path.name, "bytes": self.bytes, "sha256": self._digest.hexdigest()}
