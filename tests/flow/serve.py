"""Calls all signatures of a SavedModel, as TensorFlow 2 loads it and as TensorFlow Serving does; prints JSON.

Run as `python serve.py FOLDER TEXTS` with TEXTS a JSON array.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import tensorflow as tf
import tensorflow_text  # noqa: F401


def inputs_of(signature: str, texts: list[str]) -> dict[str, Any]:
    pairs = {"first": texts, "second": texts[::-1]}
    if signature.startswith(("classify", "regress")):  # a serialised tf.train.Example a text, or a pair of them
        features = pairs if signature.endswith("_pairs") else {"text": texts}
        rows = zip(*features.values(), strict=True)
        return {"inputs": [example(dict(zip(features, row, strict=True))) for row in rows]}
    return pairs if signature in ("next_sentence", "pairs") else {"texts": texts}


def example(texts: dict[str, str]) -> bytes:
    feature = {n: tf.train.Feature(bytes_list=tf.train.BytesList(value=[t.encode()])) for n, t in texts.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def by_function(folder: str, texts: list[str]) -> dict[str, Any]:
    model = tf.saved_model.load(folder)
    return {
        name: {
            key: value.numpy()
            for key, value in function(**{key: tf.constant(v) for key, v in inputs_of(name, texts).items()}).items()
        }
        for name, function in model.signatures.items()
    }


def by_session(folder: str, texts: list[str]) -> dict[str, Any]:
    v1 = tf.compat.v1
    outputs = {}
    with v1.Session(graph=tf.Graph()) as session:
        loaded = v1.saved_model.loader.load(session, [v1.saved_model.tag_constants.SERVING], folder)
        for name, signature in loaded.signature_def.items():
            if not name.startswith("__"):
                fed = {signature.inputs[key].name: value for key, value in inputs_of(name, texts).items()}
                outputs[name] = session.run({key: info.name for key, info in signature.outputs.items()}, fed)
    return outputs


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.decode() if isinstance(value, bytes) else plain(value.tolist()) if hasattr(value, "tolist") else value


if __name__ == "__main__":
    arguments = sys.argv[1], json.loads(sys.argv[2])
    results = {"function": plain(by_function(*arguments)), "session": plain(by_session(*arguments))}
    hidden = sorted({name.partition(".")[0] for name in sys.modules} & {"kpt", "keras", "keras_hub", "tokenizers"})
    print(json.dumps({**results, "modules": hidden}))
