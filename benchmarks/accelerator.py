"""Pre-training and generation on an accelerator with JAX: tokens per second, and the share of the device's matrix rate.

    KERAS_BACKEND=jax python -m benchmarks.accelerator --out accelerator.json

Parts: `bert` trains BERT, `gpt` trains GPT-2, `generate` generates greedily with GPT-2, `word2vec` trains skip-gram
(300 dimensions, a vocabulary of a million); all on random tokens, which wait on the host.

Needs nothing but jax, keras and numpy beside kpt, so that it runs where TensorFlow is not installed. The matrix rate is
measured in the same run, as the best of a few large bfloat16 products.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

from benchmarks import accelerator_word2vec
from kpt.generation import generate
from kpt.models import Decoder, Encoder, bert_config, encoder_config, gpt2_config
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Pretrainer
from kpt.training.optimizers import adamw

ARCHITECTURES = {"modern": encoder_config, "published": bert_config}
VOCABULARY_SIZE = 30_528  # BERT's 30,522 rounded up to a multiple of 64, which matrix units like
GPT_VOCABULARY_SIZE = 50_304  # GPT-2's 50,257 rounded up likewise
SLOTS = 0.15
PARTS = ("bert", "gpt", "generate", "word2vec")


def model_flops(config: dict[str, Any], batch: int, length: int, slots: int) -> float:
    """Return the floating-point operations of a training step: matrix products alone, backward twice the forward.

    A product of `[m, k]` and `[k, n]` counts 2 m k n; recomputation, embeddings look-ups and elementwise work count
    nothing (PaLM, Chowdhery et al. 2022, appendix B).
    """
    width, depth = config["width"], config["depth"]
    tokens = batch * length
    block = 2 * tokens * (4 * width * width + 8 * width * width) + 4 * tokens * length * width
    head = 2 * batch * slots * (width * width + width * VOCABULARY_SIZE)
    pooler = 2 * batch * (width * width + 2 * width)
    return 3.0 * (depth * block + head + pooler)


def matrix_rate(size: int, repeats: int = 20) -> float:
    """Return the floating-point operations per second of a bfloat16 product of two square matrices."""
    import jax
    import jax.numpy as jnp

    left, right = (jax.random.normal(jax.random.key(seed), (size, size), jnp.bfloat16) for seed in (0, 1))
    product = jax.jit(lambda a, b: jax.lax.fori_loop(0, 10, lambda _, c: (a @ c) * (1.0 / size), b))
    product(left, right).block_until_ready()
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        product(left, right).block_until_ready()
        best = min(best, time.perf_counter() - begin)
    return 10 * 2 * size**3 / best


def synthetic_batches(batch: int, length: int, slots: int, count: int) -> list[dict[str, np.ndarray]]:
    """Return batches of random tokens in the shapes of MLM + NSP, every position a token."""
    generator = np.random.default_rng(0)
    return [
        {
            "token_ids": generator.integers(5, VOCABULARY_SIZE, (batch, length), dtype="int32"),
            "segment_ids": np.repeat((np.arange(length) >= length // 2)[None].astype("int32"), batch, 0),
            "padding_mask": np.ones((batch, length), bool),
            "mask_positions": np.sort(
                np.argsort(generator.random((batch, length)), axis=1)[:, :slots].astype("int32"), axis=1
            ),
            "mask_labels": generator.integers(5, VOCABULARY_SIZE, (batch, slots), dtype="int32"),
            "mask_weights": np.ones((batch, slots), "float32"),
            "next_sentence_labels": generator.integers(0, 2, batch, dtype="int32"),
        }
        for _ in range(count)
    ]


class Repeated(keras.utils.PyDataset):
    """Gives the same few batches over and over."""

    def __init__(self, batches: list[dict[str, np.ndarray]], steps: int) -> None:
        super().__init__(workers=1)
        self.batches, self.steps = batches, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return self.batches[index % len(self.batches)]


class Clock(keras.callbacks.Callback):
    """Takes the time at the end of each execution, when its logs have reached the host."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Wait for the loss, then look at the clock."""
        float(logs["loss"])
        self.times.append(time.perf_counter())


