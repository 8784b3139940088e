"""What the run folder of a fine-tuning says of it, and by what a run to go on with is known."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import keras

from kpt.data.conll import TaggedWords
from kpt.data.labelled import LabelledTexts
from kpt.data.squad import Questions
from kpt.tasks import Classifier, Tagger, TaskModel
from kpt.training.finetune_settings import FinetuneSettings, peak_rate
from kpt.training.finetune_sources import Source
from kpt.training.pretraining_data import digest

__all__ = ["Labelled", "config_of", "labelled_content"]

KINDS = {"classify": "classifier", "regress": "regressor", "tag": "tagger", "qa": "question_answerer"}
TITLES = {"classify": "Classification", "regress": "Regression", "tag": "Tagging", "qa": "Question answering"}
Labelled = LabelledTexts | TaggedWords | Questions
# What is no part of a text or of its labels: another file may have the same.
_BESIDE = ("places", "problems", "ids")


def config_of(
    source: Source,
    model: TaskModel,
    data: Labelled,
    held_out: Labelled,
    settings: FinetuneSettings,
) -> dict[str, Any]:
    """Return the configuration as `config.json` has it."""
    return {
        "title": TITLES[settings.task],
        "kind": KINDS[settings.task],
        "backend": keras.backend.backend(),
        "model": {**source.note, "width": model.backbone.width, "pooling": model.pooling},
        "training": asdict(settings)
        | {"learning_rate": peak_rate(settings, model.backbone.width), "length": model.length},
        "data": {
            "tokenizer": source.tokenizer.fingerprint,
            "content": labelled_content(data, held_out),
            "texts": len(data),
            "validation_texts": len(held_out),
            **({"labels": list(model.labels)} if isinstance(model, Classifier | Tagger) else {}),
            **({"problems": dict(data.problems)} if not isinstance(data, Questions) and data.problems else {}),
        },
    }


def labelled_content(*parts: Labelled) -> str:
    """Return a fingerprint of texts and labels, the same wherever their files are."""
    return digest([[getattr(data, each.name) for each in fields(data) if each.name not in _BESIDE] for data in parts])
