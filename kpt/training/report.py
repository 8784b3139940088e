"""The report of a run: one HTML page that needs nothing beside itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import kpt
from kpt.errors import InputError
from kpt.files import atomic_file
from kpt.training.metrics_log import read_metrics
from kpt.training.progress import clock
from kpt.training.report_figures import Curve, curves_svg
from kpt.training.report_map import map_svg
from kpt.training.report_samples import sample_view

__all__ = ["write_report"]

TITLES = {"masked_lm": "Masked tokens", "next_sentence": "Next sentence", "causal_lm": "Next token"}
SOURCES = ("metrics.jsonl", "config.json", "results.json", "samples.json", "map.json")

LEGEND = (
    "Over the training steps. Thin lines are means between two records, strong ones their smoothed course; "
    "dashed is what one reaches without a model."
)

Records = Sequence[Mapping[str, Any]]


def write_report(run_folder: str | os.PathLike[str], *, title: str | None = None) -> Path:
    """Write `report.html` into a run folder from what else is in it; during a run as well as after it.

    Args:
        run_folder: a folder with `metrics.jsonl` and, where they are there already, `config.json` (the settings),
            `results.json` (what came out, and under `baselines` what needs no model), `samples.json` (see
            `kpt.training.samples.masked_samples`; or texts, each a `prompt` and the `text` that the model goes on
            with) and `map.json` (see `kpt.training.report_map.word_map`).
        title: the headline; by default what the configuration says was trained.

    Returns:
        The path of the page. It has no script and no resource outside itself.

    Raises:
        InputError: there is no `metrics.jsonl`, or it or another of the files is damaged.
    """
    folder = Path(run_folder)
    records = read_metrics(folder / "metrics.jsonl")
    config, results = read_json(folder / "config.json", {}), read_json(folder / "results.json", {})
    samples = read_json(folder / "samples.json", [])
    shown = view(records, config, results, samples, name=folder.resolve().name, title=title)
    return write_page(folder, shown | {"word_map": _word_map(read_json(folder / "map.json", {}))}, SOURCES)


def write_page(folder: Path, shown: Mapping[str, Any], sources: Sequence[str]) -> Path:
    """Write `report.html` into a folder.

    Args:
        folder: a run folder.
        shown: what the template shows.
        sources: the files that it is from; the page names those that are there.

    Returns:
        The path of the page.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    there = ", ".join(name for name in sources if (folder / name).exists())
    page = environment.get_template("report_template.html").render(**shown, sources=there)
    path = folder / "report.html"
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def view(
    records: Records,
    config: Mapping[str, Any],
    results: Mapping[str, Any],
    samples: Sequence[Mapping[str, Any]],
    *,
    name: str,
    title: str | None = None,
) -> dict[str, Any]:
    """Return what the template shows."""
    train = [record for record in records if record["split"] == "train"]
    held_out = [record for record in records if record["split"] == "heldout"]
    baselines = results.get("baselines", {})
    step = max((record["step"] for record in records), default=0)
    seconds = max((record.get("seconds") or 0.0 for record in records), default=0.0)
    planned = config.get("training", {}).get("steps") or step
    done = f"{step:,} of {planned:,} steps" if step < planned else f"{step:,} steps" if step != 1 else "1 step"
    speed = f"{config.get('unit', 'tokens').capitalize()} per second"
    objectives = list(dict.fromkeys(key[:-9] for record in records for key in record if key.endswith("_accuracy")))
    return {
        "title": title or f"{config.get('title', 'Pre-training')}: {name}",
        "subtitle": f"{done} in {clock(seconds)}"
        + (f" on Keras with {config['backend']}" if "backend" in config else ""),
        "numbers": _numbers(objectives, train, held_out, baselines, speed),
        "figures": _figures(objectives, train, held_out, baselines, planned, speed),
        "legend": LEGEND,
        "samples": [sample_view(sample) for sample in samples if "pieces" in sample],
        "texts": [sample for sample in samples if "prompt" in sample],
        "guesses": max(
            (len(piece["guesses"]) for one in samples for piece in one.get("pieces", ()) if "guesses" in piece),
            default=0,
        ),
        "tables": table_views(results, config),
        "history": _history(held_out, objectives),
        "version": kpt.__version__,
    }


