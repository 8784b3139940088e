"""Pre-train on a mesh of devices with JAX, on one host or on several, each of which makes the same call.

    KERAS_BACKEND=jax python examples/14_jax_mesh.py --mesh 2x4

divides the batches in 2 and the weights in 4, on 8 devices: attention by its heads, feed-forward networks by their
width, embeddings by the vocabulary. `--mesh 8`, or `auto`, divides the batches alone. On several hosts say which there
are, and which this is (under `srun` it is known):

    export KERAS_DISTRIBUTION_JOB_ADDRESSES=first:2222 KERAS_DISTRIBUTION_NUM_PROCESSES=2
    KERAS_DISTRIBUTION_PROCESS_ID=0 KERAS_BACKEND=jax python examples/14_jax_mesh.py
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

import kpt  # noqa: E402
from kpt.data import Batches, PackedSequences  # noqa: E402
from kpt.models import decoder_config  # noqa: E402
from kpt.objectives import CausalLM  # noqa: E402
from kpt.training import Checkpoints, RunFolder, decoder_optimizer  # noqa: E402

keras.utils.set_random_seed(0)
store = kpt.TokenStore.open(arguments.store)
with devices.scope():  # for `fit`, too
    decoder = kpt.Decoder(store.vocabulary.size, **decoder_config(arguments.size))
    model = kpt.Pretrainer(decoder, [CausalLM()])
    model.compile(optimizer=decoder_optimizer(arguments.steps))
    kernel = decoder.blocks[0].feed_forward.hidden.kernel.value
    print(f"host {devices.host_index} of {devices.host_count}, batches in {devices.replicas} parts")
    print(f"a kernel of {kernel.shape}, on each device {kernel.addressable_shards[0].data.shape}")
    callbacks = []
    if devices.chief:
        run = RunFolder.create(arguments.out, kpt.text.load_tokenizer(store.tokenizer_folder), {})
        callbacks = [Checkpoints(run, every=500)]
    batches = Batches(
        PackedSequences(store, length=arguments.length),
        model.objectives,
        batch_size=arguments.batch_size,
        steps=arguments.steps,
    )
    history = model.fit(batches, callbacks=callbacks, verbose=2 if devices.chief else 0).history
print(f"loss {history['loss'][-1]:.6f} after {arguments.steps} steps")
