"""What the exported signatures must return, computed through the Python tokenizer and the model itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

import kpt
from kpt.objectives import MaskedLM, NextSentence

HOSTILE = [
    "",
    " \t\n\r ",
    "the cat sat on the mat .",
    "the cat sat on the [MASK] .",
    "[MASK] [MASK] the [CLS] low [SEP] [PAD] [UNK] [mask] [MASK]",
    "the[MASK]cat[MASK][MASK]",
    "中文 the 日本語 low",
    "👩‍👩‍👧 low 🇨🇭 the",
    "café café naïve Ångström",
    "ﬁne ß ǅ İstanbul",
    "ｔｈｅ ｃａｔ",
    "the\u200bcat so\u00adft \ufeffmat \u2028 low",
    "the\x00cat\x07 \x1b[0m mat \ufffd \ue000",
    "l" * 10_000,
    "low " * 5_000,
    "the cat [MASK] " * 40,
]


def tiny_tokenizer() -> kpt.WordPieceTokenizer:
    return kpt.WordPieceTokenizer.train(
        ["the cat sat on the mat . low lower lowest 中 [ ] mask and others who were there"] * 3, 60
    )


def tiny_pretrainer(objectives: Sequence[Any] | None = None, length: int = 24, **options: Any) -> kpt.Pretrainer:
    """A model with dropout whose weights are all of them large and different, so that every mistake shows."""
    config = {"width": 16, "depth": 2, "heads": 2, "maximum_length": length, "dropout": 0.5} | options
    encoder = kpt.Encoder(vocabulary_size=60, **config)
    pretrainer = kpt.Pretrainer(encoder, [MaskedLM(), NextSentence()] if objectives is None else objectives)
    generator = np.random.default_rng(0)
    for weight in pretrainer.weights:
        value = keras.ops.convert_to_numpy(weight)
        weight.assign(value + generator.normal(0, 0.3, weight.shape).astype("float32"))
    return pretrainer


def encode(tokenizer: kpt.WordPieceTokenizer, text: str, literal_mask: bool = False) -> list[int]:
    return tokenizer.encode([text], literal_mask=literal_mask).values.tolist()


def sequence(tokenizer: kpt.WordPieceTokenizer, length: int, first: list[int], second: list[int] | None = None) -> Any:
    """A batch of one, padded to the length; pairs are cut by BERT's loop."""
    vocabulary = tokenizer.vocabulary
    if second is None:
        ids = [vocabulary.cls_id, *first[: length - 2], vocabulary.sep_id]
        segments = [0] * len(ids)
    else:
        first, second = list(first), list(second)
        while len(first) + len(second) > length - 3:
            (first if len(first) > len(second) else second).pop()
        ids = [vocabulary.cls_id, *first, vocabulary.sep_id, *second, vocabulary.sep_id]
        segments = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    rest = length - len(ids)
    return {
        "token_ids": np.array([ids + [vocabulary.pad_id] * rest], np.int32),
        "segment_ids": np.array([segments + [0] * rest], np.int32),
        "padding_mask": np.array([[True] * len(ids) + [False] * rest]),
    }


class Predictions(NamedTuple):
    """The model's own: pooled and mean [n, width]; for each text [masks, vocabulary]; probability [n]."""

    pooled: np.ndarray
    mean: np.ndarray
    guesses: list[np.ndarray]
    probability: np.ndarray


def predictions(pretrainer: Any, tokenizer: Any, texts: list[str], seconds: list[str], length: int) -> Predictions:
    """Predict in one padded batch of the full length; the pairs are each text with its second."""
    plain = stacked([sequence(tokenizer, length, encode(tokenizer, text)) for text in texts])
    outputs = {name: keras.ops.convert_to_numpy(value) for name, value in pretrainer.backbone(plain).items()}
    mean = [rows[mask].mean(axis=0) for rows, mask in zip(outputs["sequence"], plain["padding_mask"], strict=True)]

    masked = stacked([sequence(tokenizer, length, encode(tokenizer, text, literal_mask=True)) for text in texts])
    everywhere = np.tile(np.arange(length, dtype=np.int32), (len(texts), 1))
    logits = keras.ops.convert_to_numpy(pretrainer({**masked, "mask_positions": everywhere})["masked_lm"])
    guesses = [
        softmax(row[ids == tokenizer.vocabulary.mask_id]) for row, ids in zip(logits, masked["token_ids"], strict=True)
    ]

    pairs = stacked(
        [
            sequence(tokenizer, length, encode(tokenizer, first), encode(tokenizer, second))
            for first, second in zip(texts, seconds, strict=True)
        ]
    )
    logits = pretrainer({**pairs, "mask_positions": everywhere})["next_sentence"]
    probability = softmax(keras.ops.convert_to_numpy(logits))[:, 0]
    return Predictions(outputs["pooled"], np.array(mean), guesses, probability)


def stacked(batches: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def assert_served(outputs: dict[str, Any], pretrainer: Any, tokenizer: Any, texts: list[str], length: int) -> None:
    """Compare all three signatures' outputs with the model's own, to 1e-5.

    Args:
        outputs: by signature; next_sentence was called with the texts and the texts in reverse order.
        pretrainer: the model.
        tokenizer: its tokenizer.
        texts: what the signatures were given.
        length: what was exported.
    """
    tokens = tokenizer.vocabulary.tokens
    own = predictions(pretrainer, tokenizer, texts, texts[::-1], length)
    np.testing.assert_allclose(outputs["serving_default"]["pooled"], own.pooled, atol=1e-5)
    np.testing.assert_allclose(outputs["serving_default"]["mean"], own.mean, atol=1e-5)
    np.testing.assert_allclose(outputs["next_sentence"]["probability"], own.probability, atol=1e-5)
    filled = {name: np.asarray(value) for name, value in outputs["fill_mask"].items()}
    assert filled["mask_count"].tolist() == [len(guesses) for guesses in own.guesses]
    k = filled["token_ids"].shape[-1]
    for row, expected in enumerate(own.guesses):
        count = len(expected)
        best = np.sort(expected, axis=-1)[:, ::-1][:, :k]
        np.testing.assert_allclose(filled["probabilities"][row, :count], best, atol=1e-5)
        ids = filled["token_ids"][row, :count]
        np.testing.assert_allclose(np.take_along_axis(expected, ids, axis=-1), best, atol=1e-5)
        assert as_text(filled["tokens"][row, :count]) == [[tokens[i] for i in guess] for guess in ids]
        assert as_text(filled["tokens"][row, count:]) == [[""] * k] * (filled["tokens"].shape[1] - count)
        assert not filled["probabilities"][row, count:].any()
        assert (filled["token_ids"][row, count:] == tokenizer.vocabulary.pad_id).all()


def as_text(values: np.ndarray) -> list[Any]:
    return [
        as_text(value) if isinstance(value, np.ndarray) else value.decode() if isinstance(value, bytes) else value
        for value in values
    ]
