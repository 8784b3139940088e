"""The embedding of tokens, which is also the way back from vectors to tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import keras
from keras import ops

from kpt.errors import InputError
from kpt.layers.dense import product, repeated
from kpt.layers.initializers import truncated_normal
from kpt.layers.int8_product import int8_product, multiplies_int8, store_by_columns

__all__ = ["TokenEmbedding", "rows_looked_up_by"]

#: What gives rows of tables, by the id of the table's variable.
_LOOKUPS: ContextVar[Mapping[int, Callable[[Any], Any]]] = ContextVar("lookups", default=MappingProxyType({}))


@contextmanager
def rows_looked_up_by(lookups: Iterable[tuple[Any, Callable[[Any], Any]]]) -> Iterator[None]:
    """Within it, functions give the rows of some tables, for tables that are stored in another form.

    To make the rows of a text out of what is stored costs less than to make the whole table.

    Args:
        lookups: `TokenEmbedding.embeddings` of a layer and a function from integers `[batch, length]` to vectors
            `[batch, length, width]`, for each table.
    """
    token = _LOOKUPS.set({id(table): function for table, function in lookups})
    try:
        yield
    finally:
        _LOOKUPS.reset(token)


@keras.saving.register_keras_serializable("kpt")
class TokenEmbedding(keras.layers.ReversibleEmbedding):
    """Look up the vectors of tokens and, with `reverse=True`, multiply vectors by the transposed table.

    `keras.layers.ReversibleEmbedding` with two differences. The product has the precision of the layer, not always
    float32. On TensorFlow the gradient of the table is dense, as on the other backends: slices with repeated indices,
    which Keras would make, are squared by its Adam and clipping before they are added up.

    Args:
        vocabulary_size: Number of entries.
        width: Width of a vector.
        tied: Whether the way back uses the same table; else it has its own.
        initial_scale: Factor on the standard deviation of the initial weights, see `SelfAttention`.

    Call arguments:
        inputs: Integers `[batch, length]`; with `reverse`, vectors `[batch, length, width]`.
        reverse: Whether to go from vectors to logits.

    Returns:
        `[batch, length, width]`; with `reverse`, `[batch, length, vocabulary_size]`.

    Raises:
        InputError: If `logit_soft_cap`, which Keras's layer has, is given.

    Source: Press and Wolf 2016, "Using the Output Embedding to Improve Language Models".
    """

    def __init__(
        self, vocabulary_size: int, width: int, tied: bool = True, initial_scale: float = 1.0, **kwargs: Any
    ) -> None:
        if kwargs.get("logit_soft_cap") is not None:
            raise InputError("TokenEmbedding has no logit_soft_cap; use keras.layers.ReversibleEmbedding")
        super().__init__(
            vocabulary_size, width, tie_weights=tied, embeddings_initializer=truncated_normal(initial_scale), **kwargs
        )
        self.reverse_dtype, self.initial_scale = self.compute_dtype, initial_scale

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        if reverse:
            table = self.embeddings if self.tie_weights else self.reverse_embeddings
            table = ops.cast(table, self.compute_dtype)
            return product(ops.cast(inputs, self.compute_dtype), table, transposed=self.tie_weights)
        if look_up := _LOOKUPS.get().get(id(self.embeddings)):
            return ops.cast(look_up(inputs), self.compute_dtype)
        table = ops.reshape(self.embeddings, (self.input_dim, self.output_dim))  # the gradient of a reshape is dense
        return ops.cast(ops.take(table, inputs, axis=0), self.compute_dtype)

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        """Replace the table by one of 8 (or 4) bits, as `keras.Model.quantize` has all layers do."""
        super().quantize(mode, type_check=False, config=config)

    def quantized_build(self, embeddings_shape: Any, mode: Any, config: Any = None) -> None:
        super().quantized_build(embeddings_shape, mode, config)
        if mode == "int8" and not self.tie_weights:
            store_by_columns(self.reverse_embeddings)

    def quantized_call(self, inputs: Any, reverse: bool = False) -> Any:
        if reverse:
            inputs = ops.cast(inputs, self.compute_dtype)
            if multiplies_int8(self, inputs):
                return int8_product(inputs, *self._way_back(), self.inputs_quantizer)
            return ops.cast(repeated(super().quantized_call, inputs, reverse=True), self.compute_dtype)
        return super().quantized_call(inputs)

    def _way_back(self) -> tuple[Any, Any]:
        """The matrix from vectors to tokens, `[width, vocabulary_size]`, and the scales of its columns."""
        if self.tie_weights:
            return ops.transpose(self._embeddings), ops.convert_to_tensor(self.embeddings_scale)
        return ops.convert_to_tensor(self.reverse_embeddings), ops.convert_to_tensor(self.reverse_embeddings_scale)

    def get_config(self) -> dict[str, Any]:
        return {
            **keras.layers.Layer.get_config(self),
            "vocabulary_size": self.input_dim,
            "width": self.output_dim,
            "tied": self.tie_weights,
            "initial_scale": self.initial_scale,
        }
