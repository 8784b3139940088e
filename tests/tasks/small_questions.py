"""Questions on made-up texts that a tiny model learns to answer in a moment."""

from __future__ import annotations

import random

import kpt
from kpt.models import Encoder

KINDS = {
    "colour": ("red", "dark red", "blue", "green", "black"),
    "thing": ("car", "hat", "door", "boat", "big boat"),
    "number": ("one", "two", "three", "four", "five"),
}


def small_questions(count: int, seed: int) -> tuple[list[tuple[str, str]], list[tuple[int, int]]]:
    """Pairs such as ("colour", "we saw two . we saw big boat . we saw red ."), and where the answers are."""
    generator = random.Random(seed)
    pairs, answers = [], []
    for _ in range(count):
        kinds = generator.sample(list(KINDS), len(KINDS))
        asked, text = "colour", ""
        for kind in kinds:
            told = generator.choice(KINDS[kind])
            text += "we saw "
            if kind == asked:
                answers.append((len(text), len(text) + len(told)))
            text += f"{told} . "
        pairs.append((asked, text.strip()))
    return pairs, answers


def small_tokenizer() -> kpt.WordPieceTokenizer:
    texts = [f"{question} {text}" for question, text in small_questions(40, 0)[0]]
    return kpt.WordPieceTokenizer.train(texts * 2, 87)


def small_encoder(tokenizer: kpt.WordPieceTokenizer) -> Encoder:
    sizes = {"width": 32, "depth": 1, "heads": 2, "maximum_length": 64, "dropout": 0.0, "positions": "rotary"}
    modern = {"segments": 0, "scale_embedding": True, "norm_first": True, "pooler": False}
    return Encoder(tokenizer.vocabulary.size, **sizes, **modern)
