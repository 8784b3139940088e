from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from kpt import InputError
from kpt.data import LabelledBatches, LabelledExamples, TaskMixture, encode_texts
from tests.export.reference import tiny_tokenizer

TEXTS = ["the cat " * (1 + number % 7) for number in range(50)]


def examples(texts: list[str] = TEXTS, **options: object) -> LabelledExamples:
    tokenizer = tiny_tokenizer()
    labels = np.arange(len(texts))
    return LabelledExamples(encode_texts(tokenizer, texts, length=64), tokenizer.vocabulary, labels, **options)


def test_each_epoch_has_each_text_once_in_an_order_of_its_own() -> None:
    maker = examples(seed=3)
    batches = LabelledBatches(maker, batch_size=8)
    assert len(batches) == maker.steps(8) == 7
    epochs = [[batches.batch(7 * epoch + step)[1] for step in range(7)] for epoch in range(2)]
    orders = [np.concatenate(epoch).tolist() for epoch in epochs]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(50)) and orders[0] != orders[1]
    again = LabelledBatches(examples(seed=3), batch_size=8)
    for step in (0, 9):
        inputs, labels = batches.batch(step)
        for row, number in enumerate(labels):
            assert inputs["padding_mask"][row].sum() == 2 + 2 * (1 + number % 7)
        np.testing.assert_array_equal(again.batch(step)[0]["token_ids"], inputs["token_ids"])


def test_without_shuffling_the_order_is_told() -> None:
    maker = examples(shuffle=False)
    batches = LabelledBatches(maker, batch_size=8, repeat=True)
    labels = np.concatenate([batches.batch(step)[1] for step in range(7)])
    np.testing.assert_array_equal(maker.order(8), labels)
    assert [number % 7 for number in labels] == sorted((number % 7 for number in labels), reverse=True)


def test_each_epoch_draws_windows_anew() -> None:
    tokenizer = tiny_tokenizer()
    texts = encode_texts(tokenizer, ["the cat sat on the mat " * 8, "the cat", "on the mat " * 9], length=10, windows=9)

    def rows(step: int, maker: LabelledExamples) -> dict[int, list[int]]:
        inputs, labels = maker.examples(step, 3)
        lists = zip(labels.tolist(), inputs["token_ids"], inputs["padding_mask"], strict=True)
        return {number: ids[mask].tolist() for number, ids, mask in lists}

    def drawing(**options: Any) -> LabelledExamples:
        return LabelledExamples(texts, tokenizer.vocabulary, np.arange(3), drawn_windows=1, **options)

    whole = rows(0, LabelledExamples(texts, tokenizer.vocabulary, np.arange(3)))
    seen: set[tuple[int, ...]] = set()
    for epoch in range(40):
        some = rows(epoch, drawing())
        assert some == rows(epoch, drawing())
        assert some[1] == whole[1]
        begin = next(at for at in range(0, 90, 10) if whole[0][at : at + 10] == some[0])
        assert begin % 10 == 0 and len(some[2]) <= 10
        seen.add(tuple(some[0]))
    assert seen == {tuple(whole[0][at : at + 10]) for at in range(0, len(whole[0]), 10)}
    assert rows(0, drawing(shuffle=False)) == whole
    assert rows(0, drawing(seed=1)) != rows(0, drawing())


def test_weights_come_third_and_texts_may_be_without_labels() -> None:
    weights = np.linspace(0, 1, 50, dtype="float32")
    _, labels, weight = LabelledBatches(examples(weights=weights)).batch(0)
    np.testing.assert_array_equal(weight, weights[labels])
    tokenizer = tiny_tokenizer()
    alone = LabelledExamples(encode_texts(tokenizer, TEXTS, length=64), tokenizer.vocabulary)
    assert len(LabelledBatches(alone).batch(0)) == 1


def test_keras_does_not_take_the_width_of_two_batches_for_that_of_all() -> None:
    texts = ["the cat"] * 20 + ["the cat sat on the mat " * 5]
    batches = LabelledBatches(examples(texts, seed=1), batch_size=4)
    widths = [batches.batch(step)[0]["token_ids"].shape[1] for step in range(len(batches))]
    assert widths[0] == widths[1] and len(set(widths)) == 2
    inputs = {name: keras.Input((None,), dtype=dtype, name=name) for name, dtype in (("token_ids", "int32"),)}
    embedded = keras.layers.Embedding(60, 4)(inputs["token_ids"])
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(embedded)))
    model.compile("sgd", "mse", run_eagerly=False)
    history = model.fit(OnlyIds(batches), shuffle=False, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("several", [False, True])
def test_batches_are_as_wide_as_their_longest_text_where_nothing_is_compiled(several: bool) -> None:
    maker: Any = examples(seed=3)
    batches = LabelledBatches(TaskMixture({"a": maker, "b": examples(seed=4)}) if several else maker, batch_size=8)

    def widths() -> list[tuple[int, int]]:
        masks = [batches[index][0]["padding_mask"] for index in range(len(batches))]
        return [(mask.shape[1], int(mask.sum(axis=1).max())) for mask in masks]

    rounded = widths()
    assert all(width % 8 == 0 for width, _ in rounded[2:])
    batches.made_for(compiled=False)
    assert widths()[2:] == [(longest, longest) for _, longest in rounded[2:]]
    assert any(longest % 8 for _, longest in rounded[2:])
    batches.made_for(compiled=True)
    assert widths() == rounded
    batches.made_for(compiled=False)
    assert LabelledBatches(batches.maker, batch_size=8).batch(2)[0]["token_ids"].shape[1] == rounded[2][0]


class OnlyIds(keras.utils.PyDataset):
    """The same batches with but one of their inputs, as the model has no other."""

    def __init__(self, batches: LabelledBatches) -> None:
        super().__init__()
        self.batches = batches
        self.on_epoch_begin, self.on_epoch_end = batches.on_epoch_begin, batches.on_epoch_end

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> object:
        inputs, labels = self.batches[index]
        return {"token_ids": inputs["token_ids"]}, labels


def test_refusals() -> None:
    tokenizer = tiny_tokenizer()
    encoded = encode_texts(tokenizer, ["the", "cat", "sat"], length=8)
    with pytest.raises(InputError, match="10 labels for 3 texts"):
        LabelledExamples(encoded, tokenizer.vocabulary, np.zeros(10))
    with pytest.raises(InputError, match="there is no text"):
        LabelledExamples(encode_texts(tokenizer, [], length=8), tokenizer.vocabulary)
