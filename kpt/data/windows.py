"""Examples for word2vec: passages of kept words, how far each one's window reaches, and shared negatives."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from kpt.data.noise import AliasTable, keep_probabilities, noise_distribution
from kpt.data.permutation import permute, random_bits
from kpt.data.store import TokenStore
from kpt.errors import InputError

__all__ = ["Windows"]

_ORDER, _DRAWS = 0x0D3E, 0x3141
# In random order a passage is put together from pieces of about this many tokens of the store, from all over it.
_PIECE = 768
_PROBES = 64
# The order of the pieces is worked out for so many examples at once.
_ORDERED = 256


class Windows:
    """Makes passages of consecutive words for `Word2Vec`, with subsampling, random windows and negatives drawn.

    An example is a passage of the store, and the next one what follows it, in every epoch; or a few pieces from all
    over the store, whose order is a pseudo-random permutation, anew each epoch. Of these the special tokens are left
    out (words below the minimum frequency among them), then occurrences of frequent words at random, so that windows
    reach further, as in word2vec's code and in gensim. Windows do not cross the ends of sentences, passages or pieces.
    The room that an example has for words is that of its tokens with a margin of two standard deviations; it is filled
    up with id 0, without windows, and in the rare case that the words are more the last ones are left out. Example n
    is a pure function of (store, seed, n).

    Args:
        store: the documents.
        length: room for words in an example; a multiple of `block`.
        block: number of consecutive words that share their negatives.
        window: largest number of context words on either side (gensim: `window`); each word's own is drawn evenly from
            1 to that.
        shared_negatives: negatives of a block. Their gradients are weighted so that the expectation is that of
            `Word2Vec.negatives` for each pair.
        sample: threshold of the subsampling (gensim: `sample`); 0: none.
        exponent: of the counts in the negatives' distribution (gensim: `ns_exponent`).
        counts: how often each id occurs, [vocabulary]; by default counted in the store, which reads it once.
        shuffle: whether the text comes in random order. As it stands, as gensim takes it, similarities became better
            (`benchmarks.word2vec`); texts that are sorted by what they are about may want it.
        seed: of all that is random.

    Raises:
        InputError: a number is out of its range, or the store has no word that is not special.

    Example:
        >>> from kpt.data import prepare
        >>> from kpt.text import WordTokenizer
        >>> corpus = ["the cat sat . the dog sat ."]
        >>> tokenizer = WordTokenizer.train(corpus, minimum_frequency=1)
        >>> windows = Windows(prepare(corpus, tokenizer, "store"), length=32, window=2, sample=0)
        >>> batch = windows.examples(0, batch_size=1)
        >>> {name: array.shape for name, array in batch.items()}
        {'token_ids': (1, 32), 'before': (1, 32), 'after': (1, 32), 'negative_ids': (1, 1, 24),
         'token_shares': (1, 32, 2), 'negative_shares': (1, 1, 24, 2)}

    Source: Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space" and "Distributed
    Representations of Words and Phrases and their Compositionality".
    """

    def __init__(
        self,
        store: TokenStore,
        *,
        length: int = 2048,
        block: int = 32,
        window: int = 5,
        shared_negatives: int = 24,
        sample: float = 1e-3,
        exponent: float = 0.75,
        counts: np.ndarray | None = None,
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        for name, value, least in (
            ("block", block, 1),
            ("window", window, 1),
            ("shared_negatives", shared_negatives, 1),
        ):
            if value < least:
                raise InputError(f"{name} is {value}; give at least {least}")
        if length < block or length % block:
            raise InputError(f"the length is {length}; give a multiple of the block, {block}")
        if not 0 <= seed < 1 << 63:
            raise InputError(f"the seed is {seed}; give a number from 0 to 2^63 - 1")
        self.store, self.seed, self.length, self.block, self.shuffle = store, seed, length, block, shuffle
        self.window, self.shared_negatives, self.sample = window, shared_negatives, sample
        self.vocabulary = store.vocabulary
        own = store.counts()
        counts = own if counts is None else np.array(counts)
        if counts.shape != own.shape:
            raise InputError(f"there are counts for {len(counts)} ids and the store has {len(own)}; give as many")
        counts[list(self.vocabulary.special_ids)] = 0
        if not counts.any():
            raise InputError(f"the token store {store.folder} has no words but unknown ones; train another tokenizer")
        self._keep = keep_probabilities(counts, sample)
        noise = noise_distribution(counts, exponent)
        self._noise = AliasTable(noise)
        kept = counts * self._keep
        self._shares = np.stack([kept / kept.sum(), noise], axis=-1).astype(np.float32)
        self._starts = lru_cache(maxsize=4)(self._find_starts)
        self._fit_pieces(float(own @ self._keep) / store.tokens)

    def _fit_pieces(self, share: float) -> None:
        """Choose how many pieces of how many tokens fit into an example, given the mean share of words that stay.

        The share varies less between many pieces from all over the store than between passages: the margin is smaller.
        """
        tokens = self.length / max(share, 1e-9)
        self._pieces = max(1, round(tokens / _PIECE)) if self.shuffle else 1
        size = max(1, min(int(tokens) // self._pieces, self.store.tokens))
        starts = np.linspace(0, self.store.tokens - size, _PROBES).astype(np.int64)
        kept = [self._keep[self.store.stream(start, start + size)[0]] for start in starts.tolist()]
        variance = np.var([part.sum() for part in kept]) + np.mean([(part * (1 - part)).sum() for part in kept])
        margin = min(0.5, 2 * float(np.sqrt(self._pieces * variance)) / self.length)
        self._piece = max(1, int(tokens * (1 - margin)) // self._pieces)
        self._count = -(-self.store.tokens // self._piece)

    @property
    def words_per_example(self) -> int:
        """Tokens of the store that an example goes through, those included that are then left out."""
        return self._pieces * self._piece

    @property
    def examples_per_epoch(self) -> int:
        """Examples until every token has been gone through once."""
        return -(-self._count // self._pieces)

    def steps(self, batch_size: int, epochs: int = 1) -> int:
        """Return how many batches it takes to go through the store so many times."""
        return -(-self._count * epochs // (self._pieces * batch_size))

    def examples(self, step: int, batch_size: int, rows: slice = slice(None)) -> dict[str, np.ndarray]:
        """Return the examples `step * batch_size` to `(step + 1) * batch_size - 1`, or some rows of them.

        Returns:
            token_ids, and before and after, how many of the words on either side are in each word's window: int32
            [rows, length] each; negative_ids int32 [rows, length / block, shared_negatives]; token_shares and
            negative_shares, the same with another axis of 2: float32, which share of the words that stay is that word,
            and with what probability it is drawn as a negative.
        """
        numbers = range(step * batch_size, (step + 1) * batch_size)[rows]
        parts = [self._example(number) for number in numbers]
        names = ("token_ids", "before", "after", "negative_ids")
        batch = {name: np.stack(arrays) for name, arrays in zip(names, zip(*parts, strict=True), strict=True)}
        shares = {f"{name}_shares": self._shares.take(batch[f"{name}_ids"], axis=0) for name in ("token", "negative")}
        return {**batch, **shares}

    def _example(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        generator = np.random.Generator(np.random.PCG64([self.seed, _DRAWS, number]))
        ids, sentences = self._read(number)
        stay = np.flatnonzero(generator.random(len(ids), np.float32) < self._keep.take(ids))[: self.length]
        windows = generator.integers(1, self.window + 1, self.length, np.int32)
        token_ids = np.zeros(self.length, np.int32)
        token_ids[: len(stay)] = ids[stay]
        reach = np.zeros((2, self.length), np.int32)
        reach[:, : len(stay)] = np.minimum(_reach(sentences[stay], self.window), windows[: len(stay)])
        negatives = self._noise.draw(generator, (self.length // self.block, self.shared_negatives))
        return token_ids, reach[0], reach[1], negatives

    def _read(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of an example's pieces, and for each the number of its sentence, counted anew in each piece."""
        starts = self._starts(number // _ORDERED)[number % _ORDERED]
        parts = [self.store.stream(start, start + self._piece) for start in starts]
        ids = np.concatenate([part[0] for part in parts])
        begins = np.zeros(len(ids), np.int32)
        offset = 0
        for part, first in parts:
            begins[offset + first] = 1
            begins[offset] = 1
            offset += len(part)
        return ids, np.cumsum(begins, dtype=np.int32)

    def _find_starts(self, group: int) -> list[list[int]]:
        """Where the pieces of a group of examples start; found for many at once, as few cost nearly as much."""
        numbers = group * _ORDERED * self._pieces + np.arange(_ORDERED * self._pieces)
        epochs, places = np.divmod(numbers, self._count)
        if self.shuffle:
            places = permute(places, self._count, key=random_bits(self.seed, _ORDER, epochs))
        starts: list[list[int]] = (places * self._piece).reshape(-1, self._pieces).tolist()
        return starts


def _reach(sentences: np.ndarray, window: int) -> np.ndarray:
    """How many of the `window` words before and after each are in its sentence, int32 [2, n]; takes their numbers."""
    if not len(sentences):
        return np.zeros((2, 0), np.int32)
    place = np.arange(len(sentences), dtype=np.int32)
    begins = np.concatenate([place[:1], place[1:][sentences[1:] != sentences[:-1]]])
    stops = np.concatenate([begins[1:], place[-1:] + 1])
    sizes = stops - begins
    before, after = place - np.repeat(begins, sizes), np.repeat(stops - 1, sizes) - place
    return np.stack([np.minimum(before, window), np.minimum(after, window)])
