from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpt.data import TokenStore, prepare
from kpt.data.workers import can_travel
from kpt.errors import InputError
from kpt.text import (
    BytePairTokenizer,
    CharacterTokenizer,
    Corpus,
    Document,
    SentencePieceTokenizer,
    Tokenizer,
    WordPieceTokenizer,
    load_tokenizer,
    split_sentences,
    whole_document,
)
from tests.data.conftest import tokenizer_of

TOKENIZER = tokenizer_of(50)
LINES = [" ".join(f"w{5 + (i * j) % 45}" for j in range(1, 2 + i % 13)) for i in range(3000)]


def refuse_w17(text: str) -> list[str]:
    if "w17" in text:
        raise ValueError("it has w17")
    return [text]


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_to_store(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("W5 w6. W7 w8!\n\n***\n\nw9\0\n")
    store = prepare(Corpus(tmp_path / "a.txt"), tokenizer_of(20), tmp_path / "store")
    ids = [[sentence.tolist() for sentence in store.document(i)] for i in range(store.documents)]
    assert ids == [[[5, 6, 1], [7, 8, 1]], [[1, 1, 1]], [[9]]]
    assert store.summary["problems"] == {"nul": 1}
    store.check_tokenizer(tokenizer_of(20))
    assert TokenStore.open(tmp_path / "store").summary == store.summary


def test_documents_without_tokens_are_counted(tmp_path: Path) -> None:
    store = prepare(["w5", " ", "w6", "\u200b"], TOKENIZER, tmp_path / "store")
    assert store.summary == {"documents": 2, "sentences": 2, "tokens": 2, "bytes": 8, "problems": {"no_tokens": 2}}


SPACED = ["  One.\n\n\tTwo,  three! \u3000Four?\n", "a\r\n b\n", "\n", "<|endoftext|> é 😀\x0b"] * 40


@pytest.fixture(
    params=[
        lambda texts: BytePairTokenizer.train(texts, 280),
        lambda texts: SentencePieceTokenizer.train(texts, 284),
        lambda texts: CharacterTokenizer.train(texts, end_token=True),
    ],
    ids=["bpe", "sentencepiece", "characters"],
)
def keeping(request: pytest.FixtureRequest) -> Tokenizer:
    """A tokenizer of each kind that keeps white space."""
    tokenizer: Tokenizer = request.param(SPACED)
    return tokenizer


@pytest.mark.parametrize("workers", [1, 2])
def test_white_space_survives_where_the_tokenizer_keeps_it(tmp_path: Path, keeping: Tokenizer, workers: int) -> None:
    store = prepare(SPACED, keeping, tmp_path / "store", workers=workers)
    assert (store.documents, store.sentences) == (len(SPACED), len(SPACED))
    for i, text in enumerate(SPACED):
        (ids,) = store.document(i)
        assert keeping.decode(ids) == text
    assert store.vocabulary == keeping.vocabulary
    store.check_tokenizer(load_tokenizer(store.tokenizer_folder))
    assert can_travel(keeping, whole_document)


def test_a_file_is_a_document_whose_text_comes_back(tmp_path: Path, keeping: Tokenizer) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf\n\n  One.\r\n\r\n\tTwo,  three!\0\n Four?\n\n")
    corpus = Corpus(tmp_path / "a.txt", documents="file")
    store = prepare(corpus, keeping, tmp_path / "store")
    text = keeping.decode(store.document(0)[0])
    assert [text] == list(corpus.texts()) == ["One.\n\n\tTwo,  three!\n Four?"]


def test_sentences_are_split_on_demand(tmp_path: Path) -> None:
    tokenizer = BytePairTokenizer.train(SPACED, 280)
    store = prepare(["One.  Two."], tokenizer, tmp_path / "store", split=split_sentences)
    assert [tokenizer.decode(ids) for ids in store.document(0)] == ["One.", "Two."]


def test_the_bytes_do_not_depend_on_the_workers_nor_on_the_process(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(LINES * 15))
    corpus = Corpus(tmp_path / "lines.txt", documents="line")
    for workers in (1, 2, 3):
        prepare(corpus, TOKENIZER, tmp_path / str(workers), workers=workers, shard_tokens=50_000)
    assert content(tmp_path / "1") == content(tmp_path / "2") == content(tmp_path / "3")
    assert TokenStore.open(tmp_path / "1").documents == 45_000
    assert len(TokenStore.open(tmp_path / "1").manifest["shards"]) == 7


@pytest.mark.parametrize("workers", [1, 2])
def test_the_document_that_fails_is_named(tmp_path: Path, workers: int) -> None:
    (tmp_path / "lines.txt").write_text("w5 w6\nw16\nw17 w5\nw8\n")
    corpus = Corpus(tmp_path / "lines.txt", documents="line")
    with pytest.raises(RuntimeError, match=r"the document at .*lines.txt, line or record 3 could not be encoded: "):
        prepare(corpus, TOKENIZER, tmp_path / "store", split=refuse_w17, workers=workers)
    with pytest.raises(RuntimeError, match=r"^document 2 could not be encoded: refuse_w17 raised ValueError: it has"):
        prepare(["w5", "w17"], TOKENIZER, tmp_path / "store", split=refuse_w17, workers=workers)
    assert names(tmp_path) == ["lines.txt"]


def test_a_splitter_that_cannot_be_sent_runs_here(tmp_path: Path) -> None:
    class LargeCorpus(list[Document]):
        size_bytes = 1 << 30

    corpus = LargeCorpus([Document("w5|w6"), Document("w7")])
    store = prepare(corpus, TOKENIZER, tmp_path / "store", split=lambda text: text.split("|"))
    assert (store.documents, store.sentences) == (2, 3)


def test_an_error_of_the_corpus_ends_the_workers(tmp_path: Path) -> None:
    def corpus() -> Iterator[str]:
        yield from LINES
        raise InputError("record 3001 is no JSON")

    with pytest.raises(InputError, match="record 3001"):
        prepare(corpus(), TOKENIZER, tmp_path / "store", workers=2)
    assert names(tmp_path) == []


def test_bad_calls(tmp_path: Path) -> None:
    for corpus in ([], ["", " "]):
        with pytest.raises(InputError, match=f"the corpus has no token in {len(corpus)} documents"):
            prepare(corpus, TOKENIZER, tmp_path / "store")
    for one in ("w5 w6", tmp_path / "a.txt"):
        with pytest.raises(InputError, match=r"one string or path, '.*'; wrap files in kpt.Corpus"):
            prepare(one, TOKENIZER, tmp_path / "store")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="workers is 0"):
        prepare(["w5"], TOKENIZER, tmp_path / "store", workers=0)
    with pytest.raises(InputError, match="shard_tokens is 0"):
        prepare(["w5"], TOKENIZER, tmp_path / "store", shard_tokens=0)
    with pytest.raises(InputError, match="cannot write to the folder"):
        prepare(["w5"], TOKENIZER, "/proc/nothing/store")
    assert names(tmp_path) == []


