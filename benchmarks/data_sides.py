"""The sides of the data benchmark: each function is one job done by one library, run in a process of its own.

A function gets the folder with the corpus and the tokenizer, and how many seconds to go on where a job repeats itself;
it returns a dict whose `value` is the figure. Loading libraries is not counted, building tokenizers is not either.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data_inputs import documents_of, lines_of, setting_of, training_texts


def set_up(folder: Path, _: float) -> dict[str, Any]:
    """Train the tokenizer and write the store that the other sides use."""
    from kpt.data import prepare
    from kpt.text import BytePairTokenizer, WordPieceTokenizer

    documents = documents_of(folder)
    tokenizer = WordPieceTokenizer.train(documents, setting_of(folder)["vocabulary_size"])
    tokenizer.save(folder / "tokenizer")
    prepare(documents, tokenizer, folder / "store")
    BytePairTokenizer.train(documents, setting_of(folder)["vocabulary_size"]).save(folder / "byte_pair")
    return {}


def train_kpt(folder: Path, _: float) -> dict[str, Any]:
    """Train a vocabulary with kpt."""
    from kpt.text import WordPieceTokenizer

    texts, size = training_texts(folder), setting_of(folder)["vocabulary_size"]
    started = time.perf_counter()
    tokenizer = WordPieceTokenizer.train(texts, size)
    return {"value": time.perf_counter() - started, "entries": tokenizer.vocabulary.size}


def train_tokenizers(folder: Path, _: float) -> dict[str, Any]:
    """Train a vocabulary with Hugging Face tokenizers."""
    from tokenizers import BertWordPieceTokenizer

    texts, size = training_texts(folder), setting_of(folder)["vocabulary_size"]
    tokenizer = BertWordPieceTokenizer()
    started = time.perf_counter()
    tokenizer.train_from_iterator(texts, vocab_size=size, show_progress=False)
    return {"value": time.perf_counter() - started, "entries": tokenizer.get_vocab_size()}


def train_keras_hub(folder: Path, _: float) -> dict[str, Any]:
    """Train a vocabulary with keras-hub."""
    import keras_hub
    import tensorflow as tf

    texts, size = training_texts(folder), setting_of(folder)["vocabulary_size"]
    dataset = tf.data.Dataset.from_tensor_slices(texts)
    started = time.perf_counter()
    vocabulary = keras_hub.tokenizers.compute_word_piece_vocabulary(
        dataset,
        vocabulary_size=size,
        lowercase=True,
        strip_accents=True,
        reserved_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    )
    return {"value": time.perf_counter() - started, "entries": len(vocabulary)}


def rate_of(job: Callable[[], int], megabytes: float, seconds: float) -> dict[str, Any]:
    """Repeat a job that encodes the corpus and return its MB/s and tokens/s; the first time is not counted."""
    job()
    tokens = repeats = 0
    started = time.perf_counter()
    while not repeats or time.perf_counter() - started < seconds:
        tokens += job()
        repeats += 1
    passed = time.perf_counter() - started
    return {"value": megabytes * repeats / passed, "million_tokens_a_second": tokens / passed / 1e6}


def encode_kpt(folder: Path, seconds: float) -> dict[str, Any]:
    """Encode sentences with kpt, without TensorFlow."""
    from kpt.text import WordPieceTokenizer

    lines, megabytes = lines_of(folder)
    tokenizer = WordPieceTokenizer.load(folder / "tokenizer")
    return rate_of(lambda: len(tokenizer.encode(lines).values), megabytes, seconds)


def encode_kpt_graph(folder: Path, seconds: float) -> dict[str, Any]:
    """Encode sentences with kpt in a process that has loaded TensorFlow."""
    import tensorflow  # noqa: F401

    return encode_kpt(folder, seconds)


def encode_tokenizers(folder: Path, seconds: float) -> dict[str, Any]:
    """Encode sentences with Hugging Face tokenizers."""
    from tokenizers import Tokenizer

    lines, megabytes = lines_of(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))

    def job() -> int:
        rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(lines, add_special_tokens=False)]
        return len(np.concatenate([np.asarray(row, np.int32) for row in rows]))

    return rate_of(job, megabytes, seconds)


def encode_keras_hub(folder: Path, seconds: float) -> dict[str, Any]:
    """Encode sentences with keras-hub in a tf.data pipeline."""
    import keras_hub
    import tensorflow as tf

    lines, megabytes = lines_of(folder)
    vocabulary = (folder / "tokenizer" / "vocab.txt").read_text(encoding="utf-8").splitlines()
    tokenizer = keras_hub.tokenizers.WordPieceTokenizer(vocabulary, lowercase=True, strip_accents=True)
    dataset = tf.data.Dataset.from_tensor_slices(lines).batch(256).map(tokenizer, tf.data.AUTOTUNE)
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    return rate_of(lambda: sum(len(rows.flat_values) for rows in dataset), megabytes, seconds)


def fresh_rate_of(make: Callable[[], Callable[[], int]], megabytes: float, seconds: float) -> dict[str, Any]:
    """Repeat a job with a fresh tokenizer each time, which knows no word yet; making the tokenizer is not counted."""
    tokens = repeats = 0
    passed = 0.0
    while not repeats or passed < seconds:
        job = make()
        started = time.perf_counter()
        tokens += job()
        passed += time.perf_counter() - started
        repeats += 1
    return {"value": megabytes * repeats / passed, "million_tokens_a_second": tokens / passed / 1e6}


def _megabytes(texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def encode_bytes_kpt(folder: Path, seconds: float) -> dict[str, Any]:
    """Encode whole documents by byte-level BPE with kpt."""
    from kpt.text import BytePairTokenizer

    texts = documents_of(folder)

    def make() -> Callable[[], int]:
        tokenizer = BytePairTokenizer.load(folder / "byte_pair")
        tokenizer.encode([""])
        return lambda: len(tokenizer.encode(texts).values)

    return fresh_rate_of(make, _megabytes(texts), seconds)


def encode_bytes_tokenizers(folder: Path, seconds: float) -> dict[str, Any]:
    """Encode whole documents by byte-level BPE with Hugging Face tokenizers, on all cores."""
    from tokenizers import Tokenizer

    texts = documents_of(folder)

    def make() -> Callable[[], int]:
        tokenizer = Tokenizer.from_file(str(folder / "byte_pair" / "tokenizer.json"))

        def job() -> int:
            rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
            return len(np.concatenate([np.asarray(row, np.int32) for row in rows]))

        return job

    return fresh_rate_of(make, _megabytes(texts), seconds)


def encode_bytes_kpt_graph(folder: Path, seconds: float) -> dict[str, Any]:
    """Encode whole documents by byte-level BPE with kpt's graph in a tf.data pipeline."""
    from kpt.text import BytePairTokenizer

    return _encode_bytes_in_batches(folder, seconds, BytePairTokenizer.load(folder / "byte_pair").in_graph())


