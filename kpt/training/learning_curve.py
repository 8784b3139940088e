"""What pre-training buys where labels are few: scores over the number of labels, pre-trained and from scratch."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kpt.data.subsets import some_texts
from kpt.distribution import Devices
from kpt.errors import InputError
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetuning import Source, finetune, read_files
from kpt.training.repeats import check_free, keep_run, mean_and_deviation, ranked_score

__all__ = ["SIDES", "enough_epochs", "learning_curve", "scratch_source"]

SIDES = ("pre-trained", "from scratch")
#: Steps of a run at least, whatever the number of labels.
UPDATES = 100


def learning_curve(
    source: Source,
    train: Any,
    validation: Any,
    out: str | os.PathLike[str],
    settings: FinetuneSettings | None = None,
    *,
    labels: Sequence[int],
    repeats: int = 1,
    updates: int = UPDATES,
    overwrite: bool = False,
    devices: Devices | None = None,
    tell: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> dict[str, Any]:
    """Fine-tune on growing parts of the labelled texts, a pre-trained model and one of its kind that was not trained.

    The parts are chosen by the seed, each label as often as any other, and a smaller part is in every larger one; both
    sides get the same. Few texts are seen more often, so that a run has enough steps (`enough_epochs`).

    Args:
        source: the pre-trained model, as it was at first for each run.
        train: see `kpt.training.finetune`.
        validation: likewise; the scores are those of the best epoch on these.
        out: the run folder, that of the pre-trained model which is best with the most labels. Its `results.json` and
            report have the curve.
        settings: of the runs; `seed` is that of the first of several.
        labels: how many labelled texts, ascending or not.
        repeats: runs for each number and side, with successive seeds.
        updates: steps of a run at least.
        overwrite: replace a run that is in `out`.
        devices: see `kpt.training.finetune`.
        tell: gets a line of words for each run.
        **options: `progress` and `callbacks` of `kpt.training.finetune`.

    Returns:
        The results of the run that is kept, and under `curve` for each number and side `labels`, `side`, `seeds`,
        `mean` and `deviation` of each score.

    Raises:
        InputError: there are fewer texts than labels are wanted, or as `kpt.training.finetune`.
    """
    settings, out, devices = settings or FinetuneSettings(), Path(out), devices or Devices()
    counts = sorted(set(labels))
    if not counts or repeats < 1:
        raise InputError(f"{len(counts)} numbers of labels and {repeats} repeats; give 1 or more of each")
    check_free(out, overwrite=overwrite)
    data, held_out = (read_files(files, settings) for files in (train, validation))
    seeds = range(settings.seed, settings.seed + repeats)
    parts: dict[Any, Any] = {
        (count, seed): some_texts(data, count, seed) for count in counts for seed in seeds
    }  # refuses first
    sides = dict(zip(SIDES, (source, scratch_source(source)), strict=True))
    curve, kept = [], []
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        for count in counts:
            epochs = enough_epochs(count, settings.batch_size, settings.epochs, updates)
            for side, start in sides.items():
                runs = []
                for seed in seeds:
                    folder = Path(temporary) / f"{count}-{side[:3]}-{seed}"
                    chosen = replace(settings, seed=seed, epochs=epochs)
                    results = finetune(start, parts[count, seed], held_out, folder, chosen, devices=devices, **options)
                    score = ranked_score(results)
                    tell(f"{count:>6,} labels, {side:<12}, seed {seed}: {score} {results[score]:.3f}")
                    runs.append({"seed": seed, "folder": folder, **results})
                if (count, side) == (counts[-1], SIDES[0]):
                    kept = runs
                curve.append({"labels": count, "side": side, "seeds": repeats, **mean_and_deviation(runs)})
        best = max(kept, key=lambda run: (run[ranked_score(run)], -run["loss"]))
        folder = best.pop("folder")
        more = {"seed": best["seed"], "curve": curve}
        return {**best, **keep_run(folder, out, more, chief=devices.chief), **more}


def enough_epochs(texts: int, batch_size: int, epochs: int, updates: int = UPDATES) -> int:
    """Return how often texts are to be seen so that there are enough steps to learn anything.

    Args:
        texts: how many there are.
        batch_size: texts of a batch.
        epochs: how often at least.
        updates: steps at least.

    Example:
        >>> enough_epochs(50, 32, 4), enough_epochs(1400, 32, 4)
        (64, 4)

    Source: Mosbach et al. 2021, "On the Stability of Fine-tuning BERT": few labels want more passes.
    """
    return max(epochs, -(-updates * batch_size // texts))


def scratch_source(source: Source) -> Source:
    """Return the same model with its first weights, and the same tokenizer."""

    def backbone(settings: FinetuneSettings) -> Any:
        trained = source.backbone(settings)
        return type(trained).from_config(trained.get_config())

    return Source(backbone, source.tokenizer, {"from": "scratch", "like": source.note.get("from")})
