"""Attention within the segments of a packed sequence, by kernels that take segments and need no mask of all pairs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import keras
from keras import ops

__all__ = ["Segments", "on_tpu", "segment_mask"]

#: Rows and columns that the splash kernel does at a time; it takes lengths that are multiples of it alone.
_BLOCK = 128


def segment_mask(ids: Any) -> Any:
    """Return what `SelfAttention` is to be given so that a token sees the tokens of its own segment alone.

    Args:
        ids: int32 `[batch, length]`, the segment of each token.

    Returns:
        `Segments` where there is a kernel that takes these: PyTorch's FlexAttention on CUDA and, for lengths that are
        multiples of 128, JAX's splash attention on TPU. Elsewhere booleans `[batch, 1, length, length]`: on TensorFlow
        and on CPUs all probabilities are formed anyway, and cuDNN's kernels, as JAX offers them, take a mask.
    """
    if isinstance(ids, keras.KerasTensor):
        return Segments(ids).mask()
    segments = Segments(ops.convert_to_tensor(ids))
    return segments.mask() if _kernel(segments.ids) is None else segments


def _kernel(ids: Any) -> str | None:
    """The name of the kernel for segments, if there is one here."""
    backend = keras.backend.backend()
    if backend == "torch" and ids.is_cuda:
        return "flex"
    return "splash" if on_tpu() and ids.shape[1] % _BLOCK == 0 else None


def on_tpu() -> bool:
    """Return whether JAX computes on a TPU."""
    if keras.backend.backend() != "jax":
        return False
    import jax

    return jax.default_backend() == "tpu"


class Segments:
    """Attends within the segments of a packed sequence.

    Args:
        ids: int32 `[batch, length]`, the segment of each token.
    """

    def __init__(self, ids: Any) -> None:
        self.ids = ids
        self._blocks: dict[bool, Any] = {}

    def takes(self, depth: int) -> bool:
        """Return whether the kernel takes heads of this depth; FlexAttention takes none under 16."""
        return depth >= 16 or _kernel(self.ids) != "flex"

    def mask(self) -> Any:
        """Return which token may see which: booleans `[batch, 1, length, length]`."""
        return ops.equal(self.ids[:, None, :, None], self.ids[:, None, None, :])

    def attend(self, query: Any, key: Any, value: Any, causal: bool) -> Any:
        """Do what `scaled_dot_product_attention` does with the mask, without forming it.

        Args:
            query: `[batch, length, heads, depth]`.
            key: `[batch, length, key_value_heads, depth]`.
            value: As `key`.
            causal: Whether a query sees only keys at its own position and before.

        Returns:
            `[batch, length, heads, depth]`, in the dtype of `query`.
        """
        attend = self.attend_by_flex if _kernel(self.ids) == "flex" else self.attend_by_splash
        return attend(query, key, value, causal)

    def attend_by_flex(self, query: Any, key: Any, value: Any, causal: bool, compiled: bool = True) -> Any:
        """Attend as `attend` does by PyTorch's FlexAttention, compiled or (which forms all probabilities) not.

        Source: Dong et al. 2024, "Flex Attention".
        """
        attention, create = _flex(compiled)
        ids = self.ids
        if causal not in self._blocks:  # all layers have the same

            def sees(row: Any, head: Any, at: Any, other: Any) -> Any:
                same = ids[row, at] == ids[row, other]
                return same & (at >= other) if causal else same

            length = ids.shape[1]
            self._blocks[causal] = create(sees, ids.shape[0], None, length, length, device=str(ids.device))
        query, key, value = (each.transpose(1, 2) for each in (query, key, value))
        grouped = query.shape[1] != key.shape[1]
        return attention(query, key, value, block_mask=self._blocks[causal], enable_gqa=grouped).transpose(1, 2)

    def attend_by_splash(self, query: Any, key: Any, value: Any, causal: bool, interpret: bool = False) -> Any:
        """Attend as `attend` does by JAX's splash attention, or (slow, for tests) by its interpretation on a CPU."""
        import jax
        from jax.experimental.pallas.ops.tpu.splash_attention import SegmentIds

        def attended(query: Any, key: Any, value: Any, ids: Any) -> Any:
            kernel = _splash(query.shape[1], query.shape[2], causal, interpret)
            return jax.vmap(kernel)(query, key, value, SegmentIds(q=ids, kv=ids))

        # The kernel does not scale. It is for heads before positions.
        query = query * (float(query.shape[-1]) ** -0.5)
        query, key, value = (ops.transpose(each, (0, 2, 1, 3)) for each in (query, key, value))
        attended = _on_shards(attended, *key.shape[:2])
        return ops.transpose(attended(query, key, value, ops.cast(self.ids, "int32")), (0, 2, 1, 3))


@cache
def _flex(compiled: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """FlexAttention and what makes its masks of blocks."""
    import torch
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    if not compiled:
        return flex_attention, create_block_mask
    return torch.compile(flex_attention), torch.compile(create_block_mask)


def _splash(heads: int, length: int, causal: bool, interpret: bool) -> Any:
    """The kernel for one sequence."""
    from jax.experimental.pallas.ops.tpu.splash_attention import (
        CausalMask,
        FullMask,
        MultiHeadMask,
        make_splash_mha,
    )

    mask = CausalMask((length, length)) if causal else FullMask((length, length))
    return make_splash_mha(MultiHeadMask([mask] * heads), head_shards=1, q_seq_shards=1, interpret=interpret)


def _on_shards(attended: Callable[..., Any], batch: int, groups: int) -> Callable[..., Any]:
    """Have each device of a mesh attend for its rows and heads: XLA cannot divide a kernel by itself."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return attended
    import jax
    from jax.sharding import PartitionSpec

    mesh = distribution.device_mesh.backend_mesh
    sizes = dict(mesh.shape)
    rows = distribution.batch_dim_name
    heads = next((name for name, size in sizes.items() if name != rows and groups % size == 0), None)
    rows = rows if batch % sizes[rows] == 0 else None
    spec = PartitionSpec(rows, heads)
    return jax.shard_map(
        attended, mesh=mesh, in_specs=(spec, spec, spec, PartitionSpec(rows)), out_specs=spec, check_vma=False
    )
