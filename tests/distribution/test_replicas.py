from __future__ import annotations

import numpy as np
from keras import ops

from kpt.distribution import replica_count, sum_over_replicas
from kpt.distribution.replicas import ReplicaValues


def test_one_replica_has_what_it_is_given() -> None:
    values = [ops.array([1.0, 2.0]), ops.array(3)]
    assert replica_count() == 1
    assert sum_over_replicas(values) is values


def test_outside_of_a_step_there_is_one() -> None:
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        assert replica_count() == 1


def test_no_gradient_goes_through_a_sum_and_each_replica_has_it() -> None:
    from tests.distribution.processes import run_together

    devices = (
        "import tensorflow as tf; cpu = tf.config.list_physical_devices('CPU')[0]; "
        "tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2); "
    )
    run_together(["-c", f"{devices}import tests.distribution.test_replicas as here; here.check_two_replicas()"])


def check_two_replicas() -> None:
    """Runs in a process with two logical CPUs."""
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    @tf.function
    def step() -> tuple:
        def replica() -> tuple:
            number = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, "float32") + 1.0
            assert replica_count() == 2
            with tf.GradientTape() as tape:
                tape.watch(number)
                total, squares = sum_over_replicas([number, number**2])
                share = number / total
            return total, squares, share, tape.gradient(share, number)

        return strategy.run(replica)

    found = np.array([strategy.experimental_local_results(value) for value in step()])
    np.testing.assert_allclose(found, [[3, 3], [5, 5], [1 / 3, 2 / 3], [1 / 3, 1 / 3]], rtol=1e-6)

    import keras

    with strategy.scope():
        mean = keras.metrics.Mean()

    def count(values: list[float]) -> None:
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        mean.update_state(tf.gather(tf.constant(values), number))

    strategy.run(tf.function(count), args=([0.1, 0.7],))
    counted = ReplicaValues(strategy, mean.variables)
    kept = counted.read()
    np.testing.assert_array_equal(np.array(kept, np.float32), np.array([[0.1, 0.7], [1, 1]], np.float32))
    strategy.run(tf.function(count), args=([5.0, 6.0],))
    counted.assign(kept)
    assert counted.read() == kept and abs(float(mean.result()) - 0.4) < 1e-6
