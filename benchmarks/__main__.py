"""Runs the benchmarks that need no accelerator, one after the other: `python -m benchmarks`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import data, pretraining


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `benchmarks.data`, then `benchmarks.pretraining`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the corpora")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), help="folder for the figures")
    parser.add_argument("--tiny", action="store_true", help="only try that everything runs")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for benchmark, name in ((data, "data.json"), (pretraining, "pretraining.json")):
        words = ["--data", str(options.data), "--out", str(options.out / name)]
        benchmark.main([*words, "--tiny"] if options.tiny else words)


if __name__ == "__main__":
    main()
