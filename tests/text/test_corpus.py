from __future__ import annotations

import gzip
import json
import pickle
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kpt import InputError
from kpt.text import Corpus, Document
from kpt.text.clean import fold_case, strip_html

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def parts(corpus: Corpus, count: int) -> list[Document]:
    return [document for index in range(count) for document in corpus.shard(index, count)]


def test_every_kind_of_file(write: Write) -> None:
    files = [
        write("a.txt", "one\n\ntwo\n"),
        write("b.jsonl", '{"text": "three", "id": "x", "label": 0}\n'),
        write("c.csv.gz", gzip.compress(b"label,text\nneg,four\n")),
        write("d.tsv", "text\nfive\n"),
    ]
    assert [(one.text, one.label, one.id, Path(str(one.source)).name, one.position) for one in Corpus(files)] == [
        ("one", None, None, "a.txt", 1),
        ("two", None, None, "a.txt", 3),
        ("three", "0", "x", "b.jsonl", 1),
        ("four", "neg", None, "c.csv.gz", 2),
        ("five", None, None, "d.tsv", 2),
    ]


@pytest.mark.parametrize(
    ("documents", "texts"),
    [
        ("auto", ["one\ntwo", "three"]),
        ("blank-line", ["one\ntwo", "three"]),
        ("line", ["one", "two", "three"]),
        ("file", ["one\ntwo\n\nthree"]),
        ("wikitext", ["one\ntwo\n\nthree"]),
    ],
)
def test_how_text_is_divided(write: Write, documents: str, texts: list[str]) -> None:
    assert list(Corpus(write("a.txt", "one\ntwo\n\nthree\n"), documents=documents).texts()) == texts  # type: ignore[arg-type]


def test_a_corpus_is_iterated_again_and_again(write: Write) -> None:
    corpus = Corpus(write("a.txt", "one\n\0two\n"))
    assert list(corpus) == list(corpus) == list(pickle.loads(pickle.dumps(corpus)))
    assert corpus.problems == {"nul": 1}
    assert corpus.bytes_read == corpus.size_bytes == 9


def test_fields_and_cleaning(write: Write) -> None:
    path = write("a.jsonl", '{"body": "<p>One</p>"}\n{"body": "<br>"}\n')
    corpus = Corpus(path, text_field="body", clean=[strip_html, str.strip, fold_case])
    assert list(corpus.texts()) == ["one"]
    assert corpus.problems == {"empty": 1}


def test_long_documents_are_cut_in_every_kind_of_file(write: Write) -> None:
    files = [write("a.txt", "aaaa bbbb cccc\n"), write("b.jsonl", '{"text": "aaaa bbbb cccc", "label": "x"}\n')]
    corpus = Corpus(files, maximum_characters=10)
    assert [(one.text, one.label) for one in corpus] == [
        ("aaaa bbbb", None),
        ("cccc", None),
        ("aaaa bbbb", "x"),
        ("cccc", "x"),
    ]
    assert corpus.problems == {"long_document": 2}


def test_problems_are_counted_by_file(write: Write) -> None:
    write("a.txt", b"\xef\xbb\xbfcaf\xe9\n\nna\0ive\r\n")
    write("b.txt", "")
    write("c.jsonl", '{"text": ""}\n')
    corpus = Corpus(write("d.txt", "fine\n").parent)
    assert list(corpus.texts()) == ["caf\ufffd", "naive", "fine"]
    assert corpus.problems == {"invalid_utf8": 1, "nul": 1, "empty_file": 2, "empty": 1}


def test_an_empty_corpus_is_an_error_where_it_is_read(write: Write) -> None:
    corpus = Corpus([write("a.txt", ""), write("b.txt", " \n\n")])
    with pytest.raises(InputError, match=r"no document was found in .*a\.txt, .*b\.txt; give files with text"):
        list(corpus)
    assert corpus.problems == {"empty_file": 2, "empty": 2}
    many = Corpus([write(f"{name}.txt", "") for name in "abcde"])
    with pytest.raises(InputError, match=r"c\.txt and 2 more; give"):
        list(many)


