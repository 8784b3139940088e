"""BERT pre-training from a token store to a run folder: what `kpt pretrain bert` and `kpt demo` do."""

from __future__ import annotations

import os
import random
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from math import isfinite, log
from pathlib import Path
from typing import Any

import keras

from kpt.data import Batches, SentencePairs, TokenStore
from kpt.errors import InputError
from kpt.files import write_json
from kpt.models import Encoder, bert_config, encoder_config
from kpt.objectives import MaskedLM, NextSentence, Pretrainer
from kpt.text import Tokenizer, load_tokenizer
from kpt.training.baselines import token_counts, unigram_baseline
from kpt.training.finite_loss import FiniteLoss
from kpt.training.metrics_log import MetricsLog, read_metrics
from kpt.training.optimizers import adamw
from kpt.training.progress import TrainingProgress
from kpt.training.report import write_report
from kpt.training.run_folder import Checkpoints, RunFolder
from kpt.training.samples import masked_samples

__all__ = ["BertSettings", "pretrain_bert"]

ARCHITECTURES = {"modern": encoder_config, "published": bert_config}
# The peak learning rate and what `adamw` is given beside it.
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "modern": {"learning_rate": 1.5e-3, "decay": "cosine", "beta_2": 0.98},
    "published": {"learning_rate": 5e-4},
}
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
SAMPLES, SAMPLE_LENGTH = 8, 48


@dataclass(frozen=True, kw_only=True)
class BertSettings:
    """The settings of a BERT pre-training, each checked by itself.

    Args:
        steps: number of batches.
        size: one of `kpt.models.SIZES`.
        architecture: `"modern"` (`kpt.models.encoder_config`) or `"published"` (`kpt.models.bert_config`).
        batch_size: sequences of a batch.
        length: tokens of a sequence.
        learning_rate: peak of the schedule; by default that of the architecture.
        warmup_steps: steps of linear warm-up; by default a tenth of `steps`.
        precision: name of the Keras dtype policy.
        whole_words: whether all pieces of a word are masked together.
        held_out: share of the documents that is evaluated on and never trained on.
        evaluations: how often that happens, the last time at the end.
        evaluation_batches: batches of an evaluation, the same each time.
        seed: of the split, the examples, the masks and the initial weights.

    Raises:
        InputError: a value is out of its range, or a name is unknown.

    Example:
        >>> BertSettings(steps=100, size="minni")
        Traceback (most recent call last):
        ...
        kpt.errors.InputError: There is no size 'minni': choose one of tiny, mini, ...; did you mean 'mini'?
    """

    steps: int
    size: str = "mini"
    architecture: str = "modern"
    batch_size: int = 32
    length: int = 128
    learning_rate: float | None = None
    warmup_steps: int | None = None
    precision: str = "float32"
    whole_words: bool = False
    held_out: float = 0.05
    evaluations: int = 8
    evaluation_batches: int = 24
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "evaluations", "evaluation_batches"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give 1 or more")
        if self.learning_rate is not None and not (self.learning_rate > 0 and isfinite(self.learning_rate)):
            raise InputError(f"learning_rate is {self.learning_rate}; give a number above 0")
        if not 0 < self.held_out < 1:
            raise InputError(f"held_out is {self.held_out}; give a share between 0 and 1, neither of them")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed is {self.seed}; give a whole number from 0 to 2**63 - 1")
        check_choice("architecture", self.architecture, tuple(ARCHITECTURES))
        check_choice("precision", self.precision, PRECISIONS)
        if self.warmup_steps is not None and not 0 <= self.warmup_steps < self.steps:
            raise InputError(f"warmup_steps is {self.warmup_steps} of {self.steps} steps; give fewer than the steps")
        longest = self.encoder_config.get("maximum_length", 512)
        if not 5 <= self.length <= longest:
            raise InputError(f"length is {self.length}; the positions of the model allow 5 to {longest}")

    @property
    def encoder_config(self) -> dict[str, Any]:
        """What the encoder is built with, beside the size of the vocabulary."""
        return ARCHITECTURES[self.architecture](self.size)

    @property
    def peak(self) -> float:
        """The learning rate after the warm-up."""
        if self.learning_rate is not None:
            return self.learning_rate
        return float(OPTIMIZERS[self.architecture]["learning_rate"])


