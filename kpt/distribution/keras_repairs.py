"""What Keras 3 breaks between several devices and `fit`, repaired in one place.

`StrategyModel` stands before `keras.Model` among the bases of kpt's models, and does nothing on one device. Of these
defects of Keras 3.15 each has its part, which can go when Keras repairs it:

- `_maybe_symbolic_build`: averages the first batch over the replicas, which fails where their parts differ in size, and
  for masks (keras#20585).
- `_make_function`: the logs of several workers, scalars, are reduced along their first axis (keras#20585).
- `get_metrics_result`: the logs of a step are means of the replicas' means, not weighted by what each has counted.
- `GlobalMean`: the loss that is logged is weighted by each replica's rows, though its share of the loss is already.
- `repair_optimizer`: gradients are clipped, and tested for being finite, on each replica before they are added up,
  unlike on one device; and those that are accumulated are applied inside of a branch, where replicas cannot meet
  (keras#20582).
- `_own_failures`: on TensorFlow the sentence that says what is wrong with a batch is lost in a page of its own.
- `predict` of several workers puts the parts into another order than it is given them; see `ReplicaBatches`.
- `repair_endings`: on TensorFlow `fit`, `evaluate` and `predict` of `Batches` and arrays wait at their end for the
  tuning of `tf.data`, which is off for them.
- `repair_uneven_batches`: on JAX a batch that cannot be divided among the devices, such as an epoch's last, fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any

import keras
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from keras.src.utils.tracking import DotNotTrackScope

from kpt.data import Batches
from kpt.distribution.replica_batches import ReplicaBatches, ending_at_once, shown_all_shapes
from kpt.distribution.replicas import replica_count, sum_over_replicas
from kpt.errors import InputError

__all__ = ["GlobalMean", "StrategyModel", "repair_endings", "repair_optimizer", "repair_uneven_batches"]

_AT_ONCE: ContextVar[bool] = ContextVar("ending_at_once", default=False)


class GlobalMean(keras.metrics.Mean):
    """The mean of values that already are shares of all replicas: each counts with the mean of their weights."""

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:
        """Count a value."""
        if sample_weight is not None and (count := replica_count()) > 1:
            weight = keras.ops.cast(sample_weight, self.dtype)
            sample_weight = sum_over_replicas(weight) / count
        return super().update_state(values, sample_weight=sample_weight)


class StrategyModel:
    """A mixin for `keras.Model`: `compile`, `fit`, `evaluate` and `predict` on several devices and hosts.

    Build and compile the model in the scope of the strategy or distribution, as Keras has it. `kpt.data.Batches` are
    divided by their rows among hosts and devices, so that a step sees the same examples whatever the number of either,
    and `fit` takes them in the order of their steps.
    """

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configure the training as `keras.Model.compile` does.

        Raises:
            InputError: the model was built in the scope of a strategy and the optimizer was not.
        """
        super().compile(*args, **kwargs)  # type: ignore[misc]
        strategy = self._strategy
        if strategy is None:
            return
        with strategy.scope(), DotNotTrackScope():
            self._loss_tracker = GlobalMean(name="loss")
        optimizer: Any = self.optimizer  # type: ignore[attr-defined]
        if optimizer is None:
            return
        if optimizer._distribution_strategy is not strategy:
            raise InputError("the optimizer was made outside of the strategy's scope; make it inside, as the model is")
        repair_optimizer(optimizer)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a saved model was, with the slots of its optimizer ready to be filled."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        optimizer: Any = self.optimizer  # type: ignore[attr-defined]
        if optimizer is not None:
            optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Train as `keras.Model.fit` does."""
        if isinstance(x, Batches) and len(args) < 8:  # the ninth argument of `fit` is `shuffle`
            kwargs.setdefault("shuffle", False)
        # The batches of the next executions are made while one runs.
        together = self.steps_per_execution  # type: ignore[attr-defined]
        ahead = x.made_ahead(2 * together) if isinstance(x, Batches) else nullcontext()
        with _own_failures(x, kwargs.get("validation_data")), ahead, _ending_at_once():
            if "validation_data" in kwargs:
                kwargs["validation_data"] = self._parts(kwargs["validation_data"])
            return super().fit(self._parts(x), *args, **kwargs)  # type: ignore[misc]

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluate as `keras.Model.evaluate` does."""
        with _own_failures(x), _ending_at_once():
            return super().evaluate(self._parts(x), *args, **kwargs)  # type: ignore[misc]

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Predict as `keras.Model.predict` does."""
        with _own_failures(x), _ending_at_once():
            return super().predict(self._parts(x, predict=True), *args, **kwargs)  # type: ignore[misc]

    def get_metrics_result(self) -> Any:
        """Return the metrics by name, of all replicas together."""
        if replica_count() == 1:
            return super().get_metrics_result()  # type: ignore[misc]
        variables = [variable for metric in self.metrics for variable in metric.variables]  # type: ignore[attr-defined]
        sums = sum_over_replicas([variable.value.read_value() for variable in variables])
        with keras.StatelessScope(state_mapping=list(zip(variables, sums, strict=True))):
            return super().get_metrics_result()  # type: ignore[misc]

    @property
    def compiles_each_shape(self) -> bool:
        """Whether batches should have few shapes: each is compiled for, or odd ones are slow, as on a GPU."""
        backend = keras.backend.backend()
        if backend == "jax" or self.jit_compile or self._strategy is not None:  # type: ignore[attr-defined]
            return True
        if backend == "torch":
            from keras.src.backend.torch.core import get_device

            return not str(get_device()).startswith("cpu")
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))

    @property
    def _strategy(self) -> Any:
        """The strategy that the model was built under; None without one and on other backends."""
        return getattr(self, "_distribute_strategy", None)

    def _parts(self, x: Any, predict: bool = False) -> Any:
        """`Batches` as Keras is to read them: each replica its rows."""
        if not isinstance(x, Batches):
            return x
        x.made_for(compiled=self.compiles_each_shape)
        if self._strategy is not None:
            return ReplicaBatches(x, self._strategy, predict)
        distribution = keras.distribution.distribution()
        if distribution is not None and distribution.num_processes > 1 and not x.divided:
            shards = min(distribution.num_processes, distribution.num_model_replicas)
            x.divide(distribution.data_shard_id, shards)
        return x

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        if self._strategy is None:
            return
        compiled = (self._compile_metrics, self._compile_loss)  # type: ignore[attr-defined]
        built = all(layer.built for layer in self._flatten_layers())  # type: ignore[attr-defined]
        if not built or any(part is not None and not part.built for part in compiled):
            data_batch = _local_batch(iterator, self._strategy) if data_batch is None else data_batch
        with self._strategy.scope():
            self._symbolic_build(data_batch=data_batch)  # type: ignore[attr-defined]

    def _make_function(self, step_function: Any, *args: Any, **kwargs: Any) -> Any:
        if self._strategy is not None and self._strategy.extended._in_multi_worker_mode():
            step = step_function

            def step_function(data: Any) -> Any:
                # Keras takes the mean of each log along its first axis, over all replicas of all workers.
                return keras.tree.map_structure(lambda log: keras.ops.reshape(log, (1,)), step(data))

        return super()._make_function(step_function, *args, **kwargs)  # type: ignore[misc]


@contextmanager
def _own_failures(*data: Any) -> Iterator[None]:
    """Raise what `Batches` failed with, in place of a page of TensorFlow's that has it in its middle."""
    failing = [batches for batches in data if isinstance(batches, Batches)]
    for batches in failing:
        batches.failure = None
    try:
        yield
    except Exception as error:
        for batches in failing:
            if batches.failure is not None and batches.failure is not error:
                raise batches.failure from None
        raise


