"""A run folder as pre-training leaves it, made up: curves of the usual shape and a few samples."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path


def write_fake_run(folder: Path, steps: int = 600, every: int = 10) -> Path:
    """Fill a folder with metrics.jsonl, config.json, results.json and samples.json."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = random.Random(0)
    lines = []
    for step in [1, *range(every, steps + 1, every)]:
        progress = step / steps
        loss = 4.4 + 4.6 * math.exp(-5 * progress) + noise.gauss(0, 0.06)
        share = max(0.0, 0.3 - 0.3 * math.exp(-4 * progress) + noise.gauss(0, 0.006))
        follows = 0.5 + 0.35 * (1 - math.exp(-3 * progress)) + noise.gauss(0, 0.02)
        common = {
            "masked_lm_loss": loss,
            "masked_lm_accuracy": share,
            "next_sentence_loss": 0.69 - 0.5 * (follows - 0.5),
            "next_sentence_accuracy": follows,
        }
        seconds = 0.4 * step + 8
        line = {"step": step, "split": "train", "seconds": seconds, "loss": loss + 0.6, **common}
        line["learning_rate"] = 1e-3 * min(step / 60, (steps - step) / (steps - 60))
        if step > 1:
            line["tokens_per_second"] = 10_400 + noise.gauss(0, 350)
        lines.append(line)
        if step % (every * 10) == 0:
            held_out = {name: value * (1.02 if name.endswith("loss") else 0.97) for name, value in common.items()}
            lines.append({"step": step, "split": "heldout", "seconds": seconds + 2, **held_out})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    config = {
        "title": "BERT pre-training",
        "backend": "jax",
        "model": {"size": "mini", "width": 256, "depth": 4, "heads": 4, "positions": "rotary", "norm_first": True},
        "training": {"steps": steps, "batch_size": 32, "length": 128, "learning_rate": 0.001, "precision": "float32"},
        "data": {"store": "demo/store", "documents": 40_123, "tokens": 2_345_678, "vocabulary_size": 8000},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    last = lines[-1]
    results = {
        "mlm_loss_last": last["masked_lm_loss"],
        "mlm_accuracy_heldout": last["masked_lm_accuracy"],
        "seconds": 251.5,
        "baselines": {
            "masked_lm_loss": 6.62,
            "masked_lm_loss_words": "frequencies alone",
            "masked_lm_accuracy": 0.061,
            "masked_lm_accuracy_words": "always “the”",
            "next_sentence_loss": 0.693,
            "next_sentence_loss_words": "a coin",
            "next_sentence_accuracy": 0.5,
            "next_sentence_accuracy_words": "a coin",
        },
    }
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    (folder / "samples.json").write_text(json.dumps(SAMPLES), encoding="utf-8")
    return folder


def pieces(text: str, *guesses: tuple[str, list[tuple[str, float]]]) -> list[dict[str, object]]:
    """Pieces of a text in which each `_` is hidden, with its answer and the guesses for it."""
    hidden = iter(guesses)
    result: list[dict[str, object]] = []
    for word in text.split():
        if word == "_":
            answer, candidates = next(hidden)
            result.append({"answer": answer, "shown": "[MASK]", "guesses": [list(guess) for guess in candidates]})
        else:
            result.append({"text": word})
    return result


SAMPLES = [
    {
        "pieces": pieces(
            "return the number of _ in the list , or _ if it is empty . [SEP] value ##error if the _ is not there .",
            ("items", [("elements", 0.31), ("items", 0.24), ("values", 0.09)]),
            ("zero", [("none", 0.62), ("0", 0.11), ("false", 0.05)]),
            ("value", [("value", 0.871), ("key", 0.03), ("item", 0.01)]),
        ),
        "next_sentence": {"follows": True, "probability": 0.91},
    },
    {
        "pieces": pieces(
            "compute ##s the _ of the tensor over axes & <b> not markup </b> . [SEP] close the _ and release all _ .",
            ("mean", [("sum", 0.41), ("shape", 0.12), ("size", 0.1)]),
            ("socket", [("file", 0.55), ("socket", 0.2), ("stream", 0.004)]),
            ("resources", [("resources", 0.33), ("it", 0.3), ("memory", 0.1)]),
        ),
        "next_sentence": {"follows": False, "probability": 0.62},
    },
]
