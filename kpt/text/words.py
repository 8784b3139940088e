"""Whole words as ids: what word2vec is trained on, of any symbols."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from kpt.errors import InputError
from kpt.text.document import Document, refuse_one_string
from kpt.text.tokenizer import Ragged, check_id
from kpt.text.vocabulary import Vocabulary
from kpt.text.words_folder import read_folder, write_folder
from kpt.text.words_splitting import WordSplitter

if TYPE_CHECKING:
    from kpt.text.words_graph import GraphWords

__all__ = ["UNKNOWN", "WordTokenizer"]

#: The text of the token that stands for all words which have none, id 0.
UNKNOWN = "[UNK]"


class WordTokenizer:
    """Whole words, item ids, k-mers or other symbols between white space, each one id.

    Id 0 is the unknown token's, the role `unk`, and what every word has that is not in the vocabulary. The others
    follow by falling frequency. A token store keeps the unknown tokens where they stood, so that one store serves
    every objective; the examples for word2vec leave them out before anything else, which is what word2vec and gensim
    do with rare words.

    Args:
        vocabulary: the words; only the role `unk` is needed.
        counts: how often each word was in the text that the vocabulary comes from, integers `[vocabulary.size]`; at
            the unknown token's id how many words had no other. None: not known.
        lowercase: whether letters are made lower case.
        word_pattern: a regular expression whose matches are the words; None: words stand between white space.

    Raises:
        InputError: there are not as many counts as words, one of them is negative, the vocabulary has no unknown
            token, or the pattern is none.

    Example:
        >>> tokenizer = WordTokenizer.train(["to be or not to be", "to do"], minimum_frequency=2)
        >>> tokenizer.vocabulary.tokens, tokenizer.counts.tolist()
        (('[UNK]', 'to', 'be'), [3, 3, 2])
        >>> tokenizer.encode(["to see", "be"])
        Ragged(values=array([1, 0, 2], dtype=int32), row_splits=array([0, 2, 3]))
    """

    #: White space means nothing to it, so that documents may be encoded sentence by sentence.
    whole_documents = False

    def __init__(
        self,
        vocabulary: Vocabulary,
        counts: Sequence[int] | np.ndarray | None = None,
        *,
        lowercase: bool = False,
        word_pattern: str | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.unk_id = vocabulary.unk_id
        self.counts = None if counts is None else np.asarray(counts, np.int64)
        if self.counts is not None and (self.counts.shape != (vocabulary.size,) or self.counts.min() < 0):
            raise InputError(
                f"the counts have the shape {self.counts.shape} and the smallest is {self.counts.min(initial=0)}; give "
                f"{vocabulary.size} of 0 or more, one for each word"
            )
        self.lowercase, self.word_pattern = lowercase, word_pattern
        self._split = WordSplitter(lowercase=lowercase, word_pattern=word_pattern)

    @classmethod
    def train(
        cls,
        corpus: Iterable[str | Document],
        vocabulary_size: int | None = None,
        *,
        minimum_frequency: int = 5,
        lowercase: bool = False,
        word_pattern: str | None = None,
    ) -> WordTokenizer:
        """Count the words of a corpus and keep the frequent ones.

        Ids follow falling frequency and, between equal counts, the words' code points, so that they do not depend on
        the order of the corpus. In memory are the different words of the corpus.

        Args:
            corpus: texts or documents, read once.
            vocabulary_size: the largest number of ids, the unknown token's included (gensim: `max_final_vocab`, which
                counts words alone); None: no limit.
            minimum_frequency: words that are less frequent have no id of their own (gensim: `min_count`).
            lowercase: whether letters are made lower case.
            word_pattern: a regular expression whose matches are the words; None: words stand between white space.

        Raises:
            InputError: the corpus is one string or path, no word is frequent enough, or a number is out of its range.
        """
        counts = _count(corpus, WordSplitter(lowercase=lowercase, word_pattern=word_pattern))
        words = _frequent(counts, vocabulary_size, minimum_frequency, taken=1)
        if not words:
            raise InputError(
                f"none of the {len(counts)} different words of the corpus occurs {minimum_frequency} times; give more "
                "text or lower minimum_frequency"
            )
        known = [counts[word] for word in words]
        return cls(
            Vocabulary.from_tokens([UNKNOWN, *words], {"unk": UNKNOWN}),
            [counts.total() - sum(known), *known],
            lowercase=lowercase,
            word_pattern=word_pattern,
        )

    def extend(
        self,
        corpus: Iterable[str | Document],
        vocabulary_size: int | None = None,
        *,
        minimum_frequency: int = 5,
    ) -> WordTokenizer:
        """Return a tokenizer with the frequent new words of a corpus added; all words keep their ids.

        The new words come behind the old, by falling frequency in the corpus, whose counts are added to the old ones
        (gensim: `build_vocab(..., update=True)`). `Word2Vec.extend` grows a model along with it.

        Args:
            corpus: texts or documents, read once.
            vocabulary_size: the largest number of ids; None: no limit.
            minimum_frequency: how often a new word must be in this corpus.

        Raises:
            InputError: as `train`, but for a corpus without new words.
        """
        counts = _count(corpus, self._split)
        index, size = self.vocabulary.index, self.vocabulary.size
        fresh = Counter({word: count for word, count in counts.items() if word not in index})
        words = _frequent(fresh, vocabulary_size, minimum_frequency, taken=size)
        total = np.zeros(size + len(words), np.int64)
        total[:size] = 0 if self.counts is None else self.counts
        total[size:] = [counts[word] for word in words]
        for word, count in counts.items():
            if word not in fresh:
                total[index[word]] += count
        total[self.unk_id] += fresh.total() - int(total[size:].sum())
        roles, special = self.vocabulary.roles, self.vocabulary.special_ids
        return WordTokenizer(Vocabulary((*self.vocabulary.tokens, *words), roles, special), total, **self.options)

    def encode(self, texts: Sequence[str]) -> Ragged:
        """Return the ids of the words of each text.

        Args:
            texts: any strings; a lone surrogate counts as U+FFFD.

        Returns:
            values int32 [n] and row_splits int64 [len(texts) + 1].

        Raises:
            InputError: `texts` is one string.
        """
        if isinstance(texts, str):
            raise InputError(f"encode takes a sequence of texts and got one text, {texts[:40]!r}; pass [text]")
        words = [self._split(text) for text in texts]
        row_splits = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, words), np.int64, len(words)), out=row_splits[1:])
        found = map(self.vocabulary.index.get, chain.from_iterable(words), repeat(self.unk_id))
        return Ragged(np.fromiter(found, np.int32, int(row_splits[-1])), row_splits)

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = False) -> str:
        """Join words by spaces.

        Args:
            ids: any ids of the vocabulary.
            skip_special_tokens: whether unknown words count as nothing instead of as their token's text.

        Raises:
            InputError: an id is not in the vocabulary.
        """
        special = frozenset(self.vocabulary.special_ids) if skip_special_tokens else frozenset()
        tokens = self.vocabulary.tokens
        return " ".join(tokens[check_id(i, len(tokens))] for i in map(int, ids) if i not in special)

    @property
    def options(self) -> dict[str, Any]:
        """What beside the words decides which ids a text gets."""
        return {"lowercase": self.lowercase, "word_pattern": self.word_pattern}

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of the vocabulary and the options; the same in every process, and whatever the counts."""
        content = {"kind": "words", **self.options, "tokens": self.vocabulary.tokens, "unk_id": self.unk_id}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a folder that `load_tokenizer` and Hugging Face's `tokenizers` read, and the counts beside it.

        Raises:
            InputError: the folder cannot be written.
        """
        write_folder(folder, self.vocabulary, self.counts, **self.options)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> WordTokenizer:
        """Read a folder that `save` wrote; runs no code from it.

        Raises:
            InputError: a file is missing or damaged, or the tokenizer is not one of whole words.
        """
        vocabulary, counts, options = read_folder(folder)
        return cls(vocabulary, counts, **options)

    def in_graph(self) -> GraphWords:
        r"""Return the same tokenization as a `tf.Module` of TensorFlow operations: string [n] to ragged int32 ids.

        Raises:
            InputError: the word pattern has a class such as `\\w`, which TensorFlow takes for ASCII letters alone.
        """
        from kpt.text.words_graph import GraphWords

        return GraphWords(self.vocabulary, **self.options)


def _count(corpus: Iterable[str | Document], split: WordSplitter) -> Counter[str]:
    refuse_one_string(corpus)
    counts: Counter[str] = Counter()
    for document in corpus:
        counts.update(split(document if isinstance(document, str) else document.text))
    return counts


def _frequent(counts: Counter[str], size: int | None, minimum_frequency: int, taken: int) -> list[str]:
    """The words of a minimum frequency, most frequent first, as far as `size` ids reach of which some are taken."""
    if minimum_frequency < 1:
        raise InputError(f"minimum_frequency is {minimum_frequency}; give 1 or more")
    if size is not None and size <= taken and not (taken > 1 and size == taken):
        raise InputError(f"vocabulary_size is {size}; give more than the {taken} ids that are taken already")
    words = [word for word, count in counts.items() if count >= minimum_frequency and word != UNKNOWN]
    words.sort(key=lambda word: (-counts[word], word))
    return words if size is None else words[: size - taken]
