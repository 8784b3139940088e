"""Go on from the newest checkpoint of a run, with the next batch: `python examples/05_go_on.py`.

Batch N is a function of the store, the seed and N, so that the position in the data is one number: the steps done.
"""

import argparse

import kpt
from kpt.data import Batches, SentencePairs
from kpt.training import Checkpoints, MetricsLog, RunFolder, write_report

parser = argparse.ArgumentParser()
parser.add_argument("--run", default="runs/bert")
parser.add_argument("--steps", type=int, default=100)
arguments = parser.parse_args()

run = RunFolder(arguments.run)
done, settings = run.step, run.config["training"]
model = run.load()  # with the optimizer, its moments and its place in the schedule
print(f"going on after {done} steps, {model.optimizer.name} at a rate of {float(model.optimizer.learning_rate):.2g}")

train, _ = kpt.TokenStore.open(run.config["data"]["store"]).split(held_out=0.05, seed=0)
batches = Batches(
    SentencePairs(train, length=settings["length"]),
    model.objectives,
    batch_size=settings["batch_size"],
    steps=arguments.steps,
    start_step=done,
)
model.fit(
    batches,
    callbacks=[Checkpoints(run, every=50), MetricsLog(run.metrics, every=10, start_step=done)],
    verbose=2,
)
print(f"{run.step} steps: {run.checkpoint(run.step)}")
print(f"curves: {write_report(run.path)}")
