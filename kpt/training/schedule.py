"""The learning rate over the steps of a run."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kpt.errors import InputError

__all__ = ["WarmupDecay"]


@keras.saving.register_keras_serializable("kpt")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    r"""Linear warm-up from zero to the peak, then linear or cosine decay to a floor.

    .. math::
        \eta_t = \eta \min\Big(\frac{t + 1}{w},\; f + (1 - f)\, d\Big(\frac{t - w}{T - w}\Big)\Big), \quad
        d_{linear}(s) = 1 - s, \quad d_{cosine}(s) = \tfrac12 (1 + \cos \pi s)

    Keras has the cosine with warm-up (`CosineDecay`) and the linear decay without it (`PolynomialDecay`), but not
    BERT's linear warm-up with linear decay.

    Args:
        peak: The learning rate :math:`\eta` after the warm-up.
        steps: Number of steps :math:`T` of the run; the rate stays at the floor afterwards.
        warmup_steps: Number of steps :math:`w` of the warm-up.
        decay: `"linear"`, `"cosine"`, or `"constant"` for none.
        floor: The last rate as a share :math:`f` of the peak.

    Raises:
        InputError: If `decay` is unknown or there are not fewer warm-up steps than steps.

    Source: Devlin et al. 2018, appendix A.2; Loshchilov and Hutter 2016, "SGDR".
    """

    def __init__(
        self, peak: float, steps: int, warmup_steps: int = 0, decay: str = "linear", floor: float = 0.0
    ) -> None:
        super().__init__()
        if decay not in ("linear", "cosine", "constant"):
            raise InputError(f"Unknown decay {decay!r}; choose linear, cosine or constant.")
        if not 0 <= warmup_steps < steps:
            raise InputError(f"{warmup_steps} warm-up steps do not fit into {steps} steps; take fewer.")
        self.peak, self.steps, self.warmup_steps = float(peak), int(steps), int(warmup_steps)
        self.decay, self.floor = decay, float(floor)

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        progress = ops.clip((step - self.warmup_steps) / (self.steps - self.warmup_steps), 0.0, 1.0)
        if self.decay == "linear":
            share = 1.0 - progress
        elif self.decay == "cosine":
            share = 0.5 * (1.0 + ops.cos(np.pi * progress))
        else:
            share = ops.ones_like(progress)
        share = self.floor + (1.0 - self.floor) * share
        warmup = (step + 1.0) / max(self.warmup_steps, 1)
        return self.peak * ops.where(step < self.warmup_steps, warmup, share)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "decay": self.decay,
            "floor": self.floor,
        }
