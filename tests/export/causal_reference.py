"""A small causal language model to export, its hostile prompts, and what is asked of it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

import kpt
from kpt.objectives import CausalLM
from kpt.text import BytePairTokenizer, CharacterTokenizer, SentencePieceTokenizer, Tokenizer
from tests.numbers import randomize

LENGTH = 40
TEXT = ["the cat sat on the mat. low lower lowest, naïve café; and others who were there"] * 3
PROMPTS = ["the cat", "", "l", "naïve 中 \x00 café\n", "👩‍👩‍👧", "the cat sat on the mat"]


def byte_pairs() -> BytePairTokenizer:
    return BytePairTokenizer.train(TEXT, 300)


def tokenizers() -> dict[str, Tokenizer]:
    """One of each kind that causal models are trained with; all of them know every prompt."""
    return {
        "bytes": byte_pairs(),
        "sentencepiece": SentencePieceTokenizer.train(TEXT, 290),
        "characters": CharacterTokenizer.train(TEXT, unknown_token=True, end_token=True),
    }


def causal_pretrainer(vocabulary_size: int, **options: Any) -> kpt.Pretrainer:
    """Weights so large that the text is no repetition of one token."""
    config = {"width": 16, "depth": 2, "heads": 2, "maximum_length": LENGTH} | options
    decoder = kpt.Decoder(vocabulary_size, **config)
    randomize(decoder, seed=1, scale=0.6)
    return kpt.Pretrainer(decoder, [CausalLM()])


def ask(function: Any, prompts: list[Any], new: Any = 8, **settings: Any) -> list[str]:
    """Call `serving_default`, greedily if nothing else is said."""
    values = {"max_new_tokens": new, "temperature": 0.0, "top_k": 0, "top_p": 1.0, "seed": 0} | settings
    floating = ("temperature", "top_p")
    tensors = {key: tf.constant(value, tf.float32 if key in floating else tf.int32) for key, value in values.items()}
    return [text.decode() for text in function(prompts=tf.constant(prompts, tf.string), **tensors)["texts"].numpy()]
