from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import kpt
from kpt.errors import InputError
from kpt.generation import generate
from kpt.models import Decoder
from kpt.objectives import CausalLM, Pretrainer
from kpt.text import CharacterTokenizer
from kpt.training import GenerateSamples

TOKENIZER = CharacterTokenizer.train(["abcd"], end_token=False)


@pytest.fixture(scope="module")
def pretrainer() -> Pretrainer:
    """One for all tests, so that little compiles."""
    decoder = Decoder(TOKENIZER.vocabulary.size, width=16, depth=1, heads=2, maximum_length=32, dropout=0.0)
    model = Pretrainer(decoder, [CausalLM()])
    model.compile(optimizer="adam")
    model.optimizer.learning_rate = 0.03
    return model


def fit(model: Pretrainer, callback: GenerateSamples, epochs: int = 2) -> None:
    rows = np.array([TOKENIZER.encode(["abcd" * 4]).row(0)] * 12)
    batch: Any = CausalLM().corrupt({"token_ids": rows[:, :9]}, None, None)  # type: ignore[arg-type]
    model.fit(batch, batch_size=2, epochs=epochs, shuffle=False, verbose=0, callbacks=[callback])


def test_samples_are_those_of_the_model_as_it_stands(pretrainer: Pretrainer) -> None:
    out = io.StringIO()
    samples = GenerateSamples(TOKENIZER, ["a", "bc"], every=4, file=out, max_new_tokens=4)
    fit(pretrainer, samples)
    assert [(sample["step"], sample["prompt"]) for sample in samples.samples] == [
        (step, prompt) for step in (4, 8, 12) for prompt in ("a", "bc")
    ]
    last = [sample["text"] for sample in samples.samples[-2:]]
    assert last == generate(pretrainer, TOKENIZER, ["a", "bc"], max_new_tokens=4)
    lines = [f"step {sample['step']}: {sample['prompt']}{sample['text']}" for sample in samples.samples]
    assert out.getvalue().splitlines() == lines


def test_the_end_of_each_epoch_and_several_texts(pretrainer: Pretrainer, capsys: pytest.CaptureFixture[str]) -> None:
    samples = GenerateSamples(TOKENIZER, "a", file=False, max_new_tokens=4, num_return_sequences=2, seed=3)
    fit(pretrainer, samples, epochs=5)
    assert [sample["step"] for sample in samples.samples] == [6, 6, 12, 12, 18, 18, 24, 24, 30, 30]
    assert capsys.readouterr().out == ""
    # The weights are the trained ones, not those of the first steps.
    samples = GenerateSamples(TOKENIZER, "a", max_new_tokens=4)
    fit(pretrainer, samples, epochs=6)
    assert samples.samples[-1]["text"] == "bcda"
    assert capsys.readouterr().out.endswith("step 36: abcda\n")


def test_refusals(pretrainer: Pretrainer) -> None:
    assert kpt.GenerateSamples is GenerateSamples
    with pytest.raises(InputError, match="there is no prompt"):
        GenerateSamples(TOKENIZER, [])
    with pytest.raises(InputError, match="every is 0"):
        GenerateSamples(TOKENIZER, "a", every=0)
    steps = int(pretrainer.optimizer.iterations)
    with pytest.raises(InputError, match="positions"):
        fit(pretrainer, GenerateSamples(TOKENIZER, "a", max_new_tokens=50))
    assert int(pretrainer.optimizer.iterations) == steps
