from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kpt
from kpt.errors import InputError
from kpt.text.byte_pair_bytes import BYTE_CHARACTERS
from kpt.text.byte_pair_training import learn_merges, plain_texts
from kpt.text.document import Document

CORPUS = ["low low low low low lower lower", "newest newest newest newest newest newest widest widest widest"]


def test_bytes_come_first_and_merges_follow_in_the_order_of_their_counts() -> None:
    tokens, merges = learn_merges(CORPUS, 261)
    assert tokens[:256] == sorted(BYTE_CHARACTERS)  # GPT-2's order
    assert tokens[256:] == ["es", "est", "lo", "low", "ew"]
    assert merges == [("e", "s"), ("es", "t"), ("l", "o"), ("lo", "w"), ("e", "w")]


def test_a_generator_a_list_and_documents_give_the_same_merges() -> None:
    texts = ["one\ntwo \u2028 three\r\n", 'four "five" \ud800 \\six <|endoftext|>'] * 3
    merges = learn_merges(texts, 290)
    assert learn_merges((text for text in texts), 290) == merges
    assert learn_merges([Document(text) for text in texts], 290) == merges


def test_merges_never_cross_words() -> None:
    tokens, _ = learn_merges(["a b's  7c.d\n\n"] * 50, 256 + 4)
    assert sorted(tokens[256:]) == ["'s", "ĊĊ", "Ġ7", "Ġb"]


def test_other_processes_learn_the_same_merges() -> None:
    program = (
        "import ast, hashlib\n"
        "from kpt.text.byte_pair_training import learn_merges\n"
        "texts = open(ast.__file__, encoding='utf-8').read().split('\\n')\n"
        "print(hashlib.sha256(repr(learn_merges(texts, 1000)).encode()).hexdigest())"
    )
    root = Path(kpt.__file__).parent.parent
    outputs = {
        subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("corpus", "pieces", "options", "message"),
    [
        ("low lower", 300, {}, "the corpus is one string or path, 'low lower'; wrap files in kpt.Corpus"),
        ([], 300, {}, "the corpus has no text to learn pieces from; give one that is not empty"),
        (["", ""], 300, {}, "the corpus has no text to learn pieces from"),
        (CORPUS, 255, {}, "255 pieces are wanted; give at least 256, one for each byte"),
        (CORPUS, 1000, {}, r"gives 27\d pieces at minimum_frequency=2 and 1000 were wanted; ask for at most 27\d"),
        (CORPUS, 300, {"minimum_frequency": 0}, "minimum_frequency is 0; give 1 or more"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    corpus: list[str] | str, pieces: int, options: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        learn_merges(corpus, pieces, **options)


def test_texts_lose_lone_surrogates_alone() -> None:
    assert list(plain_texts(["a\ud83d b", Document(" \n")])) == ["a\ufffd b", " \n"]
