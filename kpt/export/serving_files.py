"""What TensorFlow Serving finds beside an exported model: requests to warm up with, and how to batch.

- `assets.extra/tf_serving_warmup_requests` is a TFRecord of `PredictionLog`. The server sends these requests before it
  says that a version is available, so that the first client waits for nothing. Each log also has the response that the
  model gave when it was exported, which `kpt.export.check` compares with what the folder gives.
- `batching_params.pbtxt` says how requests are put together where the server runs with `--enable_batching` and
  `--enable_per_model_batching_parameters`. It is left out where a signature has an input that is no row for each text,
  as the settings of a decoder: a batch of two clients would have two values of it.
- `assets.extra/kpt.json` says what was exported.

Source: TensorFlow Serving, "SavedModel Warmup" and "Batching Configuration".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

import kpt
from kpt.export.check_process import compared
from kpt.files import write_json

__all__ = ["ROW_INPUTS", "WARM_UP", "largest_difference", "sample_inputs", "write_serving_files"]

#: Where TensorFlow Serving looks for the requests.
WARM_UP = "tf_serving_warmup_requests"

#: Inputs that have a row for each text; the others have one value for all of them.
ROW_INPUTS = frozenset({"texts", "first", "second", "questions", "contexts", "prompts", "words", "inputs"})

TEXTS = (
    "It rained.",
    "The street was wet.",
    "A good film, and a long one: three hours of it went by like one.",
    "No",
    "The cat sat on the mat and looked at the dog.",
    "Ein Satz, une phrase, 一句话.",
    "A list of the numbers from one to ten, and after it the sum of all of them, in a table of two columns.",
    "Why?",
)
SETTINGS: dict[str, Any] = {
    "max_new_tokens": 4,
    "temperature": 0.0,
    "top_k": 0,
    "top_p": 1.0,
    "seed": 0,
    "labels": ["good", "bad"],
    "template": "{text} {label}",
    "k": 3,
}

BATCHING = """\
# How TensorFlow Serving batches requests for this model, if it runs with
# --enable_batching and --enable_per_model_batching_parameters.
# A request may have as many rows as max_batch_size; they are computed by the max_execution_batch_size.
max_batch_size { value: 4096 }
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 32 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 100 }
"""


def write_serving_files(
    folder: Path, name: str, functions: Mapping[str, Any], notes: Mapping[str, Any], samples: Mapping[str, Any]
) -> None:
    """Write `assets.extra` and, where requests can be batched, `batching_params.pbtxt`.

    Args:
        folder: the SavedModel.
        name: the model's name, which the requests carry.
        functions: the concrete function of each signature.
        notes: what `kpt.json` says beside the version of kpt and the signatures.
        samples: values of inputs in place of the usual ones, see `sample_inputs`.
    """
    extra = folder / "assets.extra"
    extra.mkdir()
    write_json(extra / "kpt.json", {"kpt": kpt.__version__, "signatures": list(functions), **notes})
    with tf.io.TFRecordWriter(str(extra / WARM_UP)) as writer, _without_graph_optimizers():
        for signature, function in functions.items():
            for log in prediction_logs(name, signature, function, samples):
                writer.write(log.SerializeToString())
    inputs = {spec.name for function in functions.values() for spec in _specs(function)}
    if inputs <= ROW_INPUTS:
        (folder / "batching_params.pbtxt").write_text(BATCHING, encoding="utf-8")


def prediction_logs(name: str, signature: str, function: Any, samples: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a `PredictionLog` for one text and one for several, each with the model's response."""
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    for tensors, outputs in sample_answers(signature, function, samples):
        log = PredictionLog()
        request, response = log.predict_log.request, log.predict_log.response
        for spec in (request.model_spec, response.model_spec):
            spec.name, spec.signature_name = name, signature
        for key, value in tensors.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        yield log


def sample_answers(
    signature: str, function: Any, samples: Mapping[str, Any]
) -> Iterator[tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]]:
    """Yield the inputs and the outputs of a signature, by their names, for one text and for several.

    What the model refuses, such as a text over the length of a decoder, is left out.
    """
    for rows in (1, len(TEXTS)):
        inputs = sample_inputs(signature, [spec.name for spec in _specs(function)], rows, samples)
        tensors = {spec.name: tf.constant(inputs[spec.name], spec.dtype) for spec in _specs(function)}
        positional, named = function.structured_input_signature
        try:
            outputs = function(
                *(tensors[spec.name] for spec in positional), **{key: tensors[spec.name] for key, spec in named.items()}
            )
        except tf.errors.InvalidArgumentError:
            continue
        yield tensors, outputs


def largest_difference(functions: Mapping[str, Any], exact: Mapping[str, Any], samples: Mapping[str, Any]) -> float:
    """Return how far the numbers of signatures are from those of others, relative where these are over 1.

    Args:
        functions: the concrete function of each signature.
        exact: the same of another model.
        samples: as in `write_serving_files`.
    """
    largest = 0.0
    with _without_graph_optimizers():
        for signature, function in functions.items():
            pairs = zip(
                sample_answers(signature, function, samples),
                sample_answers(signature, exact[signature], samples),
                strict=True,
            )
            for (_, found), (_, wanted) in pairs:
                found, wanted = ({name: value.numpy() for name, value in each.items()} for each in (found, wanted))
                largest = max(largest, compared(found, wanted, signature)[0])
    return largest


@contextmanager
def _without_graph_optimizers() -> Iterator[None]:
    """They take most of a second for each function, which answers two requests here."""
    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})


def sample_inputs(signature: str, names: list[str], rows: int, samples: Mapping[str, Any]) -> dict[str, Any]:
    """Return values for the inputs of a signature: short texts and usual settings.

    Args:
        signature: its name; that of `fill_mask` gets texts with a mask, those of Classify and Regress examples.
        names: of its inputs.
        rows: texts.
        samples: `words`, a list to look up, `mask`, how a mask is written, and `characters`, a string of the only ones
            that texts may have.

    Example:
        >>> sample_inputs("pairs", ["first", "second"], 1, {})
        {'first': ['It rained.'], 'second': ['Why?']}
    """
    texts = list(TEXTS[:rows])
    backwards = list(TEXTS[::-1][:rows])
    if signature == "fill_mask":
        texts = [f"{text} {samples['mask']}" for text in texts]
    values = {
        "texts": texts,
        "prompts": texts,
        "first": texts,
        "second": backwards,
        "questions": backwards,
        "contexts": texts,
        "words": list(samples.get("words", texts))[:rows],
        "inputs": [
            serialised_example({"first": a, "second": b} if signature.endswith("_pairs") else {"text": a})
            for a, b in zip(texts, backwards, strict=True)
        ],
        **SETTINGS,
    }
    if "characters" in samples:
        for name in ("texts", "prompts", "labels"):
            values[name] = [known(text, samples["characters"]) for text in values[name]]
        values["template"] = "{text}{label}"
    return {name: values[name] for name in names}


def known(text: str, characters: str) -> str:
    """Return a text without other characters; the first of these where nothing is left.

    Example:
        >>> known("It rained.", "acgt"), known("No", "acgt")
        ('ta', 'a')
    """
    return "".join(character for character in text if character in characters) or characters[0]


def serialised_example(texts: Mapping[str, str]) -> bytes:
    """Return a `tf.train.Example` of texts under their names, serialised."""
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()])) for name, text in texts.items()
    }
    return bytes(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def _specs(function: Any) -> list[Any]:
    positional, named = function.structured_input_signature
    return [*positional, *named.values()]
