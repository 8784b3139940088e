from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kpt import InputError
from kpt.export import export_word_vectors
from kpt.export.word_vectors import words_file
from kpt.vectors import WordVectors

WITHOUT_KERAS = Path(__file__).parents[1] / "flow" / "without_keras"
WORDS = ["cat", "Straße", "New York", "a\tb", "\u200bx", "x" * 300, *(f"w{i}" for i in range(40))]
ASK = [*WORDS, "", "unknown", "CAT"]
SERVE = """
import json, sys
import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
words = tf.constant(json.loads(sys.argv[2]))
given = loaded.signatures["serving_default"](words=words)
near = loaded.signatures["nearest"](words=words, k=tf.constant(5))
many = loaded.signatures["nearest"](words=words[:2], k=tf.constant(1000))
v1 = tf.compat.v1
with v1.Session(graph=tf.Graph()) as session:
    served = v1.saved_model.loader.load(session, ["serve"], sys.argv[1]).signature_def["nearest"]
    feed = {served.inputs["words"].name: json.loads(sys.argv[2]), served.inputs["k"].name: 5}
    again = session.run({name: info.name for name, info in served.outputs.items()}, feed)
print(json.dumps({
    "vectors": given["vectors"].numpy().tolist(),
    "in_vocabulary": given["in_vocabulary"].numpy().tolist(),
    "neighbours": [[word.decode() for word in row] for row in near["neighbours"].numpy()],
    "similarities": near["similarities"].numpy().tolist(),
    "many": list(many["neighbours"].shape),
    "again": [[word.decode() for word in row] for row in again["neighbours"]],
    "types": [str(t.dtype) for t in (*given.values(), *near.values())],
    "modules": sorted({name.partition(".")[0] for name in sys.modules} & {"kpt", "keras"}),
}))
"""


@pytest.fixture(scope="module")
def vectors() -> WordVectors:
    values = np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32)
    values[7] = 0
    return WordVectors(WORDS, values)


@pytest.fixture(scope="module")
def answer(vectors: WordVectors, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("served") / "words"
    path = export_word_vectors(vectors, folder)
    assert path == folder / "1"
    assert sorted(entry.name for entry in path.iterdir()) == [
        "assets",
        "assets.extra",
        "fingerprint.pb",
        "saved_model.pb",
        "variables",
    ]
    assert (path / "assets" / "words.txt").read_bytes() == words_file(vectors)
    about = json.loads((path / "assets.extra" / "kpt.json").read_text(encoding="utf-8"))
    assert (about["words"], about["dimensions"], about["signatures"]) == (46, 6, ["serving_default", "nearest"])
    moved = path.rename(folder.parent / "moved")  # nothing in it may point to where it was written
    environment = {**os.environ, "PYTHONPATH": str(WITHOUT_KERAS), "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("KERAS_BACKEND", None)
    command = [sys.executable, "-c", SERVE, str(moved), json.dumps(ASK)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_process_without_kpt_and_keras_gets_the_vectors(vectors: WordVectors, answer: dict[str, Any]) -> None:
    assert answer["modules"] == []
    assert sorted(answer["types"]) == sorted(
        ["<dtype: 'bool'>", "<dtype: 'float32'>", "<dtype: 'float32'>", "<dtype: 'string'>"]
    )
    assert answer["in_vocabulary"] == [True] * len(WORDS) + [False] * 3
    np.testing.assert_array_equal(answer["vectors"][: len(WORDS)], vectors.vectors)
    assert not np.any(answer["vectors"][len(WORDS) :])


def test_the_nearest_are_those_of_the_vectors(vectors: WordVectors, answer: dict[str, Any]) -> None:
    unit = vectors.vectors.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    best = np.argsort(-cosines, axis=1)[:, :5]
    for row, word in enumerate(WORDS):
        if row != 7:  # all are equally far from a vector of zeros
            assert answer["neighbours"][row] == [WORDS[i] for i in best[row]], word
            assert word not in answer["neighbours"][row]
        np.testing.assert_allclose(answer["similarities"][row], np.sort(cosines[row])[::-1][:5], atol=1e-6)
    assert answer["neighbours"][len(WORDS) :] == [[""] * 5] * 3
    assert not np.any(answer["similarities"][len(WORDS) :])
    assert answer["again"] == answer["neighbours"]
    assert answer["many"] == [2, len(WORDS) - 1]


def test_no_version_is_replaced_and_what_fails_leaves_none(vectors: WordVectors, tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    with pytest.raises(InputError, match="exists already"):
        export_word_vectors(vectors, tmp_path, version=3)
    for word in ("a\nb", "a\rb", "\ud800"):
        with pytest.raises(InputError, match=r"leave it out"):
            export_word_vectors(WordVectors([word, "b"], [[1.0], [2.0]]), tmp_path)
    with pytest.raises(InputError, match="export two or more"):
        export_word_vectors(WordVectors(["b"], [[1.0]]), tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["3"]