def _local_batch(iterator: Any, strategy: Any) -> Any:
    """One replica's part of the first batch."""
    adapter = iterator.data_adapter
    if isinstance(adapter, ReplicaBatches):
        return adapter.sample
    for _, _, data in iterator:
        return keras.tree.map_structure(lambda part: strategy.experimental_local_results(part)[0], next(data))


def repair_optimizer(optimizer: Any) -> None:
    """Have an optimizer add up the replicas' gradients before it does anything with them, as on one device.

    Args:
        optimizer: Any of Keras's, made in the scope of a strategy. Repairing it again changes nothing.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # that of a LossScaleOptimizer
    optimizer.apply = partial(_apply, optimizer)
    inner._all_reduce_sum_gradients = list  # they have been by then
    if inner.gradient_accumulation_steps:
        inner._backend_apply_gradients = partial(_accumulate_and_apply, inner)


def _apply(optimizer: Any, grads: Any, trainable_variables: Any = None) -> None:
    variables = optimizer._trainable_variables if trainable_variables is None else list(trainable_variables)
    summed = type(optimizer)._all_reduce_sum_gradients(optimizer, list(zip(grads, variables, strict=True)))
    type(optimizer).apply(optimizer, [gradient for gradient, _ in summed], trainable_variables)


def _accumulate_and_apply(optimizer: Any, grads: list[Any], variables: list[Any]) -> None:
    """Add gradients up, and at every so-manieth step apply their mean, as `_backend_apply_gradients` does.

    The branch is taken outside of the replicas, each of which then takes it as a whole, as Keras's LossScaleOptimizer
    does it.
    """
    import tensorflow as tf

    steps = optimizer.gradient_accumulation_steps
    kept = [optimizer._accumulated_gradients[optimizer._get_variable_index(variable)] for variable in variables]
    is_update = (optimizer._iterations + 1) % steps == 0

    def update(grads: list[Any]) -> None:
        means = [(gradient + before) / steps for gradient, before in zip(grads, kept, strict=True)]
        means = optimizer._clip_gradients(means)
        optimizer._apply_weight_decay(variables)
        optimizer._backend_update_step(means, variables, optimizer.learning_rate)
        optimizer._backend_increment_gradient_accumulators([-before for before in kept], kept)

    def increment(grads: list[Any]) -> None:
        optimizer._backend_increment_gradient_accumulators(grads, kept)

    def branch(strategy: Any, grads: list[Any]) -> None:
        call = strategy.extended.call_for_each_replica
        tf.cond(is_update, lambda: call(update, args=(grads,)), lambda: call(increment, args=(grads,)))

    if tf.__internal__.distribute.strategy_supports_no_merge_call():
        tf.cond(is_update, lambda: update(grads), lambda: increment(grads))
    else:
        tf.distribute.get_replica_context().merge_call(branch, args=(grads,))
    if optimizer.use_ema:
        optimizer._update_model_variables_moving_average(optimizer._trainable_variables)


def repair_endings() -> None:
    """Have Keras on TensorFlow end a pass of kpt's models as soon as the last batch is done.

    A `tf.data.Dataset` is left as it is. Under a strategy each device has a data set of its own, which TensorFlow tunes
    like any other.
    """
    if hasattr(PyDatasetAdapter.get_tf_dataset, "ends_at_once"):
        return
    ArrayDataAdapter.get_tf_dataset = _untuned(ArrayDataAdapter.get_tf_dataset)
    PyDatasetAdapter.get_tf_dataset = _untuned(shown_all_shapes(PyDatasetAdapter.get_tf_dataset))

    from tensorflow.python.data.ops import multi_device_iterator_ops as devices

    if make := getattr(devices, "_create_device_dataset", None):
        devices._create_device_dataset = _untuned(make)


def _untuned(get: Any) -> Any:
    """What makes a data set, without the tuning where kpt's models call it."""

    @wraps(get)
    def make(*args: Any, **kwargs: Any) -> Any:
        return ending_at_once(get(*args, **kwargs)) if _AT_ONCE.get() else get(*args, **kwargs)

    make.ends_at_once = True  # type: ignore[attr-defined]
    return make


