"""Hugging Face's GPT-2 with the same weights generates the same tokens, greedily and by beam search."""

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
from transformers import GPT2Config, GPT2LMHeadModel
from kpt.generation import generate
from kpt.models import Decoder

torch.manual_seed(0)
config = GPT2Config(
    vocab_size=97, n_embd=32, n_layer=3, n_head=4, n_positions=64, initializer_range=0.3, bos_token_id=None,
    eos_token_id=None,
)
theirs = GPT2LMHeadModel(config).eval()
with torch.no_grad():
    for parameter in theirs.parameters():
        parameter += 0.1 * torch.randn_like(parameter)
weights = {name: value.numpy() for name, value in theirs.state_dict().items()}
ours = Decoder(97, width=32, depth=3, heads=4, maximum_length=64)
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
for weight in ours.weights:
    part, _, end = weight.path.rpartition("/")
    weight.assign(weights[names.get(weight.path) or f"{names[part]}.{ends[end]}"])

generator = np.random.default_rng(0)
prompts = [generator.integers(0, 97, size).tolist() for size in (7, 3, 12, 1)]
stops = [3, 11, 40]

def compare(stop=(), **options):
    mine = generate(ours, None, prompts, max_new_tokens=24, stop=stop, **options)
    ending = {"eos_token_id": list(stop), "pad_token_id": stop[0]} if stop else {}
    other = []
    for prompt in prompts:
        with torch.no_grad():
            found = theirs.generate(
                torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), max_new_tokens=24, do_sample=False,
                **ending, **options,
            )
        for row in found[:, len(prompt):].tolist():
            other.append(row[: next((i for i, token in enumerate(row) if token in stop), len(row))])
    return [mine, other]

pairs = {
    "greedy": compare(),
    "no repeats": compare(no_repeat_ngram_size=2),
    "penalty": compare(repetition_penalty=1.3),
    "beams": compare(num_beams=4, no_repeat_ngram_size=2),
    "several beams": compare(num_beams=4, num_return_sequences=3, length_penalty=2.0, repetition_penalty=1.2),
}
for early in (True, False, "never"):
    for penalty in (0.0, 1.0, -1.0, 2.0):
        pairs[f"{early}, {penalty}"] = compare(
            stops, num_beams=4, num_return_sequences=2, early_stopping=early, length_penalty=penalty
        )
print(json.dumps(pairs))
"""


def test_gpt2_generates_the_same_tokens() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", BOTH], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    pairs = json.loads(done.stdout.splitlines()[-1])
    assert len(pairs) == 17
    for name, (mine, theirs) in pairs.items():
        assert mine == theirs, name
    assert len(set(pairs["greedy"][0][0])) > 5
    assert len({len(row) for row in pairs["True, 1.0"][0]}) > 2
