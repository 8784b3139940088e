from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import Tokenizer

from kpt.errors import InputError
from kpt.text.sentencepiece_folder import find_model, read_folder, write_folder
from kpt.text.sentencepiece_training import learn_model
from tests.text.hostile_texts import HOSTILE, generated_texts, real_lines

LINES = real_lines()[:3000]
# What spells a special token or a byte is one in Hugging Face.
TEXTS = [text for text in [*HOSTILE, *generated_texts(9, 1000), *LINES[:500]] if "<" not in text]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    model = learn_model(LINES, 600)
    write_folder(tmp_path / "folder", model)
    names = ["tokenizer.json", "tokenizer.model", "tokenizer_config.json"]
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == names
    assert read_folder(tmp_path / "folder") == read_folder(tmp_path / "folder" / "tokenizer.model") == model


def test_a_published_folder_of_the_model_alone(tmp_path: Path) -> None:
    model = learn_model(LINES, 600)
    (tmp_path / "spiece.model").write_bytes(model.serialize())
    assert find_model(tmp_path) == tmp_path / "spiece.model"
    assert read_folder(tmp_path) == model


def test_missing_and_damaged_models(tmp_path: Path) -> None:
    assert find_model(tmp_path) is None
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="there is no SentencePiece model in "):
            read_folder(folder)
    (tmp_path / "tokenizer.model").write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"tokenizer\.model is no SentencePiece model"):
        read_folder(tmp_path)


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
@pytest.mark.parametrize(("dummy_prefix", "collapse_spaces"), [(False, False), (True, False), (True, True)])
def test_hugging_face_gives_the_same_ids(
    tmp_path: Path, algorithm: str, dummy_prefix: bool, collapse_spaces: bool
) -> None:
    learned = learn_model(LINES, 800, algorithm=algorithm)  # type: ignore[arg-type]
    model = dataclasses.replace(learned, dummy_prefix=dummy_prefix, collapse_spaces=collapse_spaces)
    write_folder(tmp_path, model)
    reference = sentencepiece.SentencePieceProcessor(model_proto=model.serialize())
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text, ids, encoding in zip(TEXTS, reference.encode(TEXTS), tokenizer.encode_batch(TEXTS), strict=True):
        assert encoding.ids == ids, ascii(text)
        if not collapse_spaces:
            assert tokenizer.decode(encoding.ids) == text
