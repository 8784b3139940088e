"""What pre-training buys where labels are few: accuracy over the number of labels, pre-trained and from scratch.

    python -m benchmarks.finetuning --data FOLDER --out finetuning.json
    python -m benchmarks.finetuning --data FOLDER --task entities --labels 200 3394 --out entities.json

An encoder is pre-trained on the text of the training split and on further text, never on that of the other splits.
Then it, the same encoder with its first weights, and a baseline learn from the same few labels, chosen anew by each
seed. The scores are those on the test split; the validation split chooses the epoch.

With `--data` the task is the sentiment of movie reviews or the entities of WNUT 2017, without it which package a
docstring is from. The baseline of texts is TF-IDF with logistic regression (scikit-learn), that of entities the tag
that a word has most often in training.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.finetuning_inputs import (
    COLUMNS,
    FILES,
    Labelled,
    Sentence,
    documentation_subjects,
    movie_reviews,
    named_entities,
    some_labels,
    write_columns,
    write_records,
)
from kpt.data import prepare
from kpt.files import write_json
from kpt.text import Document, WordPieceTokenizer

SIDES = ("pre-trained", "from scratch", "baseline")
#: Sides that show what a part of the recipe buys: the pre-trained model, tuned without it.
WITHOUT: dict[str, dict[str, Any]] = {
    "without distinct tokens": {"pooling": "mean"},
    "without document vectors": {"document_vectors": False},
    "without fitted head": {"probe": False},
}
BASELINES = {"entities": "most frequent tag"}
TF_IDF = "TF-IDF"
#: The scores and what the table calls them.
SCORES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "f1": "entity F1",
    "precision": "precision",
    "recall": "recall",
}
SETTINGS: dict[str, Any] = {
    "size": "mini",
    "vocabulary_size": 8000,
    "steps": 2000,
    "pretrain_batch_size": 32,
    "pretrain_length": 128,
    "length": 256,
    "training_windows": 1,
    "batch_size": 16,
    "labels": [50, 200, 1400],
    "seeds": 3,
    "updates": 100,
    "epochs": 4,
}
TINY: dict[str, Any] = {
    "size": "tiny",
    "vocabulary_size": 600,
    "steps": 4,
    "pretrain_batch_size": 4,
    "pretrain_length": 32,
    "length": 24,
    "labels": [8, 16],
    "seeds": 1,
    "updates": 1,
    "epochs": 1,
}


def pretrained(data: Labelled, folder: Path, settings: dict[str, Any], precision: str) -> dict[str, Any]:
    """Train a tokenizer and an encoder on the text of the training split and the unlabelled text."""
    from kpt.training import BertSettings, pretrain_bert

    documents = [*(each for each in data.train if isinstance(each, Document)), *data.unlabelled]
    # Names are known by their capitals; what people think of films they write without.
    tokenizer = WordPieceTokenizer.train(documents, settings["vocabulary_size"], lowercase=data.task != "entities")
    prepare(documents, tokenizer, folder / "store", overwrite=True)
    begin = time.perf_counter()
    results = pretrain_bert(
        folder / "store",
        folder / "run",
        BertSettings(
            steps=settings["steps"],
            size=settings["size"],
            batch_size=settings["pretrain_batch_size"],
            length=settings["pretrain_length"],
            precision=precision,
            evaluations=4,
            evaluation_batches=2 if settings["steps"] < 100 else 24,
        ),
        overwrite=True,
        progress=settings["steps"] >= 100,
    )
    kept = ("steps", "mlm_loss_heldout", "mlm_accuracy_heldout", "mlm_loss_baseline", "tokens_per_second")
    return {name: results[name] for name in kept if name in results} | {
        "seconds": round(time.perf_counter() - begin, 1)
    }


def tuned(run: Path, side: str, files: dict[str, Path], settings: dict[str, Any], seed: int) -> dict[str, float]:
    """Tune the encoder, or one of its kind that was not trained; returns the scores on the test split."""
    from kpt.data import read_conll, read_labelled
    from kpt.evaluation import evaluate_task
    from kpt.training import FinetuneSettings, RunFolder, finetune, load_task_model, new_source, trained_source
    from kpt.training.learning_curve import enough_epochs

    tags = files["train"].suffix == ".conll"
    precision = RunFolder(run).config["training"]["precision"]
    source = new_source(settings["size"], run / "tokenizer") if side == "from scratch" else trained_source(run)
    count = len(read_conll(files["train"]) if tags else read_labelled(files["train"]))
    epochs = enough_epochs(count, settings["batch_size"], settings["epochs"], settings["updates"])
    chosen = FinetuneSettings(
        task="tag" if tags else "classify",
        epochs=epochs,
        batch_size=settings["batch_size"],
        length=settings["length"],
        training_windows=settings["training_windows"],
        precision=precision,
        seed=seed,
        learning_rate=settings.get("learning_rate"),
        **WITHOUT.get(side, {}),
    )
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "tuned"
        results = finetune(source, files["train"], files["validation"], out, chosen)
        test = read_conll(files["test"]) if tags else read_labelled(files["test"])
        scores = evaluate_task(load_task_model(out), test, resamples=0)
    return {
        **{name: scores[name] for name in (("f1", "precision", "recall") if tags else ("accuracy", "macro_f1"))},
        "best_epoch": results["best_epoch"],
        "epochs": epochs,
        "seconds": results["seconds"],
    }


def tf_idf(train: Sequence[Document], test: Sequence[Document]) -> dict[str, float]:
    """Fit TF-IDF of words and pairs of words, and logistic regression; returns the scores on the test split."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score

    begin = time.perf_counter()
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=10, max_iter=1000)
    model.fit(vectorizer.fit_transform([each.text for each in train]), [each.label for each in train])
    truth, guess = [each.label for each in test], model.predict(vectorizer.transform([each.text for each in test]))
    return {
        "accuracy": float(accuracy_score(truth, guess)),
        "macro_f1": float(f1_score(truth, guess, average="macro")),
        "seconds": round(time.perf_counter() - begin, 1),
    }


