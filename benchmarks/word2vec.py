"""word2vec side by side with gensim: words per second and the quality of the vectors, in one run.

    python -m benchmarks.word2vec --data DIR --out word2vec.json
    python -m benchmarks.word2vec --vocabulary --out vocabulary.json

The first trains on the same sentences with the same settings (100 dimensions, window 5, 5 negatives, words from 5
occurrences on, sample 1e-3, 5 epochs; each its own first learning rate) and all cores for each; the sides take turns,
each in a process of its own. The quality is gensim's evaluation for both. It depends on the order of the sentences too:
both go through them one after the other, and with `--shuffled` gensim is also trained on the sentences in a random
order. kpt's time is that of `fit` without the first steps, in which the backend compiles; gensim's that of `train`. The
second trains kpt on generated text of growing vocabularies in turn, and shows the median speed of the seeds, as a share
of that of the smallest one too, and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import word2vec_sides
from kpt.data import prepare
from kpt.data.writer import StoreWriter
from kpt.files import atomic_folder, write_json
from kpt.text import Corpus, Vocabulary, WordTokenizer, documentation, split_sentences
from kpt.text.words_splitting import WordSplitter

CORPUS_FILES = (
    "movie_reviews.jsonl",
    "speeches.jsonl",
    "wikitext2-valid.txt",
    "wikitext2-test.txt",
    "tinyshakespeare.txt",
)
#: Words and single punctuation marks, in lower case.
WORD_PATTERN = r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]"
BACKENDS = ("jax", "tensorflow", "torch")
ARCHITECTURES = ("skip-gram", "cbow")
SCORES = ("wordsim353", "simlex999", "analogies")
SETTINGS = {
    "width": 100,
    "window": 5,
    "negatives": 5,
    "minimum_frequency": 5,
    "sample": 1e-3,
    "epochs": 5,
    "learning_rate": 0.025,
    "steps_per_execution": 32,
}
TINY = {**SETTINGS, "width": 16, "epochs": 4, "shape": {"length": 128}, "steps": 24, "steps_per_execution": 2}


def write_corpus(folder: Path, data: Path | None, tiny: bool) -> int:
    """Write the sentences, a line each with spaces between words, and their token store; return the number of words."""
    texts: Iterable[str]
    if tiny:
        generator = random.Random(0)
        texts = [". ".join(" ".join(generator.choices("abcdefgh", k=12)) for _ in range(20)) for _ in range(20)]
    elif data is None:
        texts = documentation().texts()
    else:
        texts = Corpus([data / name for name in CORPUS_FILES]).texts()
    words_of = WordSplitter(lowercase=True, word_pattern=WORD_PATTERN)
    lists = [words_of(sentence) for text in texts for sentence in split_sentences(text)]
    sentences = [" ".join(words) for words in lists if words]
    (folder / "sentences.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    tokenizer = WordTokenizer.train(sentences, minimum_frequency=SETTINGS["minimum_frequency"])
    prepare(sentences, tokenizer, folder / "store", split=str.splitlines)
    return sum(map(len, lists))


def write_zipf(folder: Path, size: int, tokens: int) -> None:
    """Write a token store of random words, the one of rank r with a probability that falls as 1 / (r + 2.7)."""
    tokenizer = WordTokenizer(Vocabulary.from_tokens(["[UNK]", *(f"w{i}" for i in range(1, size))], {"unk": "[UNK]"}))
    generator = np.random.default_rng(0)
    cumulative = np.cumsum(1 / (np.arange(1, size) + 2.7))
    with atomic_folder(folder / "store", overwrite=True) as temporary:
        writer = StoreWriter(temporary, tokenizer)
        for _ in range(0, tokens, 1 << 20):
            uniform = generator.random(1 << 20) * cumulative[-1]
            ids = 1 + np.searchsorted(cumulative, uniform).clip(max=size - 2)
            writer.add(ids, np.full(1 << 15, 32), np.full(1 << 10, 32))
        writer.finish(bytes=0, problems={})


def run_side(settings: dict[str, Any], backend: str | None = None) -> dict[str, Any]:
    """Run a side in a process of its own and return what it measured."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **({"KERAS_BACKEND": backend} if backend else {})}
    command = [sys.executable, "-m", "benchmarks.word2vec_sides", json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{settings['side']} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def compare(
    settings: dict[str, Any],
    architectures: tuple[str, ...],
    seeds: int,
    backends: tuple[str, ...],
    peers: tuple[str, ...],
    apart: bool,
) -> list[dict[str, Any]]:
    """Run the peers and kpt in turn: every seed on the first backend, the first seed on the others."""
    runs = []
    for architecture in architectures:
        for seed in range(seeds):
            sides = [
                *((peer, None) for peer in peers),
                *(("kpt", backend) for backend in (backends if seed == 0 else backends[:1])),
            ]
            for side, backend in sides:
                chosen = {**settings, "side": side, "architecture": architecture, "seed": seed}
                found = run_side(chosen, backend) if apart else word2vec_sides.SIDES[side](chosen)
                row = {"architecture": architecture, "side": side, "backend": backend, "seed": seed, **found}
                runs.append(row)
                print(json.dumps(row), file=sys.stderr, flush=True)
    return runs


def summarize(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the seeds, the spread of the scores, and kpt's speed as a multiple of gensim's."""
    rows = []
    for architecture in ARCHITECTURES:
        own = [run for run in runs if run["architecture"] == architecture]
        speeds = {}
        for side, backend in dict.fromkeys((run["side"], run["backend"]) for run in own):
            group = [run for run in own if (run["side"], run["backend"]) == (side, backend)]
            row = {"architecture": architecture, "side": side, "backend": backend, "seeds": len(group)}
            for name in ("words_per_second", "words_per_cpu_second", *SCORES):
                values = [run[name] for run in group if name in run]
                if values:
                    row[name], row[f"{name}_spread"] = float(np.mean(values)), float(np.ptp(values))
            speeds[side] = speeds.get(side, row["words_per_second"])
            row["times_gensim"] = row["words_per_second"] / speeds["gensim"]
            rows.append(row)
    return rows


def measure_vocabularies(
    sizes: list[int], tokens: int, settings: dict[str, Any], seeds: int, backend: str | None
) -> list[Any]:
    """Train on generated text of each vocabulary size, the sizes in turn; the speed is the median of the seeds."""
    runs: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
    with tempfile.TemporaryDirectory() as name:
        folders = {size: Path(name) / str(size) for size in sizes}
        for size, folder in folders.items():
            folder.mkdir()
            write_zipf(folder, size, tokens)
        for seed in range(seeds):
            for size, folder in folders.items():
                chosen = {**settings, "side": "kpt", "architecture": "skip-gram", "seed": seed, "folder": str(folder)}
                runs[size].append(run_side(chosen, backend))
                print(json.dumps({"vocabulary": size, "seed": seed, **runs[size][-1]}), file=sys.stderr, flush=True)
    rows = []
    for size, found in runs.items():
        speeds = [run["words_per_second"] for run in found]
        row = {"vocabulary": size, "words_per_second": float(np.median(speeds)), "runs": found}
        row |= {name: max(run[name] for run in found) for name in ("tables_mb", "peak_mb")}
        rows.append({**row, "of_first": row["words_per_second"] / (rows or [row])[0]["words_per_second"]})
    return rows


def show(report: dict[str, Any]) -> None:
    """Print the tables."""
    console = Console()
    if "summary" in report:
        table = Table("architecture", "side", "words/s", "a core", "ratio", *SCORES, title="word2vec")
        for row in report["summary"]:
            name = row["side"] if row["backend"] is None else f"{row['side']}, {row['backend']}"
            scores = [f"{row[s]:.3f} ± {row[f'{s}_spread'] / 2:.3f}" if s in row else "" for s in SCORES]
            speeds = (f"{row['words_per_second']:,.0f}", f"{row['words_per_cpu_second']:,.0f}")
            table.add_row(row["architecture"], name, *speeds, f"{row['times_gensim']:.2f}", *scores)
        console.print(table)
    if "vocabularies" in report:
        table = Table(
            "vocabulary", "words/s", "ratio", "two tables, MB", "peak memory, MB", title="Growing vocabularies"
        )
        for row in report["vocabularies"]:
            memory = (f"{row['tables_mb']:,.0f}", f"{row['peak_mb']:,.0f}")
            speed = (f"{row['words_per_second']:,.0f}", f"{row['of_first']:.2f}")
            table.add_row(f"{row['vocabulary']:,}", *speed, *memory)
        console.print(table)


def main(arguments: list[str] | None = None) -> None:
    """Run what is asked for, print the tables and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=f"folder with {', '.join(CORPUS_FILES)} and the evaluation files")
    parser.add_argument("--out", type=Path, default=Path("word2vec.json"), help="where to write the figures")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each side, or size")
    parser.add_argument("--backends", default=",".join(BACKENDS), help="of kpt; the first is run with every seed")
    parser.add_argument("--architectures", default=",".join(ARCHITECTURES), help="of the vectors")
    parser.add_argument("--shuffled", action="store_true", help="train gensim on the sentences in a random order too")
    parser.add_argument("--vocabulary", action="store_true", help="train on growing vocabularies instead")
    parser.add_argument("--width", type=int, default=300, help="of the vectors, with --vocabulary")
    parser.add_argument("--tiny", action="store_true", help="seconds instead of minutes; the figures mean nothing")
    options = parser.parse_args(arguments)
    backends, architectures = tuple(options.backends.split(",")), tuple(options.architectures.split(","))
    settings = dict(TINY if options.tiny else SETTINGS)
    report: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "settings": settings}
    if options.vocabulary:
        sizes, tokens = ([300, 600], 1 << 20) if options.tiny else ([30_000, 200_000, 1_000_000], 4 << 20)
        width = settings["width"] if options.tiny else options.width
        report["settings"] = settings = {**settings, "width": width, "epochs": 1, "sample": 0}
        report["vocabularies"] = measure_vocabularies(sizes, tokens, settings, options.seeds, backends[0])
    else:
        with tempfile.TemporaryDirectory() as name:
            report["words"] = write_corpus(Path(name), options.data, options.tiny)
            print(f"{report['words']:,} words", file=sys.stderr, flush=True)
            data = None if options.data is None or options.tiny else str(options.data)
            chosen = {**settings, "folder": name, "data": data}
            peers = ("gensim", "gensim, shuffled") if options.shuffled else ("gensim",)
            report["runs"] = compare(chosen, architectures, options.seeds, backends, peers, apart=not options.tiny)
        report["summary"] = summarize(report["runs"])
    write_json(options.out, report)
    show(report)


if __name__ == "__main__":
    main()