def measure(options: argparse.Namespace, length: int, batch: int, rate: float) -> dict[str, Any]:
    """Train for some steps at one length; return speed and share of the matrix rate."""
    config = ARCHITECTURES[options.architecture](options.size)
    slots = int(np.ceil(SLOTS * length))
    encoder = Encoder(VOCABULARY_SIZE, **(config | {"dropout": options.dropout, "maximum_length": max(512, length)}))
    model = Pretrainer(encoder, [MaskedLM(), NextSentence()])
    seconds = seconds_per_step(model, synthetic_batches(batch, length, slots, 4), options)
    flops = model_flops(config, batch, length, slots)
    return figures(model, length, batch, seconds, flops, rate)


def seconds_per_step(
    model: keras.Model,
    batches: list[dict[str, np.ndarray]],
    options: argparse.Namespace,
    optimizer: keras.Optimizer | None = None,
) -> float:
    """Return the median time of a step of `fit`, after two executions that compile and warm up."""
    chunk = options.steps_per_execution
    model.compile(optimizer=optimizer or adamw(1e-4, 10_000), jit_compile=True, steps_per_execution=chunk)
    clock = Clock()
    steps = chunk * (options.executions + 2)
    model.fit(Repeated(batches, steps), shuffle=False, verbose=0, callbacks=[clock])
    return float(statistics.median(np.diff(clock.times[1:])) / chunk)


def figures(model: keras.Model, length: int, batch: int, seconds: float, flops: float, rate: float) -> dict[str, Any]:
    """Return what is reported of a training."""
    return {
        "length": length,
        "batch_size": batch,
        "parameters": model.count_params(),
        "seconds_per_step": round(seconds, 5),
        "tokens_per_second": round(batch * length / seconds),
        "model_tflops_per_second": round(flops / seconds / 1e12, 3),
        "share_of_matrix_rate": round(flops / seconds / rate, 4),
    }


def gpt_flops(config: dict[str, Any], batch: int, length: int) -> float:
    """Return the floating-point operations of a training step of GPT-2, as `model_flops` counts them.

    Of attention both halves are counted, as is usual, though causal kernels leave one out.
    """
    width, tokens = config["width"], batch * length
    block = 2 * tokens * 12 * width * width + 4 * tokens * length * width
    return 3.0 * (config["depth"] * block + 2 * tokens * width * GPT_VOCABULARY_SIZE)


def decoder_of_size(options: argparse.Namespace, dtype: str | None = None) -> tuple[Decoder, dict[str, Any]]:
    """Return a GPT-2 with random weights, and its configuration."""
    config = gpt2_config(options.gpt_size) | {"dropout": options.dropout, "maximum_length": options.gpt_length}
    return Decoder(GPT_VOCABULARY_SIZE, **config, dtype=dtype), config


