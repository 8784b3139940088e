"""Matrix products with weights, and the dense layer made of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
from keras import ops

from kpt.layers.int8_product import int8_product, multiplies_int8, store_by_columns

__all__ = ["Dense", "product", "repeated"]

# A product of a single row is slow on JAX's CPU but in float32; with so many copies of the row it is the fastest.
_ROWS = 4


def product(inputs: Any, kernel: Any, transposed: bool = False) -> Any:
    r"""Return :math:`x W`, or :math:`x W^\top`.

    On JAX's CPU the gradient of :math:`W` is formed by transposing :math:`x`, and the gradient of :math:`y` is computed
    once. JAX's own rule transposes the latter, and XLA computes it anew for that with all that it is the sum of, which
    along a residual stream are the gradients of all layers after. Forward-mode derivatives (`jax.jvp`) there are none
    then. And in bfloat16 sums are kept in float32 until the end, forward and backward: XLA has fast kernels for these
    and none that sum up in bfloat16, for which it would convert all operands to float32 first.

    Args:
        inputs: `[..., width]`.
        kernel: Of the same dtype, `[width, units]`; `[units, width]` if `transposed`.
        transposed: Whether the kernel is to be transposed.

    Returns:
        `[..., units]`, in the dtype of the inputs.
    """
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if not (_on_jax_cpu() and dtype in ("float32", "bfloat16")):
        return ops.matmul(inputs, ops.transpose(kernel) if transposed else kernel)
    multiplied = _summed_in_float32(transposed)
    return multiplied(inputs, kernel) if dtype == "float32" else repeated(multiplied, inputs, kernel)


@keras.saving.register_keras_serializable("kpt")
class Dense(keras.layers.Dense):
    r"""`keras.layers.Dense`, with products that are fast on JAX's CPU too, also in bfloat16 and 8 bits; see `product`.

    .. math:: f(x W + b)

    Args:
        units: Width of the outputs.
        activation: :math:`f`; by default none.
        use_bias: Whether there is :math:`b`.
        **kwargs: Those of `keras.layers.Dense`.

    Call arguments:
        inputs: `[..., width]`.

    Returns:
        `[..., units]`.

    Example:
        >>> tuple(Dense(3)(keras.ops.ones((2, 5, 4))).shape)
        (2, 5, 3)
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self._with_bias(product(inputs, ops.convert_to_tensor(self.kernel)))

    def _with_bias(self, outputs: Any) -> Any:
        """What becomes of a product: the bias is added, and the activation taken."""
        if self.bias is not None:
            outputs = ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        """Replace the kernel by one of 8 (or 4) bits, as `keras.Model.quantize` has all layers do."""
        super().quantize(mode, type_check=False, config=config)

    def quantized_build(self, kernel_shape: Any, mode: Any, config: Any = None) -> None:
        super().quantized_build(kernel_shape, mode, config)
        if mode == "int8":
            store_by_columns(self._kernel)

    def quantized_call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if multiplies_int8(self, inputs):
            kernel, scale = ops.convert_to_tensor(self._kernel), ops.convert_to_tensor(self.kernel_scale)
            return self._with_bias(int8_product(inputs, kernel, scale, self.inputs_quantizer))
        return repeated(super().quantized_call, inputs, *args, **kwargs)


def repeated(call: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a layer on copies of a single row where that is faster, and return the outputs of one.

    Args:
        call: From `[..., width]` to `[..., units]`.
        inputs: `[..., width]`.
        *args: Given to `call` too.
        **kwargs: Given to `call` too.
    """
    if not (_on_jax_cpu() and all(size == 1 for size in inputs.shape[:-1])):
        return call(inputs, *args, **kwargs)
    import jax

    copies = ops.broadcast_to(ops.reshape(inputs, (1, 1, -1)), (_ROWS, 1, inputs.shape[-1]))
    # XLA would move both the copies and the choice of one row to the other side of the product.
    outputs = jax.lax.optimization_barrier(call(jax.lax.optimization_barrier(copies), *args, **kwargs))
    return ops.reshape(outputs[0, 0], (*inputs.shape[:-1], -1))


def _on_jax_cpu() -> bool:
    if keras.backend.backend() != "jax":
        return False
    import jax

    return jax.default_backend() == "cpu"


@cache
def _summed_in_float32(transposed: bool) -> Any:
    """The product and its gradients with sums in float32, as a function of JAX; see `product`."""
    import jax

    def dot(left: Any, right: Any, of_left: tuple[int, ...], of_right: tuple[int, ...]) -> Any:
        dimensions = ((of_left, of_right), ((), ()))
        return jax.lax.dot_general(left, right, dimensions, preferred_element_type="float32").astype(left.dtype)

    inner, outer = (1, 0) if transposed else (0, 1)

    @jax.custom_vjp
    def multiplied(inputs: Any, kernel: Any) -> Any:
        return dot(inputs, kernel, (inputs.ndim - 1,), (inner,))

    def forward(inputs: Any, kernel: Any) -> tuple[Any, Any]:
        return multiplied(inputs, kernel), (inputs, kernel)

    def backward(kept: tuple[Any, Any], slope: Any) -> tuple[Any, Any]:
        inputs, kernel = kept
        slope = jax.lax.optimization_barrier(slope)
        rows = tuple(range(inputs.ndim - 1))
        of_kernel = dot(slope, inputs, rows, rows) if transposed else dot(inputs, slope, rows, rows)
        return dot(slope, kernel, (slope.ndim - 1,), (outer,)), of_kernel

    multiplied.defvjp(forward, backward)
    return multiplied
