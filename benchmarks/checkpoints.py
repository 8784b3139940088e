"""What checkpoints cost a training: none, written beside it as kpt does, and written while it waits.

    python -m benchmarks.checkpoints --size mini --every 50 --out checkpoints.json

One call of `fit` trains in blocks of so many steps. At the beginning of a block nothing is saved, or a checkpoint as
`Checkpoints` saves it, or one that is complete before the next step begins; a block lasts until what it had to save is
on the disk. The three take turns, so that the machine's noise falls on all of them alike; only ratios mean anything.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.table import Table

from benchmarks.kills import make_store
from kpt.data import Batches, SentencePairs, TokenStore
from kpt.files import write_json
from kpt.models import Encoder, encoder_config
from kpt.objectives import MaskedLM, NextSentence, Pretrainer
from kpt.text import load_tokenizer
from kpt.training import Checkpoints, RunFolder, encoder_optimizer

WAYS = ("none", "beside", "waiting")
VOCABULARY_SIZE = 8000


class Blocks(keras.callbacks.Callback):
    """Times blocks of steps, of which each begins with a checkpoint of another kind.

    Args:
        checkpoints: saves; it is not a callback of `fit` here.
        every: steps of a block.
        rounds: blocks of each kind; one round before them, in which all compiles, does not count.
    """

    def __init__(self, checkpoints: Checkpoints, every: int, rounds: int) -> None:
        super().__init__()
        self.checkpoints, self.every = checkpoints, every
        self.order = [way for number in range(rounds + 1) for way in turned(WAYS, number)]
        self.seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        self.stalls: dict[str, list[float]] = {way: [] for way in WAYS}
        self.step = 0

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begin a block."""
        if self.step % self.every:
            return
        self.begin = time.perf_counter()
        way = self.order[self.step // self.every]
        if way != "none":
            self.checkpoints.set_model(self.model)
            self.checkpoints.step = self.step + 1
            self.checkpoints.save()
        if way == "waiting":
            self.checkpoints.wait()
        self.stall = time.perf_counter() - self.begin

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End a block."""
        self.step += 1
        if self.step % self.every:
            return
        self.checkpoints.wait()
        number = self.step // self.every - 1
        if number >= len(WAYS):
            self.seconds[self.order[number]].append(time.perf_counter() - self.begin)
            self.stalls[self.order[number]].append(self.stall)


def turned(ways: Sequence[str], number: int) -> list[str]:
    """Return the ways, beginning with another one each time, so that none always comes after the same."""
    number %= len(ways)
    return [*ways[number:], *ways[:number]]


def measure(size: str, every: int, rounds: int, batch_size: int, length: int, folder: Path) -> dict[str, Any]:
    """Train and save; return seconds of a step, bytes of a checkpoint, and what each way costs."""
    store = TokenStore.open(make_store(folder / "store", "bert"))
    run = RunFolder.create(folder / "run", load_tokenizer(store.tokenizer_folder), {})
    model = Pretrainer(Encoder(VOCABULARY_SIZE, **encoder_config(size)), [MaskedLM(), NextSentence()])
    steps = every * len(WAYS) * (rounds + 1)
    compiled = True if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(optimizer=encoder_optimizer(steps), jit_compile=compiled)
    blocks = Blocks(Checkpoints(run, every, start_step=0), every, rounds)
    examples = SentencePairs(store, length=length)
    batches = Batches(examples, model.objectives, batch_size=batch_size, steps=steps, repeat=True)
    model.fit(batches, callbacks=[blocks], verbose=0)
    # Blocks of one round are neighbours in time: their ratios, and not those of the sums, are compared.
    cost = {
        way: statistics.median(
            some / none - 1 for some, none in zip(blocks.seconds[way], blocks.seconds["none"], strict=True)
        )
        for way in WAYS[1:]
    }
    return {
        "backend": keras.backend.backend(),
        "size": size,
        "parameters": model.count_params(),
        "every": every,
        "rounds": rounds,
        "batch_size": batch_size,
        "length": length,
        "checkpoint_bytes": sum(file.stat().st_size for file in run.checkpoint(run.step).iterdir()),
        "step_seconds": round(statistics.median(blocks.seconds["none"]) / every, 4),
        "stall_seconds": {way: round(statistics.median(blocks.stalls[way]), 4) for way in WAYS[1:]},
        "cost": {way: round(value, 4) for way, value in cost.items()},
        "block_seconds": {way: [round(value, 3) for value in values] for way, values in blocks.seconds.items()},
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Print the table."""
    megabytes, milliseconds = result["checkpoint_bytes"] / 1e6, 1000 * result["step_seconds"]
    table = Table(
        title=f"{result['size']} on {result['backend']}, a checkpoint of {megabytes:.0f} MB every {result['every']} "
        f"steps of {milliseconds:.0f} ms"
    )
    for name in ("checkpoints", "training stands still, ms", "cost in throughput, %"):
        table.add_column(name, justify="left" if name == "checkpoints" else "right")
    for way, cost in result["cost"].items():
        table.add_row(way, f"{1000 * result['stall_seconds'][way]:.0f}", f"{100 * cost:.1f}")
    console.print(table)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="mini")
    parser.add_argument("--every", type=int, default=50, metavar="STEPS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--tiny", action="store_true", help="a few steps of a tiny model")
    parser.add_argument("--out", type=Path, help="write the results here, as JSON")
    arguments = parser.parse_args(argv)
    if arguments.tiny:
        arguments.size, arguments.every, arguments.rounds = "tiny", 2, 1
        arguments.batch_size, arguments.length = 2, 16
    with tempfile.TemporaryDirectory() as folder:
        result = measure(
            arguments.size, arguments.every, arguments.rounds, arguments.batch_size, arguments.length, Path(folder)
        )
    show(result, Console())
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()
