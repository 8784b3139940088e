from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kpt.generation.compiled import Compiled, compiled

TRACES: list[int] = []


def product(model: Any, x: Any, factor: int) -> Any:
    TRACES.append(factor)
    return model(x) * factor


def model() -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])


def ones(rows: int) -> Any:
    return ops.ones((rows, 2))


def test_weights_are_read_in_every_call() -> None:
    dense = model()
    run = Compiled(dense)
    assert ops.convert_to_numpy(run(product, (ones(1),), (3,))).tolist() == [[6.0]]
    dense.set_weights([np.full((2, 1), 5.0)])
    assert ops.convert_to_numpy(run(product, (ones(1),), (3,))).tolist() == [[30.0]]


def test_a_function_is_compiled_once_for_shapes_and_constants() -> None:
    run = Compiled(model())
    TRACES.clear()
    for rows, factor in ((1, 3), (1, 3), (2, 3), (1, 4), (2, 3), (1, 4)):
        run(product, (ones(rows),), (factor,))
    traces = [3, 3, 3, 4, 3, 4] if keras.backend.backend() == "torch" else [3, 3, 4]
    assert traces == TRACES


def test_a_model_keeps_its_functions_and_is_saved_without_them(tmp_path: Any) -> None:
    dense = model()
    assert compiled(dense) is compiled(dense)
    assert compiled(dense) is not compiled(model())
    dense.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").count_params() == 2
