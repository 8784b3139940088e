"""One side of the nanoGPT benchmark: builds a model of characters, then trains and evaluates it as told on stdin.

The commands are those of `benchmarks.pretraining_sides`. The models are nanoGPT's in kpt ("kpt"), the same with the
initial weights of kpt's own recipe ("kpt-initial"), that recipe at the same size ("kpt-recipe"), and nanoGPT's in plain
PyTorch ("torch"); all take the same random crops.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pretraining_sides import answer_commands

#: What of nanoGPT's model is not as in `Decoder`'s defaults, which are GPT-2's.
NANOGPT: dict[str, Any] = {"dropout": 0.0, "use_bias": False, "activation": "gelu"}

Train = Callable[[np.ndarray], None]
Losses = Callable[[np.ndarray], float]


def characters(text: str) -> tuple[np.ndarray, int]:
    """Return the ids of a text's characters, in the order of their code points, and how many kinds there are."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    kinds, ids = np.unique(codes, return_inverse=True)
    return ids.astype(np.int32), len(kinds)


def crops(ids: np.ndarray, length: int, rows: int, step: int) -> np.ndarray:
    """Return the random crops `[rows, length]` of a step."""
    starts = np.random.default_rng([step, 0]).integers(0, len(ids) - length + 1, rows)
    return ids[starts[:, None] + np.arange(length)]


def blocks(ids: np.ndarray, length: int) -> np.ndarray:
    """Return a split in blocks `[blocks, length + 1]`: each character is a label once, but the first and a rest."""
    count = (len(ids) - 1) // length
    return ids[np.arange(count)[:, None] * length + np.arange(length + 1)]


class Side:
    """A model behind two functions, and the steps it has behind it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        ids, self.vocabulary_size = characters(Path(settings["text"]).read_text(encoding="utf-8"))
        boundary = int(0.9 * len(ids))
        self.training, self.held_out = ids[:boundary], blocks(ids[boundary:], settings["length"])
        self.step = 0
        self.train_on, self.mean_loss = (torch_model if settings["model"] == "torch" else kpt_model)(self)

    def train(self, steps: int) -> dict[str, float]:
        """Train on the next crops; return the seconds."""
        rows, length = self.settings["batch_size"], self.settings["length"] + 1
        given = np.stack([crops(self.training, length, rows, self.step + index) for index in range(steps)])
        begin = time.perf_counter()
        self.train_on(given)
        self.step += steps
        return {"seconds": time.perf_counter() - begin}

    def evaluate(self) -> dict[str, float]:
        """Return the loss over the whole held-out split, in nats a character."""
        return {"loss": self.mean_loss(self.held_out)}


def kpt_model(side: Side) -> tuple[Train, Losses]:
    """Return nanoGPT's model, or the recipe, from kpt."""
    from kpt.models import Decoder, decoder_config
    from kpt.objectives import CausalLM, Pretrainer
    from kpt.training import decoder_optimizer

    settings = side.settings
    own = decoder_config("tiny") | {"initial_deviation": (0.4 / settings["width"]) ** 0.5}
    recipe = own if settings["model"] == "kpt-recipe" else NANOGPT
    if settings["model"] == "kpt-initial":
        recipe = NANOGPT | {"initial_deviation": own["initial_deviation"]}
    sizes = {name: settings[name] for name in ("width", "depth", "heads")}
    decoder = Decoder(**(recipe | sizes), vocabulary_size=side.vocabulary_size, maximum_length=settings["length"])
    optimizer = {"steps": settings["steps"], "warmup_steps": min(100, settings["steps"] // 10)}
    if settings["model"] != "kpt-recipe":
        optimizer["learning_rate"] = 1e-3  # the rest of nanoGPT's settings is that of the recipe
    objective = CausalLM()
    pretrainer = Pretrainer(decoder, [objective])
    pretrainer.compile(
        optimizer=decoder_optimizer(**optimizer),
        jit_compile=settings["jit_compile"],
        steps_per_execution=settings["steps_per_execution"],
    )

    def batch(tokens: np.ndarray) -> dict[str, np.ndarray]:
        return objective.corrupt({"token_ids": tokens}, None, None)  # type: ignore[arg-type]

    def train(given: np.ndarray) -> None:
        rows = given.reshape(-1, given.shape[-1])
        pretrainer.fit(batch(rows), batch_size=given.shape[1], shuffle=False, verbose=0)

    def mean_loss(rows: np.ndarray) -> float:
        found = pretrainer.evaluate(batch(rows), batch_size=len(rows) // 8 or 1, verbose=0, return_dict=True)
        return float(found["causal_lm_loss"])

    return train, mean_loss


def torch_model(side: Side) -> tuple[Train, Losses]:
    """Return the same model and recipe in plain PyTorch, as nanoGPT has them."""
    import torch
    from torch import nn
    from torch.nn import functional

    settings, width = side.settings, side.settings["width"]
    heads, depth = settings["heads"], settings["depth"]

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm_1, self.norm_2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
            self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
            self.hidden = nn.Linear(width, 4 * width, bias=False)
            self.back = nn.Linear(4 * width, width, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            rows, length = x.shape[:2]
            parts = self.qkv(self.norm_1(x)).split(width, dim=2)
            query, key, value = (part.view(rows, length, heads, -1).transpose(1, 2) for part in parts)
            attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + self.out(attended.transpose(1, 2).reshape(rows, length, width))
            return x + self.back(functional.gelu(self.hidden(self.norm_2(x))))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(side.vocabulary_size, width)
            self.positions = nn.Embedding(settings["length"], width)
            self.blocks = nn.ModuleList(Block() for _ in range(depth))
            self.norm = nn.LayerNorm(width, bias=False)
            for name, weight in self.named_parameters():
                if weight.dim() == 2:
                    nn.init.normal_(
                        weight, std=0.02 * ((2 * depth) ** -0.5 if name.endswith(("out.weight", "back.weight")) else 1)
                    )

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
            for block in self.blocks:
                x = block(x)
            return self.norm(x) @ self.tokens.weight.T

    torch.manual_seed(0)
    model = Model()
    groups = [
        {"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    warmup, steps = min(100, settings["steps"] // 10), settings["steps"]

    def rate(step: int) -> float:
        if step < warmup:
            return 1e-3 * (step + 1) / (warmup + 1)
        return 1e-4 + 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) * 9e-4

    def loss_of(tokens: np.ndarray) -> torch.Tensor:
        ids = torch.from_numpy(tokens.astype(np.int64))
        return functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())

    def train(given: np.ndarray) -> None:
        model.train()
        for index, tokens in enumerate(given):
            for group in adam.param_groups:
                group["lr"] = rate(side.step + index)
            loss = loss_of(tokens)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            adam.zero_grad(set_to_none=True)

    def mean_loss(rows: np.ndarray) -> float:
        with torch.no_grad():
            parts = np.array_split(rows, 8)
            return sum(float(loss_of(part)) * len(part) for part in parts if len(part)) / len(rows)

    return train, mean_loss


if __name__ == "__main__":
    answer_commands(json.loads(sys.argv[1]), Side)
