"""The accelerator benchmark runs, tiny, and needs nothing but jax, keras and numpy beside kpt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What a machine without these packages would refuse: importing any of them ends the run.
BARRIER = """
import sys
class Barrier:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "tensorflow_text", "torch", "tokenizers", "keras_hub", "jinja2",
                                  "sentencex", "tensorboardX"}:
            raise ImportError(name + " is not on this machine")
sys.meta_path.insert(0, Barrier())
import benchmarks.accelerator
benchmarks.accelerator.main(sys.argv[1:])
"""


def test_flops_of_a_step_by_hand() -> None:
    code = (
        "from benchmarks.accelerator import gpt_flops, model_flops;"
        "print(model_flops({'width': 4, 'depth': 2}, batch=3, length=5, slots=2));"
        "print(gpt_flops({'width': 4, 'depth': 2}, batch=3, length=5))"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    # Per block: 2 * 15 tokens * 12 * 16 weights = 5,760 and attention 4 * 15 * 5 * 4 = 1,200; the head
    # 2 * 6 slots * (16 + 4 * 30,528); the pooler and the pair's head 2 * 3 * (16 + 8); three times the forward pass.
    bert, gpt = map(float, printed.split())
    assert bert == 3 * (2 * (5_760 + 1_200) + 12 * (16 + 122_112) + 144)
    assert gpt == 3 * (2 * (5_760 + 1_200) + 2 * 15 * 4 * 50_304)


def test_tiny_run_without_other_packages(tmp_path: Path) -> None:
    out = tmp_path / "accelerator.json"
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", BARRIER, "--tiny", "--out", str(out)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(out.read_text())
    assert [(run["length"], run["batch_size"]) for run in result["runs"]] == [(16, 4), (32, 2)]
    assert all(run["tokens_per_second"] > 0 and run["share_of_matrix_rate"] > 0 for run in result["runs"])
    assert [(run["length"], run["batch_size"]) for run in result["gpt"]] == [(32, 2)]
    assert [run["batch_size"] for run in result["generate"]] == [1, 2]
    assert all(run["tokens_per_second"] > 0 for run in (*result["gpt"], *result["generate"]))
    assert [(run["vocabulary"], run["words_of_a_batch"]) for run in result["word2vec"]] == [(100, 64)]
    assert result["word2vec"][0]["words_per_second"] > 0
    assert "tokens/s" in done.stdout and "words/s" in done.stdout
