"""From labelled texts to a model that answers in a process that has neither kpt nor Keras."""

from __future__ import annotations

import json
import re
from pathlib import Path

import keras
import numpy as np
from tensorflow.core.protobuf import saved_model_pb2

from kpt.cli.main import main
from kpt.tasks import Classifier
from kpt.training.finetuning import load_task_model
from tests.flow.test_served_model import FLOW, ROOT, run_without_kpt
from tests.tasks.small_task import TEXTS
from tests.training.small_finetuning import small_files, small_run


def test_a_process_without_kpt_and_keras_tells_what_the_model_tells(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    train, validation = small_files(tmp_path)
    files = ["--train", str(train), "--validation", str(validation), "--out", str(tmp_path / "tuned")]
    small = ["--epochs", "2", "--batch-size", "8", "--learning-rate", "1e-2", "--length", "16"]
    assert main(["finetune", "classify", "--from", str(small_run(tmp_path / "bert").path), *files, *small]) == 0
    assert main(["export", "--from", str(tmp_path / "tuned"), "--to", str(tmp_path / "served")]) == 0

    model = load_task_model(tmp_path / "tuned")
    assert isinstance(model, Classifier)
    texts = [*TEXTS[::7], "", "a naïve 中文 film 👩‍👧", "great " * 40]
    wanted = {"texts": model.probabilities(texts)}
    wanted["pairs"] = model.probabilities(list(zip(texts, texts[::-1], strict=True)))
    served = str(tmp_path / "served" / "1")
    answer = json.loads(run_without_kpt(tmp_path, str(FLOW / "serve.py"), served, json.dumps(texts)))
    assert answer["modules"] == []
    for loaded in ("function", "session"):
        told = answer[loaded]
        assert sorted(told) == ["classify", "classify_pairs", "pairs", "serving_default"]
        for name, output, rows in (
            ("serving_default", "probabilities", "texts"),
            ("classify", "scores", "texts"),
            ("pairs", "probabilities", "pairs"),
            ("classify_pairs", "scores", "pairs"),
        ):
            np.testing.assert_allclose(told[name][output], wanted[rows], atol=1e-5)
            assert told[name]["classes"] == [["neg", "pos"]] * len(texts)
        assert told["serving_default"]["label"] == model.classify(texts)

    note = json.loads((tmp_path / "served" / "1" / "assets.extra" / "kpt.json").read_text())
    assert (note["kind"], note["labels"], note["length"]) == ("classifier", ["neg", "pos"], 16)
    saved = saved_model_pb2.SavedModel.FromString(Path(served, "saved_model.pb").read_bytes()).meta_graphs[0]
    nodes = [*saved.graph_def.node, *(node for each in saved.graph_def.library.function for node in each.node_def)]
    assert not [node.op for node in nodes if "PyFunc" in node.op or node.op.startswith("Xla")]
    for name, signature in saved.signature_def.items():
        if not name.startswith("__"):
            assert all(info.tensor_shape.dim[0].size == -1 for info in signature.outputs.values())
            method = "classify" if name.startswith("classify") else "predict"
            assert signature.method_name == f"tensorflow/serving/{method}"

    page = (ROOT / "saved_models" / "README.md").read_text(encoding="utf-8")
    table = page.split("Of a classifier")[1].split("Of a regressor")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, flags=re.MULTILINE))
    for name in answer["function"]:
        assert set(answer["function"][name]) <= set(re.findall(r"`(\w+)`", rows[name])), name
