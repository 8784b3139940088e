"""Learning rates that differ from layer to layer, and weights that are trained from a later step on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kpt.errors import InputError
from kpt.training.optimizers import SelectiveAdamW

__all__ = ["LayerwiseAdamW", "layerwise"]


@keras.saving.register_keras_serializable("kpt")
class LayerwiseAdamW(SelectiveAdamW):
    r"""`SelectiveAdamW` with a factor on the learning rate of each weight, which is 0 before a step of its own.

    .. math:: \eta_{t,i} = f_i \, \eta_t \; [t \geq s_i]

    The weight decay has the same factor. The moments of a weight are averaged from the first step on, so that its first
    update is as large as any other; the norm of the gradient counts all weights.

    Args:
        factors: :math:`f_i`, one for each trained weight, in the order of `trainable_variables`.
        starts: :math:`s_i`, steps before the first update of each; by default 0.
        *args: As `keras.optimizers.AdamW`.
        **kwargs: As `keras.optimizers.AdamW`.

    Raises:
        InputError: If there are not as many starts as factors, or (in `build`) as trained weights.

    Source: Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", sections 3.2
    (discriminative fine-tuning) and 3.3 (gradual unfreezing).
    """

    def __init__(
        self, *args: Any, factors: Sequence[float], starts: Sequence[int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.factors = [float(factor) for factor in factors]
        self.starts = [0] * len(self.factors) if starts is None else [int(start) for start in starts]
        if len(self.starts) != len(self.factors):
            raise InputError(f"there are {len(self.starts)} starts for {len(self.factors)} factors; give one to each")

    def build(self, variables: Any) -> None:
        """Make the slots."""
        if len(variables) != len(self.factors):
            raise InputError(
                f"there are factors for {len(self.factors)} weights and {len(variables)} are trained; give one to each"
            )
        super().build(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a weight at its own rate."""
        group = self._group_of(variable)
        rate = self._rate_of(group, learning_rate)
        self._decay(variable, rate)
        super().update_step(gradient, variable, rate)

    def _parallel_update_step(self, grads: Any, variables: Any, learning_rate: Any) -> None:
        """Update the weights of equal rates at once, as Keras does on PyTorch."""
        groups: dict[tuple[float, int], list[int]] = {}
        for row, variable in enumerate(variables):
            groups.setdefault(self._group_of(variable), []).append(row)
        for group, rows in groups.items():
            rate = self._rate_of(group, learning_rate)
            some = [variables[row] for row in rows]
            for variable in some:
                self._decay(variable, rate)
            super()._parallel_update_step([grads[row] for row in rows], some, rate)

    def _apply_weight_decay(self, variables: Any) -> None:
        """Leave the decay to the update of each weight, whose rate it takes."""

    def _group_of(self, variable: Any) -> tuple[float, int]:
        index = self._get_variable_index(variable)
        return self.factors[index], self.starts[index]

    def _rate_of(self, group: tuple[float, int], learning_rate: Any) -> Any:
        factor, start = group
        rate = ops.cast(learning_rate, "float32") * factor
        return rate * ops.cast(self.iterations >= start, "float32") if start else rate

    def _decay(self, variable: Any, rate: Any) -> None:
        if self.weight_decay is not None and self._use_weight_decay(variable):
            share = ops.cast(self.weight_decay * rate, variable.dtype)
            self.assign_sub(variable, ops.multiply(variable, share))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {**super().get_config(), "factors": self.factors, "starts": self.starts}


def layerwise(
    optimizer: SelectiveAdamW, factors: Sequence[float], starts: Sequence[int] | None = None
) -> SelectiveAdamW:
    """Return an optimizer with the settings of another and rates of each weight's own; the other where none differ.

    Args:
        optimizer: one that was not used yet.
        factors: see `LayerwiseAdamW`.
        starts: likewise.

    Example:
        >>> from kpt.training.optimizers import finetune_optimizer
        >>> layerwise(finetune_optimizer(100), [0.5, 1.0]).factors
        [0.5, 1.0]
    """
    if all(factor == 1 for factor in factors) and not any(starts or ()):
        return optimizer
    return LayerwiseAdamW.from_config({**optimizer.get_config(), "factors": factors, "starts": starts})
