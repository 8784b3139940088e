"""New words for a WordPiece vocabulary that is there already, from text of another domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kpt.errors import InputError
from kpt.text.clean import replace_surrogates
from kpt.text.document import Document, refuse_one_string
from kpt.text.vocabulary import Vocabulary
from kpt.text.wordpiece_encoding import bert_normalizer, bert_pre_tokenizer
from kpt.text.wordpiece_training import LONGEST_WORD

if TYPE_CHECKING:
    from kpt.text.wordpiece import WordPieceTokenizer

__all__ = ["extend_wordpiece"]


def extend_wordpiece(
    tokenizer: WordPieceTokenizer,
    corpus: Iterable[str | Document],
    new_tokens: int,
    *,
    minimum_frequency: int = 5,
) -> WordPieceTokenizer:
    r"""Return a tokenizer with whole words of a corpus added; all pieces keep their ids.

    The new words are those that save the most pieces, :math:`n_w (k_w - 1)` for a word that occurs :math:`n_w` times
    and takes :math:`k_w` pieces so far; where the pieces cannot spell it, :math:`n_w`. They come behind the old ones.

    Args:
        tokenizer: the one to extend.
        corpus: texts or documents, read once.
        new_tokens: how many words to add.
        minimum_frequency: how often a new word must be in this corpus.

    Raises:
        InputError: the corpus is one string or path, a number is below 1, or there are not as many new words; the
            message says how many there are.

    Example:
        >>> from kpt.text import WordPieceTokenizer
        >>> old = WordPieceTokenizer.train(["low lower lowest"] * 3, 21)
        >>> new = extend_wordpiece(old, ["slower than the lowest"] * 5, 1)
        >>> new.vocabulary.tokens[21:]
        ('slower',)

    Source: Gururangan et al. 2020, "Don't Stop Pretraining"; Tai et al. 2020, "exBERT".
    """
    refuse_one_string(corpus)
    if new_tokens < 1 or minimum_frequency < 1:
        raise InputError(
            f"new_tokens is {new_tokens} and minimum_frequency {minimum_frequency}; give 1 or more of each"
        )
    normalizer = bert_normalizer(tokenizer.lowercase, tokenizer.strip_accents)
    pre_tokenizer = bert_pre_tokenizer()
    counts: Counter[str] = Counter()
    for document in corpus:
        text = replace_surrogates(document if isinstance(document, str) else document.text)
        counts.update(word for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text)))
    old = tokenizer.vocabulary
    words = [
        word
        for word, count in counts.items()
        if count >= minimum_frequency and word not in old.index and len(word) <= LONGEST_WORD
    ]
    encoded = tokenizer.encode(words)
    saved = {}
    for row, word in enumerate(words):
        ids = encoded.row(row)
        saved[word] = counts[word] * (1 if old.unk_id in ids else len(ids) - 1)
    chosen = sorted((word for word in words if saved[word]), key=lambda word: (-saved[word], word))[:new_tokens]
    if len(chosen) < new_tokens:
        raise InputError(
            f"the corpus has {len(chosen):,} new words that occur {minimum_frequency} times or more, and "
            f"{new_tokens:,} were wanted; ask for fewer, lower minimum_frequency, or give more text"
        )
    vocabulary = Vocabulary((*old.tokens, *chosen), old.roles, old.special_ids)
    return type(tokenizer)(vocabulary, **tokenizer.options)
