"""word2vec pre-training: from a token store to a run folder with vectors."""

from __future__ import annotations

import os
import random
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import gcd, isfinite
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from kpt.data import Batches, TokenStore, Windows
from kpt.errors import InputError
from kpt.files import write_json
from kpt.objectives import Word2Vec
from kpt.text import load_tokenizer
from kpt.training.finite_loss import FiniteLoss
from kpt.training.interruption import Interruption
from kpt.training.metrics_log import MetricsLog, read_metrics
from kpt.training.pretraining import open_run
from kpt.training.progress import TrainingProgress
from kpt.training.report import write_report
from kpt.training.run_folder import Checkpoints, RunFolder
from kpt.training.schedule import WarmupDecay
from kpt.training.settings import check_choice
from kpt.vectors import WordVectors

__all__ = ["KIND", "VECTORS", "Word2VecSettings", "pretrain_word2vec", "run_vectors"]

#: What `config.json` of such a run has under `kind`.
KIND = "word2vec"
#: The file of the vectors in a run folder.
VECTORS = "vectors.safetensors"

#: The last learning rate (gensim: `min_alpha`).
LAST_RATE = 1e-4
#: Batches that are trained on between two looks at the loss, and how many looks there are at least.
TOGETHER, LOOKS = 8, 50
#: Examples are shorter than `LONGEST` where an epoch would else have fewer than so many.
LONGEST, SHORTEST, EXAMPLES = 2048, 128, 64


class Shape(NamedTuple):
    """How an architecture is trained where nothing else is said.

    Attributes:
        learning_rate: that of a single pair, to begin with.
        block: words that share so many negatives: `shared_negatives`.
    """

    learning_rate: float
    block: int
    shared_negatives: int


# CBOW has one example a word, whose gradient is noisy with few negatives; more for more words are one product.
SHAPES = {"skip-gram": Shape(0.025, 16, 12), "cbow": Shape(0.075, 64, 32)}