@contextmanager
def _ending_at_once() -> Iterator[None]:
    """Within it, passes end with their last batch."""
    if keras.backend.backend() == "tensorflow":
        repair_endings()
    token = _AT_ONCE.set(True)
    try:
        yield
    finally:
        _AT_ONCE.reset(token)


def repair_uneven_batches() -> None:
    """Have Keras on JAX give every device the whole of a batch whose rows cannot be divided among them.

    Raises:
        InputError: When such a batch comes, of several processes, each of which has other rows.
    """
    import jax
    from keras.src.backend.jax import distribution_lib

    divide = distribution_lib.distribute_data_input
    if hasattr(divide, "divides_unevenly"):
        return

    def distribute_data_input(batch: Any, layout: Any, batch_dim_name: str) -> Any:
        sharding = getattr(layout, "backend_layout", layout)
        axis = sharding.spec[0] if sharding.spec else None
        parts = 1 if axis is None else sharding.mesh.shape[axis]
        if jax.process_count() > 1:
            if len(batch) * jax.process_count() % parts:
                raise InputError(
                    f"{len(batch)} rows in each of {jax.process_count()} processes cannot be divided among "
                    f"{parts} devices; give a batch size that is a multiple of their number"
                )
        elif len(batch) % parts:
            return jax.device_put(batch, jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec()))
        return divide(batch, layout, batch_dim_name)

    distribute_data_input.divides_unevenly = True  # type: ignore[attr-defined]
    distribution_lib.distribute_data_input = distribute_data_input
