"""What batches of texts of similar length buy in fine-tuning, beside padding to one length and Hugging Face's Trainer.

    KERAS_BACKEND=torch python -m benchmarks.length_buckets --data FOLDER --out length_buckets.json

The same classifier (BERT's architecture, new weights) is tuned by `fit` on kpt's batches, by `fit` on the same batches
padded to the longest text there may be, and by Hugging Face's Trainer, whose batches of random texts are padded to the
longest of each. An epoch of one follows an epoch of another, so that the machine's noise falls on all of them alike;
only ratios mean anything. The first epoch of each, in which all compiles, does not count.

With `--data` the texts are the single sentences of movie reviews, each with the review's label, without it the single
sentences of docstrings, each with its package.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.finetuning_inputs import documentation_subjects, movie_reviews
from kpt.data import LabelledTexts
from kpt.files import write_json
from kpt.text import Document, WordPieceTokenizer, split_sentences

SIDES = ("length buckets", "padded to the maximum", "Hugging Face Trainer")
SETTINGS: dict[str, Any] = {
    "size": "mini",
    "vocabulary_size": 8000,
    "texts": 2048,
    "length": 64,
    "batch_size": 32,
    "rounds": 5,
    "learning_rate": 2e-5,
}
TINY: dict[str, Any] = {"size": "tiny", "vocabulary_size": 600, "texts": 24, "batch_size": 8, "rounds": 1}


def sentences(documents: Sequence[Document], count: int) -> list[Document]:
    """Return some sentences of labelled documents, always the same ones."""
    found = [
        Document(sentence, label=document.label)
        for document in documents
        for sentence in split_sentences(document.text)
    ]
    return random.Random(0).sample(found, min(count, len(found)))


class PaddedExamples:
    """The same examples, each batch as wide as the longest text may be."""

    def __init__(self, examples: Any, length: int) -> None:
        self.maker, self.length = examples, length
        self.seed, self.vocabulary = examples.seed, examples.vocabulary

    def steps(self, batch_size: int) -> int:
        """Return the number of batches of an epoch."""
        return int(self.maker.steps(batch_size))

    def examples(self, step: int, batch_size: int, rows: slice = slice(None), exact: bool = False) -> Any:
        """Return the batch of a step, or some rows of it."""
        batch = self.maker.examples(step, batch_size, rows)
        return self.maker.widened(batch, self.length - batch[0]["token_ids"].shape[1])

    def widened(self, batch: Any, columns: int) -> Any:
        """Return the batch as it is: all have one width."""
        return batch


def keras_epoch(texts: LabelledTexts, tokenizer: Any, settings: dict[str, Any], padded: bool) -> Callable[[], float]:
    """Return a function that trains for an epoch by `fit`, and returns the seconds of it."""
    from kpt.data import LabelledBatches
    from kpt.evaluation.task_scores import labelled_examples
    from kpt.models import Encoder, bert_config
    from kpt.tasks import Classifier
    from kpt.training import adamw

    length, rounds, size = settings["length"], settings["rounds"], settings["batch_size"]
    encoder = Encoder(
        tokenizer.vocabulary.size,
        **bert_config(settings["size"]),
        maximum_length=length,
        dtype=settings["precision"],
    )
    labels = sorted({str(label) for label in texts.labels})
    model = Classifier(encoder, labels, pooling="pooled", tokenizer=tokenizer, length=length, windows=1)
    examples: Any = labelled_examples(model, texts, seed=0)
    if padded:
        examples = PaddedExamples(examples, length)
    model.compile(optimizer=adamw(settings["learning_rate"], (rounds + 1) * examples.steps(size)))
    batches = LabelledBatches(examples, batch_size=size)

    def epoch() -> float:
        begin = time.perf_counter()
        model.fit(batches, epochs=1, verbose=0)
        return time.perf_counter() - begin

    return epoch


def hugging_face_epoch(
    texts: LabelledTexts, tokenizer: Any, settings: dict[str, Any], folder: Path
) -> Callable[[], float]:
    """Return a function that trains for an epoch by Hugging Face's Trainer, and returns the seconds of its loop."""
    import transformers

    from kpt.models import bert_config

    arguments, length = bert_config(settings["size"]), settings["length"]
    tokenizer.save(folder / "tokenizer")
    reader = transformers.AutoTokenizer.from_pretrained(folder / "tokenizer")
    labels = sorted({str(label) for label in texts.labels})
    config = transformers.BertConfig(
        vocab_size=tokenizer.vocabulary.size,
        hidden_size=arguments["width"],
        num_hidden_layers=arguments["depth"],
        num_attention_heads=arguments["heads"],
        intermediate_size=4 * arguments["width"],
        max_position_embeddings=length,
        num_labels=len(labels),
    )
    model = transformers.BertForSequenceClassification(config)
    ids = reader(list(texts.texts), truncation=True, max_length=length)
    rows = [
        {**{name: ids[name][row] for name in ids}, "labels": labels.index(str(texts.labels[row]))}
        for row in range(len(texts.texts))
    ]

    class Clock(transformers.TrainerCallback):
        begin = seconds = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.begin = time.perf_counter()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            self.seconds = time.perf_counter() - self.begin

    def epoch() -> float:
        clock = Clock()
        options = transformers.TrainingArguments(
            output_dir=str(folder / "trainer"),
            num_train_epochs=1,
            per_device_train_batch_size=settings["batch_size"],
            learning_rate=settings["learning_rate"],
            weight_decay=0.01,
            max_grad_norm=1.0,
            bf16=settings["precision"] == "mixed_bfloat16",
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        transformers.Trainer(
            model=model,
            args=options,
            train_dataset=rows,
            data_collator=transformers.DataCollatorWithPadding(reader),
            callbacks=[clock],
        ).train()
        return clock.seconds

    return epoch


def measure(
    texts: LabelledTexts, tokenizer: Any, settings: dict[str, Any], sides: Sequence[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """Train all in turn; return the seconds of each epoch, texts a second, and the ratios to kpt's batches."""
    with tempfile.TemporaryDirectory() as folder:
        makers = {
            SIDES[0]: lambda: keras_epoch(texts, tokenizer, settings, padded=False),
            SIDES[1]: lambda: keras_epoch(texts, tokenizer, settings, padded=True),
            SIDES[2]: lambda: hugging_face_epoch(texts, tokenizer, settings, Path(folder)),
        }
        epochs = {side: makers[side]() for side in sides}
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(settings["rounds"] + 1):
            for side, epoch in epochs.items():
                taken = epoch()
                if number:
                    seconds[side].append(round(taken, 4))
                    say(f"round {number}, {side:<22} {len(texts.texts) / taken:8.1f} texts/s")
    own = seconds[SIDES[0]]
    return {
        "seconds": seconds,
        "texts_per_second": {side: round(len(texts.texts) / statistics.median(s), 1) for side, s in seconds.items()},
        # Epochs of one round are neighbours in time: their ratios, and not those of the sums, are compared.
        "ratio": {
            side: round(statistics.median(theirs / ours for theirs, ours in zip(seconds[side], own, strict=True)), 3)
            for side in sides[1:]
        },
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Print the table."""
    tokens = result["tokens"]
    table = Table(
        title=f"{result['settings']['size']}, {result['backend']}, {result['settings']['precision']}: "
        f"{result['texts']:,} texts of {tokens['mean']:.0f} tokens (longest {tokens['longest']})"
    )
    for name in ("side", "texts/s", "length buckets are faster by"):
        table.add_column(name, justify="left" if name == "side" else "right")
    for side, speed in result["texts_per_second"].items():
        table.add_row(side, f"{speed:,.0f}", f"{result['ratio'][side]:.2f}" if side in result["ratio"] else "")
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark; return what is written to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the movie reviews, see benchmarks.finetuning")
    parser.add_argument("--out", type=Path, default=Path("length_buckets.json"), help="JSON to write")
    parser.add_argument("--size", help=f"of the model (default {SETTINGS['size']})")
    parser.add_argument("--texts", type=int, help=f"of an epoch (default {SETTINGS['texts']})")
    parser.add_argument("--rounds", type=int, help=f"epochs of each side that count (default {SETTINGS['rounds']})")
    parser.add_argument("--sides", nargs="+", choices=SIDES[1:], default=SIDES[1:], help="beside length buckets")
    parser.add_argument("--precision", default="float32", choices=("float32", "mixed_bfloat16"), help="of the models")
    parser.add_argument("--tiny", action="store_true", help="only try that everything runs")
    options = parser.parse_args(arguments)
    given = {name: getattr(options, name) for name in ("size", "texts", "rounds", "precision")}
    settings = SETTINGS | (TINY if options.tiny else {}) | {n: v for n, v in given.items() if v is not None}
    if options.data is not None:
        documents = movie_reviews(options.data).train
    else:
        documents = documentation_subjects(["jinja2", "rich", "safetensors"] if options.tiny else None).train
    chosen = sentences(documents, settings["texts"])
    labels = [str(each.label) for each in chosen]
    texts = LabelledTexts([each.text for each in chosen], None, labels, [str(each.id) for each in chosen])
    tokenizer = WordPieceTokenizer.train(documents, settings["vocabulary_size"])
    sizes = np.diff(tokenizer.encode(texts.texts).row_splits) + 2
    result: dict[str, Any] = {
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "settings": settings,
        "texts": len(chosen),
        "tokens": {
            "mean": round(float(np.minimum(sizes, settings["length"]).mean()), 1),
            "longest": int(min(sizes.max(), settings["length"])),
        },
    }
    console = Console(stderr=True)
    sides = [side for side in SIDES if side == SIDES[0] or side in options.sides]
    result |= measure(texts, tokenizer, settings, sides, console.print)
    write_json(options.out, result)
    show(result, Console())
    return result


if __name__ == "__main__":
    main()
