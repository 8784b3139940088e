"""Examples of packed documents, for causal language models."""

from __future__ import annotations

import numpy as np

from kpt.data.permutation import permute, random_bits, random_integers
from kpt.data.segments import check_settings
from kpt.data.store import TokenStore
from kpt.errors import InputError

__all__ = ["PackedSequences", "restarting"]

_ORDER, _PHASE = 0x9AC4, 0x9AC5


class PackedSequences:
    """Makes full blocks of a stream in which all documents follow each other, an end token after each: no padding.

    The stream is endless: after the last document comes the first again. Block n of the stream is its tokens
    n * length to (n + 1) * length, of which the last, shared with the next block, is a label alone (see
    `kpt.objectives.CausalLM`). So the blocks are cut elsewhere in each epoch, and every token is once an input and
    once a label for each time the stream goes through the corpus. An epoch is the blocks that begin in one such pass,
    in an order that is a pseudo-random permutation, anew each epoch; where the passes begin depends on the seed.
    Example n is a pure function of (store, seed, n). Kept in memory are eight bytes a document.

    With `separate`, a token is to see its own document alone: there are segment ids, by which `kpt.Decoder` masks its
    attention, and positions that begin at 0 with each document. The first token of a document is then not predicted,
    since nothing before it may be seen.

    Args:
        store: the documents.
        length: tokens of an example that are inputs; there is one more, the last label.
        separate: whether documents of a block are kept apart.
        seed: of all that is random.

    Raises:
        InputError: the length is below 1, the seed is not in 0 ... 2^63 - 1, the store has no document, or its
            tokenizer neither a token that ends a text nor one that ends a segment.
    """

    def __init__(self, store: TokenStore, *, length: int = 1024, separate: bool = False, seed: int = 0) -> None:
        check_settings(length, 1, seed)
        if not store.documents:
            raise InputError(f"the token store {store.folder} has no document; prepare one with text")
        self.store, self.length, self.separate, self.seed = store, length, separate, seed
        self.vocabulary = store.vocabulary
        self.end_id = self.vocabulary.end_id if "end" in self.vocabulary.roles else self.vocabulary.sep_id
        start, stop = store.document_spans(np.arange(store.documents))
        self._ends = np.cumsum(stop - start + 1)  # in one pass of the stream
        self._pass = int(self._ends[-1])
        self._phase = int(random_integers(random_bits(seed, _PHASE), self._pass))

    @property
    def examples_per_epoch(self) -> int:
        """Examples until every token has been gone through once, the last of them going on into the next epoch."""
        return -(-self._pass // self.length)

    def examples(self, step: int, batch_size: int, rows: slice = slice(None)) -> dict[str, np.ndarray]:
        """Return the examples `step * batch_size` to `(step + 1) * batch_size - 1`, or some rows of them.

        Returns:
            token_ids int32 [rows, length + 1]; with `separate` also segment_ids and positions, int32 of that shape.
        """
        begin = self._begins(step, batch_size, rows)
        # Which documents, counted through all passes, each row has a part of; then one line for each such part.
        first, last = self._document_at(begin), self._document_at(begin + self.length)
        count = last - first + 1
        row = np.repeat(np.arange(len(begin)), count)
        document = np.arange(count.sum()) + np.repeat(first - np.cumsum(count) + count, count)
        source, stop = self.store.document_spans(document % self.store.documents)
        column = self._start(document) - begin[row]  # below 0 where the row begins inside the document
        size = stop - source
        cut = np.maximum(-column, 0)
        taken = np.minimum(size, self.length + 1 - column) - cut
        some = np.flatnonzero(taken > 0)
        token_ids = np.full((len(begin), self.length + 1), self.end_id, np.int32)
        self.store.copy_tokens(token_ids, (column + cut)[some], (source + cut)[some], taken[some], row[some])
        if not self.separate:
            return {"token_ids": token_ids}
        begins = np.zeros(token_ids.shape, bool)
        begins[row, column + cut] = True
        segment_ids, positions = restarting(begins)
        return {"token_ids": token_ids, "segment_ids": segment_ids, "positions": positions}

    def documents(self, step: int, batch_size: int) -> list[list[int]]:
        """Return which documents each example of a step has a part of, by their numbers in the whole store."""
        begin = self._begins(step, batch_size, slice(None))
        parts = zip(self._document_at(begin), self._document_at(begin + self.length), strict=True)
        whole = [self.store.document_spans(np.arange(a, b + 1) % self.store.documents) for a, b in parts]
        return [np.unique(self.store.documents_at(start[start < stop])).tolist() for start, stop in whole]

    def _begins(self, step: int, batch_size: int, rows: slice) -> np.ndarray:
        """Return where in the stream the examples of a step begin."""
        return self._shuffled(step * batch_size + np.arange(batch_size)[rows]) * self.length + self._phase

    def _shuffled(self, numbers: np.ndarray) -> np.ndarray:
        """Return which block of the stream each example is: the blocks that begin in one pass change places."""
        blocks = np.empty_like(numbers)
        epochs = numbers * self.length // self._pass
        for epoch in np.unique(epochs).tolist():
            first, end = (-(-(each * self._pass) // self.length) for each in (epoch, epoch + 1))
            of_it = epochs == epoch
            order = permute(numbers[of_it] - first, end - first, key=int(random_bits(self.seed, _ORDER, epoch)))
            blocks[of_it] = first + order
        return blocks

    def _document_at(self, position: np.ndarray) -> np.ndarray:
        """Return the document, counted through all passes, that each position of the stream lies in."""
        passes, inside = np.divmod(position, self._pass)
        return passes * self.store.documents + np.searchsorted(self._ends, inside, side="right")

    def _start(self, document: np.ndarray) -> np.ndarray:
        """Return where in the stream a document, counted through all passes, starts."""
        passes, inside = np.divmod(document, self.store.documents)
        return passes * self._pass + np.where(inside > 0, self._ends[inside - 1], 0)


def restarting(begins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number segments and the positions in them.

    Args:
        begins: bool [rows, length], `True` where a segment begins.

    Returns:
        segment_ids and positions, int32 of that shape, both from 0.

    Example:
        >>> restarting(np.array([[True, False, False, True, False]]))
        (array([[0, 0, 0, 1, 1]], dtype=int32), array([[0, 1, 2, 0, 1]], dtype=int32))
    """
    column = np.arange(begins.shape[1])
    latest = np.maximum.accumulate(np.where(begins, column, 0), axis=1)
    return (np.cumsum(begins, axis=1) - 1).astype(np.int32), (column - latest).astype(np.int32)
