from __future__ import annotations

from collections.abc import Iterable

import pytest

from kpt.errors import InputError
from kpt.generation.text_stream import TextStream, print_text

TEXT = "naïve 中文 👩‍👩‍👧 Ångström \ufffd ok. " * 4


def decode(ids: Iterable[int]) -> str:
    return bytes(ids).decode(errors="replace")


def test_no_piece_ends_within_a_character() -> None:
    stream = TextStream(decode)
    pieces = [stream.add([byte]) for byte in TEXT.encode()]
    assert "".join(pieces) + stream.finish() == TEXT
    assert all(piece == "" or piece in TEXT for piece in pieces)
    assert max(map(len, pieces)) <= 2  # U+FFFD of the text itself comes with what follows it
    assert stream.count == len(TEXT.encode())


def test_bytes_that_are_no_text_are_replaced_once_that_is_sure() -> None:
    stream = TextStream(decode)
    assert [stream.add([byte]) for byte in b"a\xe4b\xff"] == ["a", "", "\ufffdb", ""]
    assert stream.finish() == "\ufffd"
    assert stream.finish() == ""


def test_text_ends_before_the_first_stop_string() -> None:
    stream = TextStream(decode, ["END", "\n\n"])
    pieces = [stream.add([byte]) for byte in b"E EN\nEN E\n\nEND more"]
    assert "".join(pieces) == "E EN\nEN E"
    assert stream.stopped
    assert stream.count == len("E EN\nEN E\n\n")
    assert stream.finish() == ""


def test_what_only_began_like_a_stop_string_is_given_at_the_end() -> None:
    stream = TextStream(decode, ["stop"])
    assert stream.add(b"do not sto") == "do not "
    assert not stream.stopped
    assert stream.finish() == "sto"


def test_stop_strings_of_one_character_and_within_one_piece() -> None:
    stream = TextStream(lambda ids: "".join("ab.cd!" for _ in ids), ["!", "."])
    assert stream.add([0, 0]) == "ab"
    assert stream.count == 1


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(InputError, match="a stop string is empty"):
        TextStream(decode, [""])


def test_the_first_text_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for row, text in ((0, "It "), (1, "no"), (0, "rains")):
        print_text(row, text)
    assert capsys.readouterr().out == "It rains"
