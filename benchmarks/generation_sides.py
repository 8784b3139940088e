"""One side of the generation benchmark: builds GPT-2 with given random weights and generates as told on stdin.

The commands, a line of JSON each: `{"generate": {"prompts": [[id, ...], ...], "new_tokens": n}}` answers with seconds
and the new tokens' ids; `{"growth": {...}}`, kpt's alone, with the seconds of the first few tokens and of all in a
cache of one size; `{"bandwidth": bytes}` with the bytes per second of reading that much memory.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.pretraining_sides import answer_commands

Generate = Callable[[np.ndarray, int], Any]


def random_weights(settings: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return a GPT-2's weights under Hugging Face's names, without `transformer.`; the same in every process.

    Positions and blocks are large beside the token embeddings, so that the greedy text is no repetition of one token.
    """
    generator = np.random.default_rng(0)
    width = settings["width"]

    def normal(*shape: int, deviation: float) -> np.ndarray:
        return generator.standard_normal(shape, np.float32) * np.float32(deviation)

    weights = {
        "wte.weight": normal(settings["vocabulary_size"], width, deviation=0.05),
        "wpe.weight": normal(settings["maximum_length"], width, deviation=1),
    }
    products = {"attn.c_attn": (width, 3 * width), "attn.c_proj": (width, width)}
    products |= {"mlp.c_fc": (width, 4 * width), "mlp.c_proj": (4 * width, width)}
    norms = [f"h.{layer}.{name}" for layer in range(settings["depth"]) for name in ("ln_1", "ln_2")] + ["ln_f"]
    for norm in norms:
        weights[f"{norm}.weight"], weights[f"{norm}.bias"] = np.ones(width, np.float32), np.zeros(width, np.float32)
    for layer in range(settings["depth"]):
        for name, (rows, columns) in products.items():
            weights[f"h.{layer}.{name}.weight"] = normal(rows, columns, deviation=rows**-0.5)
            weights[f"h.{layer}.{name}.bias"] = normal(columns, deviation=0.1)
    return weights


