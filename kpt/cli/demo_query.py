"""Asks an exported model: `python query.py saved_models/bert/1 "Returns the [MASK] of the list."`.

`kpt demo` leaves a copy of this file as `query.py`. It needs tensorflow, tensorflow_text and the SavedModel alone; it
prints a JSON object for each text: of BERT the guesses for each [MASK], or for a pair of texts ("first ||| second")
whether one follows the other; of GPT how the text goes on; of word2vec the words nearest to a word; of a classifier
or a regressor what it tells of a text or a pair; of a tagger the entities of a text.
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

    served = {name: value.numpy() for name, value in signatures["fill_mask"](texts=tf.constant([text])).items()}
    guesses = [
        [[token.decode(), round(float(chance), 4)] for token, chance in zip(tokens, chances, strict=True)]
        for tokens, chances in zip(served["tokens"][0], served["probabilities"][0], strict=True)
    ]
    return {"text": text, "guesses": guesses[: int(served["mask_count"][0])]}


def next_sentence(signatures: dict[str, Any], first: str, second: str) -> dict[str, Any]:
    """Return the probability that the second text follows the first."""
    import tensorflow as tf

    served = signatures["next_sentence"](first=tf.constant([first]), second=tf.constant([second]))
    return {"first": first, "second": second, "probability": round(float(served["probability"].numpy()[0]), 4)}


def generate(signatures: dict[str, Any], text: str) -> dict[str, Any]:
    """Return how a text goes on, the same each time."""
    import tensorflow as tf

    settings = {"max_new_tokens": 40, "temperature": 0.7, "top_k": 0, "top_p": 0.9, "seed": 0}
    floating = ("temperature", "top_p")
    inputs = {n: tf.constant(v, tf.float32 if n in floating else tf.int32) for n, v in settings.items()}
    served = signatures["serving_default"](prompts=tf.constant([text]), **inputs)
    return {"text": text, "continuation": served["texts"].numpy()[0].decode()}


def tell(signatures: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the probability of each label of a text or a pair, the most probable first; or its number."""
    import tensorflow as tf

    first, separator, second = text.partition(" ||| ")
    if separator:
        served = signatures["pairs"](first=tf.constant([first]), second=tf.constant([second]))
    else:
        served = signatures["serving_default"](texts=tf.constant([text]))
    if "numbers" in served:
        return {"text": text, "number": round(float(served["numbers"].numpy()[0]), 4)}
    chances = zip(served["classes"].numpy()[0], served["probabilities"].numpy()[0], strict=True)
    labels = {label.decode(): round(float(chance), 4) for label, chance in chances}
    return {"text": text, "labels": dict(sorted(labels.items(), key=lambda each: -each[1]))}


def entities(signatures: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the entities of a text, with the places of their first character and of the one after the last."""
    import tensorflow as tf

    served = {n: value.numpy()[0] for n, value in signatures["serving_default"](texts=tf.constant([text])).items()}
    columns = (served[name] for name in ("types", "entities", "begins", "ends"))
    rows = list(zip(*columns, strict=True))[: int(served["entity_count"])]
    return {"text": text, "entities": [[a.decode(), b.decode(), int(begin), int(end)] for a, b, begin, end in rows]}


def nearest(signatures: dict[str, Any], word: str) -> dict[str, Any]:
    """Return the words nearest to a word, the most similar first; none for a word that the model does not know."""
    import tensorflow as tf

    served = signatures["nearest"](words=tf.constant([word]), k=tf.constant(5))
    pairs = zip(served["neighbours"].numpy()[0], served["similarities"].numpy()[0], strict=True)
    return {
        "word": word,
        "neighbours": [[near.decode(), round(float(similarity), 4)] for near, similarity in pairs if near],
    }


def answer(signatures: dict[str, Any], text: str) -> dict[str, Any]:
    """Answer a text with what the model serves."""
    if "nearest" in signatures:
        return nearest(signatures, text)
    if "classify" in signatures or "regress" in signatures:
        return tell(signatures, text)
    if "score" in signatures:
        return generate(signatures, text)
    if "entity_count" in getattr(signatures.get("serving_default"), "structured_outputs", ()):
        return entities(signatures, text)
    first, separator, second = text.partition(" ||| ")
    return next_sentence(signatures, first, second) if separator else fill_mask(signatures, text)


def main(arguments: list[str]) -> None:
    """Answer each text or pair with a line."""
    if not arguments:
        sys.exit("usage: query.py SAVED_MODEL TEXT...")
    signatures = load(arguments[0])
    for text in arguments[1:]:
        print(json.dumps(answer(signatures, text), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
