"""The part of a text that answers a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kpt.data.labelled_batches import LabelledBatches
from kpt.data.questions import QuestionExamples, encode_questions
from kpt.errors import InputError
from kpt.tasks.raw_texts import split_pairs
from kpt.tasks.task_model import TaskModel

__all__ = ["FOUND", "QuestionAnswerer", "SpanCrossentropy", "best_span"]

#: What is found for a question: the characters of the best span, its score, that of no answer, and the loss.
FOUND = np.dtype([("start", "i8"), ("end", "i8"), ("score", "f8"), ("null_score", "f8"), ("loss", "f8")])
#: The logit of padding; far below any other, and within half precision.
NEVER = -1e4


@keras.saving.register_keras_serializable("kpt")
class SpanCrossentropy(keras.losses.Loss):
    r"""The mean of the cross-entropies of an answer's first and last column.

    .. math:: \tfrac12 \sum_{k=1}^2 \left(\log \sum_j e^{z_{jk}} - z_{y_k k}\right)

    Call arguments:
        y_true: Integers `[batch, 2]`, the columns.
        y_pred: Logits `[batch, length, 2]`.

    Source: Devlin et al. 2018, google-research/bert `run_squad.py`.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits = ops.transpose(ops.cast(y_pred, "float32"), (0, 2, 1))
        losses = keras.losses.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), logits, from_logits=True)
        return ops.mean(losses, axis=-1)


