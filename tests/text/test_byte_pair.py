from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

import kpt
from kpt.errors import InputError
from kpt.text import BytePairTokenizer, Vocabulary, load_tokenizer
from kpt.text.byte_pair_bytes import BYTE_CHARACTERS
from tests.text.hostile_texts import HOSTILE, generated_texts, real_lines


@pytest.fixture(scope="module")
def tokenizer() -> BytePairTokenizer:
    return BytePairTokenizer.train([*real_lines(), *HOSTILE * 3], 1500)


def test_training_gives_the_wanted_size_and_the_special_token_last(tokenizer: BytePairTokenizer) -> None:
    vocabulary = tokenizer.vocabulary
    assert vocabulary.size == 1500
    assert vocabulary.tokens[:256] == tuple(sorted(BYTE_CHARACTERS))
    assert vocabulary.tokens[-1] == "<|endoftext|>"
    assert (vocabulary.end_id, vocabulary.pad_id, vocabulary.special_ids) == (1499, 1499, (1499,))
    assert len(tokenizer.merges) == 1500 - 257
    with pytest.raises(InputError, match="vocabulary_size is 256; give at least 257"):
        BytePairTokenizer.train(["low"], 256)
    with pytest.raises(
        InputError, match="gives 260 pieces at minimum_frequency=2 and 300 were wanted; ask for at most 260"
    ):
        BytePairTokenizer.train(["low low"] * 2, 300)
    assert BytePairTokenizer.train(["low low"] * 2, 260).vocabulary.size == 260


def test_every_text_comes_back(tokenizer: BytePairTokenizer) -> None:
    texts = [*HOSTILE, *generated_texts(5, 2000), *real_lines()[:1000]]
    ids = tokenizer.encode(texts)
    assert [tokenizer.decode(ids.row(i)) for i in range(len(texts))] == texts
    everything = [bytes(range(256)), b"\xe2\x82", "€".encode("utf-16"), b""]
    ids = tokenizer.encode(everything)
    assert [tokenizer.decode_bytes(ids.row(i)) for i in range(len(everything))] == everything
    assert tokenizer.decode([]) == ""


def test_a_literal_special_token_is_text(tokenizer: BytePairTokenizer) -> None:
    text = "one<|endoftext|>two"
    ids = tokenizer.encode([text]).values.tolist()
    assert tokenizer.vocabulary.end_id not in ids
    assert tokenizer.decode(ids) == text
    with_end = [*ids, tokenizer.vocabulary.end_id]
    assert tokenizer.decode(with_end) == text + "<|endoftext|>"
    assert tokenizer.decode(with_end, skip_special_tokens=True) == text


def test_half_a_character_is_a_replacement_character(tokenizer: BytePairTokenizer) -> None:
    half = tokenizer.encode([b"a\xf0\x9f\x98"]).values
    assert tokenizer.decode(half) == "a\ufffd"
    assert tokenizer.decode_bytes(half) == b"a\xf0\x9f\x98"


def test_the_folder_gives_the_same_ids_in_hugging_face(tokenizer: BytePairTokenizer, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer.save(tmp_path)
    texts = [*HOSTILE, *generated_texts(6, 300)]
    ids = tokenizer.encode(texts)
    reference = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for i, encoding in enumerate(reference.encode_batch(texts)):
        assert encoding.ids == ids.row(i).tolist(), ascii(texts[i])
        assert reference.decode(encoding.ids) == texts[i]
    transformer = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert type(transformer).__name__.startswith("GPT2Tokenizer")
    assert (transformer.eos_token_id, transformer.pad_token_id, len(transformer)) == (1499, 1499, 1500)
    assert transformer(texts).input_ids == [ids.row(i).tolist() for i in range(len(texts))]
    assert transformer("a<|endoftext|>").input_ids[-1] == 1499  # there, a literal special token is one


def test_save_and_load(tokenizer: BytePairTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert isinstance(loaded, BytePairTokenizer)
    assert (loaded.vocabulary, loaded.merges) == (tokenizer.vocabulary, tokenizer.merges)
    assert loaded.fingerprint == tokenizer.fingerprint
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    loaded = load_tokenizer(tmp_path)
    assert loaded.fingerprint == tokenizer.fingerprint
    assert loaded.encode(HOSTILE).values.tolist() == tokenizer.encode(HOSTILE).values.tolist()


def test_the_fingerprint_is_of_the_content_and_the_same_in_every_process() -> None:
    tokens = [*BYTE_CHARACTERS, "ab", "bc", "abc", "<|endoftext|>"]
    vocabulary = Vocabulary.from_tokens(tokens, {"end": "<|endoftext|>"})
    one = BytePairTokenizer(vocabulary, [("a", "b"), ("b", "c"), ("ab", "c")])
    other = BytePairTokenizer(vocabulary, [("b", "c"), ("a", "b"), ("ab", "c")])
    padding = Vocabulary.from_tokens(tokens, {"end": "<|endoftext|>", "pad": "<|endoftext|>"})
    third = BytePairTokenizer(padding, one.merges)
    assert len({one.fingerprint, other.fingerprint, third.fingerprint}) == 3
    assert pickle.loads(pickle.dumps(one)).fingerprint == one.fingerprint
    program = (
        "from kpt.text import BytePairTokenizer\n"
        "print(BytePairTokenizer.train(['low lower lowest'] * 3, 262).fingerprint)"
    )
    root = Path(kpt.__file__).parent.parent
    outputs = {
        subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert outputs == {BytePairTokenizer.train(["low lower lowest"] * 3, 262).fingerprint + "\n"}


def test_wrong_calls(tokenizer: BytePairTokenizer) -> None:
    for text in ("hello", b"hello"):
        with pytest.raises(InputError, match=r"got one text, b?'hello'; pass \[text\]"):
            tokenizer.encode(text)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the id 1500 is not in the vocabulary, whose ids are 0 to 1499"):
        tokenizer.decode([1500])
    with pytest.raises(InputError, match="the id -1 is not in the vocabulary"):
        tokenizer.decode([-1], skip_special_tokens=True)
    with pytest.raises(InputError, match="merge 1 has 'zq', which is no piece"):
        BytePairTokenizer(tokenizer.vocabulary, [("z", "q")])
