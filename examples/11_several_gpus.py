"""Pre-train on all GPUs of one machine, the plain Keras way: `python examples/11_several_gpus.py`.

Each GPU takes its rows of the batch, so the batch may be larger by as many times; the losses are those of one GPU with
the same batch. Without a GPU the processor takes their place.
"""

import argparse

import keras

import kpt
from kpt.data import Batches, PackedSequences
from kpt.distribution import make_strategy
from kpt.models import decoder_config
from kpt.objectives import CausalLM
from kpt.training import Checkpoints, MetricsLog, RunFolder, decoder_optimizer

parser = argparse.ArgumentParser()
parser.add_argument("--store", default="runs/store")
parser.add_argument("--out", default="runs/gpus")
parser.add_argument("--size", default="mini")
parser.add_argument("--length", type=int, default=256)
parser.add_argument("--rows", type=int, default=32, help="sequences for each GPU")
parser.add_argument("--steps", type=int, default=1000)
arguments = parser.parse_args()

strategy = make_strategy("mirrored")  # tf.distribute.MirroredStrategy() of the GPUs, or of the processor
replicas = strategy.num_replicas_in_sync
print(f"{replicas} replicas, batches of {arguments.rows * replicas} sequences")

keras.utils.set_random_seed(0)
store = kpt.TokenStore.open(arguments.store)
with strategy.scope():
    decoder = kpt.Decoder(store.vocabulary.size, **decoder_config(arguments.size))
    model = kpt.Pretrainer(decoder, [CausalLM()])
    model.compile(optimizer=decoder_optimizer(arguments.steps))

run = RunFolder.create(arguments.out, kpt.text.load_tokenizer(store.tokenizer_folder), {})
model.fit(
    Batches(
        PackedSequences(store, length=arguments.length),
        model.objectives,
        batch_size=arguments.rows * replicas,
        steps=arguments.steps,
    ),
    callbacks=[Checkpoints(run, every=500), MetricsLog(run.metrics, every=10)],
    verbose=2,
)
print(f"{run.step} steps: {run.checkpoint(run.step)}")
