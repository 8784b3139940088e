"""Products with weights of 8 bits on PyTorch's CPU, which has a kernel for them that Keras does not call."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras

__all__ = ["int8_product", "multiplies_int8", "store_by_columns"]


def multiplies_int8(layer: Any, inputs: Any) -> bool:
    """Return whether `int8_product` can do what a quantized layer of Keras does, on this CPU.

    It cannot where derivatives are wanted, or inputs are rounded in another way than each row by its largest entry. And
    what is compiled, traced or exported may run on another CPU.

    Args:
        layer: of 8 bits or others, as `quantize` leaves it.
        inputs: what it is called on.
    """
    if keras.backend.backend() != "torch" or layer.quantization_mode != "int8" or not _has_vnni():
        return False
    import torch

    if inputs.device.type != "cpu" or inputs.requires_grad or getattr(layer, "lora_enabled", False):
        return False
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.autograd.forward_ad._current_level >= 0:
        return False
    return _rounds_rows(layer.inputs_quantizer)


def int8_product(inputs: Any, kernel: Any, scale: Any, quantizer: Any) -> Any:
    r"""Return :math:`x W` where both are rounded to 8 bits, and all numbers between added up in 32.

    .. math:: \frac{1}{s_x s_W} \sum_k \mathrm{round}(s_x x_k) \, W_k

    Args:
        inputs: `[..., width]`.
        kernel: int8, `[width, units]`.
        scale: :math:`s_W` of each column, `[units]`.
        quantizer: a `keras.quantizers.AbsMaxQuantizer`, from inputs to rounded ones and :math:`s_x`.

    Returns:
        `[..., units]`, in the dtype of the inputs.

    Source: Dettmers et al. 2022, "LLM.int8()", section 2.1, row-wise and without outliers.
    """
    import torch

    rows = inputs.reshape(-1, inputs.shape[-1])
    if rows.dtype == torch.float32:
        # What the quantizer does, but for cutting off at 127: in float32 nothing comes out above it.
        inputs_scale = 127 / (rows.abs().amax(-1, keepdim=True) + quantizer.epsilon)
        rounded = (rows * inputs_scale).round_().to(torch.int8)
        outputs = torch._int_mm(rounded, kernel).to(torch.float32).div_(inputs_scale * scale)
    else:
        rounded, inputs_scale = quantizer(rows, axis=-1)
        scales = inputs_scale.to(torch.float32) * scale.to(torch.float32)
        outputs = torch._int_mm(rounded, kernel).to(torch.float32).div_(scales).to(inputs.dtype)
    return outputs.reshape(*inputs.shape[:-1], -1)


def store_by_columns(kernel: Any) -> None:
    """Have the numbers of each column of a matrix lie side by side in memory, as `int8_product` reads them fastest.

    Args:
        kernel: a Keras variable `[width, units]`, whose shape and numbers stay as they are.
    """
    if keras.backend.backend() == "torch" and kernel.value.device.type == "cpu" and _has_vnni():
        kernel.value.data = kernel.value.data.t().contiguous().t()


def _rounds_rows(quantizer: Any) -> bool:
    """Whether a quantizer is that which Keras takes by itself."""
    if type(quantizer) is not keras.quantizers.AbsMaxQuantizer or quantizer.output_dtype != "int8":
        return False
    return tuple(quantizer.value_range) == (-127, 127) and quantizer.axis in (None, (-1,))


@cache
def _has_vnni() -> bool:
    """Whether the CPU adds up products of 8 bits in 32: without that the kernel's sums may be cut off at 16 bits."""
    import torch

    known = getattr(torch.cpu, "_is_vnni_supported", None)
    return bool(known and known())
