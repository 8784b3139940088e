from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from kpt.errors import InputError
from kpt.generation import generate
from kpt.models import Decoder
from tests.generation.small_model import LETTERS, decoder, tokenizer

PROMPTS = ["abc", "p", "hello mop", "fig, "]
NEW = 12


def greedy(ids: list[int], count: int, model: Any = None) -> list[int]:
    """Token by token, without a cache; of one shape, so that the backend compiles once, with nothing of the future."""
    model = model or decoder()
    row = np.zeros((1, model.maximum_length), np.int32)
    row[0, : len(ids)] = ids
    for position in range(len(ids), len(ids) + count):
        outputs = model({"token_ids": ops.convert_to_tensor(row)})
        row[0, position] = ops.convert_to_numpy(model.logits(outputs["sequence"]))[0, position - 1].argmax()
    return [int(token) for token in row[0, len(ids) : len(ids) + count]]


def encode(text: str) -> list[int]:
    return tokenizer().encode([text]).values.tolist()


@pytest.fixture(scope="module")
def expected() -> list[list[int]]:
    rows = [greedy(encode(prompt), NEW) for prompt in PROMPTS]
    assert len({tuple(row) for row in rows}) == 4
    assert min(len(set(row)) for row in rows) > 3
    return rows


def test_greedy_texts_are_those_without_a_cache(expected: list[list[int]]) -> None:
    ids = [encode(prompt) for prompt in PROMPTS]
    assert generate(decoder(), None, ids, max_new_tokens=NEW) == expected
    end = tokenizer().vocabulary.end_id
    until = [row[: row.index(end)] if end in row else row for row in expected]
    assert generate(decoder(), tokenizer(), ids, max_new_tokens=NEW) == until
    texts = [tokenizer().decode(row) for row in until]
    assert generate(decoder(), tokenizer(), PROMPTS, max_new_tokens=NEW) == texts
    assert generate(decoder(), tokenizer(), PROMPTS[0], max_new_tokens=NEW) == texts[:1]


def test_weights_of_eight_bits(expected: list[list[int]]) -> None:
    model = Decoder.from_config(decoder().get_config())
    model.set_weights(decoder().get_weights())
    model.quantize("int8")
    tables = [weight for weight in model.weights if weight.dtype == "int8"]
    assert len(tables) == 1 + 2 * 4
    ids = [encode(prompt) for prompt in PROMPTS[:2]]
    rows = [greedy(each, 4, model) for each in ids]
    assert generate(model, None, ids, max_new_tokens=4) == rows
    assert generate(model, None, ids[:1], max_new_tokens=4) == rows[:1]  # a single row is multiplied in another way
    assert rows == [row[:4] for row in expected[:2]]


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's operations are recorded")
def test_from_the_third_call_on_neither_prompts_nor_tokens_are_read_by_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Decoder.from_config(decoder().get_config())
    model.set_weights(decoder().get_weights())
    called, call = [], model.call
    monkeypatch.setattr(model, "call", lambda *args, **kwargs: called.append(1) or call(*args, **kwargs))
    found = []
    counts = []
    for prompts in ([[3, 4, 5], [6]], [[7, 8, 9], [1]], [[3, 4, 5], [6]]):
        called.clear()
        found.append(generate(model, None, prompts, max_new_tokens=4))
        counts.append(len(called))
    assert counts[0] > 1 and counts[2] == 0
    assert found[2] == found[0] != found[1]


def test_stop_tokens_end_a_row_and_are_left_out(expected: list[list[int]]) -> None:
    stop = expected[0][4]
    ids = [encode(prompt) for prompt in PROMPTS]
    until = [row[: row.index(stop)] if stop in row else row for row in expected]
    assert generate(decoder(), None, ids, max_new_tokens=NEW, stop=stop) == until
    assert len(until[0]) <= 4


def test_max_length_counts_each_prompt(expected: list[list[int]]) -> None:
    ids = [encode(prompt) for prompt in PROMPTS]
    new = generate(decoder(), None, ids, max_length=11)
    assert new == [row[: 11 - len(prompt)] for row, prompt in zip(expected, ids, strict=True)]


