"""Batches for the replicas of a `tf.distribute` strategy: each gets its rows of the same global batch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any

import keras
import numpy as np
from keras.src.trainers.data_adapters.data_adapter_utils import (
    convert_to_tf_tensor_spec,
    get_keras_tensor_spec,
    get_tensor_spec,
)
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

from kpt.data import Batches, LabelledBatches

__all__ = ["ReplicaBatches", "ending_at_once", "shown_all_shapes", "split_rows"]


def split_rows(batch: Any, parts: int) -> list[Any]:
    """Return a batch in parts of as equal sizes as can be, in order; some have no rows where there are too few.

    Example:
        >>> [part["ids"].tolist() for part in split_rows({"ids": np.array([5, 6, 7, 8, 9])}, 2)]
        [[5, 6, 7], [8, 9]]
    """
    leaves = [np.array_split(leaf, parts) for leaf in keras.tree.flatten(batch)]
    return [keras.tree.pack_sequence_as(batch, [leaf[part] for leaf in leaves]) for part in range(parts)]


class ReplicaBatches(PyDatasetAdapter):
    """What Keras reads `Batches` through under a strategy.

    `experimental_distribute_dataset`, which Keras would use, has every worker make all rows and drop most of them. Here
    a worker makes its own rows alone.

    Args:
        batches: The batches; divided among the strategy's workers if they are not yet.
        strategy: The strategy.
        predict: Whether the outputs are to be put together again. Keras then orders the parts by the replica and, of
            equal ones, by the worker; so each worker makes all rows, and gives its replicas those that belong there.
    """

    def __init__(self, batches: Batches, strategy: Any, predict: bool = False) -> None:
        super().__init__(batches, shuffle=False)
        workers, self._worker = worker_position(strategy)
        self._strategy, self._replicas = strategy, len(strategy.extended.worker_devices)
        self._workers = workers if predict else 1
        if not batches.divided:
            batches.divide(*(0, 1) if predict else (self._worker, workers))
        samples = [self._standardize_batch(batch) for batch in batches.samples()]
        parts = [part for batch in samples for part in self._split(batch)]
        self._spec = keras.tree.map_structure(
            lambda spec: convert_to_tf_tensor_spec(spec, batch_axis_to_none=False), get_keras_tensor_spec(parts)
        )
        #: One replica's part of a batch.
        self.sample = parts[0]

    def get_tf_dataset(self) -> Any:
        """Return the distributed dataset of a pass."""
        import tensorflow as tf

        def parts() -> Iterator[Any]:
            for batch in self._get_iterator():
                yield from self._split(batch)

        def dataset(context: Any) -> Any:
            made = tf.data.Dataset.from_generator(parts, output_signature=self._spec)
            return ending_at_once(made.prefetch(2 * self._replicas))

        return self._strategy.distribute_datasets_from_function(dataset)

    def _split(self, batch: Any) -> list[Any]:
        first = self._worker if self._workers > 1 else 0
        return split_rows(batch, self._replicas * self._workers)[first :: self._workers]


def ending_at_once(dataset: Any) -> Any:
    """Return a `tf.data.Dataset` without its tuning, which has the end of a pass wait until it would next look.

    It looks after 10 ms, 20, 40 and so on up to a minute, so that a pass may take twice as long as its batches.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def shown_all_shapes(get: Any) -> Any:
    """Return the method of a `PyDatasetAdapter` that makes its data set, for passes of one batch of texts, too.

    Keras takes the width of the first pass's batch for that of all, but the next pass may have other texts.
    """

    @wraps(get)
    def get_tf_dataset(self: Any) -> Any:
        batches = self.py_dataset
        if isinstance(batches, LabelledBatches) and batches.steps == 1 and self._output_signature is None:
            samples = [self._standardize_batch(batch) for batch in batches.samples()]
            self._output_signature = get_tensor_spec(samples)
        return get(self)

    return get_tf_dataset


def worker_position(strategy: Any) -> tuple[int, int]:
    """Return how many workers a strategy has, and which of them this process is, the chief being 0."""
    resolver = strategy.cluster_resolver
    if resolver is None or not strategy.extended._in_multi_worker_mode():
        return 1, 0
    spec = resolver.cluster_spec().as_dict()
    chiefs = len(spec.get("chief", ()))
    index = resolver.task_id if resolver.task_type == "chief" else chiefs + resolver.task_id
    return chiefs + len(spec.get("worker", ())), index
