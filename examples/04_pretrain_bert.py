"""Pre-train BERT with `compile` and `fit`, an optimizer and a callback of one's own.

`python examples/04_pretrain_bert.py`, or `KERAS_BACKEND=torch python examples/04_pretrain_bert.py`, or `jax` there.
"""

import argparse

import keras
import numpy as np

import kpt
from kpt.data import Batches, SentencePairs
from kpt.models import encoder_config
from kpt.objectives import MaskedLM, NextSentence
from kpt.training import Checkpoints, MetricsLog, RunFolder, WarmupDecay, write_report


class Guesses(keras.callbacks.Callback):
    """Prints after each epoch what the model takes a masked token for."""

    def __init__(self, text: str, tokenizer: kpt.WordPieceTokenizer) -> None:
        super().__init__()
        vocabulary = tokenizer.vocabulary
        ids = [vocabulary.cls_id, *tokenizer.encode([text], literal_mask=True).values, vocabulary.sep_id]
        token_ids = np.array([ids], "int32")
        self.text, self.tokens = text, vocabulary.tokens
        self.batch = {
            "token_ids": token_ids,
            "segment_ids": np.zeros_like(token_ids),
            "padding_mask": np.ones_like(token_ids, "bool"),
            "mask_positions": np.array([[ids.index(vocabulary.mask_id)]], "int32"),
        }

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Print the five best."""
        logits = keras.ops.convert_to_numpy(self.model(self.batch, training=False)["masked_lm"])[0, 0]
        print(f"\n{self.text} ->", " ".join(self.tokens[i] for i in np.argsort(-logits)[:5]))


parser = argparse.ArgumentParser()
parser.add_argument("--store", default="runs/store")
parser.add_argument("--out", default="runs/bert")
parser.add_argument("--size", default="mini")
parser.add_argument("--length", type=int, default=128)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--steps-per-epoch", type=int, default=50)
arguments = parser.parse_args()
steps = arguments.epochs * arguments.steps_per_epoch

keras.utils.set_random_seed(0)
store = kpt.TokenStore.open(arguments.store)
tokenizer = kpt.WordPieceTokenizer.load(store.tokenizer_folder)
train, held_out = store.split(held_out=0.05, seed=0)

encoder = kpt.Encoder(tokenizer.vocabulary.size, **encoder_config(arguments.size))
model = kpt.Pretrainer(encoder, [MaskedLM(), NextSentence()])
schedule = WarmupDecay(3e-4, steps, warmup_steps=steps // 10, decay="constant")
model.compile(optimizer=keras.optimizers.Lion(schedule, weight_decay=0.01, global_clipnorm=1.0))

options = {"objectives": model.objectives, "batch_size": arguments.batch_size}
batches = Batches(SentencePairs(train, length=arguments.length), steps=steps, **options)
validation = Batches(SentencePairs(held_out, length=arguments.length), steps=4, repeat=True, **options)

config = {"length": arguments.length, "batch_size": arguments.batch_size}
run = RunFolder.create(arguments.out, tokenizer, {"training": config, "data": {"store": arguments.store}})
model.fit(
    batches,
    epochs=arguments.epochs,
    steps_per_epoch=arguments.steps_per_epoch,
    validation_data=validation,
    callbacks=[
        Guesses("If the file does not exist, a [MASK] is raised.", tokenizer),
        Checkpoints(run, every=arguments.steps_per_epoch),  # model and optimizer
        MetricsLog(run.metrics, every=10, tensorboard=run.tensorboard),
    ],
    verbose=2,
)
print(f"{run.step} steps: {run.checkpoint(run.step)}")
print(f"curves: {write_report(run.path)}")
