"""Calls the signatures of an exported decoder, as TensorFlow 2 loads it and as TensorFlow Serving does; prints JSON.

Run as `python serve_decoder.py FOLDER INPUTS` with INPUTS a JSON object: signature to inputs by name.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import tensorflow as tf


def by_function(folder: str, inputs: dict[str, Any]) -> dict[str, Any]:
    signatures = tf.saved_model.load(folder).signatures
    answers = {}
    for name, values in inputs.items():
        wanted = signatures[name].structured_input_signature[1]
        answers[name] = signatures[name](**{key: tf.constant(v, wanted[key].dtype) for key, v in values.items()})
    return answers


def by_session(folder: str, inputs: dict[str, Any]) -> dict[str, Any]:
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        loaded = v1.saved_model.loader.load(session, [v1.saved_model.tag_constants.SERVING], folder)
        answers = {}
        for name, values in inputs.items():
            signature = loaded.signature_def[name]
            fed = {signature.inputs[key].name: value for key, value in values.items()}
            answers[name] = session.run({key: info.name for key, info in signature.outputs.items()}, fed)
    return answers


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    value = (value.numpy() if hasattr(value, "numpy") else value).tolist()
    return [each.decode() if isinstance(each, bytes) else each for each in value]


if __name__ == "__main__":
    asked = sys.argv[1], json.loads(sys.argv[2])
    results = {"function": plain(by_function(*asked)), "session": plain(by_session(*asked))}
    hidden = {"kpt", "keras", "keras_hub", "tokenizers", "tensorflow_text"}
    print(json.dumps({**results, "modules": sorted({name.partition(".")[0] for name in sys.modules} & hidden)}))
