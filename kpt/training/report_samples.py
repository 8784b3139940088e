"""How the report shows a text with hidden tokens: pieces joined to words, and each guess with its colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["sample_view"]

CLOSING = frozenset(".,;:!?)]}%'\"")
OPENING = frozenset("([{'\"")
GLUE = frozenset("_-/@.=<>'`*")


def sample_view(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a sample into what the template shows.

    Args:
        sample: see `kpt.training.samples.masked_samples`.

    Returns:
        `pieces`, each with `space` before it and `kind`: `"text"`, `"separator"`, or for a guess `"right"`, `"near"`
        (the answer is among the first guesses) or `"wrong"`; `next`, the judgement on the second text, or None.
    """
    pieces: list[dict[str, Any]] = []
    before = ""
    for piece in sample["pieces"]:
        if "guesses" in piece:
            shown = _guess(piece)
            text = piece["answer"]
        elif piece["text"] == "[SEP]":
            shown, text = {"kind": "separator"}, "[SEP]"
        else:
            text = piece["text"]
            shown = {"kind": "text", "text": text.removeprefix("##")}
        pieces.append(shown | {"space": _space(before, text)})
        before = text
    return {"pieces": pieces, "next": _next(sample.get("next_sentence"))}


def _guess(piece: Mapping[str, Any]) -> dict[str, Any]:
    answer, guesses = piece["answer"], piece["guesses"]
    best, probability = guesses[0]
    near = any(word == answer for word, _ in guesses)
    return {
        "kind": "right" if best == answer else "near" if near else "wrong",
        "guess": best,
        "answer": answer,
        "probability": share(probability),
        "all": ", ".join(f"{word} {share(chance)}" for word, chance in guesses),
    }


def _next(judgement: Mapping[str, Any] | None) -> dict[str, str] | None:
    if judgement is None:
        return None
    follows, chance = judgement["follows"], judgement["probability"]
    guess = "it follows" if chance >= 0.5 else "it does not follow"
    return {
        "words": "The second text follows the first in its document; guess:"
        if follows
        else "The second text is from another document; guess:",
        "guess": guess,
        "kind": "right" if (chance >= 0.5) == follows else "wrong",
        "probability": share(chance if chance >= 0.5 else 1 - chance),
    }


def share(probability: float) -> str:
    """Return a probability in whole per cent, as little as `<1 %`.

    Example:
        >>> share(0.876), share(0.002)
        ('88 %', '<1 %')
    """
    return f"{100 * probability:.0f} %" if probability >= 0.01 else "<1 %"


def _space(before: str, text: str) -> str:
    """The space between two pieces, as a person would set it."""
    if not before or text.startswith("##") or text in CLOSING or before in OPENING:
        return ""
    if text in GLUE or before in GLUE - CLOSING:
        return ""
    return " "
