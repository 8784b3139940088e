"""Kill runs at random moments and let them go on: does each end as the one that nothing happened to?

    python -m benchmarks.kills --kills 20 --out kills.json

Every run is begun, killed (SIGKILL) within a step, an evaluation or the writing of a checkpoint, and gone on with in a
new process, until it has been killed as often as is asked; then it goes on to its end, and its weights, its optimizer,
its random numbers and its metrics are compared, bit by bit, with those of an uninterrupted run.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from kpt.files import write_json

KINDS = ("step", "evaluation", "checkpoint")
MODELS = ("bert", "gpt", "word2vec")
#: One evaluation and two checkpoints in eight steps, and dropout, whose random numbers have to go on.
SETTINGS: dict[str, Any] = {
    "size": "tiny",
    "architecture": "published",
    "steps": 48,
    "batch_size": 8,
    "length": 32,
    "held_out": 0.2,
    "evaluations": 6,
    "evaluation_batches": 4,
    "checkpoint_every": 5,
    "seed": 3,
}
TINY: dict[str, Any] = {"steps": 11, "batch_size": 4, "length": 24, "evaluations": 3, "evaluation_batches": 2}
WORDS: dict[str, Any] = {"width": 16, "epochs": 4, "length": 128, "seed": 3}


class Moment(NamedTuple):
    """When a process is killed: so many seconds after the n-th step, evaluated batch or checkpoint begins in it.

    With 0 seconds it happens then and there, in a checkpoint after a half of a file.
    """

    kind: str
    count: int
    seconds: float = 0.0

    @classmethod
    def read(cls, text: str) -> Moment:
        """Read `step:3` or `checkpoint:2:0.05`."""
        kind, count, *seconds = text.split(":")
        if kind not in KINDS:
            raise argparse.ArgumentTypeError(f"{kind!r} is none of {', '.join(KINDS)}")
        return cls(kind, int(count), float(seconds[0]) if seconds else 0.0)


def draw(generator: random.Random, kind: str, longest: float) -> Moment:
    """Return a random moment: of the first few steps, evaluated batches or checkpoints of a process, and within it."""
    count = generator.randint(1, {"step": 9, "evaluation": 6, "checkpoint": 3}[kind])
    return Moment(kind, count, round(generator.uniform(0, longest), 4))


def train(model: str, data: Path, out: Path, settings: dict[str, Any], moment: Moment | None) -> None:
    """Begin a run or go on with it, and be killed at a moment: what a process of its own does."""
    import keras

    from kpt.training import run_folder

    left = moment.count if moment else 0

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def begins(kind: str) -> bool:
        """Count; whether it is to happen here and now."""
        nonlocal left
        if moment is None or kind != moment.kind:
            return False
        left -= 1
        if left == 0 and moment.seconds:
            threading.Timer(moment.seconds, kill).start()
        return left == 0 and not moment.seconds

    class Kill(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if begins("step"):
                kill()

        def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
            if begins("evaluation"):
                kill()

    write = run_folder.write_files

    def write_and_die(folder: Path, *rest: Any) -> None:
        if begins("checkpoint"):
            (folder / "model.keras").write_bytes(b"PK half of a file")
            kill()
        write(folder, *rest)

    run_folder.write_files = write_and_die
    options: dict[str, Any] = {"resume": True, "callbacks": [Kill()]}
    if model == "word2vec":
        from kpt.training.word2vec import Word2VecSettings, pretrain_word2vec

        pretrain_word2vec(data, out, Word2VecSettings(**settings), **options)
    elif model == "gpt":
        from kpt.training.gpt import GptSettings, pretrain_gpt

        pretrain_gpt(data, out, GptSettings(**settings), **options)
    else:
        from kpt.training.bert import BertSettings, pretrain_bert

        pretrain_bert(data, out, BertSettings(**settings), **options)


def in_a_process(*arguments: Any) -> tuple[int, float]:
    """Call `train` in a process of its own, which need not import Keras again; returns its status and its seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kpt.training.bert", "kpt.training.gpt", "kpt.training.word2vec"])
    begin = time.perf_counter()
    process = context.Process(target=train, args=arguments)
    process.start()
    process.join()
    return process.exitcode or 0, time.perf_counter() - begin


