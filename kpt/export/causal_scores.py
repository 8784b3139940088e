"""How probable a causal language model finds texts and labels, as signatures of TensorFlow operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kpt.export.settings import checked, concrete, setting
from kpt.generation.scoring import token_log_probabilities

__all__ = ["log_likelihoods", "score", "zero_shot"]

# What Python's `rstrip` takes off.
LAST_SPACE = r"[\t-\r\x1c-\x1f\x{85}\p{Z}]+\z"


def score(decoder: Any, encode: Callable[[Any], Any], end: int | None, length: int) -> Any:
    r"""Return texts [n] to `log_likelihood` float32 [n], in nats, and `token_count` int32 [n].

    .. math:: \log p(x) = \sum_t \log p(x_t \mid x_{<t})

    As in `kpt.generation.score` a text stands after the token that ends a text; without one, its first token does not
    count.

    Args:
        decoder: a `kpt.models.Decoder`.
        encode: string [n] to ragged int32.
        end: id of the token that ends a text, or `None`.
        length: tokens at most.
    """

    def function(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = after_end(encode(texts), end)
        total, count = log_likelihoods(decoder, rows, tf.ones_like(rows.row_lengths()), length)
        return {"log_likelihood": total, "token_count": count}

    return concrete(function, ["texts"])


def zero_shot(decoder: Any, encode: Callable[[Any], Any], end: int | None, length: int) -> Any:
    """Return texts [n], labels [m] and a template to `probabilities` float32 [n, m].

    They are those of `kpt.generation.zero_shot` with its defaults: likelihoods per token, and no prior. All n times m
    sequences are computed together.

    Args:
        decoder: a `kpt.models.Decoder`.
        encode: string [n] to ragged int32.
        end: id of the token that ends a text, or `None`.
        length: tokens at most.
    """

    def function(texts: tf.Tensor, labels: tf.Tensor, template: tf.Tensor) -> dict[str, tf.Tensor]:
        before, between, after = _template_parts(setting(template, "template"))
        n, m = tf.size(texts), tf.size(labels)
        distinct = tf.size(tf.unique(labels)[0])
        good = (m > 0) & (m == distinct) & tf.reduce_all(tf.strings.length(labels) > 0)
        labels = checked(labels, (good, ["give one or more labels, all different and none empty; they are:", labels]))
        contexts = tf.strings.join([before, texts, between])
        shorter = tf.strings.regex_replace(between, LAST_SPACE, "")
        space = tf.strings.substr(between, tf.strings.length(shorter), -1)
        heads = after_end(encode(tf.strings.regex_replace(contexts, LAST_SPACE, "")), end)
        tails = encode(tf.strings.join([space, labels, after]))
        heads = tf.gather(heads, tf.repeat(tf.range(n), m))
        rows = tf.concat([heads, tf.gather(tails, tf.tile(tf.range(m), [n]))], axis=1)
        total, count = log_likelihoods(decoder, rows, tf.maximum(heads.row_lengths(), 1), length)
        mean = total / tf.cast(tf.maximum(count, 1), tf.float32)
        return {"probabilities": tf.nn.softmax(tf.reshape(mean, [n, m]))}

    return concrete(function, ["texts", "labels"], template=tf.string)


def after_end(ids: tf.RaggedTensor, end: int | None) -> tf.RaggedTensor:
    """The rows after the token that ends a text, if there is one."""
    return ids if end is None else tf.concat([tf.fill([ids.nrows(), 1], end), ids], axis=1)


def log_likelihoods(decoder: Any, rows: tf.RaggedTensor, firsts: tf.Tensor, length: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the log-likelihood of the end of each row, float32 [n], and how many tokens that is, int32 [n].

    Args:
        decoder: a `kpt.models.Decoder`.
        rows: ids, int32 [n, None].
        firsts: int64 [n], the first token of each row that counts, 1 or more.
        length: tokens at most.

    Raises:
        InvalidArgumentError: (in the graph) a row is longer.
    """
    sizes = rows.row_lengths()
    longest = tf.reduce_max(tf.concat([sizes, [2]], axis=0))  # a token and one after it, even if there are no rows
    message = f"a text has more tokens than the {length} positions of the model; shorten it:"
    longest = checked(longest, (longest <= length, [message, longest]))
    token_ids = rows.to_tensor(0)
    token_ids = tf.pad(token_ids, [[0, 0], [0, longest - tf.shape(token_ids, tf.int64)[1]]])
    logarithms = token_log_probabilities(decoder, token_ids)
    targets = tf.range(1, longest)
    counted = (targets >= firsts[:, None]) & (targets < sizes[:, None])
    total = tf.reduce_sum(tf.where(counted, logarithms, 0.0), axis=1)
    return total, tf.cast(tf.maximum(sizes - firsts, 0), tf.int32)


def _template_parts(template: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What a template has before the text, between text and label, and after the label."""
    message = "give a template with {text} once and after it {label} once; it is:"
    parts = tf.strings.split([template], "{text}").values
    once = (tf.size(parts) == 2) & (tf.size(tf.strings.split([parts[-1]], "{label}").values) == 2)
    once &= tf.size(tf.strings.split([parts[0]], "{label}").values) <= 1
    parts = checked(parts, (once, [message, template]))
    rest = tf.strings.split([parts[1]], "{label}").values
    return parts[0], rest[0], rest[1]
