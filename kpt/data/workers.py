"""Processes that split and encode documents.

Each worker is an interpreter of its own that reads jobs from its standard input and writes results to its standard
output. Unlike those of `multiprocessing` it does not import the caller's main script, which therefore needs no guard,
and it ends when its input does, however the caller died.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any

from kpt.data.encoding import DocumentError, EncodedDocuments, Split, TextEncoder, encode_documents
from kpt.errors import InputError

__all__ = ["EncodingPool", "available_cores", "can_travel"]

_COMMAND = "from kpt.data.workers import serve; serve()"


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def can_travel(tokenizer: TextEncoder, split: Split) -> bool:
    """Return whether a worker process can be given the two: not lambdas, nor what the main script defines."""
    if "__main__" in (getattr(split, "__module__", None), type(tokenizer).__module__):
        return False
    try:
        pickle.dumps((tokenizer, split))
    except Exception:
        return False
    return True


class EncodingPool:
    """Runs `encode_documents` in worker processes.

    Args:
        tokenizer: encodes the sentences.
        split: divides a document into sentences.
        workers: number of processes.
    """

    def __init__(self, tokenizer: TextEncoder, split: Split, workers: int) -> None:
        self._setting = pickle.dumps((tokenizer, split))
        self._own = threading.local()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._starting = threading.Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="encoding")

    def submit(self, texts: Sequence[str]) -> Future[EncodedDocuments]:
        """Have documents encoded; the future's exception is `DocumentError` where one of them fails."""
        return self._threads.submit(self._ask, texts)

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._starting:
            self._closed = True
            for process in self._processes:
                process.kill()
        self._threads.shutdown(wait=True)
        for process in self._processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()

    def _ask(self, texts: Sequence[str]) -> EncodedDocuments:
        if not hasattr(self._own, "process"):
            self._own.process = self._start()
        process = self._own.process
        try:
            _send(process.stdin, pickle.dumps(list(texts)))
            kind, content = pickle.loads(_receive(process.stdout))
        except (OSError, EOFError, ValueError) as error:
            raise RuntimeError(
                f"a worker process ended (status {process.wait()}) while it encoded documents"
            ) from error
        if kind == "failed":
            raise DocumentError(*content)
        return EncodedDocuments(*content)

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "TOKENIZERS_PARALLELISM": "false",  # a process a core, a thread a process
        }
        with self._starting:
            if self._closed:
                raise RuntimeError("the pool is closed")
            process = subprocess.Popen(
                [sys.executable, "-c", _COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                process_group=0 if sys.platform != "win32" else None,  # Ctrl-C is for the caller, who ends the workers
            )
            self._processes.append(process)
        assert process.stdin and process.stdout
        try:
            _send(process.stdin, self._setting)
            problem = pickle.loads(_receive(process.stdout))
        except (OSError, EOFError) as error:
            raise RuntimeError(f"a worker process did not start (status {process.wait()})") from error
        if problem:
            raise InputError(f"the tokenizer and the splitter cannot be sent to workers ({problem}); pass workers=1")
        return process


def serve() -> None:
    """Answer jobs until the input ends; the body of a worker process."""
    with os.fdopen(os.dup(1), "wb") as sink:
        os.dup2(2, 1)  # whatever else writes to standard output must not get among the answers
        try:
            _answer_jobs(sys.stdin.buffer, sink)
        except (EOFError, BrokenPipeError):
            os._exit(0)  # the caller is gone


def _answer_jobs(source: IO[bytes], sink: IO[bytes]) -> None:
    setting = _receive(source)
    try:
        tokenizer, split = pickle.loads(setting)
    except Exception as error:
        _send(sink, pickle.dumps(f"{type(error).__name__}: {error}"))
        return
    _send(sink, pickle.dumps(""))
    while True:
        texts = pickle.loads(_receive(source))
        answer: tuple[str, Any]
        try:
            answer = ("done", tuple(encode_documents(texts, tokenizer, split)))
        except DocumentError as error:
            answer = ("failed", (error.index, error.reason))
        _send(sink, pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL))


def _send(stream: IO[bytes], content: bytes) -> None:
    stream.write(struct.pack("<Q", len(content)))
    stream.write(content)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    header = stream.read(8)
    if len(header) < 8:
        raise EOFError
    (size,) = struct.unpack("<Q", header)
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content
