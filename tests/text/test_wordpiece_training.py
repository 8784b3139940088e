from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kpt
from kpt.errors import InputError
from kpt.text.wordpiece_encoding import bert_normalizer, bert_pre_tokenizer
from kpt.text.wordpiece_training import learn_pieces

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CORPUS = ["low low low low low", "lower lower newest newest newest newest newest newest widest widest widest"]


def learn(corpus: object, size: int, **options: int) -> list[str]:
    return learn_pieces(corpus, size, bert_normalizer(True, True), bert_pre_tokenizer(), **options)  # type: ignore[arg-type]


def test_pieces_are_special_tokens_then_characters_then_merges() -> None:
    letters = list("deilnorstw")
    merges = ["##es", "##est", "lo"]
    assert learn(CORPUS, 28) == [*SPECIAL, *letters, *("##" + c for c in letters), *merges]


def test_the_first_merge_is_the_most_frequent_pair() -> None:
    assert learn(["ab ab ab ac"], 12) == [*SPECIAL, "a", "b", "c", "##a", "##b", "##c", "ab"]


def test_punctuation_and_chinese_characters_stand_alone_and_need_one_piece() -> None:
    assert learn(["a , 中 a,中"], 9) == [*SPECIAL, ",", "a", "中", "##a"]


def test_literal_special_tokens_in_the_corpus_are_text() -> None:
    assert learn(["[MASK] [MASK]"], 15) == [*SPECIAL, *"[]akms", *("##" + c for c in "akms")]


def test_a_generator_and_a_list_give_the_same_pieces() -> None:
    texts = ["one\ntwo \u2028 three\r\n", 'four "five" \ud800 \\six']
    assert learn((text for text in texts * 3), 40) == learn(texts * 3, 40)


def test_documents_are_read_like_texts() -> None:
    from kpt.text.document import Document

    assert learn([Document(text) for text in CORPUS], 28) == learn(CORPUS, 28)


def test_characters_too_rare_to_matter_get_no_piece() -> None:
    merges = ["ab", "##cd", "abcd"]
    assert learn(["abcd " * 20_000 + "é ☃☃"], 16) == [*SPECIAL, *"abcd", *("##" + c for c in "abcd"), *merges]


def test_nothing_is_learned_from_words_of_over_63_characters() -> None:
    assert learn(["ab " * 9, "中" * 70 + "c" * 64 + "!", "c" * 64] * 9, 12) == [*SPECIAL, *"!ab中", "##a", "##b", "ab"]
    pieces = learn(["ab " * 9, "中" * 70 + "d" * 63, "d" * 63] * 9, 15)
    assert pieces == [*SPECIAL, *"abd中", "##a", "##b", "##d", "##dd", "##dddd", "##dddddddd"]


def test_the_length_of_a_word_is_that_of_its_normal_form() -> None:
    g, a, k = "\u1100\u1161\u11a8"  # what the syllable U+AC01 is decomposed to
    characters = ["a", "b", g, a, k, "##a", "##b", f"##{g}", f"##{a}", f"##{k}"]
    learned = learn(["ab " * 9, "\uac01" * 21] * 9, 17)  # 63 letters
    assert learned == [*SPECIAL, *characters, f"##{a}{k}", f"##{g}{a}{k}"]
    assert learn(["ab " * 9, "\uac01" * 22] * 9, 10) == [*SPECIAL, "a", "b", "##a", "##b", "ab"]


def test_other_processes_learn_the_same_pieces() -> None:
    program = (
        "import ast, hashlib, sys\n"
        "from kpt.text.wordpiece_encoding import bert_normalizer, bert_pre_tokenizer\n"
        "from kpt.text.wordpiece_training import learn_pieces\n"
        "texts = open(ast.__file__, encoding='utf-8').read().split('\\n')\n"
        "pieces = learn_pieces(texts, 1000, bert_normalizer(True, True), bert_pre_tokenizer())\n"
        "print(hashlib.sha256('\\n'.join(pieces).encode()).hexdigest())"
    )
    root = Path(kpt.__file__).parent.parent
    outputs = {
        subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("corpus", "size", "options", "message"),
    [
        ("low lower", 100, {}, "the corpus is one string or path, 'low lower'; wrap files in kpt.Corpus"),
        ([], 100, {}, "the corpus has no text to learn pieces from; give one that is not empty"),
        (["", " \n\u200b"], 100, {}, "the corpus has no text to learn pieces from"),
        (CORPUS, 5, {}, "vocabulary_size is 5; give more than the 5 special tokens take"),
        (CORPUS, 12, {}, r"vocabulary_size is 12 and .* \(99% of its text\) take 25; give at least that many"),
        (CORPUS, 1000, {}, r"gives 37 pieces at minimum_frequency=2 and 1000 were wanted; ask for at most 37"),
        (CORPUS, 30, {"minimum_frequency": 0}, "minimum_frequency is 0; give 1 or more"),
    ],
)
def test_what_cannot_be_learned_is_refused(
    corpus: list[str] | str, size: int, options: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        learn(corpus, size, **options)