@dataclass(frozen=True, kw_only=True)
class Word2VecSettings:
    """The settings of a word2vec pre-training.

    Args:
        architecture: `"skip-gram"` or `"cbow"` (gensim: `sg=1`, `sg=0`).
        width: size of a vector (gensim: `vector_size`).
        window: largest number of context words on either side (gensim: `window`).
        negatives: negatives per pair (gensim: `negative`).
        sample: threshold of the subsampling of frequent words (gensim: `sample`); 0: none.
        epochs: how often the store is gone through (gensim: `epochs`).
        batch_size: examples of a batch.
        length: words of an example, a multiple of 16 (CBOW: of 64); by default 2048, fewer where the store is small.
        learning_rate: its first value, from which it falls linearly (gensim: `alpha`); by default 0.025,
            and 0.075 for CBOW.
        seed: of the initial vectors, the order, the subsampling, the windows and the negatives.

    Raises:
        InputError: a value is out of its range, or the architecture is unknown.

    Example:
        >>> Word2VecSettings(architecture="skipgram")
        Traceback (most recent call last):
        ...
        kpt.errors.InputError: architecture is 'skipgram'; did you mean skip-gram? there are skip-gram, cbow
    """

    architecture: str = "skip-gram"
    width: int = 100
    window: int = 5
    negatives: int = 5
    sample: float = 1e-3
    epochs: int = 5
    batch_size: int = 1
    length: int | None = None
    learning_rate: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("architecture", self.architecture, tuple(SHAPES))
        for name in ("width", "window", "negatives", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give 1 or more")
        if not (self.sample >= 0 and isfinite(self.sample)):
            raise InputError(f"sample is {self.sample}; give a number from 0 up")
        block = SHAPES[self.architecture].block
        if self.window > block:
            raise InputError(f"window is {self.window}; give {block} or less for {self.architecture}")
        if self.length is not None and (self.length < block or self.length % block):
            raise InputError(f"length is {self.length}; give a multiple of {block}")
        if self.learning_rate is not None and not (self.learning_rate > 0 and isfinite(self.learning_rate)):
            raise InputError(f"learning_rate is {self.learning_rate}; give a number above 0")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed is {self.seed}; give a whole number from 0 to 2**63 - 1")

    @property
    def peak(self) -> float:
        """The learning rate to begin with."""
        return SHAPES[self.architecture].learning_rate if self.learning_rate is None else self.learning_rate

    def windows(self, store: TokenStore, counts: np.ndarray | None = None) -> Windows:
        """Return the maker of examples."""
        return Windows(
            store,
            length=self.length or fitting_length(store.tokens // self.batch_size),
            block=SHAPES[self.architecture].block,
            window=self.window,
            shared_negatives=SHAPES[self.architecture].shared_negatives,
            sample=self.sample,
            counts=counts,
            seed=self.seed,
        )

    def model(self, vocabulary_size: int, steps: int) -> Word2Vec:
        """Return the model, compiled for a run of so many steps."""
        model = Word2Vec(vocabulary_size, self.width, self.architecture, window=self.window, negatives=self.negatives)
        floor = min(1.0, LAST_RATE / self.peak)
        model.compile(optimizer=keras.optimizers.SGD(WarmupDecay(self.peak, steps, floor=floor)))
        return model


def fitting_length(words: int) -> int:
    """Return the length of examples with which an epoch over so many words still has many of them.

    Example:
        >>> fitting_length(2_700_000), fitting_length(20_000)
        (2048, 256)
    """
    length = LONGEST
    while length > SHORTEST and length * EXAMPLES > words:
        length //= 2
    return length


def pretrain_word2vec(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: Word2VecSettings,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train vectors of the words of a token store, write them and the report.

    An interruption (Ctrl-C) is heard after the step that runs, and then the run holds a checkpoint and the vectors as
    they are.

    Args:
        data: folder of the token store; one of a `WordTokenizer` for vectors of whole words.
        out: the run folder, see `RunFolder`; with `vectors.safetensors`, `results.json` and `report.html`.
        settings: all else.
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
            settings.
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
    config = config_of(settings, store, windows.length, steps)
    run = open_run(Path(out), tokenizer, config, resume=resume, overwrite=overwrite)

    random.seed(settings.seed)  # Keras draws the seeds of its initializers from it, on every backend
    model, step = run.load_newest() if run.step else (settings.model(store.vocabulary.size, steps), 0)
    shown = TrainingProgress(steps, tokens_per_step=words_per_step, unit="words", start_step=step) if progress else None
    interval = -(-steps // (settings.epochs * together)) * together
    own: list[keras.callbacks.Callback] = [
        MetricsLog(
            run.metrics,
            every=max(1, steps // 150),
            tokens_per_step=words_per_step,
            start_step=step,
            tensorboard=run.tensorboard,
        ),
        FiniteLoss(step),
        Checkpoints(run, every=interval, start_step=step),
    ]
    try:
        if remaining := steps - step:
            batches = Batches(windows, batch_size=settings.batch_size, steps=remaining, start_step=step)
            executed = 1 if keras.backend.backend() == "torch" else gcd(together, remaining)
            model.compile(optimizer=model.optimizer, steps_per_execution=executed)
            fit(model, batches, interval, [*own, *([shown] if shown else []), *callbacks], run, counts)
        save_vectors(run, model, counts)
    finally:
        if shown:
            shown.close()
        results = {"parameters": model.count_params(), **report(run, store, words_per_step)}
    return results | {"seconds": round(time.perf_counter() - begin, 1)}


def plan(steps: int) -> tuple[int, int]:
    """Return how many steps a run has, and how many of them are executed together: a divisor of that.

    Keras looks at the loss after each execution, which takes as long as a few steps; PyTorch allows of one step alone.

    Example:
        >>> plan(6603), plan(9)
        ((6608, 8), (9, 1))
    """
    together = max(1, min(TOGETHER, steps // LOOKS))
    return -(-steps // together) * together, together


def fit(
    model: Word2Vec,
    batches: Batches,
    interval: int,
    callbacks: Sequence[keras.callbacks.Callback],
    run: RunFolder,
    counts: np.ndarray,
) -> None:
    """Train on the batches, an epoch of `fit` being `interval` of them; interrupted, keep what was learned."""
    with Interruption() as interruption, warnings.catch_warnings():  # the last epoch may be shorter than the others
        warnings.filterwarnings("ignore", "\\s*Your input ran out of data", UserWarning)
        try:
            model.fit(
                batches,
                epochs=-(-batches.steps // interval),
                steps_per_epoch=interval,
                callbacks=[*callbacks, interruption],
                verbose=0,
            )
        except KeyboardInterrupt:
            if not interruption.urgent:
                if hasattr(model, "jax_state_sync"):
                    model.jax_state_sync()
                run.save(model)
                save_vectors(run, model, counts)
            raise


def save_vectors(run: RunFolder, model: Word2Vec, counts: np.ndarray) -> None:
    """Write the words' vectors into the run folder; special tokens have none."""
    vocabulary = run.tokenizer.vocabulary
    special = frozenset(vocabulary.special_ids)
    rows = [row for row in range(vocabulary.size) if row not in special]
    words = [vocabulary.tokens[row] for row in rows]
    WordVectors(words, model.vectors[rows], counts[rows]).save(run.path / VECTORS)


def run_vectors(run: RunFolder) -> WordVectors:
    """Return the vectors of a run.

    Raises:
        InputError: it is no run of word2vec, or has no vectors yet.
    """
    if run.config.get("kind") != KIND:
        raise InputError(f"{run.path} is not a run of word2vec; give one that `kpt pretrain word2vec` wrote")
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


def config_of(settings: Word2VecSettings, store: TokenStore, length: int, steps: int) -> dict[str, Any]:
    """Return the configuration as `config.json` has it."""
    training = asdict(settings) | {"learning_rate": settings.peak, "length": length, "steps": steps}
    model = {name: training.pop(name) for name in ("architecture", "width", "window", "negatives")}
    return {
        "title": "word2vec pre-training",
        "kind": KIND,
        "unit": "words",
        "backend": keras.backend.backend(),
        "model": model,
        "training": training,
        "data": {"store": str(store.folder), "tokenizer": store.tokenizer_fingerprint, **store.summary},
    }
