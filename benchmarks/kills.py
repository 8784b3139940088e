"""Kill runs at random moments and let them go on: does each end as the one that nothing happened to?

    python -m benchmarks.kills --kills 20 --out kills.json
    python -m benchmarks.kills --workers 2 --models bert gpt word2vec

Every run is begun, killed within a step, an evaluation or the writing of a checkpoint, by SIGKILL or SIGTERM, and gone
on with in a new process, until it has been killed as often as is asked; then it goes on to its end, and its weights,
its optimizer, its random numbers and its metrics are compared, bit by bit, with those of an uninterrupted run. Of
several workers that train together one is killed, each in its turn; the others have to end by themselves and say why
(after SIGTERM, which they are told of, together with it), and all are started again.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import signal
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.kills_processes import KINDS, LOST, Moment, run_processes
from kpt.files import write_json

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
WORDS: dict[str, Any] = {"width": 16, "epochs": 4, "length": 128, "checkpoint_every": 11, "seed": 3}
#: A process that hears SIGTERM in its training ends with the status that it would have had without hearing it.
KILLED = {"KILL": (-signal.SIGKILL,), "TERM": (128 + signal.SIGTERM, -signal.SIGTERM)}


def draw(generator: random.Random, kind: str, longest: float) -> Moment:
    """Return a random moment: of the first few steps, evaluated batches or checkpoints of a process, and within it."""
    count = generator.randint(1, {"step": 9, "evaluation": 6, "checkpoint": 3}[kind])
    return Moment(kind, count, round(generator.uniform(0, longest), 4))


def measure(
    model: str,
    data: Path,
    folder: Path,
    settings: dict[str, Any],
    moments: Sequence[Moment],
    console: Console,
    *,
    sent: str = "KILL",
    workers: int = 1,
) -> dict[str, Any]:
    """Kill one run at all moments, one after the other, and compare it with one that was left alone."""
    from kpt.training.run_folder import RunFolder

    whole, killed = folder / f"{model}-whole", folder / f"{model}-killed"
    ended = run_processes(model, data, whole, settings, workers=workers)
    if any(each.status for each in ended):
        raise RuntimeError(f"the uninterrupted run ended with status {[each.status for each in ended]}")
    seconds = max(each.seconds for each in ended)
    number = getattr(signal, f"SIG{sent}")
    rows: list[dict[str, Any]] = []
    for moment in moments:
        victim = len(rows) % workers
        ended = run_processes(model, data, killed, settings, moment, number, workers, victim)
        statuses = [each.status for each in ended]
        steps = RunFolder(killed).steps if (killed / "config.json").is_file() else []
        rows.append({**moment._asdict(), "killed": statuses[victim] in KILLED[sent], "checkpoints": steps})
        if workers > 1:
            later = max(each.seconds for each in ended) - ended[victim].seconds
            rows[-1] |= {"worker": victim, "others_after": round(later, 1)}
        console.print(f"{model}: {moment.kind} {moment.count}, {statuses}, checkpoints {steps}", highlight=False)
        rest = [status for index, status in enumerate(statuses) if index != victim]
        if not rows[-1]["killed"] and any(statuses):
            raise RuntimeError(f"a run that went on ended with status {statuses}")
        if any(status not in (0, LOST, *(KILLED[sent] if sent == "TERM" else ())) for status in rest):
            raise RuntimeError(f"worker {victim} was killed, and the others ended with status {rest}")
        if not any(statuses):  # it has come to its end: the next begins one anew
            rows[-1]["different"] = differences(whole, killed)
            killed = folder / f"{model}-killed-{len(rows)}"
    ended = run_processes(model, data, killed, settings, workers=workers)
    if any(each.status for each in ended):
        raise RuntimeError(f"the last run that went on ended with status {[each.status for each in ended]}")
    different = [name for row in rows for name in row.get("different", ())] + differences(whole, killed)
    return {"model": model, "signal": sent, "seconds": round(seconds, 1), "kills": rows, "different": different}


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


def settings_of(model: str, tiny: bool, workers: int) -> dict[str, Any]:
    """Return the settings of the runs; each worker has at least one example of a batch."""
    if model == "word2vec":
        return WORDS | {"batch_size": workers} | ({"epochs": 3} if tiny else {})
    return SETTINGS | (TINY if tiny else {})


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
    for name in ("model", "killed in", "n-th", "after", "checkpoints left", "worker, the other after"):
        table.add_column(name, justify="left" if name in ("model", "killed in") else "right")
    for result in results:
        for row in result["kills"]:
            when = f"{1000 * row['seconds']:.1f} ms" if row["killed"] else "at its end by then"
            steps = ", ".join(map(str, row["checkpoints"]))
            worker = f"{row['worker']}, {row['others_after']:.1f} s" if "worker" in row else ""
            table.add_row(result["model"], row["kind"], str(row["count"]), when, steps, worker)
    console.print(table)
    for result in results:
        kills = sum(row["killed"] for row in result["kills"])
        end = ", ".join(result["different"]) or "nothing"
        console.print(
            f"{result['model']}: {kills} kills by SIG{result['signal']}; different from the uninterrupted run: {end}"
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["bert"])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--signal", choices=tuple(KILLED), default="KILL", help="SIGKILL or SIGTERM")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="that train together (TensorFlow)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--longest", type=float, default=0.1, metavar="SECONDS", help="from the beginning to the kill")
    parser.add_argument("--moments", nargs="+", type=Moment.read, metavar="KIND:N[:SECONDS]", help="instead of random")
    parser.add_argument("--tiny", action="store_true", help="fewer steps")
    parser.add_argument("--out", type=Path, help="write the results here, as JSON")
    arguments = parser.parse_args(argv)

    console, generator, results = Console(), random.Random(arguments.seed), []
    for model in arguments.models:
        settings = settings_of(model, arguments.tiny, arguments.workers)
        kinds = [kind for kind in KINDS if model != "word2vec" or kind != "evaluation"]
        moments = arguments.moments or [
            draw(generator, kinds[number % len(kinds)], arguments.longest) for number in range(arguments.kills)
        ]
        with tempfile.TemporaryDirectory() as folder:
            data = make_store(Path(folder) / "store", model)
            options = {"sent": arguments.signal, "workers": arguments.workers}
            results.append(measure(model, data, Path(folder), settings, moments, console, **options))
            results[-1]["settings"] = settings
    show(results, console)
    if arguments.out:
        write_json(arguments.out, {"workers": arguments.workers, "results": results})
    if any(result["different"] for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
