from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

import kpt
from kpt.errors import InputError
from kpt.text.vocabulary import Vocabulary
from kpt.text.wordpiece import WordPieceTokenizer
from kpt.text.wordpiece_encoding import plain_text_tokenizer
from tests.text.hostile_texts import HOSTILE, generated_texts, real_lines

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return real_lines()


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def tokenizer(request: pytest.FixtureRequest, lines: list[str]) -> WordPieceTokenizer:
    return WordPieceTokenizer.train([*lines, *HOSTILE * 2], 3000, lowercase=request.param)


def test_training_gives_the_wanted_size_and_the_special_tokens_first(tokenizer: WordPieceTokenizer) -> None:
    vocabulary = tokenizer.vocabulary
    assert vocabulary.size == 3000
    assert list(vocabulary.tokens[:5]) == SPECIAL
    assert (vocabulary.pad_id, vocabulary.unk_id, vocabulary.cls_id, vocabulary.sep_id, vocabulary.mask_id) == (
        *range(5),
    )
    assert vocabulary.special_ids == (0, 1, 2, 3, 4)
    assert any(token.isupper() and token.isalpha() for token in vocabulary.tokens) != tokenizer.lowercase


def test_ids_of_known_texts() -> None:
    pieces = [*SPECIAL, "token", "##izer", "##s", "!", "中", "cafe"]
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens(pieces))
    ids = tokenizer.encode(["Tokenizers!", "", "中café tokenx", "[PAD]"])
    assert [ids.row(i).tolist() for i in range(4)] == [[5, 6, 7, 8], [], [9, 10, 1], [1, 1, 1]]
    assert (ids.values.dtype, ids.row_splits.dtype) == (np.int32, np.int64)
    assert ids.row_splits.tolist() == [0, 4, 4, 7, 10]
    assert [part.tolist() for part in tokenizer.encode([])] == [[], [0]]


def test_encode_is_bert_tokenization_of_hugging_face(tokenizer: WordPieceTokenizer, lines: list[str]) -> None:
    texts = [*lines, *HOSTILE, *generated_texts(1, 3000)]
    reference = plain_text_tokenizer(tokenizer.vocabulary, tokenizer.lowercase, tokenizer.lowercase)
    ids = tokenizer.encode(texts)
    for i, encoding in enumerate(reference.encode_batch_fast(texts, add_special_tokens=False)):
        assert ids.row(i).tolist() == encoding.ids, ascii(texts[i])
    assert not set(ids.values.tolist()) & {0, 2, 3, 4}


def test_the_folder_gives_the_same_ids_in_tokenizers(tokenizer: WordPieceTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    reference = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    texts = [*HOSTILE, *generated_texts(2, 500)]
    masked = tokenizer.encode(texts, literal_mask=True)
    plain = tokenizer.encode(texts)
    others = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    for i, text in enumerate(texts):
        reference.encode_special_tokens = False
        if not any(token in text for token in others):
            assert masked.row(i).tolist() == reference.encode(text, add_special_tokens=False).ids, ascii(text)
        reference.encode_special_tokens = True
        assert plain.row(i).tolist() == reference.encode(text, add_special_tokens=False).ids, ascii(text)


def test_transformers_reads_the_folder(tokenizer: WordPieceTokenizer, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer.save(tmp_path)
    reference = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert type(reference).__name__.startswith("BertTokenizer")
    text = "Keras façade [MASK] layers"
    ids = tokenizer.encode([text], literal_mask=True).values.tolist()
    assert reference(text).input_ids == [2, *ids, 3]
    assert reference(text, text).token_type_ids == [0] * (len(ids) + 2) + [1] * (len(ids) + 1)
    assert (reference.pad_token_id, reference.mask_token_id, len(reference)) == (0, 4, 3000)
    assert reference.decode(ids) == tokenizer.decode(ids)


def test_save_and_load(tokenizer: WordPieceTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = WordPieceTokenizer.load(tmp_path)
    assert loaded.vocabulary == tokenizer.vocabulary
    assert loaded.lowercase == tokenizer.lowercase
    assert loaded.fingerprint == tokenizer.fingerprint


def test_decode_joins_pieces() -> None:
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens([*SPECIAL, "un", "##believ", "##able", "!"]))
    assert tokenizer.decode([2, 5, 6, 7, 8, 5, 3]) == "[CLS] unbelievable ! un [SEP]"
    assert tokenizer.decode([2, 5, 6, 7, 8, 5, 3], skip_special_tokens=True) == "unbelievable ! un"
    assert tokenizer.decode(np.array([6, 7])) == "##believable"
    assert tokenizer.decode([]) == ""
    with pytest.raises(InputError, match="the id 9 is not in the vocabulary, whose ids are 0 to 8"):
        tokenizer.decode([9])
    with pytest.raises(InputError, match="the id -1 is not in the vocabulary"):
        tokenizer.decode([-1])


def test_one_string_is_refused() -> None:
    tokenizer = WordPieceTokenizer(Vocabulary.from_tokens(SPECIAL))
    with pytest.raises(InputError, match=r"got one text, 'hello'; pass \[text\]"):
        tokenizer.encode("hello")


def test_the_fingerprint_is_of_the_content_and_the_same_in_every_process() -> None:
    pieces = [*SPECIAL, "a", "é", "##b"]
    vocabulary = Vocabulary.from_tokens(pieces)
    fingerprint = WordPieceTokenizer(vocabulary).fingerprint
    others = {
        WordPieceTokenizer(vocabulary, lowercase=False).fingerprint,
        WordPieceTokenizer(vocabulary, strip_accents=False).fingerprint,
        WordPieceTokenizer(Vocabulary.from_tokens([*SPECIAL, "é", "a", "##b"])).fingerprint,
        WordPieceTokenizer(Vocabulary.from_tokens(pieces, others=["a"])).fingerprint,
    }
    assert len(others - {fingerprint}) == 4
    program = (
        "from kpt.text import Vocabulary, WordPieceTokenizer\n"
        f"print(WordPieceTokenizer(Vocabulary.from_tokens({pieces!r})).fingerprint)"
    )
    root = Path(kpt.__file__).parent.parent
    result = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == fingerprint
    assert len(fingerprint) == 64


def test_a_tokenizer_can_be_sent_to_another_process(tokenizer: WordPieceTokenizer) -> None:
    tokenizer.encode(["a"])
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.fingerprint == tokenizer.fingerprint
    assert copy.encode(["a b"]).values.tolist() == tokenizer.encode(["a b"]).values.tolist()