def encode_bytes_keras_hub(folder: Path, seconds: float) -> dict[str, Any]:
    """Encode whole documents by byte-level BPE with keras-hub in a tf.data pipeline."""
    import keras_hub

    files = (str(folder / "byte_pair" / name) for name in ("vocab.json", "merges.txt"))
    return _encode_bytes_in_batches(folder, seconds, keras_hub.tokenizers.BytePairTokenizer(*files))


def _encode_bytes_in_batches(folder: Path, seconds: float, tokenize: Any) -> dict[str, Any]:
    import tensorflow as tf

    texts = training_texts(folder)
    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(64).map(tokenize, tf.data.AUTOTUNE)
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    return rate_of(lambda: sum(len(rows.flat_values) for rows in dataset), _megabytes(texts), seconds)


def prepare_kpt(folder: Path, _: float) -> dict[str, Any]:
    """Prepare a store of four times the corpus: reading, splitting, encoding, writing, process start-up included."""
    from kpt.text import WordPieceTokenizer

    documents = documents_of(folder)
    path = folder / "documents.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents * 4))
    tokenizer = WordPieceTokenizer.load(folder / "tokenizer")
    return _prepare(path, folder / "prepared", tokenizer)


def prepare_generated(folder: Path, _: float) -> dict[str, Any]:
    """Prepare a store of the generated corpus."""
    from kpt.text import WordPieceTokenizer

    tokenizer = WordPieceTokenizer.load(folder / "tokenizer")
    return _prepare(folder / "generated.txt", folder / "prepared", tokenizer)


def _prepare(path: Path, store: Path, tokenizer: Any) -> dict[str, Any]:
    from kpt.data import prepare
    from kpt.data.workers import available_cores
    from kpt.text import Corpus

    workers = max(2, available_cores())
    started = time.perf_counter()
    written = prepare(Corpus(path, documents="line"), tokenizer, store, workers=workers, overwrite=True)
    passed = time.perf_counter() - started
    return {"value": written.summary["bytes"] / passed / 1e6, "tokens": written.tokens, "documents": written.documents}