def _word_map(placed: Mapping[str, Any]) -> dict[str, Any] | None:
    if not placed:
        return None
    words = (
        f"The {len(placed['words']):,} most frequent words in the two directions in which their vectors differ most, "
        f"with {percent(placed['share'])} of the variance. A dot is a word for which there was no room. Words that "
        "are near in all dimensions are near here; the other way round not always."
    )
    return {"words": words, "svg": Markup(map_svg(placed))}


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return names and words for a nested mapping.

    Example:
        >>> flat({"model": {"width": 1024, "gated": True}})
        [('model: width', '1,024'), ('model: gated', 'yes')]
    """
    rows = []
    for name, value in values.items():
        words = prefix + name.replace("_", " ")
        if isinstance(value, Mapping):
            rows += flat(value, words + ": ")
        else:
            rows.append((words, _words(value)))
    return rows


def percent(value: float) -> str:
    """Return a share in per cent.

    Example:
        >>> percent(0.1234), percent(0.5)
        ('12.3 %', '50 %')
    """
    return f"{100 * value:.1f}".removesuffix(".0") + " %"


def _figures(
    objectives: Sequence[str],
    train: Records,
    held_out: Records,
    baselines: Mapping[str, Any],
    planned: int,
    speed: str,
) -> list[dict[str, Any]]:
    figures = []
    for objective in objectives:
        for kind, form, words in (("loss", "{:.3g}".format, "loss, nats"), ("accuracy", percent, "accuracy")):
            key = f"{objective}_{kind}"
            level = baselines.get(key)
            note = baselines.get(f"{objective}_{kind}_words", "without a model")
            figures.append(
                figure_view(
                    f"{_title(objective)}: {words}",
                    [curve_of(train, key, "train"), curve_of(held_out, key, "heldout")],
                    baseline=None if level is None else (level, f"{note}: {form(level)}"),
                    form=form,
                    last_step=planned,
                )
            )
    if not objectives:  # a model with one loss of its own
        loss = [curve_of(train, "loss", "train"), curve_of(held_out, "loss", "heldout")]
        figures.append(figure_view("Loss, nats", loss, form="{:.3g}".format, last_step=planned))
    rate = [curve_of(train, "learning_rate", "exact")]
    speeds = [curve_of(train, "tokens_per_second", "train")]
    norms = [curve_of(train, "gradient_norm", "train")]
    figures.append(figure_view("Learning rate", rate, form="{:.2g}".format, from_zero=True, last_step=planned))
    figures.append(figure_view("Gradient norm", norms, form="{:.2g}".format, from_zero=True, last_step=planned))
    figures.append(figure_view(speed, speeds, form="{:,.0f}".format, from_zero=True, last_step=planned))
    return [figure for figure in figures if figure["train"] or figure["held_out"]]


def figure_view(title: str, curves: list[Curve], **options: Any) -> dict[str, Any]:
    """Return a figure of curves for the template; its options are those of `curves_svg`."""
    kinds = {curve.kind for curve in curves if curve.steps}
    svg = Markup(curves_svg(title, curves, **options)) if kinds else ""
    return {"title": title, "svg": svg, "train": bool(kinds - {"heldout"}), "held_out": "heldout" in kinds}


def curve_of(records: Records, key: str, kind: str) -> Curve:
    """Return what records have under a name, as a curve over their steps."""
    points = [(record["step"], record[key]) for record in records if record.get(key) is not None]
    return Curve([step for step, _ in points], [value for _, value in points], kind)


def _numbers(
    objectives: Sequence[str], train: Records, held_out: Records, baselines: Mapping[str, Any], speed: str
) -> list[dict[str, str]]:
    numbers = []
    source, where = (held_out, "held out") if held_out else (train, "in training")
    for objective in objectives:
        key = f"{objective}_accuracy"
        values = [record[key] for record in source if record.get(key) is not None]
        losses = [record[f"{objective}_loss"] for record in source if record.get(f"{objective}_loss") is not None]
        if not values:
            continue
        note = where + (f", loss {losses[-1]:.3f}" if losses else "")
        if level := baselines.get(key):
            note += f"; {values[-1] / level:.1f} times the {percent(level)} without a model"
        numbers.append({"name": f"{_title(objective)}: accuracy", "value": percent(values[-1]), "note": note})
    if speeds := sorted(record["tokens_per_second"] for record in train if record.get("tokens_per_second")):
        middle = speeds[len(speeds) // 2]
        numbers.append({"name": speed, "value": f"{middle:,.0f}", "note": "median, evaluation left out"})
    if flops := sorted(record["flops_per_second"] for record in train if record.get("flops_per_second")):
        shares = sorted(record["share_of_peak"] for record in train if record.get("share_of_peak"))
        note = f"{percent(shares[len(shares) // 2])} of the devices' peak" if shares else "of the model, median"
        value = f"{flops[len(flops) // 2] / 1e9:,.4g} G"
        numbers.append({"name": "Operations per second", "value": value, "note": note})
    if train or held_out:
        last = max([*train, *held_out], key=lambda record: record["step"])
        seconds = max(record.get("seconds") or 0.0 for record in [*train, *held_out])
        numbers.append({"name": "Training time", "value": clock(seconds), "note": f"for {last['step']:,} steps"})
    return numbers


def _history(held_out: Records, objectives: Sequence[str]) -> dict[str, Any]:
    keys = [f"{objective}_{kind}" for objective in objectives for kind in ("loss", "accuracy")]
    rows = []
    for record in held_out:
        row = [f"{record['step']:,}", clock(record.get("seconds") or 0.0)]
        for key in keys:
            value = record.get(key)
            row.append("" if value is None else percent(value) if key.endswith("accuracy") else f"{value:.3f}")
        rows.append(row)
    names = [f"{_title(objective)}, {kind}" for objective in objectives for kind in ("loss", "accuracy")]
    return {"names": ["Step", "Time", *names], "rows": rows}


def table_views(results: Mapping[str, Any], config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the results, then the settings: each group of them a table, and what stands alone one before them."""
    tables = {"Results": _without(results, "baselines")}
    tables["Run"] = {name: value for name, value in _without(config, "title").items() if not isinstance(value, Mapping)}
    for name, value in config.items():
        if isinstance(value, Mapping):
            tables[name.replace("_", " ").capitalize()] = dict(value)
    return [{"title": title, "rows": flat(values)} for title, values in tables.items() if values]


def _title(objective: str) -> str:
    return TITLES.get(objective, objective.replace("_", " ").capitalize())


def _without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _words(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_words(entry) for entry in value) or "none"
    return str(value)


def read_json(path: Path, default: Any) -> Any:
    """Return what a file of a run holds, or the default where there is none.

    Raises:
        InputError: it is damaged or of another type than the default.
    """
    if not path.is_file():
        return default
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); remove it, and the report is written without it") from error
    if not isinstance(value, type(default)):
        raise InputError(f"{path} holds no JSON {'object' if isinstance(default, dict) else 'list'}; remove it")
    return value
