"""Optimizers with the settings that pre-training wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kpt.training.fused_adam import adam_step, clip_by_norm, total_norm
from kpt.training.schedule import WarmupDecay

__all__ = [
    "BERT_RATE",
    "DECODER_RATE",
    "ENCODER_RATE",
    "FINETUNE_RATE",
    "GPT2_RATE",
    "UNDECAYED",
    "SelectiveAdamW",
    "adamw",
    "bert_optimizer",
    "decoder_optimizer",
    "encoder_optimizer",
    "finetune_optimizer",
    "gpt2_optimizer",
    "last_gradient_norm",
    "whole_gradient",
]

# Peak learning rates that go with `kpt.models.encoder_config`, `bert_config`, `decoder_config` and `gpt2_config`.
ENCODER_RATE, BERT_RATE, DECODER_RATE, GPT2_RATE = 1.5e-3, 5e-4, 3e-3, 6e-4

# The peak that published models of the base size and above are fine-tuned with.
FINETUNE_RATE = 2e-5

# Parts of the names of weights that are not decayed: biases and the scales and offsets of normalizations.
UNDECAYED = ("bias", "gamma", "beta", "scale")

# The class that `keras.optimizers.AdamW()` really makes: on PyTorch one that updates all weights at once.
_AdamW: Any = type(keras.optimizers.AdamW.__new__(keras.optimizers.AdamW))


@keras.saving.register_keras_serializable("kpt")
class SelectiveAdamW(_AdamW):
    """Keras's AdamW with weight decay on matrices and embeddings, but not on biases and normalizations.

    Keras does not save what `exclude_from_weight_decay` was told; this class leaves the same weights undecayed after
    loading. Its arguments are those of `keras.optimizers.AdamW`.

    Attributes:
        gradient_norm: a variable, the global norm of the last batch's gradient before it was clipped.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.exclude_from_weight_decay(var_names=list(UNDECAYED))

    def build(self, variables: Any) -> None:
        """Make the slots, and last of all the norm of the gradient."""
        built = self.built
        super().build(variables)
        if not built:
            self.gradient_norm = self.add_variable(
                (), initializer="zeros", dtype="float32", name="gradient_norm", aggregation="only_first_replica"
            )

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """Update the weights, and note the norm of their gradient."""
        if not self.built:
            self.build(self._trainable_variables if trainable_variables is None else trainable_variables)
        self.gradient_norm.assign(global_norm(grads) / (self.loss_scale_factor or 1.0))
        return super().apply(grads, trainable_variables)

    def _clip_gradients(self, grads: Any) -> Any:
        plain = self.global_clipnorm and not self.clipnorm and all(each is not None for each in grads)
        if plain and keras.backend.backend() == "torch":
            accumulates = bool(self.gradient_accumulation_steps)  # then these are means of several gradients
            return clip_by_norm(grads, self.global_clipnorm, None if accumulates else self.gradient_norm.value)
        return super()._clip_gradients(grads)

    def _parallel_update_step(self, grads: Any, variables: Any, learning_rate: Any) -> None:
        """Update all weights at once; called on PyTorch alone."""
        if not adam_step(self, grads, variables, learning_rate):
            super()._parallel_update_step(grads, variables, learning_rate)

    def load_own_variables(self, store: Any) -> None:
        """Load what was saved; that of `keras.optimizers.AdamW` has no norm of the gradient."""
        variables = self.variables
        if len(store.keys()) != len(variables) - 1 or not self.built:
            super().load_own_variables(store)
            return
        for index, variable in enumerate(variables[:-1]):
            variable.assign(store[str(index)])


def global_norm(gradients: Sequence[Any]) -> Any:
    r"""Return :math:`\sqrt{\sum_i g_i^2}` over all entries of all gradients, in float32; None has none."""
    there = [ops.cast(whole_gradient(each), "float32") for each in gradients if each is not None]
    if keras.backend.backend() == "torch":
        return total_norm(there)
    squares = [ops.sum(ops.square(each)) for each in there]
    return ops.sqrt(sum(squares[1:], squares[0]))


def whole_gradient(gradient: Any) -> Any:
    """Return a gradient as a tensor; slices of a table, as TensorFlow has them, with those of one row added up."""
    if not hasattr(gradient, "dense_shape"):
        return ops.convert_to_tensor(gradient)
    return ops.segment_sum(gradient.values, gradient.indices, num_segments=gradient.dense_shape[0])


def last_gradient_norm(model: Any) -> float | None:
    """Return the norm of the gradient of a model's last step; None where its optimizer does not tell."""
    optimizer = getattr(model, "optimizer", None)
    norm = getattr(getattr(optimizer, "inner_optimizer", optimizer), "gradient_norm", None)
    return None if norm is None else float(keras.ops.convert_to_numpy(norm))


