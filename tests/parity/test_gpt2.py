"""Hugging Face's GPT-2 with the same weights gives the same logits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

BOTH = """
import json
import numpy as np, torch
from keras import ops
from transformers import GPT2Config, GPT2LMHeadModel
from kpt.models import Decoder

torch.manual_seed(0)
config = GPT2Config(
    vocab_size=50, n_embd=24, n_layer=3, n_head=4, n_positions=16, initializer_range=0.2, attn_implementation="eager"
)
theirs = GPT2LMHeadModel(config).eval()
with torch.no_grad():
    for parameter in theirs.parameters():
        parameter += 0.05 * torch.randn_like(parameter)  # biases and norms too
weights = {name: value.numpy() for name, value in theirs.state_dict().items()}

ours = Decoder(50, width=24, depth=3, heads=4, maximum_length=16)
names = {
    "token_embedding/embeddings": "transformer.wte.weight",
    "positions/embeddings": "transformer.wpe.weight",
    "final_norm": "transformer.ln_f",
}
for i in range(3):
    layer = f"transformer.h.{i}"
    names |= {
        f"block_{i}/attention_norm": f"{layer}.ln_1",
        f"block_{i}/attention/qkv": f"{layer}.attn.c_attn",
        f"block_{i}/attention/output": f"{layer}.attn.c_proj",
        f"block_{i}/feed_forward_norm": f"{layer}.ln_2",
        f"block_{i}/feed_forward/hidden": f"{layer}.mlp.c_fc",
        f"block_{i}/feed_forward/output": f"{layer}.mlp.c_proj",
    }
ends = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}
copied = {"lm_head.weight"}  # tied
for weight in ours.weights:
    part, _, end = weight.path.rpartition("/")
    source = names.get(weight.path) or f"{names[part]}.{ends[end]}"
    weight.assign(weights[source])  # GPT-2's kernels are [in, out], as Keras's are
    copied.add(source)

tokens = np.random.default_rng(1).integers(0, 50, (3, 13))
mine = ops.convert_to_numpy(ours.logits(ours({"token_ids": ops.convert_to_tensor(tokens)})["sequence"]))
with torch.no_grad():
    other = theirs(input_ids=torch.tensor(tokens)).logits.numpy()
print(json.dumps({
    "left": sorted(set(weights) - copied),
    "parameters": [ours.count_params(), theirs.num_parameters()],
    "size": float(np.abs(other).max()),
    "difference": float(np.abs(mine - other).max()),
}))
"""


def test_gpt2() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", BOTH], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["left"] == []
    assert result["parameters"][0] == result["parameters"][1]
    assert result["size"] > 1
    assert result["difference"] < 1e-5
