"""A tag for each word of a text, and the entities that they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kpt.data.labelled import label_ids
from kpt.data.labelled_batches import LabelledBatches
from kpt.data.tagged import TaggedExamples, encode_words
from kpt.errors import InputError
from kpt.tasks.classifier import label_probabilities
from kpt.tasks.entities import entities
from kpt.tasks.raw_texts import is_texts
from kpt.tasks.task_model import TaskModel
from kpt.text.word_spans import word_spans

__all__ = ["Tagger"]


@keras.saving.register_keras_serializable("kpt")
class Tagger(TaskModel):
    """A model that tags the words of texts, such as the names in them; see `TaskModel` for what it takes.

    The tag of a word is told at its first piece; other pieces count neither in the loss nor in what is told. Raw texts
    are lists of words, or strings, whose words are then those of `kpt.text.word_spans`. Words past the model's length
    have no outputs, and are tagged `O`.

    Args:
        backbone: The model below, such as `kpt.Encoder`.
        labels: The tags: `O`, and `B-TYPE` and `I-TYPE` for each type of entity (`kpt.data.bio_tag_names`).
        **options: `dropout`, `length`, `tokenizer` and others of `TaskModel`; there is no pooling.

    Returns:
        Logits `[batch, length, tags]`; see `tag` and `tell`.

    Raises:
        InputError: If the tags are not BIO or two of them are the same, or as `TaskModel`.

    Example:
        >>> from kpt import Encoder, WordPieceTokenizer
        >>> tokenizer = WordPieceTokenizer.train(["Anna sang"] * 2, 19)
        >>> encoder = Encoder(tokenizer.vocabulary.size, width=8, depth=1, heads=2)
        >>> tagger = Tagger(encoder, ["O", "B-person", "I-person"], tokenizer=tokenizer, length=16)
        >>> tagger.compile(optimizer="adamw")
        >>> _ = tagger.fit([["Anna", "sang"]], [["B-person", "O"]], verbose=0)
        >>> [len(tags) for tags in tagger.tag(["Anna sang.", ["Anna"]])]
        [3, 1]

    Source: Devlin et al. 2018, section 5.3 (the first piece stands for the word).
    """

    def __init__(self, backbone: keras.Model, labels: Sequence[str], **options: Any) -> None:
        names = tuple(labels)
        valid = all(name == "O" or (name[:2] in ("B-", "I-") and len(name) > 2) for name in names)
        if isinstance(labels, str) or not valid or "O" not in names or len(set(names)) != len(names) or len(names) < 2:
            raise InputError(f"labels are {labels!r}; give O, and B-TYPE and I-TYPE for each type, each once")
        super().__init__(backbone, len(names), **{**options, "pooling": None, "windows": 1})
        self.labels = names

    def compile(self, optimizer: Any = "adamw", loss: Any = None, *, metrics: Any = None, **kwargs: Any) -> None:
        """Configure the training, see `TaskModel.compile`; the accuracy is that of words."""
        if loss is None and metrics is None:
            metrics = []
            kwargs.setdefault("weighted_metrics", self.default_metrics())
        super().compile(optimizer, loss, metrics=metrics, **kwargs)

    def targets(self, labels: Any) -> np.ndarray:
        """Return the numbers of tags, an int32 array for each text.

        Args:
            labels: For each text a tag for each word.
        """
        return ragged_rows([label_ids(list(tags), self.labels) for tags in labels])

    def batches(
        self, x: Any, labels: Any = None, *, weights: Any = None, batch_size: int = 32, seed: int = 0, **options: Any
    ) -> LabelledBatches:
        """Return batches of raw texts, see `TaskModel.batches`.

        Args:
            x: Lists of words, or strings.
            labels: A tag for each word of each text, or none.
            weights: Nothing; all words count the same.
            batch_size: Texts of a batch.
            seed: Of the order.
            **options: `shuffle` of `LabelledExamples`, the others of `LabelledBatches`.
        """
        if self.tokenizer is None:
            raise InputError("the model has no tokenizer to read texts by; set its tokenizer, or pass token ids")
        if weights is not None:
            raise InputError("a tagger takes no weights of texts; leave them out")
        examples = TaggedExamples(
            encode_words(self.tokenizer, [words_of(text, number) for number, text in enumerate(x)], length=self.length),
            self.tokenizer.vocabulary,
            None if labels is None else self.targets(labels),
            seed=seed,
            shuffle=options.pop("shuffle", True),
        )
        return LabelledBatches(examples, batch_size=batch_size, **options)

    def predict_in_order(self, batches: LabelledBatches, **kwargs: Any) -> np.ndarray:
        """Return the logits of the words of each text, in the order of the texts.

        Args:
            batches: From `batches(..., shuffle=False, repeat=True)`, or made so.
            **kwargs: Nothing that matters here.

        Returns:
            For each text float32 [words, tags], without the words past the length.
        """
        maker: Any = batches.maker
        batches.made_for(self.compiles_each_shape)
        outputs = np.empty(len(maker.texts), object)
        for step in range(maker.steps(batches.batch_size)):
            logits = self.predict_on_batch(batches.batch(step)[0])
            for row, text in enumerate(maker.rows(step, batches.batch_size)):
                outputs[text] = np.asarray(logits[row], "float32")[maker.words.words(text)]
        return outputs

    def tag(self, x: Any, **options: Any) -> list[list[str]]:
        """Return the most probable tag of each word.

        Args:
            x: Lists of words, or strings.
            **options: Of `predict`.
        """
        counts = [len(words_of(text, number)) for number, text in enumerate(x)]
        outputs = self.predict(x, **options) if len(counts) else []
        return [self.names_of(logits, count) for logits, count in zip(outputs, counts, strict=True)]

    def names_of(self, logits: np.ndarray, count: int) -> list[str]:
        """Return the tags of a text of `count` words, `O` for those that have no logits.

        Args:
            logits: [words, tags].
            count: Words of the text.
        """
        return [self.labels[i] for i in logits.argmax(axis=-1)] + ["O"] * (count - len(logits))

    def tell(self, x: Any, **options: Any) -> list[dict[str, Any]]:
        """Return the `entities` of each text, see `kpt.tasks.entities`.

        Args:
            x: Lists of words, or strings.
            **options: Of `predict`.

        Returns:
            A dict for each text; each entity has its `type`, its `text`, `begin` and `end` (characters of a string,
            words of a list) and its `probability`, the least of its words' tags.
        """
        if not len(x):
            return []
        told = []
        for text, logits in zip(x, self.predict(x, **options), strict=True):
            spans = word_spans(text) if isinstance(text, str) else [(number, number + 1) for number in range(len(text))]
            chances = label_probabilities(logits).max(axis=-1, initial=0)
            found = []
            for kind, first, last in entities(self.names_of(logits, len(spans))):
                begin, end = spans[first][0], spans[last - 1][1]
                part = text[begin:end] if isinstance(text, str) else " ".join(text[begin:end])
                chance = round(float(chances[first:last].min()), 6)
                found.append({"type": kind, "text": part, "begin": begin, "end": end, "probability": chance})
            told.append({"entities": found})
        return told

    def default_loss(self) -> keras.losses.Loss:
        """Return the cross-entropy from logits, the mean over the words."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")

    def default_metrics(self) -> list[Any]:
        """Return the accuracy, which `compile` has weighted so that it counts words alone."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "labels": list(self.labels)}
        del config["pooling"]
        return config


def words_of(text: Any, number: int) -> list[str]:
    """Return the words of a text that is a string or a list of words.

    Raises:
        InputError: It is neither.

    Example:
        >>> words_of("Anna sang.", 0), words_of(["Anna", "sang."], 1)
        (['Anna', 'sang', '.'], ['Anna', 'sang.'])
    """
    if isinstance(text, str):
        return [text[begin:end] for begin, end in word_spans(text)]
    if isinstance(text, list | tuple) and (not text or is_texts(text)) and all(isinstance(word, str) for word in text):
        return list(text)
    raise InputError(f"text {number} is {str(text)[:40]!r}, neither a string nor a list of words; mend it")


def ragged_rows(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return an array of arrays, whatever their lengths."""
    result = np.empty(len(rows), object)
    for number, row in enumerate(rows):
        result[number] = row
    return result