class Side:
    """A model that generates greedily."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.model: Any = None
        self.generate_ids = BUILDERS[settings["model"]](self, random_weights(settings))

    def generate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Generate; return seconds and the new tokens."""
        prompts, new_tokens = np.array(request["prompts"], np.int32), request["new_tokens"]
        begin = time.perf_counter()
        found = np.asarray(self.generate_ids(prompts, new_tokens))
        seconds = time.perf_counter() - begin
        return {"seconds": seconds, "tokens": found[:, -new_tokens:].tolist()}

    def growth(self, request: dict[str, Any]) -> dict[str, Any]:
        """Generate in a cache of one size; return the seconds, of prompts too, up to each of some numbers of tokens."""
        from kpt.generation.decoding import Decoding
        from kpt.generation.sampling import Sampling

        rows, marks = len(request["prompts"]), request["new_tokens"]
        seconds = []
        for mark in marks:
            begin = time.perf_counter()
            decoding = Decoding(
                self.model, request["prompts"], [max(marks)] * rows, [0] * rows, (), Sampling(), request.get("seed", 0)
            )
            assert all(len(ids) == mark for ids in decoding.advance(mark))
            seconds.append(time.perf_counter() - begin)
        return {"seconds": seconds}

    def bandwidth(self, size: int) -> dict[str, Any]:
        """Return bytes per second, the best of ten sums over so many bytes of floats."""
        import torch

        array = torch.ones(size // 4)
        best = float("inf")
        for _ in range(10):
            begin = time.perf_counter()
            array.sum()
            best = min(best, time.perf_counter() - begin)
        return {"bytes_per_second": 4 * array.numel() / best}


def kpt_model(side: Side, weights: dict[str, np.ndarray]) -> Generate:
    """Return how kpt generates."""
    from kpt.generation import generate
    from kpt.models import Decoder

    settings = side.settings
    sizes = {name: settings[name] for name in ("width", "depth", "heads", "maximum_length")}
    decoder = Decoder(settings["vocabulary_size"], **sizes)
    parts = {
        "attention_norm": "ln_1",
        "attention/qkv": "attn.c_attn",
        "attention/output": "attn.c_proj",
        "feed_forward_norm": "ln_2",
        "feed_forward/hidden": "mlp.c_fc",
        "feed_forward/output": "mlp.c_proj",
    }
    names = {"token_embedding": "wte", "positions": "wpe", "final_norm": "ln_f"}
    names |= {
        f"block_{i}/{ours}": f"h.{i}.{theirs}" for i in range(settings["depth"]) for ours, theirs in parts.items()
    }
    ends = {"kernel": "weight", "gamma": "weight", "embeddings": "weight", "bias": "bias", "beta": "bias"}
    for weight in decoder.weights:
        part, _, end = weight.path.rpartition("/")
        weight.assign(weights[f"{names[part]}.{ends[end]}"])
    if settings.get("weights"):
        decoder.quantize(settings["weights"])
    side.model = decoder

    def run(prompts: np.ndarray, new_tokens: int) -> Any:
        return generate(decoder, None, prompts.tolist(), max_new_tokens=new_tokens)

    return run


def keras_hub_model(side: Side, weights: dict[str, np.ndarray]) -> Generate:
    """Return how keras-hub generates."""
    from keras_hub.models import GPT2Backbone, GPT2CausalLM
    from keras_hub.src.utils.transformers.convert_gpt2 import convert_weights

    settings = side.settings

    class Loader:
        """Gives weights to keras-hub's own conversion."""

        def port_weight(self, keras_variable: Any, hf_weight_key: str, hook_fn: Any = None) -> None:
            value = weights[hf_weight_key]
            keras_variable.assign(value if hook_fn is None else hook_fn(value, list(keras_variable.shape)))

    backbone = GPT2Backbone(
        settings["vocabulary_size"],
        settings["depth"],
        settings["heads"],
        settings["width"],
        4 * settings["width"],
        max_sequence_length=settings["maximum_length"],
        dtype=settings["precision"],
    )
    convert_weights(backbone, Loader(), {"n_embd": settings["width"]})
    model = GPT2CausalLM(backbone=backbone, preprocessor=None)
    model.compile(sampler="greedy", jit_compile=True)

    def run(prompts: np.ndarray, new_tokens: int) -> Any:
        length = prompts.shape[1]
        given = {
            "token_ids": np.pad(prompts, [[0, 0], [0, new_tokens]]),
            "padding_mask": np.pad(np.ones_like(prompts), [[0, 0], [0, new_tokens]]),
        }
        found = model.generate(given, stop_token_ids=None)["token_ids"]
        assert found.shape[1] == length + new_tokens
        return found

    return run


def hugging_face_model(side: Side, weights: dict[str, np.ndarray]) -> Generate:
    """Return how Hugging Face generates."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    settings = side.settings
    config = GPT2Config(
        vocab_size=settings["vocabulary_size"],
        n_embd=settings["width"],
        n_layer=settings["depth"],
        n_head=settings["heads"],
        n_positions=settings["maximum_length"],
        bos_token_id=None,
        eos_token_id=None,
    )
    model = GPT2LMHeadModel(config)
    state = {f"transformer.{name}": torch.from_numpy(value) for name, value in weights.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert missing == ["lm_head.weight"] and not unexpected  # tied
    model = model.eval().to(getattr(torch, settings["precision"]))

    def run(prompts: np.ndarray, new_tokens: int) -> Any:
        ids = torch.from_numpy(prompts.astype("int64"))
        with torch.inference_mode():
            return model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, do_sample=False, pad_token_id=0
            )

    return run


BUILDERS: dict[str, Callable[[Side, dict[str, np.ndarray]], Generate]] = {
    "kpt": kpt_model,
    "keras-hub": keras_hub_model,
    "hugging-face": hugging_face_model,
}


if __name__ == "__main__":
    answer_commands(json.loads(sys.argv[1]), Side)
