from __future__ import annotations

import functools
import os
import signal
import time

import pytest

from kpt.data.encoding import DocumentError, encode_documents
from kpt.data.workers import EncodingPool, available_cores, can_travel
from kpt.errors import InputError
from kpt.text import split_sentences
from tests.data.conftest import tokenizer_of

TOKENIZER = tokenizer_of(20)
TEXTS = ["W5 w6. W7 w8 w9.", "", "w10"]


def refuse_w7(text: str) -> list[str]:
    if "w7" in text:
        raise ArithmeticError("no w7 here")
    return [text]


def wait_for_ever(text: str) -> list[str]:
    time.sleep(600)
    return [text]


def end_the_process(text: str) -> list[str]:
    os.kill(os.getpid(), signal.SIGKILL)
    return [text]


class Unreadable:
    """Can be sent, but not received."""

    def __reduce__(self) -> tuple[object, ...]:
        return (int, ("no number",))

    def __call__(self, text: str) -> list[str]:
        return [text]


def test_a_worker_gives_what_this_process_gives() -> None:
    pool = EncodingPool(TOKENIZER, split_sentences, 2)
    try:
        futures = [pool.submit(TEXTS * n) for n in (1, 2, 3)]
        for n, future in zip((1, 2, 3), futures, strict=True):
            here = encode_documents(TEXTS * n, TOKENIZER, split_sentences)
            for one, two in zip(future.result(), here, strict=True):
                assert one.tolist() == two.tolist() if hasattr(one, "tolist") else one == two
    finally:
        pool.close()


def test_the_failing_document_is_named_and_the_worker_goes_on() -> None:
    pool = EncodingPool(TOKENIZER, refuse_w7, 1)
    try:
        failure = pool.submit(["w5", "w6 w7"]).exception()
        assert isinstance(failure, DocumentError)
        assert (failure.index, failure.reason) == (1, "refuse_w7 raised ArithmeticError: no w7 here")
        assert pool.submit(["w5 w6"]).result().token_ids.tolist() == [5, 6]
    finally:
        pool.close()


def test_closing_ends_busy_workers() -> None:
    pool = EncodingPool(TOKENIZER, wait_for_ever, 1)
    future = pool.submit(["w5"])
    while not pool._processes:
        time.sleep(0.01)
    pool.close()
    assert future.done()
    assert all(process.poll() is not None for process in pool._processes)


def test_closing_at_any_moment_ends_all() -> None:
    for delay in (0.0, 0.001, 0.01, 0.1):
        pool = EncodingPool(TOKENIZER, split_sentences, 2)
        futures = [pool.submit(TEXTS) for _ in range(4)]
        time.sleep(delay)
        pool.close()
        assert all(future.done() for future in futures)
        assert all(process.poll() is not None for process in pool._processes)


def test_a_worker_that_dies_is_reported() -> None:
    pool = EncodingPool(TOKENIZER, end_the_process, 1)
    try:
        with pytest.raises(RuntimeError, match=r"a worker process ended \(status -9\) while it encoded documents"):
            pool.submit(["w5"]).result()
    finally:
        pool.close()


def test_what_a_worker_cannot_read() -> None:
    pool = EncodingPool(TOKENIZER, Unreadable(), 1)
    try:
        with pytest.raises(InputError, match=r"cannot be sent to workers \(ValueError: .*pass workers=1"):
            pool.submit(["w5"]).result()
    finally:
        pool.close()


def test_what_can_travel() -> None:
    assert can_travel(TOKENIZER, split_sentences)
    assert can_travel(TOKENIZER, functools.partial(str.split, sep="."))
    assert not can_travel(TOKENIZER, lambda text: [text])
    main_function = functools.partial(refuse_w7)
    main_function.__module__ = "__main__"
    assert not can_travel(TOKENIZER, main_function)


def test_cores() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