def measure_gpt(options: argparse.Namespace, rate: float) -> dict[str, Any]:
    """Train GPT-2 for some steps; return speed and share of the matrix rate."""
    decoder, config = decoder_of_size(options)
    length, batch = options.gpt_length, max(1, options.tokens // options.gpt_length)
    generator = np.random.default_rng(0)
    objective = CausalLM()
    batches = [
        objective.corrupt(
            {"token_ids": generator.integers(0, GPT_VOCABULARY_SIZE, (batch, length + 1), dtype="int32")},
            None,  # type: ignore[arg-type]
            generator,
        )
        for _ in range(4)
    ]
    model = Pretrainer(decoder, [objective])
    seconds = seconds_per_step(model, batches, options)
    return figures(model, length, batch, seconds, gpt_flops(config, batch, length), rate)


def measure_generation(options: argparse.Namespace, batch: int) -> dict[str, Any]:
    """Generate greedily with weights of bfloat16, prompts of 16 tokens; return new tokens per second."""
    decoder, _ = decoder_of_size(options, "bfloat16")
    prompts = np.random.default_rng(0).integers(0, GPT_VOCABULARY_SIZE, (batch, 16)).tolist()
    seconds = []
    for _ in range(4):  # the first compiles
        begin = time.perf_counter()
        rows = generate(decoder, None, prompts, max_new_tokens=options.new_tokens)
        seconds.append(time.perf_counter() - begin)
    assert all(len(row) == options.new_tokens for row in rows)
    median = statistics.median(seconds[1:])
    return {
        "batch_size": batch,
        "new_tokens": options.new_tokens,
        "seconds": round(median, 5),
        "tokens_per_second": round(batch * options.new_tokens / median),
    }


def measure_word2vec(options: argparse.Namespace) -> dict[str, Any]:
    """Train skip-gram for some steps, its tables in float32; return words per second."""
    model, batches, optimizer = accelerator_word2vec.skip_gram(options)
    seconds = seconds_per_step(model, batches, options, optimizer)
    return accelerator_word2vec.figures(model, batches, seconds)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; return what is written to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("accelerator.json"), help="JSON to write")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--size", default="base", help="size of the encoder")
    parser.add_argument("--gpt-size", default="small", help="size of GPT-2 (small: 124M)")
    parser.add_argument("--gpt-length", type=int, default=1024, help="tokens of an example of GPT-2's")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 256], help="batch sizes of generation")
    parser.add_argument("--new-tokens", type=int, default=256, help="of each row of generation")
    parser.add_argument("--vocabulary", type=int, default=1_000_000, help="of word2vec")
    parser.add_argument("--word2vec-width", type=int, default=300, help="of word2vec's vectors")
    parser.add_argument("--words", type=int, default=65_536, help="of a batch of word2vec's")
    parser.add_argument("--architecture", default="modern", choices=sorted(ARCHITECTURES))
    parser.add_argument("--dropout", type=float, default=0.0, help="above 0 there is no fused attention in training")
    parser.add_argument("--lengths", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--tokens", type=int, default=32_768, help="tokens of a batch")
    parser.add_argument("--matrix", type=int, default=8192, help="rows of the matrices of the matrix rate")
    parser.add_argument("--steps-per-execution", type=int, default=10, help="steps without a word to the host")
    parser.add_argument("--executions", type=int, default=8, help="how many of them are timed")
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--tiny", action="store_true", help="only try that everything runs")
    options = parser.parse_args(arguments)
    if options.tiny:
        options.size, options.lengths, options.tokens, options.matrix = "tiny", [16, 32], 64, 64
        options.steps_per_execution, options.executions = 2, 2
        options.gpt_size, options.gpt_length, options.batches, options.new_tokens = "tiny", 32, [1, 2], 8
        options.vocabulary, options.word2vec_width, options.words = 100, 8, 64
    import jax

    keras.config.set_dtype_policy(options.precision)
    rate = matrix_rate(options.matrix)
    result: dict[str, Any] = {
        "device": str(jax.devices()[0].device_kind),
        "versions": {"jax": jax.__version__, "keras": keras.__version__},
        "settings": {name: value for name, value in vars(options).items() if name != "out"},
        "matrix_tflops_per_second": round(rate / 1e12, 3),
    }
    if "bert" in options.parts:
        lengths = options.lengths
        result["runs"] = [measure(options, length, max(1, options.tokens // length), rate) for length in lengths]
    if "gpt" in options.parts:
        result["gpt"] = [measure_gpt(options, rate)]
    if "generate" in options.parts:
        result["generate"] = [measure_generation(options, batch) for batch in options.batches]
    if "word2vec" in options.parts:
        result["word2vec"] = [measure_word2vec(options)]
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{result['device']}: {rate / 1e12:.1f} TFLOP/s in {options.matrix} x {options.matrix} bfloat16 products")
    for name, part in (("BERT", "runs"), ("GPT-2", "gpt")):
        for run in result.get(part, ()):
            print(
                f"{name}, length {run['length']:>4}, batch {run['batch_size']:>4}: "
                f"{run['tokens_per_second']:>9,} tokens/s, {run['model_tflops_per_second']:.1f} model TFLOP/s, "
                f"{run['share_of_matrix_rate']:.1%} of that rate"
            )
    for run in result.get("generate", ()):
        print(f"GPT-2 generates, batch {run['batch_size']:>4}: {run['tokens_per_second']:>9,} tokens/s")
    for run in result.get("word2vec", ()):
        print(f"skip-gram, vocabulary {run['vocabulary']:,}: {run['words_per_second']:>9,} words/s")
    return result


if __name__ == "__main__":
    main()
