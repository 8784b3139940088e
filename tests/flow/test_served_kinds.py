"""Every kind of model that is exported answers in one process that has neither kpt nor Keras."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

import kpt
from kpt.data import encode_texts
from kpt.export import check_process
from kpt.export.check import recorded_requests
from kpt.layers import pool_sequence
from kpt.objectives import CausalLM, MaskedLM, NextSentence, Word2Vec
from kpt.tasks import Classifier, Regressor, Tagger
from kpt.text import CharacterTokenizer, SentencePieceTokenizer
from kpt.vectors import WordVectors
from tests.batches import tiny_decoder, tiny_encoder
from tests.export.causal_reference import TEXT, byte_pairs
from tests.export.reference import tiny_tokenizer
from tests.flow.test_served_model import FLOW, run_without_kpt
from tests.numbers import array, randomize

LENGTH, LABELS, TAGS = 24, ("no", "perhaps", "yes"), ("O", "B-x", "I-x", "B-y", "I-y")
TEXTS = ["the cat sat on the mat.", "low, lower: naïve café 中 👩‍👩‍👧", "l " * 60, "other words who were there"]
SHORT = [text[:20] for text in TEXTS]
WORDS = ["cat", "dog", "New York", "Straße"]

TOKENIZERS: dict[str, Callable[[], Any]] = {
    "words and pieces": cache(tiny_tokenizer),
    "byte pairs": cache(byte_pairs),
    "sentencepiece": cache(lambda: SentencePieceTokenizer.train(TEXT, 285)),
    "characters": cache(lambda: CharacterTokenizer.train([*TEXT, *TEXTS, "It rained."])),
}


class Asked(NamedTuple):
    """A signature, its inputs, and what the model itself answers, through its Python tokenizer."""

    signature: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]


def encoded(model: Any, tokenizer: Any) -> tuple[Asked]:
    ids = encode_texts(tokenizer, TEXTS, length=LENGTH)
    batch = ids.batch(np.arange(len(TEXTS)))
    sequence = getattr(model, "backbone", model)(batch)["sequence"]
    mean = array(pool_sequence(sequence, batch["padding_mask"], "mean"))
    return (Asked("serving_default", {"texts": TEXTS}, {"mean": mean}),)


def classified(model: Any, tokenizer: Any) -> tuple[Asked, ...]:
    single = Asked("serving_default", {"texts": TEXTS}, {"probabilities": model.probabilities(TEXTS)})
    if model.multi_label:
        return (single,)
    pairs = list(zip(TEXTS, TEXTS[::-1], strict=True))
    return (
        single,
        Asked("pairs", {"first": TEXTS, "second": TEXTS[::-1]}, {"probabilities": model.probabilities(pairs)}),
    )


def told(model: Any, tokenizer: Any) -> tuple[Asked]:
    return (Asked("serving_default", {"texts": TEXTS}, {"numbers": model.predict(TEXTS)}),)


def tagged(model: Any, tokenizer: Any) -> tuple[Asked]:
    rows = [[entity["text"] for entity in each["entities"]] for each in model.tell(TEXTS)]
    longest = max(map(len, rows))
    assert longest > 0
    padded = [row + [""] * (longest - len(row)) for row in rows]
    outputs = {"entities": padded, "entity_count": np.array([len(row) for row in rows], np.int32)}
    return (Asked("serving_default", {"texts": TEXTS}, outputs),)


def written(model: Any, tokenizer: Any) -> tuple[Asked]:
    settings = {"temperature": np.float32(0), "top_p": np.float32(1)}
    settings |= {name: np.int32(value) for name, value in {"max_new_tokens": 8, "top_k": 0, "seed": 0}.items()}
    texts = kpt.generate(model, tokenizer, SHORT, max_new_tokens=8)
    assert len(set(texts)) > 1
    return (Asked("serving_default", {"prompts": SHORT, **settings}, {"texts": texts}),)


def looked_up(model: WordVectors) -> tuple[Asked]:
    outputs = {"vectors": model.vectors[[2, 0]], "in_vocabulary": np.array([True, True])}
    return (Asked("serving_default", {"words": [WORDS[2], WORDS[0]]}, outputs),)


def encoder(tokenizer: Any, **options: Any) -> Any:
    return tiny_encoder(vocabulary_size=tokenizer.vocabulary.size, maximum_length=LENGTH, depth=1, **options)


def gpt(tokenizer: Any) -> Any:
    size = tokenizer.vocabulary.size
    return kpt.Pretrainer(tiny_decoder(vocabulary_size=size, maximum_length=40, depth=1), [CausalLM()])


# Kind: its tokenizer, how it is made, and what it is asked beside the requests that its folder brings.
KINDS: dict[str, tuple[str, Callable[[Any], Any], Callable[[Any, Any], tuple[Asked, ...]]]] = {
    "BERT": ("words and pieces", lambda t: kpt.Pretrainer(encoder(t), [MaskedLM(), NextSentence()]), encoded),
    "BERT of SentencePiece": ("sentencepiece", lambda t: kpt.Pretrainer(encoder(t), [MaskedLM()]), encoded),
    "encoder of SentencePiece": ("sentencepiece", lambda t: encoder(t, positions="rotary", pooler=False), encoded),
    "classifier": ("words and pieces", lambda t: Classifier(encoder(t), LABELS, tokenizer=t), classified),
    "classifier of several": (
        "characters",
        lambda t: Classifier(encoder(t), LABELS, multi_label=True, tokenizer=t),
        classified,
    ),
    "regressor": ("sentencepiece", lambda t: Regressor(encoder(t), 2.0, 3.0, tokenizer=t), told),
    "tagger": ("words and pieces", lambda t: Tagger(encoder(t), TAGS, tokenizer=t), tagged),
    "GPT of bytes": ("byte pairs", gpt, written),
    "GPT of SentencePiece": ("sentencepiece", gpt, written),
    "GPT of characters": ("characters", gpt, written),
}


def packed(tensors: dict[str, Any]) -> dict[str, str]:
    return {
        name: base64.b64encode(tf.make_tensor_proto(value).SerializeToString()).decode()
        for name, value in tensors.items()
    }


def job(folder: Path, asked: tuple[Asked, ...]) -> dict[str, Any]:
    own = [
        {"signature": each.signature, "inputs": packed(each.inputs), "outputs": packed(each.outputs)} for each in asked
    ]
    return {"folder": str(folder), "requests": [*recorded_requests(folder), *own], "rows": [], "batches": []}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the process found for each kind."""
    folder = tmp_path_factory.mktemp("kinds")
    jobs = {}
    keras.utils.set_random_seed(0)
    for name, (kind, make, ask) in KINDS.items():
        tokenizer = TOKENIZERS[kind]()
        model = make(tokenizer)
        randomize(model, scale=0.6 if ask is written else 0.3)
        jobs[name] = job(kpt.export.saved_model(model, tokenizer, folder / name), ask(model, tokenizer))
    for architecture in ("cbow", "skip-gram"):
        tables = Word2Vec(len(WORDS), 8, architecture)
        randomize(tables)
        vectors = WordVectors(WORDS, tables.vectors)
        jobs[architecture] = job(kpt.export.export_word_vectors(vectors, folder / architecture), looked_up(vectors))
    (folder / "jobs.json").write_text(json.dumps(jobs))
    arguments = str(FLOW / "check_exports.py"), check_process.__file__, str(folder / "jobs.json")
    answer = json.loads(run_without_kpt(folder, *arguments).splitlines()[-1])
    assert answer["modules"] == []
    return answer["found"]


