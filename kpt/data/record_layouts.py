"""How pre-training records of BERT name their features.

Source: google-research/bert and tensorflow/models, both `create_pretraining_data.py`; the names of the latter are those
it writes with `--use_v2_feature_names`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kpt.data.example_messages import parse_example, serialise_example
from kpt.errors import InputError

__all__ = ["LABELS", "LAYOUTS", "parse_record", "serialise_record"]

LABELS = "next_sentence_labels"
_MASKS = {
    "padding_mask": "input_mask",
    "mask_positions": "masked_lm_positions",
    "mask_labels": "masked_lm_ids",
    "mask_weights": "masked_lm_weights",
    LABELS: LABELS,
}
#: The names of each layout: what an array is called in a batch, and what in a record.
LAYOUTS: Mapping[str, Mapping[str, str]] = {
    "bert": {"token_ids": "input_ids", "segment_ids": "segment_ids", **_MASKS},
    "model-garden": {"token_ids": "input_word_ids", "segment_ids": "input_type_ids", **_MASKS},
}
_WEIGHTS = "mask_weights"


def parse_record(data: bytes) -> dict[str, np.ndarray]:
    """Return what a record holds, under the names of a batch; features that no layout has are passed over.

    Args:
        data: the bytes of the record, in one of `LAYOUTS`.

    Returns:
        int64 vectors, `mask_weights` float32; without `next_sentence_labels` where the record has none.

    Raises:
        ValueError: the record is no example, lacks a feature, or one has values of another type.

    Example:
        >>> parse_record(serialise_example({"input_ids": np.array([2, 5, 3])}))
        Traceback (most recent call last):
        ...
        ValueError: it lacks segment_ids (it has input_ids)
    """
    features = parse_example(data)
    layout = next((names for names in LAYOUTS.values() if names["token_ids"] in features), None)
    if layout is None:
        starts = " nor ".join(names["token_ids"] for names in LAYOUTS.values())
        raise ValueError(f"it has neither {starts} (it has {_shown(features)})")
    arrays = {}
    for key, name in layout.items():
        values = features.get(name)
        if values is None:
            if key == LABELS:
                continue
            raise ValueError(f"it lacks {name} (it has {_shown(features)})")
        wanted = "f" if key == _WEIGHTS else "i"
        if not isinstance(values, np.ndarray) or values.dtype.kind != wanted:
            raise ValueError(f"{name} has no {'numbers with a fraction' if wanted == 'f' else 'integers'}")
        arrays[key] = values
    return arrays


def serialise_record(row: Mapping[str, Any], layout: str) -> bytes:
    """Return the bytes of a record, the inverse of `parse_record`.

    Args:
        row: one example of a batch: vectors and the number `next_sentence_labels`.
        layout: one of `LAYOUTS`.

    Raises:
        InputError: there is no such layout.
    """
    if layout not in LAYOUTS:
        raise InputError(f"the layout is {layout!r}; choose one of {', '.join(LAYOUTS)}")
    return serialise_example({name: np.atleast_1d(row[key]) for key, name in LAYOUTS[layout].items() if key in row})


def _shown(features: Mapping[str, Any]) -> str:
    names = sorted(features)
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "no features"
