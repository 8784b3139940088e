from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from kpt.errors import InputError
from kpt.text import WordTokenizer, load_tokenizer
from tests.text.hostile_texts import HOSTILE, generated_texts


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("pattern", [None, r"[A-Za-zΑ-Ωα-ω]+|[0-9]"])
def test_tokenizers_reads_the_folder_and_gives_the_same_ids(
    lowercase: bool, pattern: str | None, tmp_path: Path
) -> None:
    texts = [*HOSTILE, *generated_texts(2, 500)]
    tokenizer = WordTokenizer.train(texts, minimum_frequency=2, lowercase=lowercase, word_pattern=pattern)
    tokenizer.save(tmp_path)
    reference = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    encoded = tokenizer.encode(texts)
    for i, text in enumerate(texts):
        assert encoded.row(i).tolist() == reference.encode(text).ids, ascii(text[:200])


def test_without_counts_there_is_no_file_of_them(tmp_path: Path) -> None:
    tokenizer = WordTokenizer.train(["a b"], minimum_frequency=1)
    tokenizer.save(tmp_path)
    assert json.loads((tmp_path / "word_counts.json").read_text()) == {"counts": [0, 1, 1]}
    WordTokenizer(tokenizer.vocabulary).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]
    assert WordTokenizer.load(tmp_path).counts is None


def damaged(change: str, value: Any) -> dict[str, Any]:
    content = {
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1}, "unk_token": "[UNK]"},
    }
    *parents, last = change.split(".")
    place: Any = content
    for parent in parents:
        place = place[parent]
    place[last] = value
    return content


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("model.vocab", {"[UNK]": 0, "a": 2}),
        ("model.vocab", {"[UNK]": 0, "a": "1"}),
        ("model.vocab", ["[UNK]"]),
        ("model.vocab", {"a": 0}),
        ("model.vocab", {"[UNK]": 0, "": 1}),
        ("model.unk_token", None),
        ("normalizer", {"type": "NFC"}),
        ("pre_tokenizer", None),
        ("pre_tokenizer", {"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Isolated", "invert": True}),
    ],
)
def test_a_damaged_file_is_refused(change: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(damaged(change, value)))
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("counts", ['{"counts": [1]}', '{"counts": [1, -1]}', '{"counts": [1, 1e3]}', "[1, 1]", "{"])
def test_damaged_counts_are_refused(counts: str, tmp_path: Path) -> None:
    WordTokenizer.train(["a"], minimum_frequency=1).save(tmp_path)
    (tmp_path / "word_counts.json").write_text(counts)
    with pytest.raises(InputError, match=r"word_counts\.json"):
        WordTokenizer.load(tmp_path)


def test_what_is_no_folder_of_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no"):
        WordTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE"}}')
    with pytest.raises(InputError, match="'BPE'"):
        WordTokenizer.load(tmp_path)
