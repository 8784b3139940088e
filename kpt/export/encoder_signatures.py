"""The functions that an exported model serves: text in, dense tensors out, TensorFlow operations alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kpt.export.sequences import pair_sequences, single_sequences
from kpt.export.settings import concrete
from kpt.objectives import MaskedLM, NextSentence, Objective, Pretrainer
from kpt.text import Tokenizer, Vocabulary, WordPieceTokenizer

__all__ = ["ServedEncoder"]


class ServedEncoder(tf.Module):
    """A pre-trained model behind its tokenizer; what it tracks is what a SavedModel of it holds.

    Args:
        pretrainer: the model, or an encoder without objectives.
        tokenizer: the tokenizer it was trained with.
        length: tokens of a sequence at most, special tokens included.
        top_k: guesses for each mask.
    """

    def __init__(self, pretrainer: Pretrainer, tokenizer: Tokenizer, length: int, top_k: int) -> None:
        super().__init__()
        backbone: Any = getattr(pretrainer, "backbone", pretrainer)
        objectives: Any = getattr(pretrainer, "objectives", ())
        heads = [head for head in objectives if isinstance(head, MaskedLM | NextSentence)]
        # The variables alone: a Keras object in the SavedModel would ask for Keras when it is loaded.
        self.weights = [weight.value for part in (backbone, *heads) for weight in part.weights]
        self.plain = tokenizer.in_graph()
        self.functions: dict[str, tf.types.experimental.ConcreteFunction] = {
            "serving_default": embed(backbone, self.plain, tokenizer.vocabulary, length)
        }
        for head in heads:
            if isinstance(head, MaskedLM) and "fill_mask" not in self.functions:
                if not isinstance(tokenizer, WordPieceTokenizer):
                    missing = "needs a tokenizer that keeps a literal [MASK], as WordPiece does"
                    warnings.warn(f"the signature fill_mask is left out: it {missing}", stacklevel=3)
                    continue
                self.with_masks = tokenizer.in_graph(literal_mask=True)
                self.functions["fill_mask"] = fill_mask(
                    backbone, head, self.with_masks, tokenizer.vocabulary, length, top_k
                )
            elif isinstance(head, NextSentence) and "next_sentence" not in self.functions:
                self.functions["next_sentence"] = next_sentence(
                    backbone, head, self.plain, tokenizer.vocabulary, length
                )


def embed(backbone: Any, encode: Callable[[Any], Any], vocabulary: Vocabulary, length: int) -> Any:
    r"""Return texts [n] to `pooled` [n, width] (if the backbone has it) and `mean` [n, width], float32.

    .. math:: \mathrm{mean} = \sum_t m_t h_t / \sum_t m_t

    with m the padding mask: [CLS] and [SEP] count as tokens, padding does not.
    """

    def function(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = single_sequences(encode(texts), vocabulary, length)
        outputs = _run(backbone, batch)
        weights = tf.cast(batch["padding_mask"], tf.float32)[:, :, None]
        total = tf.reduce_sum(tf.cast(outputs["sequence"], tf.float32) * weights, axis=1)
        results = {"mean": total / tf.maximum(tf.reduce_sum(weights, axis=1), 1.0)}
        if "pooled" in outputs:
            results["pooled"] = tf.cast(outputs["pooled"], tf.float32)
        return results

    return concrete(function, ["texts"])


def fill_mask(
    backbone: Any, head: Objective, encode: Callable[[Any], Any], vocabulary: Vocabulary, length: int, top_k: int
) -> Any:
    """Return texts [n] to the `top_k` most probable tokens of each mask, most probable first.

    `tokens` string, `probabilities` float32 and `token_ids` int32 are [n, m, k] with m the largest number of masks of a
    text of the batch, at least 1; `mask_count` int32 [n] says how many of the m each text has. The others hold "", 0
    and the id of [PAD].
    """
    pieces = [token.encode() for token in vocabulary.tokens]

    def function(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = single_sequences(encode(texts), vocabulary, length)
        places = tf.where(batch["token_ids"] == vocabulary.mask_id)
        rows = tf.RaggedTensor.from_value_rowids(places[:, 1], places[:, 0], tf.shape(texts, tf.int64)[0])
        positions = tf.cast(rows.to_tensor(), tf.int32)
        positions = tf.pad(positions, [[0, 0], [0, tf.maximum(0, 1 - tf.shape(positions)[1])]])
        mask_count = tf.cast(rows.row_lengths(), tf.int32)
        logits = head(
            _run(backbone, batch),
            {**batch, "mask_positions": positions},
            project=lambda hidden: backbone.token_embedding(hidden, reverse=True),
        )
        best = tf.math.top_k(tf.nn.softmax(tf.cast(logits, tf.float32)), k=min(top_k, vocabulary.size))
        used = tf.sequence_mask(mask_count, tf.shape(positions)[1])[:, :, None]
        return {
            "tokens": tf.where(used, tf.gather(tf.constant(pieces), best.indices), ""),
            "probabilities": tf.where(used, best.values, 0.0),
            "token_ids": tf.where(used, best.indices, vocabulary.pad_id),
            "mask_count": mask_count,
        }

    return concrete(function, ["texts"])


def next_sentence(
    backbone: Any, head: Objective, encode: Callable[[Any], Any], vocabulary: Vocabulary, length: int
) -> Any:
    """Return two texts, [n] each, to `probability` float32 [n]: that the second follows the first (BERT's label 0)."""

    def function(first: tf.Tensor, second: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = pair_sequences(encode(first), encode(second), vocabulary, length)
        logits = head(_run(backbone, batch), batch)
        return {"probability": tf.nn.softmax(tf.cast(logits, tf.float32))[:, 0]}

    return concrete(function, ["first", "second"])


def _run(backbone: Any, batch: dict[str, tf.Tensor]) -> Any:
    return backbone({name: batch[name] for name in backbone.input}, training=False)
