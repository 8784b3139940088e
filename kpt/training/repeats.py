"""The same fine-tuning with several seeds: the mean of its scores, their spread, and the best of the models."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kpt.distribution import Devices
from kpt.errors import InputError, Terminated
from kpt.files import write_json
from kpt.training.finetune_report import SCORES, write_finetune_report
from kpt.training.finetune_settings import FinetuneSettings
from kpt.training.finetune_sources import Source
from kpt.training.finetuning import finetune
from kpt.training.report import read_json
from kpt.training.run_folder import RunFolder

__all__ = ["check_free", "finetune_repeats", "keep_run", "mean_and_deviation", "ranked_score"]


def finetune_repeats(
    source: Source,
    train: Any,
    validation: Any,
    out: str | os.PathLike[str],
    settings: FinetuneSettings | None = None,
    *,
    repeats: int = 5,
    resume: bool = False,
    overwrite: bool = False,
    devices: Devices | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Fine-tune a model several times, with successive seeds, and keep the best run.

    How much a score moves with the seed alone tells which differences mean something, above all where labels are few.

    Args:
        source: what is tuned, each time as it was at first.
        train: see `kpt.training.finetune`.
        validation: likewise.
        out: the run folder, that of the best repeat, whose `results.json` and report have the others' scores too.
        settings: of the runs; `seed` is that of the first.
        repeats: how many.
        resume: of a single one, go on with the run in `out`, see `kpt.training.finetune`.
        overwrite: replace a run that is in `out`.
        devices: see `kpt.training.finetune`.
        **options: `progress` and `callbacks` of `kpt.training.finetune`.

    Returns:
        The results of the best repeat, and under `repeats` `mean` and `deviation` (the standard deviation of a sample)
        of each score and the `runs`, each with its `seed` and scores.

    An interruption keeps the best of the repeats that were complete by then.

    Raises:
        InputError: `repeats` is below 1, or as `kpt.training.finetune`.

    Source: Dodge et al. 2020, "Fine-Tuning Pretrained Language Models: Weight Initializations, Data Orders, and Early
    Stopping".
    """
    settings, out, devices = settings or FinetuneSettings(), Path(out), devices or Devices()
    if repeats < 1:
        raise InputError(f"repeats is {repeats}; give 1 or more")
    if resume and repeats > 1:
        raise InputError(f"resume goes on with a single run, and repeats is {repeats}; leave out one of them")
    options = {**options, "devices": devices}
    if repeats == 1:
        return finetune(source, train, validation, out, settings, resume=resume, overwrite=overwrite, **options)
    check_free(out, overwrite=overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    # Beside the run folder, so that the best of them need only be renamed.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        try:
            for seed in range(settings.seed, settings.seed + repeats):
                folder = Path(temporary) / str(seed)
                results = finetune(source, train, validation, folder, replace(settings, seed=seed), **options)
                found.append({"seed": seed, **results})
        except (KeyboardInterrupt, Terminated) as error:
            if not found:
                raise type(error)("interrupted before the first repeat was complete; nothing is kept") from error
            kept = _kept(found, Path(temporary), out, devices)
            raise type(error)(
                f"interrupted; {kept['run']} has the best of {len(found)} repeats, seed {kept['seed']}"
            ) from error
        return _kept(found, Path(temporary), out, devices)


def mean_and_deviation(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the mean of each score of several runs, and its standard deviation (none of a single run).

    Example:
        >>> mean_and_deviation([{"accuracy": 0.5}, {"accuracy": 0.7}])
        {'mean': {'accuracy': 0.6}, 'deviation': {'accuracy': 0.141421}}
    """
    values = {name: [run[name] for run in runs] for name in ("loss", *SCORES) if all(name in run for run in runs)}
    summary = {"mean": {name: round(statistics.fmean(some), 6) for name, some in values.items()}}
    if len(runs) > 1:
        summary["deviation"] = {name: round(statistics.stdev(some), 6) for name, some in values.items()}
    return summary


def ranked_score(results: Mapping[str, Any]) -> str:
    """Return the name of the score that runs are ranked by: F1 of entities or answers, macro-F1, or Pearson's.

    Example:
        >>> ranked_score({"accuracy": 0.9, "macro_f1": 0.8})
        'macro_f1'
    """
    return next(name for name in ("f1", "answer_f1", "macro_f1", "pearson") if name in results)


def check_free(out: Path, *, overwrite: bool) -> None:
    """Make sure that a run may be written to a folder.

    Raises:
        InputError: it holds something that is not to be replaced.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not (overwrite and out.is_dir()):
            raise InputError(f"{out} exists already; give another folder, or remove it first")
        RunFolder(out)  # refuses what is no run


def keep_run(folder: Path, out: Path, more: Mapping[str, Any], *, chief: bool = True) -> dict[str, Any]:
    """Put a run where it belongs, add to its results, and write its report anew.

    Args:
        folder: the run, on the same disk as `out`.
        out: where it goes, in place of what is there (`check_free`).
        more: what its results get.
        chief: whether this host writes the run folder.

    Returns:
        The paths of the run and of its report; nothing where another host writes them.
    """
    if not chief:
        return {}
    if out.is_dir():
        shutil.rmtree(out)
    os.replace(folder, out)
    write_json(out / "results.json", {**read_json(out / "results.json", {}), **more})
    return {"run": str(out), "report": str(write_finetune_report(out))}


def _kept(found: list[dict[str, Any]], folder: Path, out: Path, devices: Devices) -> dict[str, Any]:
    """Keep the best of the runs that were made; returns its results, with the scores of all."""
    best = max(found, key=lambda run: (run[ranked_score(run)], -run["loss"]))
    names = ("seed", "best_epoch", "loss", *SCORES)
    runs = [{name: run[name] for name in names if name in run} for run in found]
    more = {"seed": best["seed"], "repeats": {**mean_and_deviation(runs), "runs": runs}}
    paths = keep_run(folder / str(best["seed"]), out, more, chief=devices.chief)
    seconds = round(sum(run["seconds"] for run in found), 1)
    return {**best, **paths, **more, "seconds": seconds}
