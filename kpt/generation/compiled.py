"""Functions of a model's weights, compiled once for each shape by whatever backend there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from kpt.generation.recordings import Recordings
from kpt.recording.known_parts import Settings, have_hooks

__all__ = ["Compiled", "compiled"]


def compiled(model: Any) -> Compiled:
    """Return the compiled functions of a model, which it keeps for the next call.

    They look at what its layers are told, which they would not see by themselves on PyTorch.

    Args:
        model: A Keras model.
    """
    functions = vars(model).get("_kpt_compiled")
    if functions is None:
        functions = Compiled(model)
        vars(model)["_kpt_compiled"] = functions  # not a weight, not a layer: nothing that Keras need track
    functions.look()
    return functions


class Compiled:
    """Calls pure functions of a model and tensors, compiled: XLA on TensorFlow and JAX; on PyTorch without gradients.

    Each function is compiled once for each set of shapes and constants; the weights are read anew in every call.

    Args:
        model: The model.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.functions: dict[Any, Callable[..., Any]] = {}
        self._recordings = Recordings()
        self._settings: Settings | None = None

    def look(self) -> None:
        """Look at what the layers are told, which would take too long for each token."""
        if keras.backend.backend() == "torch":
            self._settings = Settings(self.model._flatten_layers())

    def __call__(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        constants: tuple[Any, ...] = (),
        hands_over: bool = False,
    ) -> Any:
        """Return `function(model, *arguments, *constants)`.

        Args:
            function: A function at the top level of a module.
            arguments: Nests of tensors.
            constants: Hashable values.
            hands_over: Whether the memory of the first argument, which is then not to be used again, is taken for the
                result, where the backend can do that.
        """
        layers = list(self.model._flatten_layers())
        policies = tuple(str(layer.dtype_policy.name) for layer in layers)
        key = (function, constants, policies)
        if key not in self.functions:
            backends = {"jax": self._jax, "tensorflow": self._tensorflow, "torch": self._torch}
            self.functions[key] = backends[keras.backend.backend()](function, constants, hands_over)
        with self._recording(layers, policies) if keras.backend.backend() == "torch" else nullcontext():
            return self.functions[key](*arguments)

    def _recording(self, layers: Sequence[Any], policies: tuple[str, ...]) -> AbstractContextManager[None]:
        """The context in which what is called is recorded, unless something wants to be told of each call."""
        weights = [variable.value for variable in self.model.variables]
        if have_hooks(layers, weights):
            return nullcontext()
        state = (policies, self._settings)
        if not self._recordings.are_of(weights, state):
            self._recordings = Recordings(weights, state)
        return self._recordings.used()

    def _jax(self, function: Callable[..., Any], constants: tuple[Any, ...], hands_over: bool) -> Callable[..., Any]:
        import jax

        def pure(values: list[Any], *arguments: Any) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(self.model.variables, values, strict=True))):
                return function(self.model, *arguments, *constants)

        jitted = jax.jit(pure, donate_argnums=(1,) if hands_over else ())
        return lambda *arguments: jitted([variable.value for variable in self.model.variables], *arguments)

    def _tensorflow(
        self, function: Callable[..., Any], constants: tuple[Any, ...], hands_over: bool
    ) -> Callable[..., Any]:
        import tensorflow as tf

        def pure(*arguments: Any) -> Any:
            return function(self.model, *arguments, *constants)

        return tf.function(pure, jit_compile=True, autograph=False)

    def _torch(self, function: Callable[..., Any], constants: tuple[Any, ...], hands_over: bool) -> Callable[..., Any]:
        import torch

        def without_gradients(*arguments: Any) -> Any:
            with torch.inference_mode():
                return function(self.model, *arguments, *constants)

        return without_gradients
