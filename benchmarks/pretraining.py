"""BERT pre-training side by side with keras-hub and Hugging Face: speed, and held-out loss over tokens and time.

    python -m benchmarks.pretraining --data FOLDER --out pretraining.json

All sides see the same batches of the same token store. Each runs in a process of its own that waits while another has
its turn, so that the machine's noise falls on all of them alike; only ratios within one run mean anything.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.pretraining_sides import ANSWER
from kpt.data import prepare
from kpt.files import write_json
from kpt.text import Corpus, Document, WordPieceTokenizer, documentation

#: The recipes and the sizes of the comparison; `--tiny` replaces some.
SETTINGS: dict[str, Any] = {
    "size": "mini",
    "length": 128,
    "batch_size": 32,
    "steps": 3000,
    "vocabulary_size": 8000,
    "learning_rate": 5e-4,
    "dropout": 0.1,
    "evaluation_batches": 24,
}
TINY: dict[str, Any] = {
    "size": "tiny",
    "length": 32,
    "batch_size": 4,
    "steps": 4,
    "vocabulary_size": 600,
    "evaluation_batches": 2,
}
#: The corpora of `--data`: reviews with `cv` numbers in their ids, speeches, and WikiText-2's validation part.
FILES = ("movie_reviews.jsonl", "speeches.jsonl", "wikitext2-valid.txt")
BACKENDS = ("tensorflow", "tensorflow jit", "jax", "torch")


@dataclass
class Contender:
    """A side in its process."""

    name: str
    settings: dict[str, Any]
    module: str = "benchmarks.pretraining_sides"
    tokens_per_second: list[float] = field(default_factory=list)
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    step: int = 0

    def __post_init__(self) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process is
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, json.dumps(self.settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=Path(__file__).parents[1],
        )

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send a command and wait for the answer."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(ANSWER):
                return dict(json.loads(line.removeprefix(ANSWER)))
        status = self.process.wait()
        self.errors.seek(0)
        raise RuntimeError(f"{self.name} ended with status {status}: {self.errors.read()[-2000:]}")

    def train(self, steps: int, counts: bool = True) -> None:
        """Train for some steps; `counts`: whether they count for the speed."""
        seconds = self.ask({"train": steps})["seconds"]
        self.step += steps
        self.seconds += seconds
        if counts:
            slots = self.settings["batch_size"] * self.settings["length"]
            self.tokens_per_second.append(steps * slots / seconds)

    def evaluate(self) -> None:
        """Add a point to the curve."""
        tokens = self.step * self.settings["batch_size"] * self.settings["length"]
        point = {"step": self.step, "tokens": tokens, "seconds": round(self.seconds, 1)}
        self.curve.append(point | self.ask({"evaluate": True}))

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()


def contender(model: str, backend: str, precision: str, dropout: float, base: dict[str, Any]) -> Contender:
    """Start a side."""
    settings = base | {
        "model": model,
        "backend": backend.split()[0],
        "jit_compile": True if backend == "tensorflow jit" else backend == "jax",
        "precision": precision,
        "dropout": dropout,
    }
    return Contender(f"{model}, {backend}, {precision}, dropout {dropout:g}", settings)


def speed(
    base: dict[str, Any], backends: Sequence[str], precision: str, dropout: float, rounds: int, steps: int
) -> dict[str, Any]:
    """Measure tokens per second at one precision and dropout: the sides take turns."""
    models = ("kpt", "keras-hub")
    sides = [contender(model, backend, precision, dropout, base) for backend in backends for model in models]
    if "torch" in backends:
        sides.append(contender("hugging-face", "torch", precision, dropout, base))
    for side in sides:
        side.train(steps, counts=False)
    for _ in range(rounds):
        for side in sides:
            side.train(steps)
    for side in sides:
        side.close()
    speeds = {
        f"{side.settings['model']}, {backend_of(side)}": round(statistics.median(side.tokens_per_second))
        for side in sides
    }
    return {"precision": precision, "dropout": dropout, "tokens_per_second": speeds, **best(speeds)}


def backend_of(side: Contender) -> str:
    """Return the backend's name as in `BACKENDS`."""
    jit = side.settings["backend"] == "tensorflow" and side.settings["jit_compile"]
    return side.settings["backend"] + (" jit" if jit else "")


