"""Ask an exported model, with TensorFlow and TensorFlow Text alone: `python examples/07_query.py`."""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the operations of the tokenizer)

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "saved_models/bert")
newest = max(int(path.name) for path in folder.iterdir() if path.name.isdigit())
model = tf.saved_model.load(str(folder / str(newest)))

texts = ["Returns the [MASK] of the array elements.", "If the file does not exist, a [MASK] is raised."]
answer = model.signatures["fill_mask"](texts=tf.constant(texts))
for text, tokens, chances in zip(texts, answer["tokens"].numpy(), answer["probabilities"].numpy(), strict=True):
    guesses = ", ".join(f"{token.decode()} {chance:.0%}" for token, chance in zip(tokens[0], chances[0], strict=True))
    print(f"{text} -> {guesses}")

first = tf.constant(["Open the file for reading."] * 2)
second = tf.constant(["It is closed at the end of the block.", "The sine of the angle."])
follows = model.signatures["next_sentence"](first=first, second=second)["probability"].numpy()
for one, other, chance in zip(first.numpy(), second.numpy(), follows, strict=True):
    print(f"{one.decode()} + {other.decode()} -> follows: {chance:.0%}")

vectors = model.signatures["serving_default"](texts=tf.constant(texts))["mean"].numpy()
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
print(f"{vectors.shape[1]} values a text; cosine of the two texts: {vectors[0] @ vectors[1]:.2f}")
