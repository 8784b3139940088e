from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kpt.data import prepare
from kpt.errors import InputError
from kpt.models import Decoder, Encoder
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
from kpt.text import WordPieceTokenizer
from kpt.text.wordpiece_extension import extend_wordpiece
from kpt.training.adaptation import Beginning, adapted, check_tokenizer, grown, open_beginning, take_weights
from kpt.training.bert import BertSettings, pretrain_bert
from kpt.training.gpt import GptSettings
from kpt.training.run_folder import RunFolder
from tests.numbers import array
from tests.training.small_store import DOCUMENTS

SIZES: dict[str, Any] = {"width": 16, "depth": 1, "heads": 2, "maximum_length": 32, "dropout": 0.0}
DOMAIN = [f"{text} The wallaby ate the mulga." for text in DOCUMENTS]


def trained(tokenizer: WordPieceTokenizer, **options: Any) -> Pretrainer:
    encoder = Encoder(tokenizer.vocabulary.size, **SIZES, positions="rotary", segments=2, **options)
    return Pretrainer(encoder, [MaskedLM(), NextSentence()])


def test_from_a_run_to_one_on_other_text_with_new_words(tmp_path: Path) -> None:
    old = WordPieceTokenizer.train(DOCUMENTS, 90)
    run = RunFolder.create(tmp_path / "run", old, {"title": "BERT pre-training"})
    model = trained(old)
    model.compile("sgd")
    run.save(model, 1)
    new = extend_wordpiece(old, DOMAIN, 2)
    assert new.vocabulary.tokens[90:] == ("wallaby", "mulga")
    store = prepare(DOMAIN, new, tmp_path / "store", progress=False)
    settings = BertSettings(steps=1, batch_size=2, length=16, evaluations=1, evaluation_batches=1, learning_rate=1e-12)
    pretrain_bert(store.folder, tmp_path / "more", settings, source=run.path)
    more = RunFolder(tmp_path / "more")
    config = json.loads((more.path / "config.json").read_text())
    assert config["from"] == str(run.path) and config["model"]["width"] == 16
    after = more.load(compile=False)
    table, before = array(after.backbone.token_embedding.embeddings), array(model.backbone.token_embedding.embeddings)
    np.testing.assert_allclose(table[:90], before, atol=1e-6)
    for row, word in enumerate(("wallaby", "mulga"), start=90):
        ids = old.encode([word]).values
        assert len(ids) > 1
        np.testing.assert_allclose(table[row], before[ids].mean(axis=0), atol=1e-6)
    for name in ("masked_lm", "next_sentence"):
        one, other = (next(each for each in m.objectives if each.name == name) for m in (after, model))
        kernels = [[array(w) for w in each.weights if w.path.endswith("kernel")] for each in (one, other)]
        np.testing.assert_allclose(kernels[0][0], kernels[1][0], atol=1e-6)
    assert more.tokenizer.fingerprint == new.fingerprint


def test_data_of_another_tokenizer_are_refused() -> None:
    same = WordPieceTokenizer.train(DOCUMENTS, 90)
    old = WordPieceTokenizer.train(["some other text of cats"] * 3, 30)
    with pytest.raises(InputError, match=r"^store was written with another tokenizer \(\w{12}\) than that of runs/old"):
        check_tokenizer(same, "store", Beginning("runs/old", trained(old), old))
    check_tokenizer(WordPieceTokenizer.train(DOCUMENTS, 90), "store", Beginning("runs/same", trained(same), same))
    other = WordPieceTokenizer(same.vocabulary, lowercase=False)
    with pytest.raises(InputError, match="prepare the text with its tokenizer"):
        check_tokenizer(same, "store", Beginning("runs/other", trained(same), other))


def test_an_output_of_its_own_grows_too() -> None:
    """Both tables of a decoder whose logits are no products with the embedding."""
    old = WordPieceTokenizer.train(DOCUMENTS, 90)
    new = extend_wordpiece(old, DOMAIN, 1)
    first = Pretrainer(Decoder(90, **SIZES, tied=False), [CausalLM()])
    second = Pretrainer(Decoder(91, **SIZES, tied=False), [CausalLM()])
    assert take_weights(second, Beginning("run", first, old), new) == 1
    ids = old.encode(["wallaby"]).values
    one, other = first.backbone.token_embedding, second.backbone.token_embedding
    reverse = array(other.reverse_embeddings)
    assert reverse.shape == (16, 91)
    np.testing.assert_allclose(reverse[:, 90], array(one.reverse_embeddings)[:, ids].mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(array(other.embeddings)[:90], array(one.embeddings))


def test_settings_take_the_architecture_and_a_lower_rate() -> None:
    tokenizer = WordPieceTokenizer.train(DOCUMENTS, 90)
    settings = adapted(BertSettings(steps=10, length=16), Beginning("run", trained(tokenizer), tokenizer))
    assert (settings.model_config["width"], settings.architecture) == (16, "modern")
    assert settings.peak == pytest.approx(0.3 * 1.5e-3)
    given = adapted(
        BertSettings(steps=10, length=16, learning_rate=1e-4), Beginning("run", trained(tokenizer), tokenizer)
    )
    assert given.peak == 1e-4
    with pytest.raises(InputError, match="length is 64; the positions of the model allow 5 to 32"):
        adapted(BertSettings(steps=10, length=64), Beginning("run", trained(tokenizer), tokenizer))
    decoder = Beginning("run", Decoder(90, **SIZES), tokenizer)
    assert adapted(GptSettings(steps=10, length=16), decoder).model_config["maximum_length"] == 32


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    tokenizer = WordPieceTokenizer.train(DOCUMENTS, 90)
    run = RunFolder.create(tmp_path / "run", tokenizer, {})
    model = trained(tokenizer)
    model.compile("sgd")
    run.save(model, 1)
    assert open_beginning(run.path, Encoder).backbone.width == 16
    with pytest.raises(InputError, match="a model of the kind Encoder, not Decoder; give one of `kpt pretrain gpt`"):
        open_beginning(run.path, Decoder)


def test_new_rows_are_means_of_old_ones() -> None:
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    made = grown(table, [np.array([0, 2]), np.array([1]), np.array([], int)])
    assert made.tolist() == [[0, 1], [2, 3], [4, 5], [2, 3], [2, 3], [2, 3]] and made.dtype == np.float32
    assert grown(table, []) is table