def measure(
    model: str, data: Path, folder: Path, settings: dict[str, Any], moments: Sequence[Moment], console: Console
) -> dict[str, Any]:
    """Kill one run at all moments, one after the other, and compare it with one that was left alone."""
    from kpt.training.run_folder import RunFolder

    whole, killed = folder / f"{model}-whole", folder / f"{model}-killed"
    status, seconds = in_a_process(model, data, whole, settings, None)
    if status:
        raise RuntimeError(f"the uninterrupted run ended with status {status}")
    rows = []
    for moment in moments:
        status, _ = in_a_process(model, data, killed, settings, moment)
        steps = RunFolder(killed).steps if (killed / "config.json").is_file() else []
        rows.append({**moment._asdict(), "killed": status == -signal.SIGKILL, "checkpoints": steps})
        console.print(f"{model}: {moment.kind} {moment.count}, status {status}, checkpoints {steps}", highlight=False)
        if status not in (0, -signal.SIGKILL):
            raise RuntimeError(f"a run that went on ended with status {status}")
        if RunFolder(whole).step in steps:  # it has come to its end: the next begins one anew
            rows[-1]["different"] = differences(whole, killed)
            killed = folder / f"{model}-killed-{len(rows)}"
    status, _ = in_a_process(model, data, killed, settings, None)
    if status:
        raise RuntimeError(f"the last run that went on ended with status {status}")
    different = [name for row in rows for name in row.get("different", ())] + differences(whole, killed)
    return {"model": model, "seconds": round(seconds, 1), "kills": rows, "different": different}


def differences(one: Path, other: Path) -> list[str]:
    """Return what two runs do not have in common: arrays of the last checkpoint, random numbers, lines of metrics."""
    from kpt.training.run_folder import RunFolder

    runs = RunFolder(one), RunFolder(other)
    if runs[0].step != runs[1].step:
        return ["step"]
    step = runs[0].step
    first, second = (arrays(run.checkpoint(step) / "model.keras") for run in runs)
    different = [name for name in first.keys() | second.keys() if first.get(name) != second.get(name)]
    if runs[0].state(step)["random"] != runs[1].state(step)["random"]:
        different.append("random numbers")
    if lines(runs[0].metrics) != lines(runs[1].metrics):
        different.append("metrics.jsonl")
    return sorted(different)


def arrays(path: Path) -> dict[str, bytes]:
    """Return the weights and the optimizer's variables of a Keras file, as bytes by their names."""
    import h5py

    found: dict[str, bytes] = {}

    def visit(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            found[name] = entry[()].tobytes()

    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(visit)
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics without times and speeds."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    clocks = ("seconds", "tokens_per_second", "flops_per_second", "share_of_peak")
    return [{name: value for name, value in record.items() if name not in clocks} for record in records]


def make_store(folder: Path, model: str) -> Path:
    """Write a token store of a few documents, made up."""
    from kpt.data import prepare
    from kpt.text import BytePairTokenizer, WordPieceTokenizer, WordTokenizer

    generator = random.Random(0)
    words = [f"{a}{b}" for a in ("ka", "lo", "mi", "nu") for b in ("ra", "se", "ti", "vo")]
    documents = [
        " ".join(" ".join(generator.choices(words, k=generator.randint(4, 9))).capitalize() + "." for _ in range(6))
        for _ in range(400 if model == "word2vec" else 60)
    ]
    if model == "word2vec":
        tokenizer: Any = WordTokenizer.train(documents, 100)
    else:
        tokenizer = (
            BytePairTokenizer.train(documents, 280) if model == "gpt" else WordPieceTokenizer.train(documents, 50)
        )
    prepare(documents, tokenizer, folder, progress=False)
    return folder


def show(results: Sequence[dict[str, Any]], console: Console) -> None:
    """Print the table."""
    table = Table(title="runs that were killed and went on")
    for name in ("model", "killed in", "n-th", "after", "checkpoints left"):
        table.add_column(name, justify="left" if name in ("model", "killed in") else "right")
    for result in results:
        for row in result["kills"]:
            when = f"{1000 * row['seconds']:.1f} ms" if row["killed"] else "at its end by then"
            steps = ", ".join(map(str, row["checkpoints"]))
            table.add_row(result["model"], row["kind"], str(row["count"]), when, steps)
    console.print(table)
    for result in results:
        kills = sum(row["killed"] for row in result["kills"])
        end = ", ".join(result["different"]) or "nothing"
        console.print(f"{result['model']}: {kills} kills; different from the uninterrupted run: {end}")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["bert"])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--longest", type=float, default=0.1, metavar="SECONDS", help="from the beginning to the kill")
    parser.add_argument("--moments", nargs="+", type=Moment.read, metavar="KIND:N[:SECONDS]", help="instead of random")
    parser.add_argument("--tiny", action="store_true", help="fewer steps")
    parser.add_argument("--out", type=Path, help="write the results here, as JSON")
    arguments = parser.parse_args(argv)

    console, generator, results = Console(), random.Random(arguments.seed), []
    for model in arguments.models:
        settings = WORDS if model == "word2vec" else SETTINGS | (TINY if arguments.tiny else {})
        kinds = [kind for kind in KINDS if model != "word2vec" or kind != "evaluation"]
        moments = arguments.moments or [
            draw(generator, kinds[number % len(kinds)], arguments.longest) for number in range(arguments.kills)
        ]
        with tempfile.TemporaryDirectory() as folder:
            data = make_store(Path(folder) / "store", model)
            results.append(measure(model, data, Path(folder), settings, moments, console))
    show(results, console)
    if arguments.out:
        write_json(arguments.out, {"settings": SETTINGS | (TINY if arguments.tiny else {}), "results": results})
    if any(result["different"] for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
