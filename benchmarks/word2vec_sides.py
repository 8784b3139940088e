"""One side of the word2vec benchmark: trains vectors on sentences and says how fast, and how good they are.

    python -m benchmarks.word2vec_sides '{"side": "kpt", ...}'

prints one JSON object on its last line.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Settings = dict[str, Any]

#: What kpt is given beside what gensim has a name for. The words of a block share negatives, each of which then stands
#: for `negatives * block / shared_negatives` of gensim's; a step is over `length * rows` words. These
#: are the defaults of `kpt.training.Word2VecSettings`.
SHAPES: dict[str, dict[str, Any]] = {
    "skip-gram": {"block": 16, "shared_negatives": 22, "length": 2048, "rows": 1, "learning_rate": 0.03},
    "cbow": {"block": 64, "shared_negatives": 20, "length": 4096, "rows": 1, "learning_rate": 0.075},
}


def read_sentences(folder: Path) -> list[list[str]]:
    """Return the corpus of a benchmark, a list of words for each sentence."""
    return [line.split() for line in (folder / "sentences.txt").read_text(encoding="utf-8").splitlines()]


def gensim(settings: Settings, shuffled: bool = False) -> dict[str, Any]:
    """Train gensim's Word2Vec with a worker a core, on the sentences in their order or in a random one."""
    from gensim.models import Word2Vec

    sentences = read_sentences(Path(settings["folder"]))
    if shuffled:
        random.Random(settings["seed"]).shuffle(sentences)
    model = Word2Vec(
        vector_size=settings["width"],
        window=settings["window"],
        negative=settings["negatives"],
        min_count=settings["minimum_frequency"],
        sample=settings["sample"],
        sg=int(settings["architecture"] == "skip-gram"),
        alpha=settings["learning_rate"],
        workers=len(os.sched_getaffinity(0)),
        seed=settings["seed"] + 1,
    )
    model.build_vocab(sentences)
    words = sum(map(len, sentences)) * settings["epochs"]
    cpu, begin = time.process_time(), time.perf_counter()
    model.train(sentences, total_examples=len(sentences), epochs=settings["epochs"])
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    speed = {"words_per_second": words / seconds, "words_per_cpu_second": words / cpu, "seconds": seconds}
    return {**speed, **scores(settings, list(model.wv.index_to_key), model.wv.vectors)}


def kpt(settings: Settings) -> dict[str, Any]:
    """Train kpt's Word2Vec by `fit` on the backend of the process."""
    import keras

    from kpt.data import Batches, TokenStore, Windows
    from kpt.objectives import Word2Vec
    from kpt.training import WarmupDecay

    random.seed(settings["seed"])  # that of Keras imports TensorFlow, whose memory is not that of the training
    store = TokenStore.open(Path(settings["folder"]) / "store", verify=False)
    shape = {**SHAPES[settings["architecture"]], **settings.get("shape", {})}
    rows, rate = shape.pop("rows"), shape.pop("learning_rate", settings["learning_rate"])
    examples = Windows(store, window=settings["window"], sample=settings["sample"], seed=settings["seed"], **shape)
    steps = examples.steps(rows, settings["epochs"])
    model = Word2Vec(
        store.vocabulary.size,
        settings["width"],
        settings["architecture"],
        window=settings["window"],
        negatives=settings["negatives"],
    )
    schedule = WarmupDecay(rate, steps, floor=0.0001 / rate)
    together = 1 if keras.backend.backend() == "torch" else settings["steps_per_execution"]  # Keras allows no more
    model.compile(optimizer=keras.optimizers.SGD(schedule), steps_per_execution=together)
    steps = min(steps, settings.get("steps", steps))
    watch = _watch()
    history = model.fit(Batches(examples, batch_size=rows, steps=steps), verbose=0, callbacks=[watch])
    words = watch.measured * examples.words_per_example * rows
    return {
        "words_per_second": words / watch.seconds,
        "words_per_cpu_second": words / watch.cpu,
        "seconds": watch.seconds,
        "compile_seconds": watch.compiled,
        "loss": float(history.history["loss"][-1]),
        "tables_mb": 2 * 4 * model.vocabulary_size * model.width / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        **(scores(settings, list(store.vocabulary.tokens[1:]), model.vectors[1:]) if settings.get("data") else {}),
    }


def _watch() -> Any:
    """A callback that measures all steps but those of the first execution, in which the backend compiles."""
    import keras

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.begin = time.perf_counter()
            self.first = self.measured = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if not self.first:
                float(logs["loss"])
                self.first, self.start = batch + 1, time.perf_counter()
                self.cpu_start, self.compiled = time.process_time(), self.start - self.begin
            self.measured = batch + 1 - self.first

        def on_train_end(self, logs: Any = None) -> None:
            self.seconds = time.perf_counter() - self.start
            self.cpu = time.process_time() - self.cpu_start

    return Watch()


def scores(settings: Settings, words: list[str], vectors: np.ndarray) -> dict[str, float]:
    """Rank correlations with people's judgements, and the share of analogies solved, by gensim's own evaluation."""
    if not settings.get("data"):
        return {}
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(vectors.shape[1])
    keyed.add_vectors(words, vectors)
    folder = Path(settings["data"])
    pairs = {"wordsim353": "wordsim353.tsv", "simlex999": "simlex999.txt"}
    found = {name: float(keyed.evaluate_word_pairs(str(folder / file))[1][0]) for name, file in pairs.items()}
    questions = str(folder / "questions-words.txt")
    return {**found, "analogies": float(keyed.evaluate_word_analogies(questions, restrict_vocab=30_000)[0])}


SIDES = {"gensim": gensim, "gensim, shuffled": partial(gensim, shuffled=True), "kpt": kpt}


if __name__ == "__main__":
    chosen = json.loads(sys.argv[1])
    print("\n" + json.dumps(SIDES[chosen["side"]](chosen)))