def test_only_a_store_is_overwritten(tmp_path: Path) -> None:
    prepare(["w5"], TOKENIZER, tmp_path / "store")
    with pytest.raises(InputError, match="exists and is not empty"):
        prepare(["w6 w7"], TOKENIZER, tmp_path / "store")
    assert prepare(["w6 w7"], TOKENIZER, tmp_path / "store", overwrite=True).tokens == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "manifest.json").write_text('{"format": "other"}')
    with pytest.raises(InputError, match="exists and is not empty"):
        prepare(["w5"], TOKENIZER, tmp_path / "mine", overwrite=True)
    assert names(tmp_path / "mine") == ["manifest.json"]


SLOW_PREPARE = """
import signal, sys, time
from kpt.data import prepare
from kpt.text import WordPieceTokenizer
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
def corpus():
    yield from ["w5 w6 w7"] * 20_000
    print("ready", flush=True)
    for _ in range(6000):  # in one long sleep, a signal that comes just before it would wait for its end
        time.sleep(0.1)
prepare(corpus(), WordPieceTokenizer.load(sys.argv[1]), sys.argv[2], workers=2)
"""


# How often to look, 0.02 seconds apart, before a test gives up on another process.
WAITS = 15_000


def start_slow_prepare(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a run that has written something and waits for more text; return it and its workers' process ids."""
    TOKENIZER.save(folder / "tokenizer")
    command = [sys.executable, "-c", SLOW_PREPARE, folder / "tokenizer", folder / "store"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout and run.stdout.readline() == "ready\n"
    for _ in range(WAITS):
        if len(workers := children(run.pid)) == 2:
            return run, workers
        time.sleep(0.02)
    raise AssertionError("the run started no two workers")


def children(pid: int) -> list[int]:
    """Process ids of what the threads of a process have started."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for each in lists for child in each.split()]


def wait_until_gone(pids: list[int]) -> None:
    for pid in pids:
        for _ in range(WAITS):
            if not is_running(pid):
                break
            time.sleep(0.02)
        else:
            raise AssertionError(f"the worker {pid} outlives the run")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_killed_run_leaves_no_store_no_worker_and_nothing_after_the_next_run(tmp_path: Path) -> None:
    run, workers = start_slow_prepare(tmp_path)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=300)
    wait_until_gone(workers)
    assert not (tmp_path / "store").exists()
    assert [name.endswith(".partial") for name in names(tmp_path)] == [True, False]
    prepare(["w5"], WordPieceTokenizer.load(tmp_path / "tokenizer"), tmp_path / "store")
    assert names(tmp_path) == ["store", "tokenizer"]
    assert TokenStore.open(tmp_path / "store").tokens == 1


def test_an_interrupted_run_cleans_up(tmp_path: Path) -> None:
    run, workers = start_slow_prepare(tmp_path)
    run.send_signal(signal.SIGINT)
    _, error = run.communicate(timeout=300)
    assert error.rstrip().endswith("KeyboardInterrupt") and error.count("Traceback") == 1
    wait_until_gone(workers)
    assert names(tmp_path) == ["tokenizer"]