def test_a_stop_string_ends_a_text() -> None:
    options: dict[str, Any] = {"max_new_tokens": NEW, "temperature": 3.0, "seed": 5}
    full = generate(decoder(), tokenizer(), PROMPTS, **options)
    stop = full[2][3:5]
    cut = generate(decoder(), tokenizer(), PROMPTS, stop=stop, **options)
    assert cut == [text.partition(stop)[0] for text in full]
    assert cut[2] != full[2]
    ids = generate(decoder(), tokenizer(), [encode(prompt) for prompt in PROMPTS], stop=stop, **options)
    assert tokenizer().decode(ids[2]) == cut[2] + stop


def test_what_is_streamed_is_the_text() -> None:
    options: dict[str, Any] = {"max_new_tokens": NEW, "temperature": 3.0, "seed": 5}
    pieces: list[tuple[int, str]] = []
    streamed = generate(
        decoder(), tokenizer(), PROMPTS[:3], stream=lambda row, text: pieces.append((row, text)), **options
    )
    assert streamed == generate(decoder(), tokenizer(), PROMPTS[:3], **options)
    assert ["".join(text for row, text in pieces if row == each) for each in range(3)] == streamed
    assert len(pieces) == sum(map(len, streamed))


def test_a_row_does_not_depend_on_its_batch_but_on_seed_and_sample() -> None:
    options: dict[str, Any] = {"max_new_tokens": NEW, "temperature": 2.0, "top_p": 0.95}
    together = generate(decoder(), tokenizer(), PROMPTS, seed=1, **options)
    assert generate(decoder(), tokenizer(), PROMPTS, seed=1, **options) == together
    for number in (0, 2):
        assert generate(decoder(), tokenizer(), [PROMPTS[number]], seed=1, **options) == [together[number]]
    others = generate(decoder(), tokenizer(), PROMPTS, seed=2, **options)
    assert all(other != text for other, text in zip(others, together, strict=True))
    several = generate(decoder(), tokenizer(), PROMPTS[:2], seed=1, num_return_sequences=3, **options)
    assert [several[0], several[3]] == together[:2]
    assert len(set(several)) == 6


def test_an_empty_prompt_begins_a_text() -> None:
    end = tokenizer().vocabulary.end_id
    assert generate(decoder(), tokenizer(), [[]], max_new_tokens=3) == generate(
        decoder(), tokenizer(), [[end]], max_new_tokens=3
    )


def test_padding_before_a_short_prompt_may_pass_the_positions() -> None:
    short, long = encode("abc"), (encode(LETTERS) * 4)[:60]
    both = generate(decoder(), None, [short, long], max_length=64)
    assert both[0] == greedy(short, 61)
    assert both[1] == greedy(long, 4)


def test_no_sequence_of_two_tokens_repeats() -> None:
    (text,) = generate(decoder(), tokenizer(), ["aaaa"], max_new_tokens=NEW, no_repeat_ngram_size=2)
    pairs = [("aaaa" + text)[i : i + 2] for i in range(3, 3 + len(text))]
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_return_sequences": 0}, "num_return_sequences is 0"),
        ({"num_return_sequences": 2, "temperature": 0.0}, "2 greedy texts would be the same"),
        ({"seed": -1}, "seed is -1; give a number from 0 to 2147483647"),
        ({"num_beams": 0}, "num_beams is 0"),
        ({"num_beams": 2, "num_return_sequences": 3}, "3 sequences are asked for of 2 beams"),
        ({"num_beams": 2, "top_k": 3}, "beam search draws nothing"),
        ({"num_beams": 2, "stream": print}, "beam search knows its text at the end only"),
        ({"num_beams": 2, "early_stopping": "soon"}, "early_stopping is 'soon'"),
        ({"stop": ""}, "a stop string is empty"),
        ({"stop": [99]}, "stop has the id 99"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0; give 1 or more"),
        ({"max_new_tokens": 64}, "prompt 0 has 1 tokens and is to get 64"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate(decoder(), tokenizer(), ["a"], **options)


def test_texts_need_a_tokenizer() -> None:
    with pytest.raises(InputError, match="texts are asked for and tokenizer is None"):
        generate(decoder(), None, [[1]], stream=print)
