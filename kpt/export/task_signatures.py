"""The functions that an exported classifier or regressor serves: text in, classes or numbers out.

Each takes any number of texts n; every output has n rows. Of a classifier of k labels:

- `serving_default`: `texts` string [n] to `classes` string [n, k], the labels in the order of the training in each row,
  `probabilities` float32 [n, k] of these and, unless a text may have several labels, `label` string [n], the most
  probable one. Where a text may have several, it has those with a probability of at least one half.
- `pairs`: `first` string [n] and `second` string [n] to the same, for a model of pairs of texts.
- `classify` and `classify_pairs`: `inputs` string [n], a serialised `tf.train.Example` each with the feature `text`, or
  the features `first` and `second`, to `classes` string [n, k] and `scores` float32 [n, k], the probabilities. This is
  the contract of TensorFlow Serving's Classify.

Of a regressor:

- `serving_default`: `texts` string [n] to `numbers` float32 [n]; `pairs`: `first` and `second` to the same.
- `regress` and `regress_pairs`: `inputs` string [n], as above, to `outputs` float32 [n], the contract of its Regress.

The signatures of pairs are there if the tokenizer has a token that stands between two texts. Text is tokenized and cut
as in training.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from kpt.data import sequence_marks
from kpt.export.sequences import pair_sequences, single_sequences
from kpt.export.settings import checked, concrete
from kpt.tasks import Classifier, QuestionAnswerer, Regressor, Tagger, TaskModel
from kpt.text import Tokenizer

__all__ = ["ServedTask", "set_method_names", "task_notes"]

#: What TensorFlow Serving calls a signature that answers Classify or Regress.
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"

Tensors = dict[str, tf.Tensor]


class ServedTask(tf.Module):
    """A tuned model behind its tokenizer; what it tracks is what a SavedModel of it holds.

    Args:
        model: a classifier or a regressor.
        tokenizer: the tokenizer it was trained with.
        length: tokens of a window at most, marks included.

    Attributes:
        functions: the signatures.
        methods: names of methods of signatures that do not answer Predict alone, see `set_method_names`.
    """

    def __init__(self, model: TaskModel, tokenizer: Tokenizer, length: int) -> None:
        super().__init__()
        # The variables alone: a Keras object in the SavedModel would ask for Keras when it is loaded.
        self.weights = [weight.value for weight in model.weights]
        self.tokenizer = tokenizer.in_graph()
        marks = sequence_marks(tokenizer.vocabulary)

        def run(*texts: tf.Tensor) -> tf.Tensor:
            ids = [self.tokenizer(each) for each in texts]
            if len(ids) == 1:
                batch = single_sequences(ids[0], tokenizer.vocabulary, length, model.windows)
            else:
                batch = pair_sequences(ids[0], ids[1], tokenizer.vocabulary, length)
            if not marks.single:
                some = tf.reduce_all(batch["padding_mask"][:, 0])
                message = "a text has no token; give texts with something in them"
                batch["token_ids"] = checked(batch["token_ids"], (some, [message]))
            return tf.cast(model(batch, training=False), tf.float32)

        answer, score, method = answers(model)
        name = "classify" if method == CLASSIFY else "regress"
        self.functions: dict[str, tf.types.experimental.ConcreteFunction] = {
            "serving_default": concrete(lambda texts: answer(run(texts)), ["texts"]),
            name: concrete(lambda inputs: score(run(*features(inputs, ["text"]))), ["inputs"]),
        }
        if marks.separator is not None:
            self.functions["pairs"] = concrete(lambda first, second: answer(run(first, second)), ["first", "second"])
            self.functions[f"{name}_pairs"] = concrete(
                lambda inputs: score(run(*features(inputs, ["first", "second"]))), ["inputs"]
            )
        self.methods = {each: method for each in self.functions if each.startswith(name)}


def answers(model: TaskModel) -> tuple[Callable[[tf.Tensor], Tensors], Callable[[tf.Tensor], Tensors], str]:
    """Return what makes the outputs for people, and those of Classify or Regress, of what a model gives; its method."""
    if isinstance(model, Regressor):
        return lambda numbers: {"numbers": numbers}, lambda numbers: {"outputs": numbers}, REGRESS
    assert isinstance(model, Classifier)
    labels, several = tf.constant(model.labels), model.multi_label

    def scores(logits: tf.Tensor) -> Tensors:
        chances = tf.math.sigmoid(logits) if several else tf.nn.softmax(logits)
        return {"classes": tf.tile(labels[None], [tf.shape(logits)[0], 1]), "scores": chances}

    def told(logits: tf.Tensor) -> Tensors:
        results = scores(logits)
        results["probabilities"] = results.pop("scores")
        if not several:
            results["label"] = tf.gather(labels, tf.argmax(logits, axis=-1))
        return results

    return told, scores, CLASSIFY


def features(inputs: tf.Tensor, names: Sequence[str]) -> list[tf.Tensor]:
    """Return the string that each serialised `tf.train.Example` has under each name, [n] each.

    Raises:
        InvalidArgumentError: (in the graph) an example lacks one, or has several of one name.
    """
    parsed = tf.io.parse_example(inputs, {name: tf.io.FixedLenFeature([], tf.string) for name in names})
    return [parsed[name] for name in names]


def task_notes(model: TaskModel) -> dict[str, Any]:
    """Return what the note beside an exported model says of it."""
    if isinstance(model, Tagger):
        return {"kind": "tagger", "labels": list(model.labels)}
    if isinstance(model, QuestionAnswerer):
        own = {name: getattr(model, name) for name in ("stride", "answer_words", "threshold")}
        return {"kind": "question answerer", **own}
    notes: dict[str, Any] = {"kind": type(model).__name__.lower(), "pooling": model.pooling}
    if isinstance(model, Classifier):
        notes |= {"labels": list(model.labels), "multi_label": model.multi_label}
    return notes


def set_method_names(folder: str | os.PathLike[str], methods: Mapping[str, str]) -> None:
    """Say in a SavedModel which signatures answer TensorFlow Serving's Classify and Regress.

    `tf.saved_model.save` says Predict of each, and a server that checks method names refuses Classify and Regress then.

    Args:
        folder: the SavedModel.
        methods: a name for each signature that has another.
    """
    if methods:
        updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(os.fspath(folder))
        for signature, method in methods.items():
            updater.replace_method_name(signature, method)
        updater.save()