def most_frequent_tags(train: Sequence[Sentence], test: Sequence[Sentence]) -> dict[str, float]:
    """Give each word the tag that it has most often in training, `O` one that does not occur; returns the scores."""
    from kpt.evaluation import entity_scores

    counts: dict[str, Counter[str]] = {}
    for words, tags in train:
        for word, tag in zip(words, tags, strict=True):
            counts.setdefault(word, Counter())[tag] += 1
    best = {word: count.most_common(1)[0][0] for word, count in counts.items()}
    guess = [[best.get(word, "O") for word in words] for words, _ in test]
    scores = entity_scores([tags for _, tags in test], guess)
    return {name: round(scores[name], 6) for name in ("f1", "precision", "recall")}


def measure(
    data: Labelled,
    run: Path,
    settings: dict[str, Any],
    sides: Sequence[str],
    keep: Callable[[list[dict[str, Any]]], None],
    say: Callable[[str], None],
    before: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Return the scores of each side for each number of labels and each seed; `keep` gets them as they come.

    What an earlier call has measured, `before`, is not measured again.
    """
    rows = list(before)
    known = {(row["side"], row["labels"], row["seed"]) for row in before}
    tags = data.task == "entities"
    write, ending = (write_columns, ".conll") if tags else (write_records, ".jsonl")
    with tempfile.TemporaryDirectory() as temporary:
        paths = {name: Path(temporary) / f"{name}{ending}" for name in ("train", "validation", "test")}
        files = {name: write(paths[name], getattr(data, name)) for name in ("validation", "test")}
        for count in settings["labels"]:
            for seed in range(settings["seeds"]):
                train = some_labels(data.train, count, seed)
                files["train"] = write(paths["train"], train)
                for side in sides:
                    name = BASELINES.get(data.task, TF_IDF) if side == "baseline" else side
                    if (name, count, seed) in known:
                        continue
                    if side == "baseline":
                        scores = (most_frequent_tags if tags else tf_idf)(train, data.test)
                    else:
                        scores = tuned(run, side, files, settings, seed)
                    rows.append({"side": name, "labels": count, "seed": seed, **scores})
                    first = next(iter(scores))
                    say(f"{count:>5} labels, seed {seed}, {name:<17} {first} {scores[first]:.3f}")
                    keep(rows)
    return rows


def measured_before(path: Path, result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an earlier call of the same task and settings; of other numbers of labels and seeds too."""
    if not path.is_file():
        return []
    before = json.loads(path.read_text(encoding="utf-8"))

    def compared(some: dict[str, Any]) -> dict[str, Any]:
        settings = {name: each for name, each in some["settings"].items() if name not in ("labels", "seeds")}
        kept = ("task", "texts", "precision", "pretraining", "backend")
        return {"settings": settings, **{name: some.get(name) for name in kept}}

    return list(before["rows"]) if compared(before) == compared(result) else []


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the mean over the seeds of each score and its standard deviation (None for a single seed)."""
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["labels"], row["side"]), []).append(row)
    results = []
    for (labels, side), some in groups.items():
        result: dict[str, Any] = {"labels": labels, "side": side, "seeds": len(some)}
        for score in (name for name in SCORES if name in some[0]):
            values = [row[score] for row in some]
            result[score] = round(statistics.fmean(values), 4)
            result[f"{score}_deviation"] = round(statistics.stdev(values), 4) if len(values) > 1 else None
        results.append(result)
    return results


def show(result: dict[str, Any], console: Console) -> None:
    """Print the table."""
    table = Table(title=f"{result['task']}, test split of {result['texts']['test']} texts")
    scores = {name: title for name, title in SCORES.items() if name in result["summary"][0]}
    for name in ("labels", "side", *scores.values(), "seeds"):
        table.add_column(name, justify="left" if name == "side" else "right")

    def words(row: dict[str, Any], score: str) -> str:
        spread = row[f"{score}_deviation"]
        return f"{row[score]:.3f}" + ("" if spread is None else f" ± {spread:.3f}")

    for row in result["summary"]:
        cells = [words(row, score) for score in scores]
        table.add_row(f"{row['labels']:,}", row["side"], *cells, str(row["seeds"]))
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; return what is written to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help=f"folder with {', '.join((*FILES, *COLUMNS))}")
    parser.add_argument("--task", choices=("sentiment", "entities"), default="sentiment", help="with --data")
    parser.add_argument("--out", type=Path, default=Path("finetuning.json"), help="JSON to write")
    parser.add_argument(
        "--run",
        type=Path,
        help="folder for the pre-training, which is taken again where it is there, as are the results in --out",
    )
    parser.add_argument("--steps", type=int, help=f"of the pre-training (default {SETTINGS['steps']})")
    parser.add_argument("--labels", type=int, nargs="+", help="numbers of labels (default 50 200 1400)")
    parser.add_argument("--seeds", type=int, help=f"(default {SETTINGS['seeds']})")
    parser.add_argument(
        "--sides",
        nargs="+",
        choices=(*SIDES, *WITHOUT),
        default=SIDES,
        metavar="SIDE",
        help=f"of {', '.join((*SIDES, *WITHOUT))} (default: the first three)",
    )
    parser.add_argument("--epochs", type=int, help=f"at least (default {SETTINGS['epochs']})")
    parser.add_argument(
        "--training-windows", type=int, help=f"of a text in an epoch (default {SETTINGS['training_windows']})"
    )
    parser.add_argument("--learning-rate", type=float, help="of the tuning (default: kpt's)")
    parser.add_argument("--precision", default="float32", help="of the models")
    parser.add_argument("--tiny", action="store_true", help="only try that everything runs")
    options = parser.parse_args(arguments)
    names = ("steps", "labels", "seeds", "epochs", "learning_rate", "training_windows")
    given = {name: getattr(options, name) for name in names}
    settings = SETTINGS | (TINY if options.tiny else {}) | {n: v for n, v in given.items() if v is not None}
    console = Console(stderr=True)
    if options.data is not None and not options.tiny:
        data = (named_entities if options.task == "entities" else movie_reviews)(options.data)
    elif options.tiny:
        data = documentation_subjects(["jinja2", "rich", "safetensors"], 2, 16, 8, 8)
    else:
        data = documentation_subjects()
    texts = {name: len(getattr(data, name)) for name in ("train", "validation", "test", "unlabelled")}
    result: dict[str, Any] = {"task": data.task, "texts": texts, "settings": settings, "precision": options.precision}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.run or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        note = folder / "pretraining.json"
        if set(options.sides) != {"baseline"}:
            if not note.is_file():
                write_json(note, pretrained(data, folder, settings, options.precision))
            result["pretraining"] = json.loads(note.read_text(encoding="utf-8"))
            result["backend"] = os.environ.get("KERAS_BACKEND", "tensorflow")

        def keep(rows: list[dict[str, Any]]) -> None:
            write_json(options.out, result | {"rows": rows, "summary": summary(rows)})

        before = measured_before(options.out, result) if options.run else []
        rows = measure(data, folder / "run", settings, options.sides, keep, console.print, before)
    result |= {"rows": rows, "summary": summary(rows)}
    write_json(options.out, result)
    show(result, Console())
    return result


if __name__ == "__main__":
    main()