@keras.saving.register_keras_serializable("kpt")
class QuestionAnswerer(TaskModel):
    r"""A model that finds the answer to a question in a text; see `TaskModel` for what it takes.

    Raw texts are pairs of a question and a text; a label is the answer's first character and the one after its last, or
    None for no answer. A long text is read in overlapping windows (`kpt.data.questions`). The logits
    :math:`s_i` and :math:`e_i` of word i are those of its first piece, in the window in which that has the most context
    (`kpt.data.questions`); they are not normalized, so that windows compare. The answer is the span of words of the
    greatest :math:`s_i + e_j`, with :math:`i \le j < i + n`. The score of no answer is the least of the windows'
    :math:`s_0 + e_0`, at [CLS].

    Args:
        backbone: The model below, such as `kpt.Encoder`.
        stride: Pieces from the beginning of a window to that of the next.
        answer_words: :math:`n`, the most words of an answer.
        threshold: A question is answered where the score of the span less that of no answer is at least this; None for
            always.
        **options: `dropout`, `length`, `tokenizer` and others of `TaskModel`; there is no pooling.

    Returns:
        Logits float32 `[batch, length, 2]`, of first and last words; see `tell`.

    Raises:
        InputError: If a number is not positive, or as `TaskModel`.

    Example:
        >>> from kpt import Encoder, WordPieceTokenizer
        >>> tokenizer = WordPieceTokenizer.train(["Anna sang. Who?"] * 2, 24)
        >>> encoder = Encoder(tokenizer.vocabulary.size, width=8, depth=1, heads=2)
        >>> answerer = QuestionAnswerer(encoder, tokenizer=tokenizer, length=32, threshold=None)
        >>> answerer.compile(optimizer="adamw")
        >>> _ = answerer.fit([("Who?", "Anna sang.")], [(0, 4)], verbose=0)
        >>> sorted(answerer.tell([("Who?", "Anna sang.")])[0])
        ['answer', 'end', 'score', 'start']

    Source: Devlin et al. 2018, sections 4.2 and 4.3.
    """

    def __init__(
        self,
        backbone: keras.Model,
        stride: int = 128,
        answer_words: int = 30,
        threshold: float | None = 0.0,
        **options: Any,
    ) -> None:
        if stride < 1 or answer_words < 1:
            raise InputError(f"stride is {stride} and answer_words {answer_words}; give 1 or more of each")
        super().__init__(backbone, 2, **{**options, "pooling": None, "windows": 1})
        self.stride, self.answer_words, self.threshold = stride, answer_words, threshold

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        logits = ops.cast(super().call(inputs, training=training), "float32")
        return ops.where(ops.expand_dims(inputs["padding_mask"], -1), logits, NEVER)

    def targets(self, labels: Any) -> Any:
        """Return answers as they are: the windows decide what the model is trained on."""
        return list(labels)

    def batches(
        self, x: Any, labels: Any = None, *, weights: Any = None, batch_size: int = 32, seed: int = 0, **options: Any
    ) -> LabelledBatches:
        """Return batches of windows of raw texts, see `TaskModel.batches`.

        Args:
            x: Pairs of a question and a text.
            labels: For each (first character, the one after the last) of its answer, or None; or none at all.
            weights: Nothing; all questions count the same.
            batch_size: Windows of a batch.
            seed: Of the order.
            **options: `shuffle` of `LabelledExamples`, the others of `LabelledBatches`.
        """
        if weights is not None:
            raise InputError("a question answerer takes no weights of texts; leave them out")
        questions, contexts = split_pairs(x)
        if contexts is None:
            raise InputError("a question needs a text; give pairs of a question and a text")
        options_of_examples = {"seed": seed, "shuffle": options.pop("shuffle", True)}
        return LabelledBatches(
            self.examples(questions, contexts, labels, **options_of_examples), batch_size=batch_size, **options
        )

    def examples(
        self, questions: Sequence[str], contexts: Sequence[str], answers: Any = None, **options: Any
    ) -> QuestionExamples:
        """Return the examples of questions and their texts.

        Args:
            questions: The questions.
            contexts: The text of each.
            answers: As the labels of `batches`.
            **options: Of `QuestionExamples`.

        Raises:
            InputError: If the model has no tokenizer, or they do not go together.
        """
        if self.tokenizer is None:
            raise InputError("the model has no tokenizer to read texts by; set its tokenizer, or pass token ids")
        encoded = encode_questions(self.tokenizer, questions, contexts, length=self.length, stride=self.stride)
        return QuestionExamples(encoded, self.tokenizer.vocabulary, answers, **options)

    def predict_in_order(self, batches: LabelledBatches, **kwargs: Any) -> np.ndarray:
        """Return what is found for each question, in their order, whatever the threshold.

        Args:
            batches: From `batches(..., shuffle=False, repeat=True)`, or made so.
            **kwargs: Nothing that matters here.

        Returns:
            `FOUND` [questions]: `start` and `end` are characters; the score of a text without a word is minus infinity.
            `loss` is the mean over the windows, 0 without labels.
        """
        maker: Any = batches.maker
        batches.made_for(self.compiles_each_shape)
        encoded = maker.encoded
        found = np.zeros(len(encoded.spans), FOUND)
        found["null_score"] = np.inf
        logits_of_words = [np.zeros((len(spans), 2)) for spans in encoded.spans]
        nearest = encoded.nearest()
        counts = np.bincount(encoded.owners, minlength=len(found))
        for step in range(maker.steps(batches.batch_size)):
            batch = batches.batch(step)
            logits = np.asarray(self.predict_on_batch(batch[0]), "float64")
            for row, window in enumerate(maker.rows(step, batches.batch_size)):
                owner = encoded.owners[window]
                one, z = found[owner : owner + 1], logits[row]
                one["null_score"] = min(one["null_score"][0], z[0].sum())
                first, columns = encoded.words(window)
                own = nearest[owner][first : first + len(columns)] == window
                logits_of_words[owner][first + np.flatnonzero(own)] = z[columns[own]]
                if maker.labels is not None:
                    right = z[maker.labels[window], [0, 1]]
                    one["loss"] += np.mean(np.logaddexp.reduce(z, axis=0) - right) / counts[owner]
        for row, (words, spans) in enumerate(zip(logits_of_words, encoded.spans, strict=True)):
            begin, end, found["score"][row] = best_span(words, self.answer_words)
            if len(spans):
                found["start"][row], found["end"][row] = spans[begin, 0], spans[end, 1]
        return found

    def answers(self, contexts: Sequence[str], found: np.ndarray) -> list[str]:
        """Return the answers that the threshold lets through, `""` where there is none.

        Args:
            contexts: The texts.
            found: From `predict_in_order`.
        """
        return [
            text[one["start"] : one["end"]] if told else ""
            for text, one, told in zip(contexts, found, self.told(found), strict=True)
        ]

    def told(self, found: np.ndarray) -> np.ndarray:
        """Return bool [questions], which of them are answered."""
        least = -np.inf if self.threshold is None else self.threshold
        return np.isfinite(found["score"]) & (found["score"] - found["null_score"] >= least)

    def tell(self, x: Any, **options: Any) -> list[dict[str, Any]]:
        """Return the answer to each question.

        Args:
            x: Pairs of a question and a text.
            **options: Of `predict`.

        Returns:
            For each its `answer`, `start` and `end` in characters of the text (code points; `""`, 0 and 0 where there
            is none), and `score`: the logarithm of how much likelier the best span is than no answer, None where the
            text has no word.
        """
        if not len(x):
            return []
        _, contexts = split_pairs(x)
        found = self.predict(x, **options)
        rows = zip(contexts or [], found, self.told(found), strict=True)
        result: list[dict[str, Any]] = []
        for text, one, told in rows:
            start, end = (int(one["start"]), int(one["end"])) if told else (0, 0)
            score = round(float(one["score"] - one["null_score"]), 6) if np.isfinite(one["score"]) else None
            result.append({"answer": text[start:end], "start": start, "end": end, "score": score})
        return result

    def default_loss(self) -> keras.losses.Loss:
        """Return the mean of the cross-entropies of first and last words."""
        return SpanCrossentropy()

    def default_metrics(self) -> list[Any]:
        """Return nothing: what counts is the answer, see `kpt.evaluation.answer_scores`."""
        return []

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["pooling"], config["windows"]
        return {**config, "stride": self.stride, "answer_words": self.answer_words, "threshold": self.threshold}


def best_span(logits: np.ndarray, most: int) -> tuple[int, int, float]:
    """Return the first and the last word of the span of the greatest score, and that; minus infinity without words.

    Args:
        logits: [words, 2], of first and last words.
        most: words of a span at most.

    Example:
        >>> best_span(np.array([[0.0, 9.0], [2.0, 0.0], [1.0, 4.0]]), 2)
        (0, 0, 9.0)
    """
    best = (0, 0, -np.inf)
    for extra in range(min(most, len(logits))):
        scores = logits[: len(logits) - extra, 0] + logits[extra:, 1]
        begin = int(scores.argmax())
        if scores[begin] > best[2]:
            best = (begin, begin + extra, float(scores[begin]))
    return best
