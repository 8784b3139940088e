"""The functions that an exported causal language model serves: text in, text out, TensorFlow operations alone."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from kpt.export.causal_scores import score, zero_shot
from kpt.export.settings import checked, concrete, setting
from kpt.generation.loop import Rows, advance, prefill
from kpt.generation.prompts import decoder_of
from kpt.generation.sampling import sample_by_tensors
from kpt.generation.uniform import uniform
from kpt.layers import written_by_selection
from kpt.objectives import Pretrainer
from kpt.text import Tokenizer

__all__ = ["ServedDecoder"]

LARGEST = tf.float32.max


class ServedDecoder(tf.Module):
    """A causal language model behind its tokenizer; what it tracks is what a SavedModel of it holds.

    Args:
        pretrainer: the model.
        tokenizer: the tokenizer it was trained with.
        length: tokens of a prompt and the text after it together, at most.
    """

    def __init__(self, pretrainer: Pretrainer, tokenizer: Tokenizer, length: int) -> None:
        super().__init__()
        decoder = decoder_of(pretrainer)
        # The variables alone: a Keras object in the SavedModel would ask for Keras when it is loaded.
        self.weights = [weight.value for weight in decoder.weights]
        self.tokenizer = tokenizer.in_graph()
        end = tokenizer.vocabulary.roles.get("end")
        self.functions: dict[str, tf.types.experimental.ConcreteFunction] = {
            "serving_default": generate(decoder, self.tokenizer, end, length),
            "score": score(decoder, self.tokenizer, end, length),
            "zero_shot": zero_shot(decoder, self.tokenizer, end, length),
        }


def generate(decoder: Any, tokenizer: Any, end: int | None, length: int) -> Any:
    """Return prompts [n], max_new_tokens, temperature, top_k, top_p and seed to `texts` string [n].

    The texts are those of `kpt.generate` with the same arguments, without the prompts. They are valid UTF-8, with
    U+FFFD for bytes that are no character: TensorFlow Serving's REST gives them as plain strings.

    Args:
        decoder: a `kpt.models.Decoder`.
        tokenizer: string [n] to ragged int32, and `detokenize` back.
        end: id of the token that ends a text, or `None`.
        length: tokens of prompt and text together, at most.

    Raises:
        InvalidArgumentError: (in the graph) an input is out of its range, prompt and text do not fit into the length,
            or a prompt is empty and there is no token that ends a text.
    """

    def function(
        prompts: tf.Tensor,
        max_new_tokens: tf.Tensor,
        temperature: tf.Tensor,
        top_k: tf.Tensor,
        top_p: tf.Tensor,
        seed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        ids = _begun(tokenizer(prompts), end)
        sizes = tf.cast(ids.row_lengths(), tf.int32)
        new, temperature, top_k, top_p, seed = _settings(max_new_tokens, temperature, top_k, top_p, seed)
        longest = tf.reduce_max(tf.concat([sizes, [1]], axis=0))
        message = f"the longest prompt and max_new_tokens together are over the {length} positions of the model:"
        new = checked(new, (new <= length - longest, [message, longest, new]))
        columns = tf.maximum(longest, 2)
        starts = columns - sizes
        rows = Rows(starts, tf.fill(tf.shape(sizes), new), tf.zeros_like(sizes), tf.constant(_stops(end), tf.int32))

        def choose(logits: Any, token_ids: Any, used: Any, last: Any, positions: Any) -> Any:
            return sample_by_tensors(logits, uniform(seed, rows.samples, positions), temperature, top_k, top_p)

        with written_by_selection():
            state = prefill(decoder, _left_padded(ids, starts, columns), starts, columns + new)
            state = advance(decoder, state, rows, columns - 1 + new, choose)
        texts = tf.RaggedTensor.from_tensor(state.token_ids[:, columns:], tf.cast(state.counts, tf.int64))
        return {"texts": tf.strings.unicode_transcode(tokenizer.detokenize(texts), "UTF-8", "UTF-8", errors="replace")}

    integer, floating = tf.int32, tf.float32
    return concrete(
        function,
        ["prompts"],
        max_new_tokens=integer,
        temperature=floating,
        top_k=integer,
        top_p=floating,
        seed=integer,
    )


def _settings(
    max_new_tokens: tf.Tensor, temperature: tf.Tensor, top_k: tf.Tensor, top_p: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """The scalars, each in its range."""

    def within(value: tf.Tensor, name: str, allowed: Any, advice: str) -> tf.Tensor:
        scalar = setting(value, name)
        return checked(scalar, (allowed(scalar), [f"{name} is out of its range; give {advice}:", scalar]))

    return (
        within(max_new_tokens, "max_new_tokens", lambda x: x >= 1, "1 or more"),
        within(
            temperature,
            "temperature",
            lambda x: (x >= 0) & (x <= LARGEST),
            "0 for the most probable token or a positive number",
        ),
        within(top_k, "top_k", lambda x: x >= 0, "the number of tokens to draw from, or 0 for all"),
        within(top_p, "top_p", lambda x: (x > 0) & (x <= 1), "a probability above 0, and 1 for all tokens"),
        within(seed, "seed", lambda x: x >= 0, "a number from 0 to 2147483647"),
    )


def _stops(end: int | None) -> list[int]:
    return [] if end is None else [end]


def _begun(ids: tf.RaggedTensor, end: int | None) -> tf.RaggedTensor:
    """The rows, an empty one with the token that ends a text, as at the beginning of a text."""
    empty = ids.row_lengths() == 0
    if end is None:
        message = "a prompt is empty and the tokenizer has no end of text; give it some text"
        return ids.with_values(checked(ids.values, (~tf.reduce_any(empty), [message])))
    begin = tf.RaggedTensor.from_row_lengths(
        tf.fill([tf.math.count_nonzero(empty)], end), tf.cast(empty, tf.int64), validate=False
    )
    return tf.concat([begin, ids], axis=1)


def _left_padded(ids: tf.RaggedTensor, starts: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """The rows as int32 [n, columns] with zeros before them."""
    zeros = tf.zeros([tf.reduce_sum(starts)], tf.int32)
    padding = tf.RaggedTensor.from_row_lengths(zeros, tf.cast(starts, tf.int64), validate=False)
    return tf.reshape(tf.concat([padding, ids], axis=1).values, [ids.nrows(tf.int32), columns])
