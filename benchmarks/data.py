"""Text to batches side by side with peers: tokenizer training, encoding, `prepare`, batch making, peak memory.

    python -m benchmarks.data --out data.json

Every figure of a comparison comes from one run on one machine; each side runs in a process of its own, the sides take
turns, and the best of `--repeats` counts.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import data_sides
from kpt.files import write_json
from kpt.text import Corpus, documentation, split_sentences

CORPUS_FILES = ("movie_reviews.jsonl", "speeches.jsonl", "wikitext2-valid.txt")
#: The comparisons: name, unit, whether less is better, our side, the peers' sides.
COMPARISONS = (
    ("tokenizer training", "s", True, "train_kpt", ("train_tokenizers", "train_keras_hub")),
    ("encoding", "MB/s", False, "encode_kpt", ("encode_tokenizers", "encode_keras_hub")),
    ("encoding, TensorFlow loaded", "MB/s", False, "encode_kpt_graph", ("encode_tokenizers", "encode_keras_hub")),
    ("byte-level BPE", "MB/s", False, "encode_bytes_kpt", ("encode_bytes_tokenizers", "encode_bytes_keras_hub")),
    ("byte-level BPE in a graph", "MB/s", False, "encode_bytes_kpt_graph", ("encode_bytes_keras_hub",)),
    ("prepare, all cores", "MB/s", False, "prepare_kpt", ("prepare_tokenizers",)),
    ("MLM + NSP batches of 32, one core", "M tokens/s", False, "batches_32_kpt", ("batches_32_keras_hub",)),
    ("MLM + NSP batches of 256, one core", "M tokens/s", False, "batches_256_kpt", ("batches_256_keras_hub",)),
)
#: Sides that take half a minute and are always far behind: they have one turn.
SLOW = ("train_keras_hub", "encode_bytes_keras_hub")
LENGTH = 128


def source_documents(data: Path | None, tiny: bool) -> Iterator[str]:
    """Yield the documents to measure with: of the folder, or of the installed packages."""
    if data is not None and not tiny:
        yield from Corpus([data / name for name in CORPUS_FILES]).texts()
        return
    for number, text in enumerate(documentation().texts()):
        if tiny and number == 80:
            return
        yield text


def write_lines(path: Path, documents: list[str], size: int) -> None:
    """Write a corpus of about `size` bytes, a document a line: random sentences, each with a word never seen before."""
    generator = random.Random(size)
    sentences = [sentence for document in documents for sentence in split_sentences(document)]
    written = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            words = (f"{generator.choice(sentences)} {generator.getrandbits(48):x}." for _ in range(12))
            line = " ".join(" ".join(words).split()) + "\n"
            written += len(line.encode())
            file.write(line)


class PeakMemory:
    """Watches a process and its children: the largest sum of their proportional set sizes, in MB."""

    def __init__(self, pid: int) -> None:
        self.peak = 0.0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """End watching; return the peak."""
        self._ended.set()
        self._thread.join()
        return self.peak

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self.peak = max(self.peak, sum(map(_set_size, _family(self._pid))) / 1000)


def _family(pid: int) -> list[int]:
    try:
        tasks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return [pid]
    return [pid, *(one for task in tasks for child in task.split() for one in _family(int(child)))]


def _set_size(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def run_side(name: str, folder: Path, seconds: float, cores: set[int] | None = None) -> dict[str, Any]:
    """Run a function of `benchmarks.data_sides` in a process of its own and return what it returns."""
    code = (
        "import sys, json, benchmarks.data_sides as sides, pathlib\n"
        "value = getattr(sides, sys.argv[1])(pathlib.Path(sys.argv[2]), float(sys.argv[3]))\n"
        "print('\\n' + json.dumps(value))"
    )
    environment = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
    process = subprocess.Popen(
        [sys.executable, "-c", code, name, str(folder), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )
    memory = PeakMemory(process.pid)
    out, error = process.communicate()
    peak = memory.stop()
    if process.returncode:
        raise RuntimeError(f"{name} failed: {error[-2000:]}")
    return {**json.loads(out.strip().splitlines()[-1]), "peak_mb": round(peak, 1)}


def compare(folder: Path, seconds: float, repeats: int, apart: bool, only: str = "") -> list[dict[str, Any]]:
    """Run the comparisons with `only` in their names, the sides in turn; `apart`: in processes of their own."""
    results: list[dict[str, Any]] = []
    measured: dict[str, dict[str, Any]] = {}
    core = {min(os.sched_getaffinity(0))}
    for name, unit, less, ours, peers in (row for row in COMPARISONS if only in row[0]):
        for _ in range(repeats):
            for side in (ours, *peers):
                if side in SLOW and side in measured:
                    continue
                if apart:
                    value = run_side(side, folder, seconds, core if side.startswith("batches") else None)
                else:
                    value = getattr(data_sides, side)(folder, seconds)
                best = measured.get(side)
                better = best is None or (value["value"] < best["value"] if less else value["value"] > best["value"])
                measured[side] = value if better or best is None else best
        for peer in peers:
            mine, theirs = measured[ours]["value"], measured[peer]["value"]
            ratio = theirs / mine if less else mine / theirs
            row = {"name": name, "unit": unit, "kpt": mine, "peer": _library(peer), "peer_value": theirs}
            results.append({**row, "times_better": ratio, "details": [measured[ours], measured[peer]]})
            print(f"{name}: {mine:.3g} {unit}, {peer} {theirs:.3g} {unit}", file=sys.stderr, flush=True)
    return results


def _library(side: str) -> str:
    return "keras_hub" if side.endswith("keras_hub") else "tokenizers"


def measure_memory(folder: Path, documents: list[str], sizes: list[int]) -> list[dict[str, Any]]:
    """Prepare generated corpora and return the peak memory of all processes together."""
    results = []
    for size in sizes:
        write_lines(folder / "generated.txt", documents, size)
        value = run_side("prepare_generated", folder, 0)
        results.append({"corpus_mb": round(size / 1e6, 3), **value})
        print(f"prepare of {size / 1e6:g} MB: {value}", file=sys.stderr, flush=True)
        (folder / "generated.txt").unlink()
    return results


def show(report: dict[str, Any]) -> None:
    """Print the tables."""
    console = Console()
    table = Table("what", "unit", "peer", "peer's", "kpt's", "times better", title="Data: kpt and its peers")
    for row in report["comparisons"]:
        figures = (f"{row['peer_value']:.3g}", f"{row['kpt']:.3g}", f"{row['times_better']:.2f}")
        table.add_row(row["name"], row["unit"], row["peer"], *figures)
    console.print(table)
    if not report["memory"]:
        return
    table = Table("corpus, MB", "peak of all processes, MB", "MB/s", title="Memory of prepare")
    for row in report["memory"]:
        table.add_row(f"{row['corpus_mb']:,.0f}", f"{row['peak_mb']:.0f}", f"{row['value']:.2f}")
    console.print(table)


def main(arguments: list[str] | None = None) -> None:
    """Run all, print the tables and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, help=f"folder with {', '.join(CORPUS_FILES)} (default: the documentation corpus)"
    )
    parser.add_argument("--out", type=Path, default=Path("data.json"), help="where to write the figures")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side")
    parser.add_argument("--only", metavar="WORD", default="", help="comparisons with this in their name, and no memory")
    parser.add_argument("--tiny", action="store_true", help="seconds instead of minutes; the figures mean nothing")
    options = parser.parse_args(arguments)
    documents = list(source_documents(options.data, options.tiny))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = sum(len(document.encode()) for document in documents)
        setting = {"vocabulary_size": 300 if options.tiny else 8000, "training_bytes": 2_300_000, "length": LENGTH}
        (folder / "documents.json").write_text(json.dumps(documents))
        (folder / "setting.json").write_text(json.dumps(setting))
        data_sides.set_up(folder, 0)
        started = time.time()
        if options.tiny:
            comparisons = compare(folder, 0.0, 1, apart=False, only=options.only)
        else:
            comparisons = compare(folder, 3.0, options.repeats, apart=True, only=options.only)
        sizes = [100_000, 200_000] if options.tiny else [50_000_000, 1_000_000_000]
        memory = [] if options.only else measure_memory(folder, documents, sizes)
        report = {
            "corpus_bytes": size,
            "cores": len(os.sched_getaffinity(0)),
            "seconds": round(time.time() - started, 1),
            "comparisons": comparisons,
            "memory": memory,
        }
    write_json(options.out, report)
    show(report)


if __name__ == "__main__":
    main()
