"""WordPiece outside a graph: which implementation encodes, and in what batches."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from kpt.text.clean import replace_surrogates
from kpt.text.vocabulary import Vocabulary
from kpt.text.wordpiece_folder import MAXIMUM_WORD_CHARACTERS
from kpt.text.wordpiece_words import WordTable

if TYPE_CHECKING:
    import tokenizers

#: From how many characters on the graph encodes, where TensorFlow is loaded.
GRAPH_FROM_CHARACTERS = 8_000_000
_BATCH_CHARACTERS = 1 << 18
_BATCH_TEXTS = 4096

# From batches of texts to the ids of each batch and the row lengths.
_BatchEncoder = Callable[[Iterable[list[str]]], list[tuple[np.ndarray, np.ndarray]]]


class OfflineEncoder:
    """Encodes texts with the table of words or, once there is much to do, with the graph.

    The table (`kpt.text.wordpiece_words`) is there at once. The graph (`kpt.text.wordpiece_graph`) is about twice as
    fast on English but takes seconds to load and build. It is used from `GRAPH_FROM_CHARACTERS` on, if the process has
    TensorFlow loaded anyway and is a main one: TensorFlow can hang in a forked process. Both give the same ids.

    Args:
        vocabulary: the pieces.
        lowercase: whether text is lowercased.
        strip_accents: whether accents are removed.
    """

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool, strip_accents: bool) -> None:
        self._vocabulary = vocabulary
        self._lowercase = lowercase
        self._strip_accents = strip_accents
        self._encoders: dict[tuple[bool, bool], _BatchEncoder] = {}
        self._encoded_characters = 0

    def encode(self, texts: Sequence[str], *, literal_mask: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of all texts, int32 [n], and their row splits, int64 [len(texts) + 1]."""
        self._encoded_characters += sum(map(len, texts))
        parts, rows = _parts([text if text.isascii() else replace_surrogates(text) for text in texts])
        encoded = self._encoder(literal_mask)(_batches(parts))
        values = np.concatenate([np.zeros(0, np.int32), *(part[0] for part in encoded)])
        lengths = np.zeros(len(texts), np.int64)
        np.add.at(lengths, rows, np.concatenate([np.zeros(0, np.int64), *(part[1] for part in encoded)]))
        return values, np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])

    def uses_graph(self) -> bool:
        """Whether the next text goes to the graph."""
        return (
            self._encoded_characters >= GRAPH_FROM_CHARACTERS
            and sys.modules.get("tensorflow") is not None
            and importlib.util.find_spec("tensorflow_text") is not None
            and multiprocessing.parent_process() is None
        )

    def _encoder(self, literal_mask: bool) -> _BatchEncoder:
        in_graph = self.uses_graph()
        if (in_graph, literal_mask) not in self._encoders:
            encoder = self._graph_encoder(literal_mask) if in_graph else self._table_encoder(literal_mask)
            self._encoders[in_graph, literal_mask] = encoder
        return self._encoders[in_graph, literal_mask]

    def _table_encoder(self, literal_mask: bool) -> _BatchEncoder:
        vocabulary = self._vocabulary
        mask = vocabulary.tokens[vocabulary.mask_id] if literal_mask else None
        backend = plain_text_tokenizer(vocabulary, self._lowercase, self._strip_accents, mask)
        table = WordTable(backend, lowercase=self._lowercase, mask=mask)

        def encode(batches: Iterable[list[str]]) -> list[tuple[np.ndarray, np.ndarray]]:
            encoded = [table.encode(batch) for batch in batches]
            for values, _ in encoded if literal_mask else ():
                values[values == vocabulary.size] = vocabulary.mask_id
            return encoded

        return encode

    def _graph_encoder(self, literal_mask: bool) -> _BatchEncoder:
        from kpt.text.wordpiece_graph import GraphWordPiece

        graph = GraphWordPiece(
            self._vocabulary,
            lowercase=self._lowercase,
            strip_accents=self._strip_accents,
            literal_mask=literal_mask,
        )

        def encode(batches: Iterable[list[str]]) -> list[tuple[np.ndarray, np.ndarray]]:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                return list(pool.map(graph.encode, batches))

        return encode

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_encoders": {}, "_encoded_characters": 0}


def plain_text_tokenizer(
    vocabulary: Vocabulary, lowercase: bool, strip_accents: bool, mask: str | None = None
) -> tokenizers.Tokenizer:
    """Return a Hugging Face tokenizer in which no text matches a special token.

    The special tokens have private-use characters for a text, which no cleaned text has. A text `mask` is kept whole
    and has the id `vocabulary.size`.
    """
    from tokenizers import AddedToken, Tokenizer, models

    private_use = "\ue000"
    while any(token.startswith(private_use) for token in vocabulary.tokens):
        private_use += "\ue000"
    tokens = list(vocabulary.tokens)
    for i in vocabulary.special_ids:
        tokens[i] = f"{private_use}{i}"
    model = models.WordPiece(
        {token: i for i, token in enumerate(tokens)},
        unk_token=tokens[vocabulary.unk_id],
        max_input_chars_per_word=MAXIMUM_WORD_CHARACTERS,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = bert_normalizer(lowercase, strip_accents)
    tokenizer.pre_tokenizer = bert_pre_tokenizer()
    if mask is not None:
        tokenizer.add_special_tokens([AddedToken(mask, normalized=False)])
    return tokenizer


def bert_normalizer(lowercase: bool, strip_accents: bool) -> tokenizers.normalizers.Normalizer:
    """Cleaning, spaces around Chinese characters, accents, case."""
    from tokenizers import normalizers

    return normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)


def bert_pre_tokenizer() -> tokenizers.pre_tokenizers.PreTokenizer:
    """Words: cut at white space, and around each punctuation character."""
    from tokenizers import pre_tokenizers

    return pre_tokenizers.BertPreTokenizer()


def _parts(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """The texts, long ones cut at spaces so that memory stays bounded, and the number of the text of each part."""
    parts: list[str] = []
    rows: list[int] = []
    for row, text in enumerate(texts):
        start = 0
        while len(text) - start > _BATCH_CHARACTERS:
            end = text.find(" ", start + _BATCH_CHARACTERS)
            if end < 0:
                break
            parts.append(text[start:end])
            rows.append(row)
            start = end
        parts.append(text[start:] if start else text)
        rows.append(row)
    return parts, rows


def _batches(parts: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for part in parts:
        batch.append(part)
        characters += len(part)
        if characters >= _BATCH_CHARACTERS or len(batch) == _BATCH_TEXTS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
