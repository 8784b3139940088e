from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from kpt.errors import InputError
from kpt.interop.published_tokenizer import PublishedTokenizer, read_tokenizer
from kpt.text import BytePairTokenizer
from kpt.text.byte_pair_bytes import BYTE_CHARACTERS
from tests.interop.checkpoints import byte_pair, wordpiece
from tests.text.hostile_texts import HOSTILE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer as SmolLM's: every digit by itself, then GPT-2's words."""
    backend = Tokenizer(models.BPE({piece: i for i, piece in enumerate([*BYTE_CHARACTERS, "th", "12"])}, [("t", "h")]))
    splits = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    backend.pre_tokenizer = pre_tokenizers.Sequence(splits)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken("<|end|>", special=True), AddedToken("<|pad|>", special=True)])
    backend.save(str(tmp_path / "tokenizer.json"))
    config = {"eos_token": "<|end|>", "bos_token": "<|end|>", "pad_token": "<|pad|>", "unk_token": "<|end|>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return tmp_path


def test_ids_are_theirs(folder: Path) -> None:
    tokenizer, backend = read_tokenizer(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert isinstance(tokenizer, PublishedTokenizer)
    found = tokenizer.encode(HOSTILE)
    for i, text in enumerate(HOSTILE):
        assert found.row(i).tolist() == backend.encode(text).ids
        assert tokenizer.decode(found.row(i)) == text


def test_special_tokens(folder: Path) -> None:
    tokenizer = read_tokenizer(folder)
    assert dict(tokenizer.vocabulary.roles) == {"end": 258, "pad": 259, "unk": 258}
    assert tokenizer.vocabulary.special_ids == (258, 259)
    assert 258 not in tokenizer.encode(["a<|end|>b"]).values
    letter = int(tokenizer.encode(["a"]).values[0])
    assert tokenizer.decode([letter, 258]) == "a<|end|>"
    assert tokenizer.decode([letter, 258], skip_special_tokens=True) == "a"
    assert tokenizer.encode([]).row_splits.tolist() == [0]
    assert tokenizer.encode(["\ud800"]).values.tolist() == tokenizer.encode(["\ufffd"]).values.tolist()


def test_a_copy_is_the_same(folder: Path, tmp_path: Path) -> None:
    tokenizer = read_tokenizer(folder)
    tokenizer.save(tmp_path / "copy")
    copy = read_tokenizer(tmp_path / "copy")
    assert copy.fingerprint == tokenizer.fingerprint and copy.options == tokenizer.options
    assert copy.vocabulary == tokenizer.vocabulary
    with pytest.raises(InputError, match="has no TensorFlow form; export with --format huggingface instead"):
        copy.in_graph()
    with pytest.raises(InputError, match="260 is not in the vocabulary"):
        copy.decode([260])


def test_ours_is_preferred_and_damage_is_told(folder: Path, tmp_path: Path) -> None:
    byte_pair().save(tmp_path / "ours")
    assert isinstance(read_tokenizer(tmp_path / "ours"), BytePairTokenizer)
    for content in ("", "{}", "[" * 1_000_000, '{"model": {"type": "BPE", "vocab": {"a": 4000000000}, "merges": []}}'):
        (folder / "tokenizer.json").write_text(content, encoding="utf-8")
        with pytest.raises(InputError):
            read_tokenizer(folder)
    with pytest.raises(InputError, match=r"has neither tokenizer.json nor vocab.txt"):
        (tmp_path / "empty").mkdir()
        read_tokenizer(tmp_path / "empty")


PIECES = {piece: i for i, piece in enumerate(wordpiece().vocabulary.tokens)}
BYTES = [*BYTE_CHARACTERS, "th", "the", "Ġthe"]
MERGES = [("t", "h"), ("th", "e"), ("Ġ", "the")]
UNIGRAM = [("<pad>", 0.0), ("<unk>", 0.0), ("[CLS]", 0.0), ("[SEP]", 0.0), ("[MASK]", 0.0), ("▁", -2.0)]
UNIGRAM += [(chr(code), -code / 50) for code in range(33, 127)]
UNIGRAM += [("▁the", -1.5), ("▁cat", -2.0), ("é", -5.0)]
FALLBACK = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"the", "th", "the", "▁the"]


def numbered(pieces: list[str]) -> dict[str, int]:
    return {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("BertTokenizer", {"vocab": PIECES}),
        ("BertTokenizer", {"vocab": PIECES, "do_lower_case": False}),
        ("DistilBertTokenizer", {"vocab": PIECES}),
        ("ElectraTokenizer", {"vocab": PIECES}),
        ("AlbertTokenizer", {"vocab": UNIGRAM}),
        (
            "RobertaTokenizer",
            {"vocab": numbered(["<s>", "<pad>", "</s>", "<unk>", *BYTES, "<mask>"]), "merges": MERGES},
        ),
        ("GPT2Tokenizer", {"vocab": numbered([*BYTES, "<|endoftext|>"]), "merges": MERGES}),
        ("Qwen2Tokenizer", {"vocab": numbered([*BYTES, "<|endoftext|>"]), "merges": MERGES}),
        ("LlamaTokenizer", {"vocab": numbered(FALLBACK), "merges": [("t", "h"), ("th", "e"), ("▁", "the")]}),
    ],
)
def test_every_family_gives_the_ids_of_its_own_class(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    import transformers

    getattr(transformers, name)(**arguments).save_pretrained(tmp_path / "theirs")
    tokenizer = read_tokenizer(tmp_path / "theirs")
    (tmp_path / "ours").mkdir()
    tokenizer.save(tmp_path / "ours")
    found = tokenizer.encode(HOSTILE)
    for folder in ("theirs", "ours"):
        theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / folder)
        for i, text in enumerate(HOSTILE):
            # A special token's text in a text is text to kpt.
            expected = theirs(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
            assert found.row(i).tolist() == expected, text
