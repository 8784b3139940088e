"""Model inputs from pieces of a token stream: [CLS] A [SEP] and [CLS] A [SEP] B [SEP]."""

from __future__ import annotations

import numpy as np

from kpt.data.store import TokenStore
from kpt.text.vocabulary import Vocabulary

__all__ = ["pair_sequences", "single_sequences"]


def single_sequences(
    store: TokenStore, vocabulary: Vocabulary, length: int, start: np.ndarray, size: np.ndarray
) -> dict[str, np.ndarray]:
    """Build [CLS] tokens [SEP] and padding.

    Args:
        store: where the tokens are.
        vocabulary: the special ids.
        length: columns of the result, at least the largest size + 2.
        start: positions of the first tokens, [batch].
        size: numbers of tokens, [batch].

    Returns:
        token_ids int32, segment_ids int32 (all 0) and padding_mask bool (True: token), [batch, length] each.
    """
    token_ids = np.full((len(start), length), vocabulary.pad_id, np.int32)
    token_ids[:, 0] = vocabulary.cls_id
    store.copy_tokens(token_ids, 1, start, size)
    token_ids[np.arange(len(start)), size + 1] = vocabulary.sep_id
    return {
        "token_ids": token_ids,
        "segment_ids": np.zeros_like(token_ids),
        "padding_mask": np.arange(length) < (size + 2)[:, None],
    }


def pair_sequences(
    store: TokenStore,
    vocabulary: Vocabulary,
    length: int,
    first: tuple[np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray],
) -> dict[str, np.ndarray]:
    """Build [CLS] A [SEP] B [SEP] and padding; the second segment, its [SEP] included, has segment id 1.

    Args:
        store: where the tokens are.
        vocabulary: the special ids.
        length: columns of the result, at least the largest sum of sizes + 3.
        first: start and size of the first segments, [batch] each.
        second: start and size of the second segments, [batch] each.

    Returns:
        token_ids int32, segment_ids int32 and padding_mask bool (True: token), [batch, length] each.
    """
    batch = single_sequences(store, vocabulary, length, *first)
    start, size = second
    begin = first[1] + 2
    end = begin + size
    store.copy_tokens(batch["token_ids"], begin, start, size)
    batch["token_ids"][np.arange(len(start)), end] = vocabulary.sep_id
    columns = np.arange(length)
    batch["padding_mask"] = columns <= end[:, None]
    batch["segment_ids"] = (batch["padding_mask"] & (columns >= begin[:, None])).astype(np.int32)
    return batch
