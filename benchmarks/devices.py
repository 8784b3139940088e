"""What `fit` and a strategy cost: against a bare compiled loop of the same step, and one replica against no strategy.

    python -m benchmarks.devices --out devices.json

Each backend runs in a process of its own, in which the sides take turns, round by round, on the same batches of the
same small BERT, so that the machine's noise falls on all alike; only ratios within one run mean anything. A ratio is
that of speeds, ours to the peer's: `fit` to the bare loop, and `fit` under `MirroredStrategy` of one replica to `fit`
without. There are two, of the medians of the rounds: by the wall clock, and by CPU seconds (user and system of the
process and its children, all threads). The wall clock is what a user waits for, but it also has what else the machine
does; where the rounds of a side differ by more than what is to be told apart, the CPU seconds count. They do not see a
side that waits, and not what an accelerator does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
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
#: The smallest difference that is to be told apart: rounds that differ by more cannot tell it by the wall clock.
TOLD_APART = 0.05


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


def cpu_seconds() -> float:
    """Return the CPU time of this process, of all its threads, and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def measure(settings: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Return the device, and for each side the wall and CPU seconds of rounds in which each has its turn."""
    from kpt.distribution.hardware import find_device

    with tempfile.TemporaryDirectory() as folder:
        running = sides(settings, Path(folder))
        seconds: dict[str, dict[str, list[float]]] = {name: {"wall": [], "cpu": []} for name in running}
        for number in range(rounds + 1):
            for name, run in running.items():
                begin, cpu = time.perf_counter(), cpu_seconds()
                run()
                if number:  # the first one compiles
                    seconds[name]["wall"].append(round(time.perf_counter() - begin, 4))
                    seconds[name]["cpu"].append(round(cpu_seconds() - cpu, 4))
    return {"device": find_device().name, "seconds": seconds}


def spread(values: Sequence[float]) -> float:
    """Return how far the middle half of the rounds reaches, as a share of their median.

    >>> spread([1.0, 1.0, 1.0, 2.0]), spread([3.0])
    (0.25, 0.0)
    """
    if len(values) < 2:
        return 0.0
    first, middle, third = statistics.quantiles(values, n=4, method="inclusive")
    return (third - first) / middle


def compare(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the medians of ours and the peer's, both ratios, and which of them counts, for each comparison."""
    rows = []
    for backend, measured in found.items():
        for what, (ours, peer) in COMPARISONS[backend].items():
            row: dict[str, Any] = {"what": f"{what}, {backend}", "against": peer}
            for clock in ("wall", "cpu"):
                medians = [statistics.median(measured["seconds"][side][clock]) for side in (ours, peer)]
                row |= {f"ours_{clock}": medians[0], f"peer_{clock}": medians[1]}
                row[f"ratio_{clock}"] = round(medians[1] / medians[0], 3)
            widest = max(spread(measured["seconds"][side]["wall"]) for side in (ours, peer))
            row["counts"], row["why"] = counting(measured["device"], widest)
            rows.append(row)
    return rows


def counting(device: str, widest: float) -> tuple[str, str]:
    """Return which ratio counts, and why.

    Args:
        device: what was computed on.
        widest: the larger spread of the rounds of both sides, by the wall clock.
    """
    if device != "CPU":
        return "wall", f"CPU seconds do not see the {device}"
    if widest > TOLD_APART:
        return "cpu", f"rounds differ by {widest:.0%} by the wall clock"
    return "wall", f"rounds differ by {widest:.0%}, and it is what one waits for"


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
    found = {}
    for backend in arguments.backends:
        call = [sys.executable, "-m", "benchmarks.devices", "--measure", json.dumps(settings), "--rounds", str(rounds)]
        environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
        done = subprocess.run(call, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        found[backend] = json.loads(done.stdout.splitlines()[-1])
    rows = compare(found)
    table = Table("", "wall, s", "CPU, s", "ratio, wall", "ratio, CPU", "counts", title=f"medians of {rounds} rounds")
    for row in rows:
        against = row["against"]
        wall, cpu = (f"{row[f'ours_{clock}']:.2f} ({against} {row[f'peer_{clock}']:.2f})" for clock in ("wall", "cpu"))
        ratios = [f"{row[f'ratio_{clock}']:.3f}" for clock in ("wall", "cpu")]
        table.add_row(row["what"], wall, cpu, *ratios, f"{row['counts']}: {row['why']}")
    Console().print(table)
    write_json(arguments.out, {"settings": settings, "measured": found, "comparisons": rows})


if __name__ == "__main__":
    main()
