"""Where words start in a token stream."""

from __future__ import annotations

import numpy as np

from kpt.data.store import TokenStore

__all__ = ["back_to_word", "word_starts"]

_WINDOW = 32


def word_starts(store: TokenStore, start: np.ndarray, size: np.ndarray, width: int) -> np.ndarray:
    """Return bool [n, width]: which of the `size` tokens from the position `start` on begin a word."""
    tokens = np.zeros((len(start), width), np.int64)
    store.copy_tokens(tokens, 0, start, size)
    return ~store.vocabulary.continuation[tokens] & (np.arange(width) < size[:, None])


def back_to_word(store: TokenStore, document: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return where the word at each position starts; in a word of more than 32 pieces, the position itself.

    Args:
        store: the tokens.
        document: start of the document that each position lies in, [n].
        position: positions, [n].
    """
    begin = np.maximum(document, position - (_WINDOW - 1))
    last = position - begin
    starts = word_starts(store, begin, last + 1, _WINDOW)
    columns = last[:, None] - np.arange(_WINDOW)  # backwards; those below 0 wrap around to where nothing starts
    return position - np.argmax(np.take_along_axis(starts, columns, axis=1), axis=1)
