from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from kpt.errors import InputError
from kpt.text import CharacterTokenizer, Document, Vocabulary, load_tokenizer
from tests.text.hostile_texts import HOSTILE, generated_texts, real_lines

TEXTS = [*HOSTILE, *generated_texts(7, 500)]


def test_a_text_has_the_ids_of_its_own_characters() -> None:
    text = "Is this a dagger which I see before me,\nThe handle toward my hand?\n"
    tokenizer = CharacterTokenizer.train([text])
    assert tokenizer.vocabulary.tokens == tuple(sorted(set(text)))
    assert tokenizer.vocabulary.special_ids == ()
    ids = tokenizer.encode([text, "", "me\n\n"])
    assert [tokenizer.decode(ids.row(i)) for i in range(3)] == [text, "", "me\n\n"]
    assert ids.row(0).tolist() == [sorted(set(text)).index(c) for c in text]
    assert (ids.values.dtype, ids.row_splits.dtype) == (np.int32, np.int64)


def test_every_text_of_known_characters_comes_back() -> None:
    tokenizer = CharacterTokenizer.train(TEXTS)
    ids = tokenizer.encode(TEXTS)
    assert [tokenizer.decode(ids.row(i)) for i in range(len(TEXTS))] == TEXTS


def test_rare_characters_are_unknown() -> None:
    tokenizer = CharacterTokenizer.train(["aab", Document("bc")], minimum_frequency=2)
    assert tokenizer.vocabulary.tokens == ("a", "b", "<unk>")
    ids = tokenizer.encode(["abc<unk>"]).values.tolist()
    assert ids == [0, 1, 2, 2, 2, 2, 2, 2]
    assert tokenizer.decode(ids[:3]) == "ab<unk>"
    assert tokenizer.decode(ids[:3], skip_special_tokens=True) == "ab"


def test_special_tokens_on_demand() -> None:
    vocabulary = CharacterTokenizer.train(["ab"], unknown_token=True, end_token=True).vocabulary
    assert vocabulary.tokens == ("a", "b", "<unk>", "<|endoftext|>")
    assert (vocabulary.unk_id, vocabulary.end_id, vocabulary.pad_id) == (2, 3, 3)
    assert CharacterTokenizer.train(["aab"], minimum_frequency=2, unknown_token=False).vocabulary.tokens == ("a",)


def test_without_an_unknown_token_unknown_characters_are_refused() -> None:
    tokenizer = CharacterTokenizer.train(["ab"])
    with pytest.raises(InputError, match="the character 'é' has no id and the tokenizer no unknown token"):
        tokenizer.encode(["ab", "éa"])


def test_lone_surrogates_are_replacement_characters() -> None:
    tokenizer = CharacterTokenizer.train(["a\ufffd", "b\ud800"])
    assert tokenizer.vocabulary.tokens == ("a", "b", "\ufffd")
    ids = tokenizer.encode(["b\ud83d", "\ude00a"])
    assert [ids.row(i).tolist() for i in range(2)] == [[1, 2], [2, 0]]
    pair = CharacterTokenizer.train(["a😀"]).encode(["\ud83d\ude00", "a"])  # two halves that belong together
    assert [pair.row(i).tolist() for i in range(2)] == [[1], [0]]


def test_the_folder_gives_the_same_ids_in_hugging_face(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = CharacterTokenizer.train([*HOSTILE, *real_lines()[:200]], end_token=True, unknown_token=True)
    tokenizer.save(tmp_path)
    ids = tokenizer.encode(TEXTS)
    reference = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for i, encoding in enumerate(reference.encode_batch(TEXTS)):
        assert encoding.ids == ids.row(i).tolist(), ascii(TEXTS[i])
    assert reference.decode(ids.row(3).tolist()) == TEXTS[3]
    transformer = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    vocabulary = tokenizer.vocabulary
    assert (transformer.unk_token_id, transformer.eos_token_id) == (vocabulary.unk_id, vocabulary.end_id)
    assert transformer(TEXTS[3]).input_ids == ids.row(3).tolist()


def test_save_and_load(tmp_path: Path) -> None:
    tokenizer = CharacterTokenizer.train(HOSTILE, end_token=True)
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert isinstance(loaded, CharacterTokenizer)
    assert (loaded.vocabulary, loaded.fingerprint) == (tokenizer.vocabulary, tokenizer.fingerprint)
    sent = pickle.loads(pickle.dumps(tokenizer))
    assert sent.fingerprint == tokenizer.fingerprint
    assert sent.encode(HOSTILE).values.tolist() == tokenizer.encode(HOSTILE).values.tolist()
    assert len(pickle.dumps(tokenizer)) < 1 << 20


def test_wrong_calls() -> None:
    tokenizer = CharacterTokenizer.train(["ab"])
    with pytest.raises(InputError, match=r"got one text, 'ab'; pass \[text\]"):
        tokenizer.encode("ab")
    with pytest.raises(InputError, match="the id 2 is not in the vocabulary, whose ids are 0 to 1"):
        tokenizer.decode([2])
    with pytest.raises(InputError, match="the corpus is one string or path"):
        CharacterTokenizer.train("ab")
    with pytest.raises(InputError, match="minimum_frequency is 0; give 1 or more"):
        CharacterTokenizer.train(["ab"], minimum_frequency=0)
    for corpus in ([], ["ab"]):
        with pytest.raises(InputError, match="no character occurs 2 times in the corpus"):
            CharacterTokenizer.train(corpus, minimum_frequency=2)
    for piece in ("ab", "\ud800"):
        with pytest.raises(InputError, match="with id 1 is not one character"):
            CharacterTokenizer(Vocabulary.from_tokens(["a", piece], {}))
