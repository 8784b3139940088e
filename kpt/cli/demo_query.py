"""Asks an exported BERT: `python query.py saved_models/bert/1 "Returns the [MASK] of the list."`.

`kpt demo` leaves a copy of this file as `query.py`. It needs tensorflow, tensorflow_text and the SavedModel alone; it
prints a JSON object for each text with a [MASK], and for each pair of texts ("first ||| second").
"""

from __future__ import annotations

import json
import sys
from typing import Any


def load(folder: str) -> dict[str, Any]:
    """Return the signatures of a SavedModel."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401 (registers the operations of the tokenizer)

    model = tf.saved_model.load(folder)
    # The functions hold their model weakly.
    return {"model": model, **model.signatures}


def fill_mask(signatures: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the guesses for each [MASK] of a text, the most probable first."""
    import tensorflow as tf

    answer = {name: value.numpy() for name, value in signatures["fill_mask"](texts=tf.constant([text])).items()}
    guesses = [
        [[token.decode(), round(float(chance), 4)] for token, chance in zip(tokens, chances, strict=True)]
        for tokens, chances in zip(answer["tokens"][0], answer["probabilities"][0], strict=True)
    ]
    return {"text": text, "guesses": guesses[: int(answer["mask_count"][0])]}


def next_sentence(signatures: dict[str, Any], first: str, second: str) -> dict[str, Any]:
    """Return the probability that the second text follows the first."""
    import tensorflow as tf

    answer = signatures["next_sentence"](first=tf.constant([first]), second=tf.constant([second]))
    return {"first": first, "second": second, "probability": round(float(answer["probability"].numpy()[0]), 4)}


def main(arguments: list[str]) -> None:
    """Answer each text or pair with a line."""
    if not arguments:
        sys.exit("usage: query.py SAVED_MODEL TEXT...")
    signatures = load(arguments[0])
    for text in arguments[1:]:
        first, separator, second = text.partition(" ||| ")
        answer = next_sentence(signatures, first, second) if separator else fill_mask(signatures, text)
        print(json.dumps(answer, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