def prepare_tokenizers(folder: Path, _: float) -> dict[str, Any]:
    """Do the same work in one loop: the same sentences, encoded by Hugging Face tokenizers, to a NumPy file."""
    from tokenizers import Tokenizer

    from kpt.text import split_sentences

    documents = documents_of(folder) * 4
    path = folder / "documents.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))
    size = tokens = 0
    started = time.perf_counter()
    with path.open() as file, (folder / "ids.bin").open("wb") as sink:
        sentences: list[str] = []
        for line in [*file, ""]:
            if line:
                text = json.loads(line)["text"]
                size += len(text.encode())
                sentences += split_sentences(text)
            if len(sentences) >= 4096 or not line:
                encodings = tokenizer.encode_batch_fast(sentences, add_special_tokens=False)
                ids = np.concatenate([np.asarray(encoding.ids, np.uint16) for encoding in encodings])
                ids.tofile(sink)
                tokens += len(ids)
                sentences = []
    return {"value": size / (time.perf_counter() - started) / 1e6, "tokens": tokens}


def batches_32_kpt(folder: Path, seconds: float) -> dict[str, Any]:
    """Make batches of 32 with kpt."""
    return _batches_kpt(folder, seconds, 32)


def batches_256_kpt(folder: Path, seconds: float) -> dict[str, Any]:
    """Make batches of 256 with kpt."""
    return _batches_kpt(folder, seconds, 256)


def _batches_kpt(folder: Path, seconds: float, batch_size: int) -> dict[str, Any]:
    from kpt.data import Batches, SentencePairs, TokenStore
    from kpt.objectives import MaskedLM, NextSentence

    length = setting_of(folder)["length"]
    pairs = SentencePairs(TokenStore.open(folder / "store"), length=length)
    batches = Batches(pairs, [MaskedLM(), NextSentence()], batch_size=batch_size, steps=1, prefetch=0)
    return _steps_rate(batches.batch, batch_size * length, seconds)


def _steps_rate(make: Callable[[int], Any], tokens: int, seconds: float) -> dict[str, Any]:
    for step in range(5):
        make(step)
    step = 0
    started = time.perf_counter()
    while not step or time.perf_counter() - started < seconds:
        make(step)
        step += 1
    return {"value": tokens * step / (time.perf_counter() - started) / 1e6, "steps": step}


def batches_32_keras_hub(folder: Path, seconds: float) -> dict[str, Any]:
    """Make batches of 32 with keras-hub."""
    return _batches_keras_hub(folder, seconds, 32)


def batches_256_keras_hub(folder: Path, seconds: float) -> dict[str, Any]:
    """Make batches of 256 with keras-hub."""
    return _batches_keras_hub(folder, seconds, 256)


def _batches_keras_hub(folder: Path, seconds: float, batch_size: int) -> dict[str, Any]:
    """Pack and mask ready-made segment pairs with keras-hub's layers in tf.data; the choice of pairs is not counted."""
    import keras_hub
    import tensorflow as tf

    from kpt.data import TokenStore

    length = setting_of(folder)["length"]
    store = TokenStore.open(folder / "store")
    vocabulary = store.vocabulary
    packer = keras_hub.layers.MultiSegmentPacker(
        length, vocabulary.cls_id, vocabulary.sep_id, pad_value=vocabulary.pad_id, truncate="waterfall"
    )
    masker = keras_hub.layers.MaskedLMMaskGenerator(
        vocabulary.size, 0.15, vocabulary.mask_id, 20, unselectable_token_ids=list(vocabulary.special_ids)
    )
    half = (length - 3) // 2
    rows = []
    for number in range(min(store.documents, 2000)):
        ids = np.concatenate(store.document(number)).astype(np.int32)
        rows += [ids[begin : begin + half] for begin in range(0, len(ids), half)]
    rows = rows[: len(rows) // 2 * 2]
    first, second = tf.ragged.constant(rows[::2], tf.int32), tf.ragged.constant(rows[1::2], tf.int32)

    def to_batch(one: Any, two: Any) -> Any:
        token_ids, segment_ids = packer((one, two))
        return segment_ids, masker(token_ids)

    dataset = tf.data.Dataset.from_tensor_slices((first, second)).repeat().batch(batch_size, drop_remainder=True)
    batches = iter(dataset.map(to_batch, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE))
    return _steps_rate(lambda _: next(batches), batch_size * length, seconds)
