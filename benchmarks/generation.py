"""Greedy generation side by side with Hugging Face and keras-hub, on the same random weights of a GPT-2.

    python -m benchmarks.generation --out generation.json

Parts: `small`, a model of 4 layers of width 256, batches of 8; `base`, the 124M GPT-2, where reading the weights is the
limit, at batch 1 and 8 and in float32 and bfloat16, with the share of the memory's bandwidth that is reached; `growth`,
the time a token takes among the first 64 and among 512 with a cache of one size. Each side runs in a process of its own
that waits while another has its turn, so that the machine's noise falls on all of them alike; only ratios within one
run mean anything. In float32 every side's tokens have to be those of Hugging Face.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.pretraining import Contender
from kpt.files import write_json

SMALL: dict[str, Any] = {"width": 256, "depth": 4, "heads": 4, "vocabulary_size": 8000, "maximum_length": 1024}
BASE: dict[str, Any] = {"width": 768, "depth": 12, "heads": 12, "vocabulary_size": 50257, "maximum_length": 1024}
TINY: dict[str, Any] = {"width": 32, "depth": 2, "heads": 2, "vocabulary_size": 60, "maximum_length": 64}
#: Model and backend of each side.
SIDES: dict[str, tuple[str, str]] = {
    "Hugging Face": ("hugging-face", "torch"),
    "keras-hub, tensorflow": ("keras-hub", "tensorflow"),
    "keras-hub, jax": ("keras-hub", "jax"),
    "kpt, tensorflow": ("kpt", "tensorflow"),
    "kpt, jax": ("kpt", "jax"),
    "kpt, torch": ("kpt", "torch"),
}
REFERENCE = "Hugging Face"
#: Of a weight. In 8 bits are the weights of kpt alone, and the peers' in bfloat16.
BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


def start(names: Sequence[str], sizes: dict[str, Any], precision: str) -> dict[str, Contender]:
    """Start sides, under their names."""
    running = {}
    for name in names:
        model, backend = SIDES[name]
        settings = sizes | {"model": model, "backend": backend, "precision": precision}
        if precision == "int8":
            settings |= {"precision": "float32", "weights": "int8"} if model == "kpt" else {"precision": "bfloat16"}
        running[name] = Contender(name, settings, "benchmarks.generation_sides")
    return running


def prompts_of(sizes: dict[str, Any], batch: int, length: int) -> list[list[int]]:
    """Return random prompts."""
    rows: list[list[int]] = np.random.default_rng(1).integers(0, sizes["vocabulary_size"], (batch, length)).tolist()
    return rows


def weights_read(sizes: dict[str, Any]) -> int:
    """Return how many weights a step has to read: all but the positions, for the token embedding makes the logits."""
    width = sizes["width"]
    block = 12 * width * width + 13 * width
    return int(sizes["vocabulary_size"] * width + sizes["depth"] * block + 2 * width)


def compare(
    running: dict[str, Contender],
    sizes: dict[str, Any],
    precision: str,
    batch: int,
    shape: tuple[int, int],
    rounds: int,
) -> dict[str, Any]:
    """Have each side generate in turn, after a turn that compiles; return tokens per second.

    Raises:
        AssertionError: In float32 a side's tokens are not those of Hugging Face.
    """
    length, new_tokens = shape
    request = {"generate": {"prompts": prompts_of(sizes, batch, length), "new_tokens": new_tokens}}
    first = {name: side.ask(request)["tokens"] for name, side in running.items()}
    agreement = {
        name: round(float(np.mean(np.equal(tokens, first[REFERENCE]))), 4)
        for name, tokens in first.items()
        if name != REFERENCE
    }
    if precision == "float32":
        for name, tokens in first.items():
            assert tokens == first[REFERENCE], f"{name} does not generate the tokens of {REFERENCE}"
    seconds: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(rounds):
        for name, side in running.items():
            seconds[name].append(side.ask(request)["seconds"])
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    read = weights_read(sizes) * BYTES[precision]
    bandwidth = running[REFERENCE].ask({"bandwidth": read})["bytes_per_second"]
    return {
        "batch_size": batch,
        "precision": precision,
        "prompt_tokens": length,
        "new_tokens": new_tokens,
        "distinct_tokens": len(set(np.ravel(first[REFERENCE]).tolist())),
        "tokens_per_second": {name: round(batch * new_tokens / value, 1) for name, value in medians.items()},
        "bytes_per_second": round(bandwidth),
        "share_of_bandwidth": {
            name: round(new_tokens * read / value / bandwidth, 3) for name, value in medians.items()
        },
        "agreement": agreement,
    }


def with_ratios(run: dict[str, Any], peers: dict[str, float]) -> dict[str, Any]:
    """Add how many times as fast as the better peer each side of kpt is."""
    peer = max(peers, key=lambda name: peers[name])
    ratios = {
        name: float(f"{value / peers[peer]:.3g}")
        for name, value in run["tokens_per_second"].items()
        if name.startswith("kpt")
    }
    return run | {"peer": peer, "ratio": ratios}


def peers_of(run: dict[str, Any]) -> dict[str, float]:
    """Return the speeds of those that are not kpt."""
    return {name: value for name, value in run["tokens_per_second"].items() if not name.startswith("kpt")}


def speeds(
    names: Sequence[str],
    sizes: dict[str, Any],
    batches: Sequence[int],
    precisions: Sequence[str],
    shape: tuple[int, int],
    rounds: int,
) -> list[dict[str, Any]]:
    """Compare at each batch size and precision.

    A run in bfloat16 or 8 bits is also put beside the better peer in float32, as `ratio_to_float32`.
    """
    runs: list[dict[str, Any]] = []
    for precision in precisions:
        running = start(names, sizes, precision)
        for batch in batches:
            run = compare(running, sizes, precision, batch, shape, rounds)
            run = with_ratios(run, peers_of(run))
            plain = next((r for r in runs if r["precision"] == "float32" and r["batch_size"] == batch), None)
            if plain is not None:
                run["ratio_to_float32"] = with_ratios(run, peers_of(plain))["ratio"]
            runs.append(run)
        for side in running.values():
            side.close()
    return runs


def growth(names: Sequence[str], sizes: dict[str, Any], marks: Sequence[int], rounds: int) -> dict[str, Any]:
    """Measure how kpt's time per token grows with the tokens generated, the cache being of one size."""
    ours = [name for name in names if name.startswith("kpt")]
    running = start(ours, sizes, "float32")
    request = {"growth": {"prompts": prompts_of(sizes, 8, 16), "new_tokens": list(marks)}}
    found: dict[str, list[list[float]]] = {name: [] for name in ours}
    for turn in range(rounds + 1):
        for name, side in running.items():
            seconds = side.ask(request)["seconds"]
            if turn:
                found[name].append([value / mark for value, mark in zip(seconds, marks, strict=True)])
    for side in running.values():
        side.close()
    each = {name: [statistics.median(values) for values in zip(*rows, strict=True)] for name, rows in found.items()}
    return {
        "new_tokens": list(marks),
        "milliseconds_per_token": {name: [round(1000 * value, 3) for value in values] for name, values in each.items()},
        "ratio": {name: round(values[-1] / values[0], 3) for name, values in each.items()},
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Print the tables."""
    for part in ("small", "base"):
        for run in result.get(part, ()):
            title = f"{part}, batch {run['batch_size']}, {run['precision']}, {run['bytes_per_second'] / 1e9:.1f} GB/s"
            table = Table("side", "tokens/s", f"to {run['peer']}", "to float32", "share of bandwidth", title=title)
            for name, value in run["tokens_per_second"].items():
                ratio, other = run["ratio"].get(name), run.get("ratio_to_float32", {}).get(name)
                cells = ("" if x is None else f"{x:.2f}" for x in (ratio, other))
                table.add_row(name, f"{value:,.0f}", *cells, f"{run['share_of_bandwidth'][name]:.0%}")
            console.print(table)
    if found := result.get("growth"):
        few, many = found["new_tokens"]
        table = Table("side", f"ms/token, {few}", f"ms/token, {many}", "ratio", title="time a step, one cache size")
        for name, values in found["milliseconds_per_token"].items():
            table.add_row(name, *(f"{value:.3f}" for value in values), f"{found['ratio'][name]:.2f}")
        console.print(table)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; return what is written to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("generation.json"), help="JSON to write")
    parser.add_argument("--parts", nargs="+", choices=("small", "base", "growth"), default=["small", "base", "growth"])
    parser.add_argument("--sides", nargs="+", choices=tuple(SIDES), default=list(SIDES))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8], help="batch sizes of the base part")
    parser.add_argument("--precisions", nargs="+", choices=tuple(BYTES), default=list(BYTES), help="of the base part")
    parser.add_argument("--new-tokens", type=int, default=128, help="of the small part; the base part takes half")
    parser.add_argument("--rounds", type=int, default=5, help="turns of a side")
    parser.add_argument("--tiny", action="store_true", help="only try that everything runs")
    options = parser.parse_args(arguments)
    names = [name for name in SIDES if name in options.sides or name == REFERENCE]
    small, base = (TINY, TINY) if options.tiny else (SMALL, BASE)
    new_tokens, rounds = (8, 1) if options.tiny else (options.new_tokens, options.rounds)
    result: dict[str, Any] = {"settings": {"small": small, "base": base, "rounds": rounds}}
    if "small" in options.parts:
        result["small"] = speeds(names, small, [8], ["float32"], (16, new_tokens), rounds)
    if "base" in options.parts:
        shape = (16, new_tokens // 2)
        result["base"] = speeds(names, base, options.batches, options.precisions, shape, rounds)
    if "growth" in options.parts:
        marks = (4, 16) if options.tiny else (64, 512)
        result["growth"] = growth(names, small, marks, rounds)
    write_json(options.out, result)
    show(result, Console())
    return result


if __name__ == "__main__":
    main()
