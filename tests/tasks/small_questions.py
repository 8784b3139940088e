"""Questions on made-up texts that a tiny model learns to answer in a moment."""

from __future__ import annotations

import json
import random
from pathlib import Path

import kpt
from kpt.models import Encoder

KINDS = {
    "colour": ("red", "dark red", "blue", "green", "black"),
    "thing": ("car", "hat", "door", "boat", "big boat"),
    "number": ("one", "two", "three", "four", "five"),
}


def small_questions(count: int, seed: int) -> tuple[list[tuple[str, str]], list[tuple[int, int]]]:
    """Pairs such as ("thing", "we saw two . we saw big boat . we saw red ."), and where the answers are.

    Every text answers each of the questions, so that a model has to read the question.
    """
    generator = random.Random(seed)
    pairs, answers = [], []
    for _ in range(count):
        kinds = generator.sample(list(KINDS), len(KINDS))
        asked, text = generator.choice(kinds), ""
        for kind in kinds:
            told = generator.choice(KINDS[kind])
            text += "we saw "
            if kind == asked:
                answers.append((len(text), len(text) + len(told)))
            text += f"{told} . "
        pairs.append((asked, text.strip()))
    return pairs, answers


def small_squad(path: Path, count: int, seed: int) -> Path:
    """Write questions as a file of SQuAD 2.0's form; every fourth one is of something that is not in the text."""
    paragraphs = []
    for number, ((question, text), (begin, end)) in enumerate(zip(*small_questions(count, seed), strict=True)):
        answers = [{"text": text[begin:end], "answer_start": begin}] if number % 4 else []
        asked = {"id": f"{seed}-{number}", "question": question if answers else "price", "answers": answers}
        paragraphs.append({"context": text, "qas": [asked]})
    path.write_text(json.dumps({"version": "v2.0", "data": [{"title": "x", "paragraphs": paragraphs}]}))
    return path


def small_tokenizer() -> kpt.WordPieceTokenizer:
    texts = [f"{question} {text}" for question, text in small_questions(40, 0)[0]]
    return kpt.WordPieceTokenizer.train(texts * 2, 87)


def small_encoder(tokenizer: kpt.WordPieceTokenizer) -> Encoder:
    sizes = {"width": 32, "depth": 1, "heads": 2, "maximum_length": 64, "dropout": 0.0, "positions": "rotary"}
    modern = {"segments": 0, "scale_embedding": True, "norm_first": True, "pooler": False}
    return Encoder(tokenizer.vocabulary.size, **sizes, **modern)