def adamw(
    learning_rate: float,
    steps: int,
    warmup_steps: int | None = None,
    decay: str = "linear",
    floor: float = 0.0,
    weight_decay: float = 0.01,
    clip_norm: float | None = 1.0,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-6,
    **kwargs: Any,
) -> SelectiveAdamW:
    """Return Keras's AdamW as BERT is trained with it.

    Warm-up, then decay of the learning rate; weight decay on matrices and embeddings but not on biases and
    normalizations; clipping by the global norm of the gradient.

    Args:
        learning_rate: Peak of the schedule.
        steps: Number of steps of the run.
        warmup_steps: Steps of linear warm-up; by default a tenth of `steps`, at most 10,000.
        decay: `"linear"`, `"cosine"` or `"constant"`.
        floor: The last rate as a share of the peak.
        weight_decay: Share of a weight that a step of rate 1 would take away.
        clip_norm: Largest global norm of the gradient; `None` for no clipping.
        beta_1: Decay of the first moment.
        beta_2: Decay of the second moment.
        epsilon: Added to the root of the second moment.
        **kwargs: Passed on to `keras.optimizers.AdamW`.

    Returns:
        An optimizer for `compile`.

    Raises:
        InputError: If the warm-up does not fit into the steps.

    Source: Loshchilov and Hutter 2017, "Decoupled Weight Decay Regularization"; Devlin et al. 2018, appendix A.2.
    """
    if warmup_steps is None:
        warmup_steps = min(10_000, steps // 10)
    return SelectiveAdamW(
        WarmupDecay(learning_rate, steps, warmup_steps, decay=decay, floor=floor),
        weight_decay=weight_decay,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        global_clipnorm=clip_norm,
        **kwargs,
    )


def encoder_optimizer(steps: int, learning_rate: float = ENCODER_RATE, **options: Any) -> SelectiveAdamW:
    """Return the optimizer that goes with `kpt.models.encoder_config`: cosine decay from 1.5e-3, beta_2 0.98.

    Args:
        steps: Number of steps of the run.
        learning_rate: Peak of the schedule.
        **options: Any other argument of `adamw`.

    Returns:
        An optimizer for `compile`.

    Example:
        >>> encoder_optimizer(steps=1000).get_config()["beta_2"]
        0.98

    Source: Liu et al. 2019, "RoBERTa", section 3.1 (beta_2 0.98); the rate was found by trying.
    """
    recipe: dict[str, Any] = {"decay": "cosine", "beta_2": 0.98}
    return adamw(learning_rate, steps, **(recipe | options))


def bert_optimizer(steps: int, learning_rate: float = BERT_RATE, **options: Any) -> SelectiveAdamW:
    """Return the optimizer that goes with `kpt.models.bert_config`: `adamw` as it is, with a peak of 5e-4.

    BERT's own peak of 1e-4 is for batches of 256 sequences of 512 and a million steps.

    Args:
        steps: Number of steps of the run.
        learning_rate: Peak of the schedule.
        **options: Any other argument of `adamw`.

    Returns:
        An optimizer for `compile`.

    Source: Devlin et al. 2018, appendix A.2.
    """
    return adamw(learning_rate, steps, **options)


def decoder_optimizer(steps: int, learning_rate: float = DECODER_RATE, **options: Any) -> SelectiveAdamW:
    """Return the optimizer that goes with `kpt.models.decoder_config`: cosine decay from 3e-3 to a tenth, beta_2 0.99.

    The rate is for small models (up to some ten million parameters); larger ones want less.

    Args:
        steps: Number of steps of the run.
        learning_rate: Peak of the schedule.
        **options: Any other argument of `adamw`.

    Returns:
        An optimizer for `compile`.

    Example:
        >>> decoder_optimizer(steps=1000).get_config()["beta_2"]
        0.99
    """
    recipe: dict[str, Any] = {"decay": "cosine", "floor": 0.1, "beta_2": 0.99, "weight_decay": 0.1, "epsilon": 1e-8}
    return adamw(learning_rate, steps, **(recipe | options))


def gpt2_optimizer(steps: int, learning_rate: float = GPT2_RATE, **options: Any) -> SelectiveAdamW:
    """Return the optimizer that goes with `kpt.models.gpt2_config`: cosine decay from 6e-4 to a tenth, beta_2 0.95.

    Args:
        steps: Number of steps of the run.
        learning_rate: Peak of the schedule; 6e-4 is that of 124 million parameters at half a million tokens a step.
        **options: Any other argument of `adamw`.

    Returns:
        An optimizer for `compile`.

    Source: Brown et al. 2020, "Language Models are Few-Shot Learners", appendix B and table 2.1.
    """
    recipe: dict[str, Any] = {"decay": "cosine", "floor": 0.1, "beta_2": 0.95, "weight_decay": 0.1, "epsilon": 1e-8}
    return adamw(learning_rate, steps, **(recipe | options))


def finetune_optimizer(steps: int, learning_rate: float = FINETUNE_RATE, **options: Any) -> SelectiveAdamW:
    """Return the optimizer that models are fine-tuned with: linear warm-up for a tenth of the steps and linear decay.

    Args:
        steps: Number of steps of the run.
        learning_rate: Peak of the schedule; 2e-5 is for published models of the base size, small ones want more.
        **options: Any other argument of `adamw`.

    Returns:
        An optimizer for `compile`.

    Example:
        >>> finetune_optimizer(steps=100).get_config()["epsilon"]
        1e-08

    Source: Mosbach et al. 2021, "On the Stability of Fine-tuning BERT"; Devlin et al. 2018, appendix A.3.
    """
    return adamw(learning_rate, steps, **({"epsilon": 1e-8} | options))