def test_wrong_arguments(write: Write, tmp_path: Path) -> None:
    path = write("a.txt", "one")
    with pytest.raises(InputError, match="documents is 'page'; choose one of auto, blank-line, line, file, wikitext"):
        Corpus(path, documents="page")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="maximum_characters is 1"):
        Corpus(path, maximum_characters=1)
    with pytest.raises(InputError, match=r"gone\.txt does not exist"):
        Corpus(tmp_path / "gone.txt")
    for index, count in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(InputError, match=f"shard {index} of {count} does not exist"):
            Corpus(path).shard(index, count)


HOSTILE = "a\n\n\r\nbb b\r\rc\0c\n \t\nééé\ufeff\n= x =\n\n\x0c\n😀 \u2028d\n" * 3 + "x" * 40 + "\n\nlast one"


@pytest.mark.parametrize("documents", ["auto", "blank-line", "line", "file", "wikitext"])
@pytest.mark.parametrize("limit", [30, 1000])
def test_shards_hold_each_document_once_in_order(write: Write, documents: str, limit: int) -> None:
    lines = "".join(json.dumps({"text": f"record {number} " + "é" * number}) + "\r\n" for number in range(9))
    files = [
        write("a.txt", HOSTILE.encode() + b"\xff\xc3\n\nend"),
        write("b.txt", ""),
        write("c.jsonl", lines),
        write("d.csv", 'text\n"one\n\ntwo"\nthree\n'),
        write("e.txt.gz", gzip.compress(b"four\n\nfive\n")),
        write("f.txt", "six"),
    ]
    corpus = Corpus(files, documents=documents, maximum_characters=limit)  # type: ignore[arg-type]
    whole = [(one.text, one.source) for one in corpus]
    problems = +corpus.problems
    for count in (1, 2, 3, 5, 17, 200):
        shards = [corpus.shard(index, count) for index in range(count)]
        assert [(one.text, one.source) for shard in shards for one in shard] == whole
        counted = sum((shard.problems for shard in shards), Counter[str]())
        assert {**counted, "empty_file": 1} == problems
        assert sum(shard.size_bytes for shard in shards) == corpus.size_bytes


def test_shards_of_shards(write: Write) -> None:
    corpus = Corpus(write("a.txt", "".join(f"line {number}\n" for number in range(100))))
    nested = [one.text for outer in range(3) for inner in range(4) for one in corpus.shard(outer, 3).shard(inner, 4)]
    assert nested == list(corpus.texts())
    assert [len(list(corpus.shard(index, 4))) for index in range(4)] == [26, 25, 25, 24]


def test_positions_in_shards(write: Write) -> None:
    corpus = Corpus(write("a.txt", "one\ntwo\nthree\nfour\n"))
    assert [one.position for one in parts(corpus, 2)] == [1, 2, 3, None]


def test_an_error_in_a_shard_names_the_line_of_the_file(write: Write) -> None:
    path = write("a.jsonl", '{"text": "good"}\n' * 50 + "bad\n" + '{"text": "good"}\n' * 5)
    shard = Corpus(path).shard(3, 4)
    with pytest.raises(InputError, match=r"a\.jsonl, line 51: not JSON"):
        list(shard)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("lines.txt", b"one line of text that goes on for quite a while " * 40 + b"\n"),
        ("paragraphs.txt", b"one paragraph\nof several lines\n" * 60 + b"\n"),
        ("one_line.txt", b"one line without an end "),
        ("one_word.txt", b"x" * 64),
        ("blank.txt", b"                                "),
        ("records.jsonl", b'{"text": "' + b"one record of a file with many of them " * 50 + b'"}\n'),
    ],
)
def test_memory_does_not_grow_with_the_file(write: Write, name: str, unit: bytes) -> None:
    size = 30_000_000
    path = write(name, b"start\n\n" * (name == "blank.txt") + unit * (size // len(unit)))
    corpus = Corpus(path)
    tracemalloc.start()
    characters = sum(len(text) for text in corpus.texts())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert characters == 5 or characters > 0.9 * size
    assert peak < 16_000_000


def test_a_line_of_many_megabytes_becomes_documents_of_at_most_one(write: Write) -> None:
    corpus = Corpus(write("a.txt", "word " * 1_000_000))
    lengths = [len(text) for text in corpus.texts()]
    assert lengths == [1048574, 1048574, 1048574, 1048574, 805699]
    assert corpus.problems == {"long_document": 1}
