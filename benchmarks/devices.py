"""What `fit` and a strategy cost: against a bare compiled loop of the same step, and one replica against no strategy.

    python -m benchmarks.devices --out devices.json

Each backend runs in a process of its own, in which the sides take turns on the same batches of the same small BERT, so
that the machine's noise falls on all alike; only ratios within one run mean anything. A ratio is that of tokens per
second, ours to the peer's: `fit` to the bare loop, and `fit` under `MirroredStrategy` of one replica to `fit` without.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from kpt.files import write_json

FULL: dict[str, Any] = {"size": "mini", "vocabulary_size": 2000, "length": 128, "batch_size": 16, "steps": 40}
TINY: dict[str, Any] = {"size": "tiny", "vocabulary_size": 500, "length": 16, "batch_size": 4, "steps": 3}
#: Ours and the peer of each comparison, by backend.
COMPARISONS = {
    "tensorflow": {"fit": ("fit", "loop"), "mirrored, one replica": ("mirrored", "fit")},
    "jax": {"fit": ("fit", "loop")},
}


def sides(settings: dict[str, Any], folder: Path) -> dict[str, Callable[[], None]]:
    """Return what trains for a round of steps on the present backend, by name."""
    import keras

    import kpt
    from kpt.data import Batches, SentencePairs
    from kpt.distribution import compiles_steps, make_strategy
    from kpt.models import encoder_config
    from kpt.objectives import MaskedLM, NextSentence
    from kpt.training import encoder_optimizer

    corpus = kpt.text.documentation(["jinja2"])
    tokenizer = kpt.WordPieceTokenizer.train(corpus, vocabulary_size=settings["vocabulary_size"])
    store = kpt.data.prepare(corpus, tokenizer, folder / "store", progress=False)

    def built(scope: Any) -> Any:
        with scope:
            encoder = kpt.Encoder(store.vocabulary.size, **encoder_config(settings["size"]))
            model = kpt.Pretrainer(encoder, [MaskedLM(), NextSentence()])
            model.compile(optimizer=encoder_optimizer(100_000), jit_compile=compiles_steps())
            model.optimizer.build(model.trainable_variables)
        return model

    def batches(model: Any) -> Batches:
        examples = SentencePairs(store, length=settings["length"])
        return Batches(examples, model.objectives, batch_size=settings["batch_size"], steps=settings["steps"])

    def fitting(scope: Any) -> Callable[[], None]:
        model = built(scope)
        return lambda: model.fit(batches(model), verbose=0)

    made = {"fit": fitting(nullcontext()), "loop": bare_loop(built(nullcontext()), batches)}
    if keras.backend.backend() == "tensorflow":
        made["mirrored"] = fitting(make_strategy("mirrored").scope())
    return made


def bare_loop(model: Any, batches: Callable[[Any], Any]) -> Callable[[], None]:
    """Return a loop over the compiled step of a model and nothing else, as one writes it by hand."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(model.train_step, jit_compile=True)

        def run() -> None:
            made, logs = batches(model), {}
            for number in range(len(made)):
                logs = step({name: tf.constant(value) for name, value in made[number].items()})
            float(logs["loss"])

        return run
    import jax

    step = jax.jit(model.train_step, donate_argnums=0)
    groups = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
    state = tuple([variable.value for variable in group] for group in (*groups, model.metrics_variables))

    def run_jax() -> None:
        nonlocal state
        made, logs = batches(model), {}
        for number in range(len(made)):
            logs, state = step(state, made[number])
        float(logs["loss"])

    return run_jax


def measure(settings: dict[str, Any], rounds: int) -> dict[str, float]:
    """Return the tokens per second of each side, the median of rounds in which each has its turn."""
    with tempfile.TemporaryDirectory() as folder:
        running = sides(settings, Path(folder))
        seconds: dict[str, list[float]] = {name: [] for name in running}
        for number in range(rounds + 1):
            for name, run in running.items():
                begin = time.perf_counter()
                run()
                if number:  # the first one compiles
                    seconds[name].append(time.perf_counter() - begin)
    tokens = settings["steps"] * settings["batch_size"] * settings["length"]
    return {name: round(tokens / statistics.median(values), 1) for name, values in seconds.items()}


def compare(speeds: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """Return ours, the peer's and their ratio for each comparison."""
    rows = []
    for backend, found in speeds.items():
        for what, (ours, peer) in COMPARISONS[backend].items():
            ratio = round(found[ours] / found[peer], 3)
            rows.append(
                {
                    "what": f"{what}, {backend}",
                    "ours": found[ours],
                    "peer": found[peer],
                    "ratio": ratio,
                    "against": peer,
                }
            )
    return rows


def main(words: Sequence[str] | None = None) -> None:
    """Run, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("devices.json"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tiny", action="store_true", help="to see that it runs; the figures mean nothing")
    parser.add_argument("--backends", nargs="+", choices=tuple(COMPARISONS), default=list(COMPARISONS))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.measure:
        print(json.dumps(measure(json.loads(arguments.measure), arguments.rounds)))
        return
    settings, rounds = (TINY, 1) if arguments.tiny else (FULL, arguments.rounds)
    speeds = {}
    for backend in arguments.backends:
        call = [sys.executable, "-m", "benchmarks.devices", "--measure", json.dumps(settings), "--rounds", str(rounds)]
        environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
        done = subprocess.run(call, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        speeds[backend] = json.loads(done.stdout.splitlines()[-1])
    rows = compare(speeds)
    table = Table("", "ours", "peer", "ratio", title="tokens per second")
    for row in rows:
        table.add_row(row["what"], f"{row['ours']:,.0f}", f"{row['against']} {row['peer']:,.0f}", f"{row['ratio']:.3f}")
    Console().print(table)
    write_json(arguments.out, {"settings": settings, "tokens_per_second": speeds, "comparisons": rows})


if __name__ == "__main__":
    main()
