"""Classification by a language model that was not trained for it: which label makes the text most probable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kpt.errors import InputError
from kpt.generation.prompts import decoder_of
from kpt.generation.scoring import beginning, log_likelihoods
from kpt.text import Tokenizer

__all__ = ["template_parts", "zero_shot"]


def zero_shot(
    model: Any,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    labels: Sequence[str],
    template: str = "{text} {label}",
    *,
    length_normalized: bool = True,
    prior_correction: bool = False,
    batch_size: int = 16,
) -> np.ndarray:
    r"""Return the probability of each label for each text, by the likelihood of the label's words after the text.

    .. math:: P(y \mid x) = \frac{\exp f(x, y)}{\sum_{y'} \exp f(x, y')}, \quad
        f(x, y) = \frac{1}{n^a} \log p(v(y) \mid v(x)) - \frac{b}{n^a} \log p(v(y) \mid v(\varnothing))

    where v(x) is the template up to the label and v(y) the rest of it, n tokens; a is 1 with `length_normalized`, b is
    1 with `prior_correction`, which takes off what the label has without any text. White space before the label belongs
    to v(y), so that its first word is one as in running text.

    Args:
        model: A `kpt.models.Decoder`, or a `Pretrainer` of one.
        tokenizer: The tokenizer it was trained with.
        texts: n texts.
        labels: m labels in words, such as `["positive", "negative"]`.
        template: A text with `{text}` and after it `{label}`.
        length_normalized: Whether likelihoods are per token, so that long labels are not less probable.
        prior_correction: Whether the label's likelihood without a text is taken off.
        batch_size: Sequences computed together.

    Returns:
        float64 `[n, m]`, rows that add up to 1.

    Raises:
        InputError: The template lacks a part, labels are missing or equal, a label is empty, or a text is longer than
            the model's positions.

    Example:
        >>> zero_shot(model, tokenizer, ["A fine film."], ["good", "bad"], "{text} It was {label}.")  # doctest: +SKIP
        array([[0.71, 0.29]])

    Source: Brown et al. 2020, "Language Models are Few-Shot Learners", section 2.4; Holtzman et al. 2021, "Surface Form
    Competition", for the prior.
    """
    for name, values in (("texts", texts), ("labels", labels)):
        if isinstance(values, str):
            raise InputError(f"{name} is one text, {values[:40]!r}; give a list")
    if len(set(labels)) != len(labels) or not labels or "" in labels:
        raise InputError(f"labels are {list(labels)}; give one or more, all different and none empty")
    before, between, after = template_parts(template)
    contexts = [before + text + between for text in ([*texts, ""] if prior_correction else texts)]
    words = [between_space(between) + label + after for label in labels]
    heads, tails = tokenizer.encode([context.rstrip() for context in contexts]), tokenizer.encode(words)
    start = beginning(tokenizer)
    rows, firsts = [], []
    for i in range(len(contexts)):
        head = [*start, *heads.row(i).tolist()]
        for j in range(len(words)):
            rows.append([*head, *tails.row(j).tolist()])
            firsts.append(max(1, len(head)))
    scores = log_likelihoods(decoder_of(model), rows, firsts, batch_size=batch_size)
    f = scores.log_likelihood.reshape(len(contexts), len(words))
    if length_normalized:
        f = f / np.maximum(1, scores.token_count.reshape(f.shape))
    if prior_correction:
        f = f[:-1] - f[-1:]
    exponentials = np.exp(f - f.max(axis=1, keepdims=True, initial=-np.inf))
    probabilities: np.ndarray = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def template_parts(template: str) -> tuple[str, str, str]:
    """Return what a template has before the text, between text and label, and after the label.

    Raises:
        InputError: It has not `{text}` once and after it `{label}` once.

    Example:
        >>> template_parts("Review: {text} It was {label}.")
        ('Review: ', ' It was ', '.')
    """
    before, text, rest = template.partition("{text}")
    between, label, after = rest.partition("{label}")
    twice = any(name in part for name in ("{text}", "{label}") for part in (before, between, after))
    if not text or not label or twice:
        raise InputError(f"the template is {template!r}; give a text with {{text}} once and after it {{label}} once")
    return before, between, after


def between_space(between: str) -> str:
    """Return the white space at the end of what stands before the label."""
    return between[len(between.rstrip()) :]
