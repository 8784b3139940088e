"""Sentences: the line ends of a text are judged here, its punctuation by `sentencex`.

Of the libraries at hand sentencex (Wikimedia, MIT, compiled, 4 MB, no dependencies) is at once the fastest and among
the best on abbreviations, initials, quotes and ellipses; its time grows linearly with the text, whatever it holds.
None of them can tell a line end inside a sentence (text wrapped at 80 columns) from one between two (one sentence a
line), which is what the rules of `split_sentences` are for.
"""

from __future__ import annotations

import re
from itertools import pairwise

from kpt.text.clean import replace_surrogates

_TERMINATORS = (".", "!", "?", "…", "。", "！", "？", "।", "؟")
_CLOSERS = " \t\"'`)]}*_»”’」』"
#: What begins a line of its own: list marks, prompts, headings, field lists, tables, underlines.
_MARK = re.compile(r"[-*+•·]\s|\d{1,2}[.)]\s|>>>|\.\.\.?\s|#{1,6}\s|[:@]\w|\||([-=~^*+])\1{2,}\s*$")
_LIST_MARK = re.compile(r"\(?(?:\d{1,3}|[IVXLC]{1,4}|[A-Za-z])[.)]")
_SPACED_POINT = re.compile(r"(?:\d |@)\.$")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_UNDERLINE = re.compile(r"\s*([-=~^*+])\1{2,}\s*$")


def split_sentences(text: str, language: str = "en") -> list[str]:
    r"""Split a text into sentences.

    Blank lines always separate. For other line ends the text as a whole decides: where at least three in four of the
    lines that are followed by another one end like a sentence, the text holds a sentence (or a paragraph) a line and
    each line end separates. Else the text is wrapped, and a line end separates only before a list mark, a prompt, a
    table row or an underline, after an underline, and before a line that is indented deeper and begins with a capital
    or follows a colon. Within what then belongs together the punctuation decides: abbreviations, initials, decimals,
    ellipses and quotes do not end a sentence. What has no letter or digit belongs to the sentence before it, a list
    mark (``"2."``) to the one behind it, and decimals that were taken apart (``"3 . 5"``, ``"3 @.@ 5"``) stay together.

    Args:
        text: Any text.
        language: The language whose abbreviations and quotes are expected, as an ISO 639-1 code.

    Returns:
        The sentences, without white space around them and without line ends; together they hold every character of the
        text but white space (and lone surrogates, which become U+FFFD).

    Example:
        >>> split_sentences('Dr. Wu paid $3.50. "Why?" she asked.')
        ['Dr. Wu paid $3.50.', '"Why?" she asked.']
        >>> split_sentences("This sentence goes\non. And this\nis another.")
        ['This sentence goes on.', 'And this is another.']
        >>> split_sentences("one of them left .\nthe other stayed .\n")
        ['one of them left .', 'the other stayed .']
    """
    import sentencex  # type: ignore[import-untyped]  # not at the top: training from a token store does without it

    if "\n" in text or "\r" in text:
        text = _settle_line_ends(text)
    try:
        pieces = sentencex.segment(language, text)
    except UnicodeEncodeError:
        pieces = sentencex.segment(language, replace_surrogates(text))
    return _join(pieces)


def whole_document(text: str) -> list[str]:
    r"""Return the text as the one part of itself: for tokenizers that keep white space.

    Example:
        >>> whole_document("It rained.\n\n It stopped.")
        ['It rained.\n\n It stopped.']
    """
    return [text]


def _join(pieces: list[str]) -> list[str]:
    """Strip the pieces and join those of one paragraph that are no sentence on their own; a blank one ends it."""
    sentences: list[str] = []
    before = ""
    for piece in pieces:
        sentence = piece.strip()
        if before and sentence and _belongs_together(sentences[-1], sentence):
            sentences[-1] += f" {sentence}" if before[-1].isspace() else sentence
        elif sentence:
            sentences.append(sentence)
        before = piece if sentence else ""
    return sentences


def _belongs_together(sentence: str, following: str) -> bool:
    if len(sentence) <= 6 and _LIST_MARK.fullmatch(sentence):
        return True
    first = following[0]
    if first.isalpha():
        return False
    if first.isdigit() or first == "@":
        return _SPACED_POINT.search(sentence, len(sentence) - 3) is not None
    return not _LETTER_OR_DIGIT.search(following)


def _settle_line_ends(text: str) -> str:
    """Turn each line end into a space or, where it separates, into a blank line."""
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    if _is_sentence_a_line(lines):
        return "\n\n".join(lines)
    parts = [lines[0].lstrip()]
    for previous, line in pairwise(lines):
        parts.append("\n\n" if not previous or not line or _is_break(previous, line) else " ")
        parts.append(line.lstrip())
    return "".join(parts)


def _is_sentence_a_line(lines: list[str]) -> bool:
    followed = [line for line, following in pairwise(lines) if line and following]
    ended = sum(line.rstrip(_CLOSERS).endswith(_TERMINATORS) for line in followed)
    return bool(followed) and 4 * ended >= 3 * len(followed)


def _is_break(previous: str, line: str) -> bool:
    """Tell whether a line of wrapped text begins something of its own."""
    content = line.lstrip()
    if _MARK.match(content) or _UNDERLINE.match(previous):
        return True
    deeper = len(line) - len(content) > len(previous) - len(previous.lstrip())
    return deeper and (content[0].isupper() or previous.endswith(":"))
