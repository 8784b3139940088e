from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpt import InputError
from kpt.data import prepare
from kpt.text import Document, WordTokenizer
from kpt.text.symbols import SymbolCorpus


class Lines(SymbolCorpus):
    """A document a line."""

    def _read(self, path: Path, lines: Iterator[str]) -> Iterator[Document]:
        for number, line in enumerate(lines, 1):
            yield Document(line, source=str(path), position=number)


def test_files_are_read_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfa b\r\nb \xff\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"c a"))
    corpus = Lines([tmp_path / "a.txt", tmp_path / "b.txt.gz"])
    for _ in range(2):
        assert [(document.text, document.position) for document in corpus] == [("a b", 1), ("b \ufffd", 2), ("c a", 1)]
        assert corpus.problems == {"invalid_utf8": 1}
        assert corpus.bytes_read == corpus.size_bytes > 0
    tokenizer = WordTokenizer.train(corpus, minimum_frequency=2)
    store = prepare(corpus, tokenizer, tmp_path / "store", split=str.splitlines)
    assert store.summary["tokens"] == 6 and store.summary["problems"] == {"invalid_utf8": 1}


def test_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    with pytest.raises(InputError, match=r"no sequence was found in .*empty\.txt"):
        list(Lines(tmp_path / "empty.txt"))
    with pytest.raises(InputError, match="does not exist"):
        Lines(tmp_path / "missing.txt")
