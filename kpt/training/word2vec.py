"""word2vec pre-training: from a token store to a run folder with vectors."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import gcd
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kpt.data import Batches, TokenStore, Windows
from kpt.errors import InputError
from kpt.files import write_json
from kpt.objectives import Word2Vec
from kpt.text import load_tokenizer
from kpt.training.checkpoints import Checkpoints
from kpt.training.finite_loss import FiniteLoss
from kpt.training.kept_run import kept_run
from kpt.training.metrics_log import MetricsLog, read_metrics
from kpt.training.on_devices import on_devices
from kpt.training.pretraining import begun_run, check_same
from kpt.training.pretraining_data import content_of
from kpt.training.progress import TrainingProgress
from kpt.training.report import write_report
from kpt.training.report_map import word_map
from kpt.training.run_folder import RunFolder
from kpt.training.steps import fit_steps
from kpt.training.word2vec_settings import Word2VecSettings
from kpt.vectors import WordVectors

__all__ = ["KIND", "MODEL", "VECTORS", "pretrain_word2vec", "run_vectors"]

#: What `config.json` of such a run has under `kind`.
KIND = "word2vec"
#: The file of the vectors in a run folder.
VECTORS = "vectors.safetensors"
#: Settings that are the model's own.
MODEL = ("architecture", "width", "window", "negatives")
#: Settings that are the architecture's own.
SHAPE = ("block", "shared_negatives")
#: The file of their map, for the report.
MAP = "map.json"

#: Batches that are trained on between two looks at the loss, and how many looks there are at least.
TOGETHER, LOOKS = 32, 50


@on_devices
def pretrain_word2vec(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: Word2VecSettings,
    *,
    source: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train vectors of the words of a token store, write them and the report.

    An interruption (Ctrl-C) is heard after the step that runs, and then the run holds a checkpoint and the vectors as
    they are. Further it takes `devices`, what to train on: see `kpt.distribution.choose_devices`.

    Args:
        data: folder of the token store; one of a `WordTokenizer` for vectors of whole words.
        out: the run folder, see `RunFolder`; with `vectors.safetensors`, `results.json` and `report.html`.
        settings: all else.
        source: run folder of a model to go on with on this store, whose tokenizer has the words of that one and may
            have more behind them (`WordTokenizer.extend`); the new words begin as in a new model.
        resume: go on from the newest checkpoint in `out`; a run that was not begun is begun, a complete one only
            reports.
        overwrite: replace a run that is in `out`.
        progress: show how far it is on standard error.
        callbacks: for `fit`, beside those that write the metrics and the checkpoints.

    Returns:
        The results by name: `words` (those gone through, in all epochs together), `words_per_second`,
        `vocabulary_size`, `loss_first` and `loss_last` (per pair, CBOW: per word, in nats), `vectors` and others.

    Raises:
        InputError: the store is damaged or has no words, `out` holds something, or the run to go on with has other
            settings, other words, or examples as an earlier version made them.
        FloatingPointError: the loss became infinite or not a number.
    """
    begin = time.perf_counter()
    store = TokenStore.open(data)
    tokenizer = load_tokenizer(store.tokenizer_folder)
    store.check_tokenizer(tokenizer)
    counts = store.counts()
    windows = settings.windows(store, counts)
    steps, together = plan(windows.steps(settings.batch_size, settings.epochs))
    words_per_step = windows.words_per_example * settings.batch_size
    config = config_of(settings, store, windows, steps, source)
    random.seed(settings.seed)  # Keras draws the seeds of its initializers from it, on every backend
    model = None if source is None else grown(source, store, settings, steps)  # refused before a folder is made
    run = begun(Path(out), config) if resume else None
    if run is None:
        run = RunFolder.create(out, tokenizer, config, overwrite=overwrite)

    step = 0
    if run.step:
        model, step = run.load_newest()
    elif model is None:
        model = settings.model(store.vocabulary.size, steps)
    interval = -(-steps // (settings.epochs * together)) * together
    log = MetricsLog(
        run.metrics,
        every=max(1, steps // 150),
        tokens_per_step=words_per_step,
        start_step=step,
        state=run.state(step).get("log") if step else None,
        tensorboard=run.tensorboard,
    )
    checkpoints = Checkpoints(
        run, every=settings.checkpoint_every or interval, start_step=step, log=log, keep=settings.keep
    )
    shown = []
    if progress:
        epoch = step // interval * interval
        bar = TrainingProgress(steps, tokens_per_step=words_per_step, unit="words", start_step=step, epoch_start=epoch)
        shown.append(bar)

    def keep() -> None:
        save_vectors(run, model, counts)

    executed = 1 if keras.backend.backend() == "torch" else gcd(together, step)
    model.compile(optimizer=model.optimizer, steps_per_execution=executed)
    with kept_run(run, checkpoints, shown, lambda: report(run, store, words_per_step), keep) as interruption:
        fit_steps(
            model,
            lambda start, count: Batches(
                windows, batch_size=settings.batch_size, steps=count, start_step=start, repeat=True
            ),
            start_step=step,
            steps=steps,
            interval=interval,
            log=log,
            callbacks=[log, FiniteLoss(step), checkpoints, *shown, *callbacks, interruption],
        )
    save_vectors(run, model, counts)
    results = {"parameters": model.count_params(), **report(run, store, words_per_step)}
    return results | {"seconds": round(time.perf_counter() - begin, 1)}


def grown(source: str | os.PathLike[str], store: TokenStore, settings: Word2VecSettings, steps: int) -> Word2Vec:
    """Return the model of a run with the words of a store added, compiled.

    Raises:
        InputError: it is no run of word2vec, or has other words or settings.
    """
    run = RunFolder(source)
    check_kind(run)
    words = run.tokenizer.vocabulary.tokens
    if store.vocabulary.tokens[: len(words)] != words:
        raise InputError(
            f"the words of {store.folder} do not begin with those of {run.path}; prepare the text with a tokenizer "
            f"made by: kpt tokenizer --kind words --extend {run.path / 'tokenizer'}"
        )
    model: Word2Vec = run.load(compile=False)
    for name in MODEL:
        old, new = getattr(model, name), getattr(settings, name)
        if old != new:
            raise InputError(f"{name} is {old} in {run.path}, not {new}; give the same, or train a new model")
    return settings.compiled(model.extend(store.vocabulary.size), steps)


def begun(path: Path, config: Mapping[str, Any]) -> RunFolder | None:
    """Return the run to go on with in a folder, None if none was begun there.

    Raises:
        InputError: it has another model, other data or settings, or examples that this version does not make.
    """
    if not (path / "config.json").is_file():
        return None
    run = RunFolder(path)
    check_kind(run)
    check_same(run, {**config, "training": {}})  # first: examples differ with the architecture
    old = run.config.get("training", {})
    if any(old.get(name) != config["training"][name] for name in SHAPE):
        how = f"go on from its vectors in another folder: --from {run.path}" if run.steps else "begin anew: --overwrite"
        raise InputError(
            f"the run {run.path} was begun by an earlier version of kpt, which may have made its examples in another "
            f"way; {how}"
        )
    return begun_run(path, config)


def plan(steps: int) -> tuple[int, int]:
    """Return how many steps a run has, and how many of them are executed together: a divisor of that.

    Keras looks at the loss after each execution, which takes as long as a few steps; PyTorch allows of one step alone.

    Args:
        steps: how many are needed.

    Example:
        >>> plan(6603), plan(903), plan(9)
        ((6624, 32), (918, 18), (9, 1))
    """
    together = max(1, min(TOGETHER, steps // LOOKS))
    return -(-steps // together) * together, together


def save_vectors(run: RunFolder, model: Word2Vec, counts: np.ndarray) -> None:
    """Write the words' vectors and the map of them into the run folder; special tokens have none."""
    vocabulary = run.tokenizer.vocabulary
    special = frozenset(vocabulary.special_ids)
    rows = [row for row in range(vocabulary.size) if row not in special]
    words = [vocabulary.tokens[row] for row in rows]
    vectors = WordVectors(words, model.vectors[rows], counts[rows])
    vectors.save(run.path / VECTORS)
    write_json(run.path / MAP, word_map(vectors))


def check_kind(run: RunFolder) -> None:
    """Make sure that a run is one of word2vec.

    Raises:
        InputError: it is not.
    """
    if run.config.get("kind") != KIND:
        raise InputError(f"{run.path} is not a run of word2vec; give one that `kpt pretrain word2vec` wrote")


def run_vectors(run: RunFolder) -> WordVectors:
    """Return the vectors of a run.

    Raises:
        InputError: it is no run of word2vec, or has no vectors yet.
    """
    check_kind(run)
    if not (run.path / VECTORS).is_file():
        raise InputError(f"{run.path} has no vectors yet; go on with it to its end (--resume)")
    return WordVectors.load(run.path / VECTORS)


def report(run: RunFolder, store: TokenStore, words_per_step: int) -> dict[str, Any]:
    """Write the results and the report of a run, also of one that was interrupted; returns the results."""
    if not run.metrics.is_file():
        return {}
    train = [record for record in read_metrics(run.metrics) if record["split"] == "train"]
    results: dict[str, Any] = {
        "steps": train[-1]["step"] if train else 0,
        "words": train[-1]["step"] * words_per_step if train else 0,
        "vocabulary_size": store.vocabulary.size,
    }
    if train:
        results |= {"loss_first": train[0]["loss"], "loss_last": train[-1]["loss"]}
    if speeds := sorted(record["tokens_per_second"] for record in train if "tokens_per_second" in record):
        results["words_per_second"] = round(speeds[len(speeds) // 2])
    write_json(run.path / "results.json", results)
    paths = {"run": str(run.path), "report": str(write_report(run.path))}
    if (run.path / VECTORS).is_file():
        paths["vectors"] = str(run.path / VECTORS)
    return paths | results


def config_of(
    settings: Word2VecSettings, store: TokenStore, windows: Windows, steps: int, source: str | os.PathLike[str] | None
) -> dict[str, Any]:
    """Return the configuration as `config.json` has it."""
    training = asdict(settings) | {"learning_rate": settings.peak, "length": windows.length, "steps": steps}
    training |= {name: getattr(windows, name) for name in SHAPE}
    model = {name: training.pop(name) for name in MODEL}
    if source is not None:
        model["from"] = os.fspath(source)
    return {
        "title": "word2vec pre-training",
        "kind": KIND,
        "unit": "words",
        "backend": keras.backend.backend(),
        "model": model,
        "training": training,
        "data": {
            "store": str(store.folder),
            "tokenizer": store.tokenizer_fingerprint,
            "content": content_of(store),
            **store.summary,
        },
    }
