"""Pre-train on a TPU from a TPU virtual machine: `python examples/13_tpu.py`, with TensorFlow for TPUs installed.

Every shape is fixed, and many steps are one call of the device (`steps_per_execution`). With `--without-tpu` the same
is compiled by XLA for the processor, to see that it would be.
"""

import argparse
from contextlib import nullcontext

import keras

import kpt
from kpt.data import Batches, PackedSequences
from kpt.distribution import make_strategy
from kpt.models import decoder_config
from kpt.objectives import CausalLM
from kpt.training import decoder_optimizer

parser = argparse.ArgumentParser()
parser.add_argument("--store", default="runs/store")
parser.add_argument("--out", default="runs/tpu.keras")
parser.add_argument("--size", default="small")
parser.add_argument("--length", type=int, default=512)
parser.add_argument("--batch-size", type=int, default=256, help="a multiple of the TPU's cores")
parser.add_argument("--steps", type=int, default=10_000)
parser.add_argument("--together", type=int, default=50, help="steps of one call; a divisor of the steps")
parser.add_argument("--without-tpu", action="store_true")
arguments = parser.parse_args()

strategy = None if arguments.without_tpu else make_strategy("tpu")  # finds it, connects to it and initialises it
keras.utils.set_random_seed(0)
store = kpt.TokenStore.open(arguments.store)
with strategy.scope() if strategy else nullcontext():
    decoder = kpt.Decoder(store.vocabulary.size, **decoder_config(arguments.size), dtype="mixed_bfloat16")
    model = kpt.Pretrainer(decoder, [CausalLM(dtype="mixed_bfloat16")])
    model.compile(
        optimizer=decoder_optimizer(arguments.steps),
        steps_per_execution=arguments.together,
        jit_compile=strategy is None,  # a TPU's strategy compiles by itself
    )

batches = Batches(
    PackedSequences(store, length=arguments.length),
    model.objectives,
    batch_size=arguments.batch_size,
    steps=arguments.steps,
)
history = model.fit(batches, verbose=2).history
model.save(arguments.out)
print(f"loss {history['loss'][-1]:.3f} after {arguments.steps} steps: {arguments.out}")
