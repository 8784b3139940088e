"""What an optimizer of PyTorch does to all weights at once, in one pass over them where PyTorch has one."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import keras

__all__ = ["adam_step", "clip_by_norm", "total_norm"]


def total_norm(gradients: Sequence[Any]) -> Any:
    """Return the norm over all entries of all gradients."""
    import torch

    return torch.nn.utils.get_total_norm(list(gradients))


def clip_by_norm(gradients: Sequence[Any], clip_norm: float, norm: Any = None) -> list[Any]:
    """Return gradients of a global norm of at most `clip_norm`, of the same direction; of NaN if it is not finite.

    Args:
        gradients: Tensors.
        clip_norm: The largest norm.
        norm: The norm that they have, if it is known.
    """
    import torch

    norm = total_norm(gradients) if norm is None else norm
    if norm.device.type == "cpu" and bool(norm <= clip_norm):  # to ask an accelerator would be to wait for it
        return list(gradients)
    scale = clip_norm / torch.clamp(norm, min=clip_norm) + (norm - norm)
    return list(torch._foreach_mul(list(gradients), scale))


def adam_step(optimizer: Any, gradients: Sequence[Any], variables: Sequence[Any], learning_rate: Any) -> bool:
    r"""Make a step of Adam as Keras has it.

    .. math:: \theta \leftarrow \theta - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m}{\sqrt{v} + \epsilon}

    PyTorch adds its :math:`\epsilon` to :math:`\sqrt{v / (1 - \beta_2^t)}`, so it is given a larger one.

    Args:
        optimizer: `keras.optimizers.Adam` on PyTorch, or one derived from it, that is built.
        gradients: tensors.
        variables: the Keras variables that these are of.
        learning_rate: the rate :math:`\eta` of the step.

    Returns:
        Whether it was made: on the CPU, of contiguous weights in float32 and without `amsgrad`. Elsewhere nothing is
        done; an accelerator would have to be waited for to know the number of the step.

    Source: Kingma and Ba 2014, "Adam: A Method for Stochastic Optimization", the end of section 2.
    """
    import torch
    from torch.optim.adam import adam

    weights = [variable.value for variable in variables]
    index = [optimizer._get_variable_index(variable) for variable in variables]
    slots = [[kind[each].value for each in index] for kind in (optimizer._momentums, optimizer._velocities)]
    # PyTorch takes entries in the order they have in memory, which has to be the same in all four.
    gradients = [gradient.contiguous() for gradient in gradients]
    if optimizer.amsgrad or not all(
        each.dtype == torch.float32 and each.device.type == "cpu" and each.is_contiguous()
        for each in (*weights, *gradients, *slots[0], *slots[1])
    ):
        return False
    done = int(keras.ops.convert_to_numpy(optimizer.iterations))  # where gradients are accumulated no variable
    adam(
        weights,
        gradients,
        *slots,
        [],
        [torch.tensor(float(done)) for _ in weights],
        fused=True,
        amsgrad=False,
        beta1=optimizer.beta_1,
        beta2=optimizer.beta_2,
        lr=float(learning_rate),
        weight_decay=0.0,
        eps=optimizer.epsilon / sqrt(1 - optimizer.beta_2 ** (done + 1)),
        maximize=False,
    )
    return True