@pytest.mark.filterwarnings("ignore:the signature fill_mask is left out")
@pytest.mark.parametrize("kind", [*KINDS, "cbow", "skip-gram"])
def test_a_process_without_kpt_and_keras_gets_the_models_own_answers(answers: dict[str, Any], kind: str) -> None:
    found = answers[kind]
    assert found["problems"] == []
    assert found["largest_difference"] < 1e-4


def test_each_has_its_signatures(answers: dict[str, Any]) -> None:
    signatures = {kind: set(found["signatures"]) for kind, found in answers.items()}
    assert signatures["BERT"] == {"serving_default", "fill_mask", "next_sentence"}
    for kind in ("BERT of SentencePiece", "encoder of SentencePiece", "tagger"):
        assert signatures[kind] == {"serving_default"}
    assert signatures["classifier"] == {"serving_default", "pairs", "classify", "classify_pairs"}
    assert signatures["classifier of several"] == {"serving_default", "classify"}
    assert signatures["regressor"] == {"serving_default", "pairs", "regress", "regress_pairs"}
    for kind in ("bytes", "SentencePiece", "characters"):
        assert signatures[f"GPT of {kind}"] == {"serving_default", "score", "zero_shot"}
    assert signatures["cbow"] == signatures["skip-gram"] == {"serving_default", "nearest"}
