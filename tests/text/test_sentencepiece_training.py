from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kpt
from kpt.errors import InputError
from kpt.text.document import Document
from kpt.text.sentencepiece_model import BYTE, CONTROL, UNKNOWN
from kpt.text.sentencepiece_training import learn_model

TEXTS = [line for line in (Path(kpt.__file__).parent / "text" / "corpus.py").read_text().split("\n") if line]


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_the_wanted_size_special_tokens_and_bytes_first(algorithm: str) -> None:
    model = learn_model(TEXTS, 500, algorithm=algorithm)  # type: ignore[arg-type]
    assert len(model.pieces) == 500
    assert [text for text, _, _ in model.pieces[:3]] == ["<unk>", "<|endoftext|>", "<0x00>"]
    assert [kind for _, _, kind in model.pieces[:258]] == [UNKNOWN, CONTROL, *[BYTE] * 256]
    assert (model.algorithm, model.byte_fallback, model.divisible) == (algorithm, True, True)


def test_line_ends_and_long_texts_are_learned_from() -> None:
    pieces = {text for text, _, _ in learn_model(["one line\n" * 500], 265).pieces}
    assert "\n" in pieces
    long = {text for text, _, _ in learn_model([("wordword " * 2000).strip()], 268, algorithm="bpe").pieces}
    assert "▁wordword" in long
    solid = {text for text, _, _ in learn_model(["ab" * 20_000], 261, algorithm="bpe").pieces}
    assert "ab" in solid


def test_a_generator_documents_and_other_processes_give_the_same_model() -> None:
    model = learn_model(TEXTS, 400)
    assert learn_model((Document(text) for text in TEXTS), 400) == model
    program = (
        "import hashlib, pathlib, kpt\n"
        "from kpt.text.sentencepiece_training import learn_model\n"
        "texts = (pathlib.Path(kpt.__file__).parent / 'text' / 'corpus.py').read_text().split('\\n')\n"
        "print(repr(learn_model([t for t in texts if t], 400).pieces))"
    )
    root = Path(kpt.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(model.pieces)


def test_an_error_of_the_corpus_is_passed_on() -> None:
    def corpus() -> Iterator[str]:
        yield from TEXTS
        raise ArithmeticError("the disk is gone")

    with pytest.raises(ArithmeticError, match="the disk is gone"):
        learn_model(corpus(), 400)


@pytest.mark.parametrize(
    ("corpus", "size", "options", "message"),
    [
        ("low lower", 300, {}, "the corpus is one string or path, 'low lower'; wrap files in kpt.Corpus"),
        ([], 300, {}, "the corpus has no text to learn pieces from; give one that is not empty"),
        (["", ""], 300, {}, "the corpus has no text to learn pieces from"),
        (TEXTS, 258, {}, "vocabulary_size is 258; give more than the 258"),
        (TEXTS, 260, {}, r"vocabulary_size is 260 and .* of the corpus take \d+; give more than that"),
        (TEXTS, 9000, {}, r"the corpus gives at most \d+ pieces and 9000 were wanted; ask for at most \d+"),
        (TEXTS, 9000, {"algorithm": "bpe"}, r"the corpus gives at most \d+ pieces and 9000 were wanted"),
        (TEXTS, 300, {"algorithm": "word"}, "algorithm is 'word'; choose unigram or bpe"),
        (TEXTS, 300, {"character_coverage": 0.5}, r"character_coverage is 0\.5; give a share from 0\.98 to 1"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    corpus: list[str] | str, size: int, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        learn_model(corpus, size, **options)  # type: ignore[arg-type]
