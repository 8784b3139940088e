"""The benchmark of length buckets runs, tiny, and what it writes holds together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.length_buckets import SIDES, PaddedExamples, main, sentences
from kpt.data.labelled_batches import LabelledExamples
from kpt.data.text_sequences import encode_texts
from kpt.text import Document
from tests.tasks.small_task import TEXTS, small_tokenizer


def test_sentences_have_the_label_of_their_document() -> None:
    documents = [Document("It rained. The street was wet.", label="a"), Document("Why?", label="b")]
    assert sorted((each.text, each.label) for each in sentences(documents, 10)) == [
        ("It rained.", "a"),
        ("The street was wet.", "a"),
        ("Why?", "b"),
    ]
    assert sentences(documents, 2) == sentences(documents, 2)


def test_padding_changes_the_width_alone() -> None:
    tokenizer = small_tokenizer()
    texts = encode_texts(tokenizer, TEXTS, length=24)
    examples = LabelledExamples(texts, tokenizer.vocabulary, np.arange(len(TEXTS)))
    padded = PaddedExamples(examples, 24)
    (inputs, labels), (wide, same) = examples.examples(0, 2), padded.examples(0, 2)
    columns = inputs["token_ids"].shape[1]
    assert wide["token_ids"].shape == (2, 24) and columns < 24
    assert np.array_equal(wide["token_ids"][:, :columns], inputs["token_ids"]) and np.array_equal(labels, same)
    assert not wide["padding_mask"][:, columns:].any()


def test_it_runs_tiny(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--tiny", "--out", str(tmp_path / "length_buckets.json")])
    result = json.loads((tmp_path / "length_buckets.json").read_text())
    assert list(result["seconds"]) == list(SIDES) and all(len(each) == 1 for each in result["seconds"].values())
    own, padded = (result["seconds"][side][0] for side in SIDES[:2])
    assert result["ratio"][SIDES[1]] == pytest.approx(padded / own, abs=0.01)
    assert 3 < result["tokens"]["mean"] <= result["tokens"]["longest"] <= 64
    assert "Hugging Face Trainer" in capsys.readouterr().out


def test_a_side_can_be_left_out(tmp_path: Path) -> None:
    result = main(["--tiny", "--sides", SIDES[1], "--out", str(tmp_path / "length_buckets.json")])
    assert list(result["seconds"]) == list(SIDES[:2]) and list(result["ratio"]) == [SIDES[1]]
