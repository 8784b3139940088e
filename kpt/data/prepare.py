"""Text to token store."""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, nullcontext
from pathlib import Path

from kpt.data.encoding import DocumentError, EncodedDocuments, Split, encode_documents
from kpt.data.progress import PrepareProgress
from kpt.data.store import TokenStore
from kpt.data.workers import EncodingPool, available_cores, can_travel
from kpt.data.writer import FORMAT, StoreWriter
from kpt.errors import InputError
from kpt.files import atomic_folder
from kpt.text.document import Document, refuse_one_string
from kpt.text.sentences import split_sentences, whole_document
from kpt.text.tokenizer import Tokenizer

__all__ = ["prepare"]

_PORTION_CHARACTERS = 1 << 19
_PORTION_DOCUMENTS = 1 << 13
_POOL_BYTES = 4 << 20

#: A portion of the corpus: the texts, and where each came from.
Portion = tuple[list[str], list[str]]


def prepare(
    corpus: Iterable[str | Document],
    tokenizer: Tokenizer,
    folder: str | os.PathLike[str],
    *,
    split: Split | None = None,
    workers: int | None = None,
    shard_tokens: int = 1 << 26,
    progress: bool | None = None,
    overwrite: bool = False,
) -> TokenStore:
    """Write the ids of a corpus to a token store, in the order of the corpus and in memory that does not grow with it.

    The store appears when it is complete: a run that fails or is killed leaves none. Sentences and documents without a
    token are left out; such documents are counted as the problem `no_tokens`.

    Args:
        corpus: documents, read once. Its `problems`, where it has them, are kept in the store's manifest.
        tokenizer: gives the ids; its files are copied into the store.
        folder: the store; it must not exist, or be empty.
        split: divides a document into sentences. By default `kpt.text.split_sentences`, and nothing for tokenizers that
            keep white space (`tokenizer.whole_documents`): what they have of a document decodes to its text.
        workers: processes that split and encode. By default one a core, and none where the corpus is smaller than
            4 MiB or where `split` cannot be sent to a process (a lambda, a function of the main script). The store
            does not depend on it.
        shard_tokens: a shard takes documents until it has this many tokens.
        progress: True: a bar on a terminal and lines elsewhere, on standard error; None: a bar on a terminal alone;
            False: nothing.
        overwrite: replace a token store that is in the folder.

    Returns:
        The store; its `summary` has the counts.

    Raises:
        InputError: the folder holds something or cannot be written, or the corpus is one string or path or has no
            token.
        RuntimeError: splitting or encoding failed; the message names the document.

    Example:
        >>> from kpt.text import Vocabulary, WordPieceTokenizer
        >>> pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "it", "rained", "stopped", "."]
        >>> tokenizer = WordPieceTokenizer(Vocabulary.from_tokens(pieces))
        >>> store = prepare(["It rained. It stopped.", "", "It rained."], tokenizer, "store")
        >>> store.summary
        {'documents': 2, 'sentences': 3, 'tokens': 9, 'bytes': 32, 'problems': {'no_tokens': 1}}
        >>> store.document(0)
        [array([5, 6, 8], dtype=uint16), array([5, 7, 8], dtype=uint16)]
    """
    refuse_one_string(corpus)
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}; give at least 1")
    if shard_tokens < 1:
        raise InputError(f"shard_tokens is {shard_tokens}; give at least 1")
    if split is None:
        split = whole_document if tokenizer.whole_documents else split_sentences
    path = Path(folder)
    total = getattr(corpus, "size_bytes", None)
    if workers is None:
        large = total is None or total >= _POOL_BYTES
        workers = available_cores() if large and can_travel(tokenizer, split) else 1
    size = without_tokens = 0
    with (
        atomic_folder(path, overwrite=overwrite and _is_store(path)) as temporary,
        closing(StoreWriter(temporary, tokenizer, shard_tokens=shard_tokens)) as writer,
        closing(EncodingPool(tokenizer, split, workers)) if workers > 1 else nullcontext() as pool,
        PrepareProgress(progress, total) as display,
    ):
        ahead = 2 * workers if pool else 0
        for documents in _encoded(_portions(corpus), tokenizer, split, pool, ahead):
            writer.add(documents.token_ids, documents.sentence_lengths, documents.sentence_counts)
            size += documents.bytes
            without_tokens += documents.without_tokens
            display.update(getattr(corpus, "bytes_read", size), writer.documents, writer.tokens)
        if not writer.tokens:
            raise InputError(f"the corpus has no token in {without_tokens} documents; give files with text in them")
        problems = Counter(getattr(corpus, "problems", {}))
        if without_tokens:
            problems["no_tokens"] += without_tokens
        writer.finish(bytes=size, problems=dict(sorted(problems.items())))
    return TokenStore.open(path, verify=False)


def _is_store(folder: Path) -> bool:
    """Whether a folder holds a token store, sound or not, so that it may be replaced."""
    try:
        return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _portions(corpus: Iterable[str | Document]) -> Iterator[Portion]:
    """Gather documents to portions of about half a million characters."""
    texts: list[str] = []
    sources: list[str] = []
    characters = 0
    for number, document in enumerate(corpus, 1):
        text = document if isinstance(document, str) else document.text
        texts.append(text)
        sources.append(_source(document, number))
        characters += len(text)
        if characters >= _PORTION_CHARACTERS or len(texts) >= _PORTION_DOCUMENTS:
            yield texts, sources
            texts, sources, characters = [], [], 0
    if texts:
        yield texts, sources


def _source(document: str | Document, number: int) -> str:
    if isinstance(document, str) or document.source is None:
        return f"document {number}"
    place = "" if document.position is None else f", line or record {document.position}"
    return f"the document at {document.source}{place}"


def _encoded(
    portions: Iterable[Portion], tokenizer: Tokenizer, split: Split, pool: EncodingPool | None, ahead: int
) -> Iterator[EncodedDocuments]:
    """Encode portions, here or in a pool with at most `ahead` of them under way, and yield them in order."""
    if pool is None:
        for texts, sources in portions:
            try:
                yield encode_documents(texts, tokenizer, split)
            except DocumentError as error:
                raise _located(error, sources) from error
        return
    waiting: deque[tuple[Future[EncodedDocuments], list[str]]] = deque()

    def oldest() -> EncodedDocuments:
        future, sources = waiting.popleft()
        try:
            return future.result()
        except DocumentError as error:
            raise _located(error, sources) from error

    for texts, sources in portions:
        waiting.append((pool.submit(texts), sources))
        if len(waiting) > ahead:
            yield oldest()
    while waiting:
        yield oldest()


def _located(error: DocumentError, sources: list[str]) -> RuntimeError:
    return RuntimeError(f"{sources[error.index]} could not be encoded: {error.reason}")
