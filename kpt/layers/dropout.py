"""Dropout whose random numbers cost little."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["Dropout"]


@keras.saving.register_keras_serializable("kpt")
class Dropout(keras.layers.Layer):
    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate, self.seed = rate, seed
        self.inner = keras.layers.Dropout(rate, seed=seed)
        self.supports_masking = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.inner(inputs, training=training)

    def compute_output_shape(self, s):
        return s
