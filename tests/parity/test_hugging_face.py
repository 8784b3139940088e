"""Hugging Face's BERT with the same weights gives the same logits."""

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
from transformers import BertConfig, BertForPreTraining
from kpt.models import Encoder
from kpt.objectives import MaskedLM, NextSentence, Pretrainer

torch.manual_seed(0)
config = BertConfig(
    vocab_size=50, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=40,
    max_position_embeddings=16, initializer_range=0.3,
)
theirs = BertForPreTraining(config).eval()
with torch.no_grad():
    for parameter in theirs.parameters():
        parameter += 0.1 * torch.randn_like(parameter)  # biases and norms too
weights = {name: value.numpy() for name, value in theirs.state_dict().items()}

encoder = Encoder(50, width=24, depth=3, heads=4, feed_forward_width=40, maximum_length=16)
ours = Pretrainer(encoder, [MaskedLM(), NextSentence()])
names = {
    "token_embedding/embeddings": ["bert.embeddings.word_embeddings.weight"],
    "segment_embedding/embeddings": ["bert.embeddings.token_type_embeddings.weight"],
    "positions/embeddings": ["bert.embeddings.position_embeddings.weight"],
    "embedding_norm": ["bert.embeddings.LayerNorm"],
    "pooler/dense": ["bert.pooler.dense"],
    "masked_lm_head/transform": ["cls.predictions.transform.dense"],
    "masked_lm_head/norm": ["cls.predictions.transform.LayerNorm"],
    "masked_lm_head/bias": ["cls.predictions.bias"],
    "next_sentence_head": ["cls.seq_relationship"],
}
for i in range(3):
    layer = f"bert.encoder.layer.{i}"
    names |= {
        f"block_{i}/attention/qkv": [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")],
        f"block_{i}/attention/output": [f"{layer}.attention.output.dense"],
        f"block_{i}/attention_norm": [f"{layer}.attention.output.LayerNorm"],
        f"block_{i}/feed_forward/hidden": [f"{layer}.intermediate.dense"],
        f"block_{i}/feed_forward/output": [f"{layer}.output.dense"],
        f"block_{i}/feed_forward_norm": [f"{layer}.output.LayerNorm"],
    }
ends = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}
copied = set()
for weight in ours.trainable_weights:
    path = weight.path
    if path in names:
        sources = names[path]
    else:
        part, _, end = path.rpartition("/")
        sources = [f"{name}.{ends[end]}" for name in names[part]]
    values = [weights[source].T if path.endswith("kernel") else weights[source] for source in sources]
    weight.assign(np.concatenate(values, axis=-1))
    copied |= set(sources)
left = set(weights) - copied
left -= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "bert.embeddings.position_ids"}  # tied

generator = np.random.default_rng(1)
lengths = np.array([[13], [7], [1]])
batch = {
    "token_ids": generator.integers(0, 50, (3, 13)),
    "segment_ids": (np.arange(13) >= lengths // 2).astype(int),
    "padding_mask": np.arange(13) < lengths,
    "mask_positions": np.tile(np.arange(13), (3, 1)),
}
mine = ours.predict(batch, verbose=0)
with torch.no_grad():
    other = theirs(
        input_ids=torch.tensor(batch["token_ids"]),
        token_type_ids=torch.tensor(batch["segment_ids"]),
        attention_mask=torch.tensor(batch["padding_mask"].astype(int)),
    )
seen = batch["padding_mask"]
print(json.dumps({
    "left": sorted(left),
    "parameters": [ours.count_params(), theirs.num_parameters()],
    "size": float(np.abs(other.prediction_logits.numpy()).max()),
    "masked_lm": float(np.abs(mine["masked_lm"] - other.prediction_logits.numpy())[seen].max()),
    "next_sentence": float(np.abs(mine["next_sentence"] - other.seq_relationship_logits.numpy()).max()),
}))
"""


def test_bert_for_pre_training() -> None:
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", BOTH], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["left"] == []
    assert result["parameters"][0] == result["parameters"][1]
    assert result["size"] > 1
    assert result["masked_lm"] < 1e-4
    assert result["next_sentence"] < 1e-4
