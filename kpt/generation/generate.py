"""Text from a causal language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kpt.errors import InputError
from kpt.generation.decoding import Decoding, beam_search
from kpt.generation.prompts import decoder_of, encoded, new_tokens
from kpt.generation.sampling import Sampling
from kpt.generation.text_stream import TextStream
from kpt.text import Tokenizer

__all__ = ["generate"]

# Tokens between two looks for stop strings: a look costs a call, and tokens after a stop string are for nothing.
BETWEEN_LOOKS = 8


def generate(
    model: Any,
    tokenizer: Tokenizer | None,
    prompts: str | Sequence[str] | Sequence[Sequence[int]],
    *,
    max_new_tokens: int | None = None,
    max_length: int | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    no_repeat_ngram_size: int = 0,
    num_beams: int = 1,
    length_penalty: float = 1.0,
    early_stopping: bool | str = False,
    num_return_sequences: int = 1,
    stop: str | int | Sequence[str | int] = (),
    seed: int = 0,
    stream: Callable[[int, str], None] | None = None,
) -> list[Any]:
    """Go on with texts.

    By default the most probable token follows (greedy decoding). With a `temperature`, `top_k`, `top_p` or `min_p`
    tokens are drawn; what is drawn depends on the seed, the prompt and the sample's number alone: a prompt has the same
    text in every batch, and on every backend as far as their logits agree. With `num_beams` the most probable of
    several texts is searched.

    A text ends with the tokenizer's end of text, with any of `stop`, or when it is as long as asked for. An empty
    prompt stands for the beginning of a text. Lengths are rounded up for the compiler (prompts and new tokens to
    multiples of 16, above 128 of 64): a batch of a size, prompt length and limit seen before compiles nothing.

    Args:
        model: A `kpt.models.Decoder`, or a `Pretrainer` of one.
        tokenizer: The tokenizer it was trained with; may be `None` if prompts are ids and no text is asked for.
        prompts: A text, texts, or rows of ids.
        max_new_tokens: New tokens at most, 1 or more; by default 50, or as many as the model has positions left.
        max_length: Tokens of prompt and text together at most, instead.
        temperature: What logits are divided by before a token is drawn; 0 for the most probable one. By default 1 if
            one of the next three is given, or several sequences without beams are asked for.
        top_k: Draw from so many most probable tokens; 0: from all.
        top_p: Draw from the most probable tokens that reach this probability together; 1: from all.
        min_p: Draw from tokens at least so many times as probable as the most probable one.
        repetition_penalty: What logits of tokens that occurred are divided by (multiplied if negative); 1 for none.
        no_repeat_ngram_size: No sequence of so many tokens occurs twice in prompt and text; 0: any may.
        num_beams: Hypotheses of beam search; 1 for none.
        length_penalty: Beams are ranked by log-probability over length to this power.
        early_stopping: When beam search ends: `True` once `num_beams` have ended, `False` when the best one that goes
            on would not be among them if it ended now, `"never"` when it could not be at any length.
        num_return_sequences: Texts for each prompt.
        stop: Texts and ids that end a text; they are not part of it.
        seed: From 0 to 2^31 - 1.
        stream: Called with the number of a result and the next piece of its text, as soon as it is there (never half a
            character); see `kpt.generation.print_text`.

    Returns:
        `num_return_sequences` results for each prompt, one after the other, without the prompt: texts for texts, and
        lists of ids for ids.

    Raises:
        InputError: An argument is out of its range, arguments exclude each other, or a prompt does not fit the model.

    Example:
        >>> kpt.generate(model, tokenizer, "Once upon a time", max_new_tokens=20, top_p=0.9)  # doctest: +SKIP
        [' there was a king who had three sons']
    """
    if num_return_sequences < 1:
        raise InputError(f"num_return_sequences is {num_return_sequences}; give 1 or more")
    draws_several = num_return_sequences > 1 and num_beams == 1
    if temperature is None and draws_several:
        temperature = 1.0
    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty, no_repeat_ngram_size)
    if draws_several and not sampling.draws:
        raise InputError(f"{num_return_sequences} greedy texts would be the same; give a temperature, or num_beams")
    if not 0 <= seed < 1 << 31:
        raise InputError(f"seed is {seed}; give a number from 0 to 2147483647")
    _check_beams(num_beams, early_stopping, num_return_sequences, sampling, stream)
    decoder = decoder_of(model)
    if isinstance(prompts, str):
        prompts = [prompts]
    as_text = len(prompts) > 0 and isinstance(prompts[0], str)
    stop_texts, stop_ids = _stops(stop, tokenizer, decoder.vocabulary_size)
    if tokenizer is None and (stream is not None or stop_texts):
        raise InputError("texts are asked for and tokenizer is None; give the model's tokenizer")
    rows = encoded(prompts, tokenizer, decoder.vocabulary_size)
    limits = new_tokens(
        [len(row) for row in rows], getattr(decoder, "maximum_length", None), max_new_tokens, max_length
    )

    if num_beams > 1:
        found = beam_search(decoder, rows, limits, stop_ids, sampling, num_beams, length_penalty, early_stopping)
        results = [ids for each in found for ids in each[:num_return_sequences]]
        streams = _streams(tokenizer, stop_texts, len(results)) if stop_texts else None
        texts = [each.add(ids) for each, ids in zip(streams, results, strict=True)] if streams else []
    else:
        n = num_return_sequences
        decoding = Decoding(
            decoder,
            [row for row in rows for _ in range(n)],
            [limit for limit in limits for _ in range(n)],
            list(range(n)) * len(rows),
            stop_ids,
            sampling,
            seed,
        )
        watched = stream is not None or bool(stop_texts)
        streams = _streams(tokenizer, stop_texts, n * len(rows)) if watched else None
        results, texts = _decode(decoding, streams, 1 if stream else BETWEEN_LOOKS, stream)
    if streams:
        results = [ids[: each.count] for each, ids in zip(streams, results, strict=True)]
        rest = [each.finish() for each in streams]
        for number, text in enumerate(rest):
            if stream is not None and text:
                stream(number, text)
        texts = [text + more for text, more in zip(texts, rest, strict=True)]
    if not as_text:
        return results
    assert tokenizer is not None
    return texts if streams else [tokenizer.decode(ids) for ids in results]


def _decode(
    decoding: Decoding, streams: list[TextStream] | None, steps: int, stream: Callable[[int, str], None] | None
) -> tuple[list[list[int]], list[str]]:
    """Decode to the end; with streams some steps at a time, their texts looked at in between."""
    if streams is None:
        return decoding.advance(), []
    results: list[list[int]] = [[] for _ in streams]
    texts = [""] * len(streams)
    while not decoding.finished.all():
        for number, ids in enumerate(decoding.advance(steps)):
            results[number] += ids
            piece = streams[number].add(ids)
            texts[number] += piece
            if piece and stream is not None:
                stream(number, piece)
            if streams[number].stopped and not decoding.finished[number]:
                decoding.finish(number)
    return results, texts


def _streams(tokenizer: Tokenizer | None, stop_texts: Sequence[str], count: int) -> list[TextStream]:
    assert tokenizer is not None
    return [TextStream(tokenizer.decode, stop_texts) for _ in range(count)]


def _stops(
    stop: str | int | Sequence[str | int], tokenizer: Tokenizer | None, vocabulary_size: int
) -> tuple[list[str], list[int]]:
    """The stop strings, and the stop tokens with the tokenizer's end of text."""
    each = [stop] if isinstance(stop, str | int) else list(stop)
    texts, ids = [s for s in each if isinstance(s, str)], [int(s) for s in each if not isinstance(s, str)]
    if "" in texts:
        raise InputError("a stop string is empty; give it some text")
    outside = next((i for i in ids if not 0 <= i < vocabulary_size), None)
    if outside is not None:
        raise InputError(f"stop has the id {outside}, and the model has {vocabulary_size} tokens")
    end = None if tokenizer is None else tokenizer.vocabulary.roles.get("end")
    return texts, sorted({*ids, *([] if end is None else [end])})


def _check_beams(num_beams: int, early_stopping: bool | str, sequences: int, sampling: Sampling, stream: Any) -> None:
    if num_beams < 1:
        raise InputError(f"num_beams is {num_beams}; give 1 or more")
    if early_stopping not in (True, False, "never"):
        raise InputError(f'early_stopping is {early_stopping!r}; give True, False or "never"')
    if num_beams == 1:
        return
    if sequences > num_beams:
        raise InputError(f"{sequences} sequences are asked for of {num_beams} beams; give as many beams or more")
    if sampling.draws:
        raise InputError("beam search draws nothing; leave out temperature, top_k, top_p and min_p, or num_beams")
    if stream is not None:
        raise InputError("beam search knows its text at the end only; leave out stream, or num_beams")
