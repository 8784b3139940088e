"""nanoGPT's recipe for a CPU, on characters: held-out loss over tokens, and speed beside plain PyTorch.

    python -m benchmarks.nanogpt --text FILE --out nanogpt.json

The model has 4 blocks of width 128 with 4 heads and sees 64 characters; 2,000 steps of 12 random crops. Four models
take the same crops: nanoGPT's in kpt, the same with initial weights as wide as kpt's own recipe has them, that recipe
(`kpt.models.decoder_config`) at the same size, and nanoGPT's in plain PyTorch. The loss is that of the whole held-out
split, its last tenth, in blocks of 64. Each side runs in a process of its own that waits while another has its turn, so
that the machine's noise falls on all of them alike; only ratios within one run mean anything.

Source: https://github.com/karpathy/nanoGPT, "I only have a macbook", which states a loss of 1.88.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.pretraining import Contender
from kpt.files import write_json
from kpt.objectives import perplexity
from kpt.text import documentation

SETTINGS: dict[str, Any] = {"length": 64, "batch_size": 12, "depth": 4, "width": 128, "heads": 4, "steps": 2000}
TINY: dict[str, Any] = {"length": 16, "batch_size": 2, "depth": 1, "width": 32, "heads": 2, "steps": 4}
#: Name of each side of the speed part: model, backend, whether XLA compiles, and steps of one execution.
SPEED: dict[str, tuple[str, str, bool, int]] = {
    "kpt, tensorflow": ("kpt", "tensorflow", False, 1),
    "kpt, tensorflow jit": ("kpt", "tensorflow", True, 20),
    "kpt, jax": ("kpt", "jax", True, 1),
    "kpt, torch": ("kpt", "torch", False, 1),
    "PyTorch": ("torch", "torch", False, 1),
}
NAMES = {
    "kpt": "nanoGPT's model in kpt",
    "kpt-initial": "the same, wider initial weights",
    "kpt-recipe": "kpt's recipe",
    "torch": "nanoGPT's model in PyTorch",
}


def contender(base: dict[str, Any], name: str, model: str, backend: str, jit: bool, execution: int) -> Contender:
    """Start a side."""
    own = {"model": model, "backend": backend, "jit_compile": jit, "steps_per_execution": execution}
    return Contender(name, base | own | {"precision": "float32"}, "benchmarks.nanogpt_sides")


def speed(base: dict[str, Any], sides: Sequence[str], rounds: int, steps: int) -> dict[str, Any]:
    """Measure tokens per second: the sides take turns of so many steps."""
    running = [contender(base, name, *SPEED[name]) for name in sides]
    for side in running:
        side.train(steps, counts=False)
    for _ in range(rounds):
        for side in running:
            side.train(steps)
    for side in running:
        side.close()
    speeds = {side.name: round(statistics.median(side.tokens_per_second)) for side in running}
    # A side's ratio is the median of those of its turns to PyTorch's turns beside them.
    peer = running[-1].tokens_per_second
    ratios = {
        side.name: round(statistics.median(a / b for a, b in zip(side.tokens_per_second, peer, strict=True)), 2)
        for side in running[:-1]
    }
    return {"tokens_per_second": speeds, "ratio_to_pytorch": ratios}


def quality(
    base: dict[str, Any], models: Sequence[str], backend: str, every: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Train each model to the end and evaluate it every so many steps."""
    curves = {}
    for model in models:
        its_backend = "torch" if model == "torch" else backend
        execution = 1 if every % 20 else 20
        side = contender(base, model, model, its_backend, its_backend != "torch", execution)
        side.evaluate()
        while side.step < base["steps"]:
            side.train(min(every, base["steps"] - side.step))
            side.evaluate()
            point = side.curve[-1]
            say(f"{NAMES[model]}: step {side.step}, {side.seconds:.0f} s, held-out loss {point['loss']:.4f}")
        side.close()
        curves[model] = side.curve
    last = {model: curve[-1]["loss"] for model, curve in curves.items()}
    return {
        "backend": backend,
        "curves": curves,
        "loss": {model: round(loss, 4) for model, loss in last.items()},
        "perplexity": {model: round(perplexity(loss), 3) for model, loss in last.items()},
    }


def plot(curves: dict[str, Any], path: Path) -> None:
    """Draw the held-out loss over tokens."""
    from matplotlib.figure import Figure

    colours = {"kpt-recipe": "#0b6e4f", "kpt": "#3a7ca5", "kpt-initial": "#8e6c8a", "torch": "#d1495b"}
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for model, curve in curves.items():
        points = [point for point in curve if point["step"]]
        tokens = [point["tokens"] / 1e6 for point in points]
        axes.plot(tokens, [point["loss"] for point in points], color=colours[model], label=NAMES[model], marker=".")
    axes.set_xlabel("million characters seen")
    axes.set_ylabel("held-out loss (nats a character)")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


def show(result: dict[str, Any], console: Console) -> None:
    """Print the tables."""
    if found := result.get("quality"):
        table = Table("model", "held-out loss", "perplexity", title=f"after {result['settings']['steps']} steps")
        for model, loss in found["loss"].items():
            table.add_row(NAMES[model], f"{loss:.4f}", f"{found['perplexity'][model]:.3f}")
        console.print(table)
    if found := result.get("speed"):
        table = Table("side", "tokens/s", "to PyTorch", title="training, side by side")
        for name, value in found["tokens_per_second"].items():
            table.add_row(name, f"{value:,}", f"{found['ratio_to_pytorch'].get(name, 1.0):.2f}")
        console.print(table)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; return what is written to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, help="a text file (default: the documentation of installed packages)")
    parser.add_argument("--out", type=Path, default=Path("nanogpt.json"), help="JSON to write; the plot beside it")
    parser.add_argument("--parts", nargs="+", choices=("speed", "quality"), default=["speed", "quality"])
    parser.add_argument("--models", nargs="+", choices=tuple(NAMES), default=list(NAMES), help="of the quality part")
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax", "torch"), help="of the same")
    parser.add_argument("--every", type=int, default=200, help="steps between two evaluations")
    parser.add_argument("--rounds", type=int, default=5, help="turns of a side in the speed part")
    parser.add_argument("--turn", type=int, default=40, help="steps of a turn")
    parser.add_argument("--sides", nargs="+", choices=tuple(SPEED), default=list(SPEED), help="of the speed part")
    parser.add_argument("--tiny", action="store_true", help="only try that everything runs")
    options = parser.parse_args(arguments)
    base = SETTINGS | (TINY if options.tiny else {})
    result: dict[str, Any] = {"settings": dict(base)}
    with tempfile.TemporaryDirectory() as temporary:
        text = options.text
        if text is None:
            text = Path(temporary) / "text.txt"
            documents = documentation(["rich"] if options.tiny else None)
            text.write_text("\n".join(document.text for document in documents), encoding="utf-8")
        base["text"] = str(text.resolve())
        if "quality" in options.parts:
            every = 2 if options.tiny else options.every
            say = Console(stderr=True).print
            result["quality"] = quality(base, options.models, options.backend, every, say)
            plot(result["quality"]["curves"], options.out.with_suffix(".png"))
        if "speed" in options.parts:
            sides = [name for name in SPEED if name in options.sides or name == "PyTorch"]
            rounds, turn = (1, 1) if options.tiny else (options.rounds, options.turn)
            result["speed"] = speed(base, sides, rounds, turn)
    write_json(options.out, result)
    show(result, Console())
    return result


if __name__ == "__main__":
    main()