def best(speeds: dict[str, int]) -> dict[str, Any]:
    """Return each library's best and the ratios of ours to theirs."""
    libraries: dict[str, int] = {}
    for name, value in speeds.items():
        library = name.split(",")[0]
        libraries[library] = max(value, libraries.get(library, 0))
    ours = libraries["kpt"]
    return {
        "best": libraries,
        "ratio": {name: round(ours / value, 3) for name, value in libraries.items() if name != "kpt"},
    }


def quality(
    base: dict[str, Any],
    backend: str,
    precision: str,
    every: int,
    stops: dict[str, int | None],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Train kpt's recipe, keras-hub's BERT and kpt's BERT on the same batches, some no further than `stops` says.

    They take turns of `every` steps, and of a fifth of that at first, where the curves are steep. The schedule of the
    learning rate is that of all steps also where a side stops before.
    """
    models = ("kpt-recipe", "keras-hub", "kpt")
    sides = [contender(model, backend, precision, base["dropout"], base) for model in models]
    last = {model: min(stops.get(model) or base["steps"], base["steps"]) for model in models}
    for side in sides:
        side.evaluate()
    while sides[0].step < base["steps"]:
        turn = max(1, every // 5) if sides[0].step < every else every
        for side in sides:
            if side.step >= last[side.settings["model"]]:
                continue
            side.train(min(turn, last[side.settings["model"]] - side.step))
            side.evaluate()
            point = side.curve[-1]
            say(
                f"{side.settings['model']:>12} step {side.step:>5} {side.seconds:7.0f} s "
                f"loss {point['masked_lm_loss']:.3f} accuracy {point['masked_lm_accuracy']:.3f} "
                f"next {point['next_sentence_accuracy']:.3f}"
            )
    for side in sides:
        side.close()
    curves = {side.settings["model"]: side.curve for side in sides}
    target = curves["keras-hub"][-1]
    first = next((p for p in curves["kpt-recipe"] if p["masked_lm_loss"] <= target["masked_lm_loss"]), None)
    return {
        "backend": backend,
        "precision": precision,
        "curves": curves,
        "last": {name: curve[-1] for name, curve in curves.items()},
        "recipe_reaches_keras_hub": first
        and {**first, "share_of_time": round(first["seconds"] / target["seconds"], 3)},
    }


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw held-out loss and accuracy over tokens and over time."""
    from matplotlib.figure import Figure

    colours = {"kpt-recipe": "#0b6e4f", "kpt": "#3a7ca5", "keras-hub": "#d1495b"}
    names = {"kpt-recipe": "kpt, default recipe", "kpt": "kpt, published BERT", "keras-hub": "keras-hub BERT"}
    figure = Figure(figsize=(11, 7), layout="constrained")
    for row, (metric, label) in enumerate(
        (("masked_lm_loss", "held-out MLM loss (nats)"), ("masked_lm_accuracy", "held-out MLM accuracy"))
    ):
        for column, (over, unit, scale) in enumerate((("tokens", "million tokens", 1e6), ("seconds", "minutes", 60.0))):
            axes = figure.add_subplot(2, 2, 1 + 2 * row + column)
            for name, curve in result["curves"].items():
                points = [point for point in curve if point["step"]]
                axes.plot(
                    [point[over] / scale for point in points],
                    [point[metric] for point in points],
                    color=colours[name],
                    label=names[name],
                )
            axes.set_xlabel(unit)
            axes.set_ylabel(label)
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
            if row == column == 0:
                axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


def make_store(data: Path | None, folder: Path, base: dict[str, Any], tiny: bool) -> Path:
    """Write the token store that all sides read: reviews' training split, speeches and WikiText-2's validation part."""
    documents: list[Document]
    if data is not None and not tiny:
        files = [data / name for name in FILES]
        reviews = [each for each in Corpus(files[0]) if int(str(each.id).split("_")[0].removeprefix("cv")) < 700]
        documents = [*reviews, *Corpus(files[1]), *Corpus(files[2], documents="wikitext")]
    else:
        documents = list(documentation(["rich"] if tiny else None))
    tokenizer = WordPieceTokenizer.train(documents, base["vocabulary_size"])
    prepare(documents, tokenizer, folder)
    return folder


def show(result: dict[str, Any], console: Console) -> None:
    """Print the tables."""
    for group in result.get("speed", ()):
        table = Table(title=f"tokens/s, {group['precision']}, dropout {group['dropout']:g}")
        table.add_column("side")
        table.add_column("tokens/s", justify="right")
        for name, value in group["tokens_per_second"].items():
            table.add_row(name, f"{value:,}")
        for peer, ratio in group["ratio"].items():
            table.add_row(f"kpt's best : {peer}'s best", f"{ratio:.2f}")
        console.print(table)
    if quality_result := result.get("quality"):
        table = Table(title=f"held-out documents, {quality_result['backend']}, {quality_result['precision']}")
        for name in ("side", "steps", "seconds", "MLM loss", "MLM accuracy", "NSP accuracy"):
            table.add_column(name, justify="left" if name == "side" else "right")
        for name, last in quality_result["last"].items():
            table.add_row(
                name,
                str(last["step"]),
                f"{last['seconds']:.0f}",
                f"{last['masked_lm_loss']:.3f}",
                f"{last['masked_lm_accuracy']:.3f}",
                f"{last['next_sentence_accuracy']:.3f}",
            )
        console.print(table)
        if reached := quality_result["recipe_reaches_keras_hub"]:
            console.print(
                f"kpt's recipe is below keras-hub's last loss after {reached['step']} steps, "
                f"{reached['share_of_time']:.1%} of its time"
            )


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; return what is written to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help=f"folder with {', '.join(FILES)} (default: the documentation corpus)")
    parser.add_argument("--out", type=Path, default=Path("pretraining.json"), help="JSON to write; the plot beside it")
    parser.add_argument("--parts", nargs="+", choices=("speed", "quality"), default=["speed", "quality"])
    parser.add_argument("--steps", type=int, help=f"steps of the quality part (default {SETTINGS['steps']})")
    parser.add_argument("--published-steps", type=int, help="stop kpt's published BERT after so many steps")
    parser.add_argument("--peer-steps", type=int, help="stop keras-hub's BERT after so many steps")
    parser.add_argument("--every", type=int, default=500, help="steps of a turn and between two evaluations")
    parser.add_argument("--rounds", type=int, default=5, help="turns of a side in the speed part")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS, help="of the speed part")
    parser.add_argument("--precisions", nargs="+", default=["float32", "mixed_bfloat16"], help="of the speed part")
    parser.add_argument(
        "--dropouts", nargs="+", type=float, default=[SETTINGS["dropout"], 0.0], help="of the speed part"
    )
    parser.add_argument("--backend", default="torch", choices=BACKENDS, help="of the quality part")
    parser.add_argument("--precision", default="mixed_bfloat16", help="of the quality part")
    parser.add_argument("--tiny", action="store_true", help="only try that everything runs")
    options = parser.parse_args(arguments)
    base = SETTINGS | (TINY if options.tiny else {}) | ({"steps": options.steps} if options.steps else {})
    backends = ("tensorflow", "torch") if options.tiny else options.backends
    console = Console(stderr=True)
    result: dict[str, Any] = {"settings": base}
    with tempfile.TemporaryDirectory() as temporary:
        base["store"] = str(make_store(options.data, Path(temporary) / "store", base, options.tiny))
        if "speed" in options.parts:
            rounds, steps = (1, 1) if options.tiny else (options.rounds, 10)
            result["speed"] = []
            for precision, dropout in product(options.precisions, options.dropouts):
                console.print(f"speed: {precision}, dropout {dropout:g}")
                result["speed"].append(speed(base, backends, precision, dropout, rounds, steps))
                write_json(options.out, result)
        if "quality" in options.parts:
            every = 2 if options.tiny else options.every
            stops = {"kpt": options.published_steps, "keras-hub": options.peer_steps}
            result["quality"] = quality(base, options.backend, options.precision, every, stops, console.print)
    result["settings"] = {name: value for name, value in base.items() if name != "store"}
    write_json(options.out, result)
    if "quality" in options.parts:
        plot(result["quality"], options.out.with_suffix(".png"))
    show(result, Console())
    return result


if __name__ == "__main__":
    main()