def pretrain_bert(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: BertSettings,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Pre-train an encoder on masked tokens and next sentences, evaluate it on held-out documents, write the report.

    Args:
        data: folder of the token store.
        out: the run folder, see `RunFolder`; with `samples.json`, `results.json` and `report.html`.
        settings: all else.
        resume: go on from the newest checkpoint in `out`; a run that was not begun is begun, a complete one only
            reports.
        overwrite: replace a run that is in `out`.
        progress: show how far it is on standard error.
        callbacks: for `fit`, beside those that write the metrics and the checkpoints.

    Returns:
        The results by name, `mlm_accuracy_heldout` and others.

    Raises:
        InputError: the store is damaged or has too few documents, `out` holds something, or the run to go on with has
            other settings.
        FloatingPointError: the loss became infinite or not a number.
    """
    begin = time.perf_counter()
    store = TokenStore.open(data)
    tokenizer = load_tokenizer(store.tokenizer_folder)
    store.check_tokenizer(tokenizer)
    train, held_out = split(store, settings)
    train_examples, held_out_examples = (
        SentencePairs(part, length=settings.length, seed=settings.seed) for part in (train, held_out)
    )
    run = open_run(Path(out), tokenizer, config_of(settings, store), resume=resume, overwrite=overwrite)

    random.seed(settings.seed)  # Keras draws the seeds of its initializers and dropouts from it, on every backend
    model, step = run.load_newest() if run.step else (build_model(store.vocabulary.size, settings), 0)
    options: dict[str, Any] = {"objectives": model.objectives, "batch_size": settings.batch_size}
    validation = Batches(held_out_examples, steps=settings.evaluation_batches, repeat=True, **options)
    baselines = find_baselines(train, validation)
    interval = -(-settings.steps // settings.evaluations)
    tokens = settings.batch_size * settings.length
    shown = TrainingProgress(settings.steps, tokens_per_step=tokens, start_step=step) if progress else None
    own = [metrics_log(run, settings, step), FiniteLoss(step), Checkpoints(run, every=interval, start_step=step)]
    try:
        if remaining := settings.steps - step:
            with warnings.catch_warnings():  # the last epoch may be shorter than the others
                warnings.filterwarnings("ignore", "\\s*Your input ran out of data", UserWarning)
                model.fit(
                    Batches(train_examples, steps=remaining, start_step=step, **options),
                    epochs=-(-remaining // interval),
                    steps_per_epoch=interval,
                    shuffle=False,
                    validation_data=validation,
                    callbacks=[*own, *([shown] if shown else []), *callbacks],
                    verbose=0,
                )
        examples = SentencePairs(held_out, length=min(SAMPLE_LENGTH, settings.length), seed=settings.seed)
        batch = Batches(examples, model.objectives, batch_size=SAMPLES, steps=1, prefetch=0).batch(0)
        write_json(run.path / "samples.json", masked_samples(model, batch, store.vocabulary))
    finally:
        if shown:
            shown.close()
        results = {"parameters": model.count_params(), **report(run, baselines)}
    return results | {"seconds": round(time.perf_counter() - begin, 1)}


def split(store: TokenStore, settings: BertSettings) -> tuple[TokenStore, TokenStore]:
    """Return the documents to train on and those to evaluate on.

    Raises:
        InputError: these are too few for a random next sentence of another document.
    """
    train, held_out = store.split(settings.held_out, settings.seed)
    if held_out.documents < 2:
        raise InputError(
            f"{100 * settings.held_out:g} % of {store.documents:,} documents leaves {held_out.documents} to evaluate "
            "on, where 2 are the least; raise --held-out or add documents"
        )
    return train, held_out


def open_run(path: Path, tokenizer: Tokenizer, config: dict[str, Any], *, resume: bool, overwrite: bool) -> RunFolder:
    """Make the run folder, or find the one to go on with.

    Raises:
        InputError: it holds something, or the run to go on with has other settings.
    """
    begun = (path / "config.json").is_file()
    if resume and begun:
        run = RunFolder(path)
        for group in ("model", "training", "data"):
            old, new = run.config.get(group, {}), config[group]
            for name in new.keys() - {"store"}:  # a store may be moved: its fingerprint and counts say which it is
                if old.get(name) != new[name]:
                    raise InputError(
                        f"the run {path} has the {group} setting {name} {old.get(name)!r}, not {new[name]!r}; "
                        "go on with the settings it was begun with, or choose another folder"
                    )
        return run
    return RunFolder.create(path, tokenizer, config, overwrite=overwrite)


def metrics_log(run: RunFolder, settings: BertSettings, step: int) -> MetricsLog:
    """Return the callback that writes the metrics of a run, about 150 lines but at least one in twenty steps."""
    return MetricsLog(
        run.metrics,
        every=max(1, min(20, settings.steps // 150)),
        tokens_per_step=settings.batch_size * settings.length,
        start_step=step,
        tensorboard=run.tensorboard,
    )


def report(run: RunFolder, baselines: dict[str, Any]) -> dict[str, Any]:
    """Write the results and the report of a run, also of one that was interrupted; returns the results."""
    if not run.metrics.is_file():
        return {}
    results = summarize(read_metrics(run.metrics), baselines)
    write_json(run.path / "results.json", {**results, "baselines": baselines})
    return {"run": str(run.path), "report": str(write_report(run.path)), **results}


def build_model(vocabulary_size: int, settings: BertSettings) -> Pretrainer:
    """Return the compiled model."""
    encoder = Encoder(vocabulary_size, **settings.encoder_config, dtype=settings.precision)
    objectives = [
        MaskedLM(whole_words=settings.whole_words, dtype=settings.precision),
        NextSentence(dtype=settings.precision),
    ]
    model = Pretrainer(encoder, objectives)
    recipe = OPTIMIZERS[settings.architecture] | {"learning_rate": settings.peak}
    optimizer: Any = adamw(steps=settings.steps, warmup_steps=settings.warmup_steps, **recipe)
    if settings.precision == "mixed_float16":  # small gradients would be 0; named here, a checkpoint keeps it
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    # Keras leaves XLA off on TensorFlow's CPU, where it made a step of `mini` 1.3 times as fast; the shapes are fixed.
    model.compile(optimizer=optimizer, jit_compile=True if keras.backend.backend() == "tensorflow" else "auto")
    return model


def find_baselines(train: TokenStore, validation: Batches) -> dict[str, Any]:
    """Return what needs no model: the tokens' frequencies, and a coin for the next sentence."""
    unigram = unigram_baseline(token_counts(train), (validation.batch(step) for step in range(len(validation))))
    return {
        "masked_lm_loss": unigram.loss,
        "masked_lm_loss_words": "frequencies alone",
        "masked_lm_accuracy": unigram.accuracy,
        "masked_lm_accuracy_words": f"always “{train.vocabulary.tokens[unigram.token_id]}”",
        "next_sentence_loss": log(2),
        "next_sentence_loss_words": "a coin",
        "next_sentence_accuracy": 0.5,
        "next_sentence_accuracy_words": "a coin",
    }


def summarize(records: Sequence[dict[str, Any]], baselines: dict[str, Any]) -> dict[str, Any]:
    """Return the results of a run from its metrics."""
    train = [record for record in records if record["split"] == "train"]
    held_out = [record for record in records if record["split"] == "heldout"]
    results: dict[str, Any] = {"steps": train[-1]["step"] if train else 0}
    if train:
        results |= {"mlm_loss_first": train[0]["masked_lm_loss"], "mlm_loss_last": train[-1]["masked_lm_loss"]}
    if held_out:
        last = held_out[-1]
        results |= {
            "mlm_loss_heldout": last["masked_lm_loss"],
            "mlm_loss_baseline": baselines["masked_lm_loss"],
            "mlm_accuracy_heldout": last["masked_lm_accuracy"],
            "mlm_accuracy_baseline": baselines["masked_lm_accuracy"],
            "nsp_loss_heldout": last["next_sentence_loss"],
            "nsp_accuracy_heldout": last["next_sentence_accuracy"],
        }
    if speeds := sorted(record["tokens_per_second"] for record in train if "tokens_per_second" in record):
        results["tokens_per_second"] = round(speeds[len(speeds) // 2])
    return results


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Make sure that a value is one of its choices.

    Raises:
        InputError: it is not; the message has the choices and the one that was probably meant.
    """
    if value in choices:
        return
    near = get_close_matches(str(value), choices, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise InputError(f"{name} is {value!r}; {hint}there are {', '.join(choices)}")


def config_of(settings: BertSettings, store: TokenStore) -> dict[str, Any]:
    """Return the configuration as `config.json` has it."""
    return {
        "title": "BERT pre-training",
        "backend": keras.backend.backend(),
        "model": settings.encoder_config,
        "training": asdict(settings) | {"learning_rate": settings.peak},
        "data": {"store": str(store.folder), "tokenizer": store.tokenizer_fingerprint, **store.summary},
    }
