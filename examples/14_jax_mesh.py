"""Pre-train on a mesh of devices with JAX, on one host or on several, each of which makes the same call.

    KERAS_BACKEND=jax python examples/14_jax_mesh.py --mesh 2x4

divides the batches in 2 and the weights in 4, on 8 devices: attention by its heads, feed-forward networks by their
width, embeddings by the vocabulary. `--mesh 8`, or `auto`, divides the batches alone, and on several hosts that is what
there is. Say which hosts there are, and which this is (under `srun` it is known):

    export KERAS_DISTRIBUTION_JOB_ADDRESSES=first:2222 KERAS_DISTRIBUTION_NUM_PROCESSES=2
    KERAS_DISTRIBUTION_PROCESS_ID=0 KERAS_BACKEND=jax python examples/14_jax_mesh.py

The store has to be on each host; the first one writes the run folder. The plain Keras way is
`with kpt.distribution.make_distribution("2x4").scope():` around all from the model to `fit`.
"""

import argparse

from kpt.distribution import choose_devices

parser = argparse.ArgumentParser()
parser.add_argument("--mesh", default="auto")
parser.add_argument("--store", default="runs/store")
parser.add_argument("--out", default="runs/mesh")
parser.add_argument("--size", default="mini")
parser.add_argument("--length", type=int, default=256)
parser.add_argument("--batch-size", type=int, default=64, help="sequences of all devices together")
parser.add_argument("--steps", type=int, default=1000)
arguments = parser.parse_args()

devices = choose_devices(mesh=arguments.mesh)  # first of all: JAX finds the other hosts before it computes anything

import keras  # noqa: E402

from kpt.training import GptSettings, pretrain_gpt  # noqa: E402


class Parts(keras.callbacks.Callback):
    """Prints how a kernel is divided."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Look at one of the first block."""
        kernel = self.model.backbone.blocks[0].feed_forward.hidden.kernel.value
        print(f"a kernel of {kernel.shape}, on each device {kernel.addressable_shards[0].data.shape}")


settings = GptSettings(
    steps=arguments.steps, size=arguments.size, length=arguments.length, batch_size=arguments.batch_size
)
results = pretrain_gpt(arguments.store, arguments.out, settings, progress=True, callbacks=[Parts()], devices=devices)
host = f"host {devices.host_index} of {devices.host_count}"
print(f"{host}: held-out loss {results['loss_heldout']:.6f} after {results['steps']} steps")
