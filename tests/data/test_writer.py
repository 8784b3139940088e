from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from kpt.data.writer import StoreWriter, hash_file, token_dtype
from tests.data.conftest import tokenizer_of


def test_what_is_on_the_disk(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, tokenizer_of(20), shard_tokens=4)
    writer.add(np.array([5, 6, 7, 8, 9]), np.array([2, 1, 2]), np.array([2, 1]))
    writer.add(np.array([10, 11]), np.array([2]), np.array([1]))
    manifest = writer.finish(bytes=30, problems={"nul": 2})
    assert (tmp_path / "tokens-00000.bin").read_bytes() == bytes([5, 0, 6, 0, 7, 0, 8, 0, 9, 0])
    assert (tmp_path / "tokens-00001.bin").read_bytes() == bytes([10, 0, 11, 0])
    offsets = {path.stem: np.fromfile(path, "<i8").tolist() for path in tmp_path.glob("*_*.bin")}
    assert offsets == {
        "sentence_tokens": [0, 2, 3, 5, 7],
        "document_sentences": [0, 2, 3, 4],
        "document_tokens": [0, 3, 5, 7],
    }
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest
    counted = ("format", "version", "dtype", "documents", "sentences", "tokens", "bytes", "problems", "vocabulary_size")
    assert [manifest[key] for key in counted] == ["kpt-token-store", 1, "uint16", 3, 4, 7, 30, {"nul": 2}, 20]
    assert manifest["shards"] == ["tokens-00000.bin", "tokens-00001.bin"]
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {entry["file"] for entry in manifest["files"]} == files - {"manifest.json"}
    for entry in manifest["files"]:
        content = (tmp_path / entry["file"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_bytes_do_not_depend_on_how_documents_are_grouped(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 9, 60)
    counts = np.full(20, 3)
    ids = generator.integers(5, 20, lengths.sum())
    manifests = []
    for name, group in (("one", 1), ("seven", 7), ("all", 20)):
        (tmp_path / name).mkdir()
        writer = StoreWriter(tmp_path / name, tokenizer_of(20), shard_tokens=50)
        for first in range(0, 20, group):
            sentences = slice(3 * first, 3 * (first + group))
            begin, end = lengths[: sentences.start].sum(), lengths[: sentences.stop].sum()
            writer.add(ids[begin:end], lengths[sentences], counts[first : first + group])
        manifests.append(writer.finish(bytes=0, problems={}))
    assert manifests[0] == manifests[1] == manifests[2]
    assert len(manifests[0]["shards"]) == 6


def test_large_vocabularies_take_four_bytes() -> None:
    assert [token_dtype(size).str for size in (100, 65_536, 65_537)] == ["<u2", "<u2", "<u4"]


def test_a_file_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 1_000_000)
    assert hash_file(tmp_path / "a") == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
