from __future__ import annotations

import gzip
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from kpt import InputError
from kpt.data.record_files import RecordFiles
from kpt.data.tfrecord import frame
from kpt.text import Corpus
from kpt.text.sources import file_kind, find_files
from kpt.urls import RemoteFile, find_remote, is_url, open_stream, size_of, unreadable

ENDINGS = (".txt", ".jsonl")
RECORDS = frame(b"one") + frame(b"two")


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder; a server of this kind cannot give a part of a file."""

    def log_message(self, *_: object) -> None:
        pass


class Endless(BaseHTTPRequestHandler):
    """Says that a file has a terabyte, and sends it as long as somebody reads."""

    sent = 0

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 40))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        try:
            while True:
                self.wfile.write(b"It rained.\n" * 1000)
                Endless.sent += 11_000
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


def serving(handler: type | partial[Quiet]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("web")
    (folder / "a.txt").write_text("It rained.\n\nIt stopped.\n")
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(b'{"text": "The street was wet."}\n'))
    (folder / "a.tfrecord").write_bytes(RECORDS)
    (folder / "cut.tfrecord").write_bytes(RECORDS[:-1])
    (folder / "index.html").write_text('<a href="a.txt">a</a> <a href="b.jsonl.gz">b</a>')
    yield from serving(partial(Quiet, directory=str(folder)))


@pytest.fixture
def memory() -> Iterator[str]:
    system = fsspec.filesystem("memory")
    system.pipe("/corpus/a.txt", b"It rained.\n\nIt stopped.\n")
    system.pipe("/corpus/deep/b.jsonl.gz", gzip.compress(b'{"text": "The street was wet."}\n'))
    system.pipe("/corpus/.c.txt", b"hidden")
    system.pipe("/corpus/d.tfrecord.gz", gzip.compress(RECORDS))
    yield "memory://corpus"
    system.rm("/corpus", recursive=True)


def test_urls_and_paths() -> None:
    names = {"gs://b/a.txt", "memory://a", "simplecache::https://h/a", "http://h/a?b=c"}
    assert {name for name in (*names, "C:\\a.txt", "C://a", "a/b", "/a//b", "://a") if is_url(name)} == names


def test_text_in_memory(memory: str) -> None:
    expected = ["It rained.", "It stopped.", "The street was wet."]
    corpus = Corpus(memory)
    assert list(map(str, corpus.files)) == ["memory:///corpus/a.txt", "memory:///corpus/deep/b.jsonl.gz"]
    assert list(corpus.texts()) == expected
    assert corpus.bytes_read == corpus.size_bytes > 24
    assert list(Corpus([f"{memory}/a.txt", f"{memory}/**/b*.gz"]).texts()) == expected
    assert [text for index in range(3) for text in corpus.shard(index, 3).texts()] == expected


def test_text_from_a_server(web: str) -> None:
    corpus = Corpus([f"{web}/a.txt?version=2", f"{web}/b.jsonl.gz"])
    documents = list(corpus)
    assert [document.text for document in documents] == ["It rained.", "It stopped.", "The street was wet."]
    assert documents[1].source == f"{web}/a.txt?version=2" and documents[1].position == 3
    assert [str(file) for file in find_files(f"{web}/*.gz")] == [f"{web}/b.jsonl.gz"]
    assert [file_kind(file) for file in corpus.files] == ["text", "jsonl"]
    assert size_of(corpus.files[0]) == 24


def test_files_here_and_elsewhere_in_one_corpus(web: str, memory: str, tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text("Here.")
    corpus = Corpus([f"{web}/a.txt", tmp_path / "here.txt", f"{memory}/a.txt", f"{web}/a.txt"])
    assert list(corpus.texts()) == ["It rained.", "It stopped.", "Here.", "It rained.", "It stopped."]


def test_records_from_a_server_and_in_memory(web: str, memory: str) -> None:
    records = RecordFiles([memory, f"{web}/a.tfrecord"])
    assert [records[number] for number in range(4)] == [b"one", b"two", b"one", b"two"]
    assert records.place(1) == "memory:///corpus/d.tfrecord.gz, record 2 at byte 19"
    with pytest.raises(InputError, match=rf"^{web}/cut\.tfrecord, record 2 at byte 19: cut off \(18 of its 19 bytes"):
        RecordFiles(f"{web}/cut.tfrecord")


def test_a_large_file_is_read_as_it_comes() -> None:
    for url in serving(Endless):
        (file,) = find_remote(f"{url}/a.txt", ENDINGS)
        assert size_of(file) == 1 << 40
        documents = Corpus(f"{url}/a.txt", documents="line").texts()
        assert [next(documents) for _ in range(3)] == ["It rained."] * 3
        documents.close()
        assert Endless.sent < 1 << 26


def test_what_is_missing_is_named(web: str, memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=f"^{memory}/none.txt does not exist; check the address$"):
        find_files(f"{memory}/none.txt")
    for name in (f"{web}/none.txt", "http://127.0.0.1:9/a.txt"):
        with pytest.raises(InputError, match=f"^{name} does not exist, or its server cannot be reached; check"):
            find_files(name)
    with pytest.raises(InputError, match=rf"^pattern {memory}/\*\.md matches no file"):
        find_files(f"{memory}/*.md")
    with pytest.raises(InputError, match=f"^folder {memory}/deep has no .txt file"):
        find_remote(f"{memory}/deep", (".txt",))
    with pytest.raises(InputError, match=r"^nothing://a cannot be read \(Protocol not known: nothing"):
        find_files("nothing://a")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"^gs://a/b cannot be read \(.*gcsfs.*\); install that package$"):
        find_files("gs://a/b")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InputError, match=r"^reading memory://a needs fsspec; run: pip install 'kpt\[remote\]'$"):
        find_files("memory://a")


def test_a_stream_that_fails_fails_as_a_file_does() -> None:
    class Broken:
        def open(self, *_: object, **__: object) -> Broken:
            return self

        def read(self, _: int) -> bytes:
            raise RuntimeError("the\nconnection was lost")

        def close(self) -> None:
            pass

    file = RemoteFile("gs://bucket/a.txt", Broken(), "bucket/a.txt", None)
    assert (file.name, size_of(file)) == ("a.txt", 1)
    with open_stream(file) as stream, pytest.raises(OSError, match=r"^the connection was lost$") as caught:
        stream.read(1)
    expected = "gs://bucket/a.txt cannot be read (the connection was lost); check the address and the network"
    assert str(unreadable(file, caught.value)) == expected
    assert str(unreadable(Path("a"), OSError(13, "Permission denied"))) == (
        "a cannot be read (Permission denied); check the file and its permissions"
    )
