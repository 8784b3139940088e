"""The function that an exported question answerer serves: questions and texts in, answers with their places out.

`serving_default` takes `questions` string [n] and `contexts` string [n], the text that each is asked of, to

- `answers` string [n], a part of the text, or "" for no answer;
- `begins` and `ends` int32 [n], the number of the answer's first character and of the one after its last: characters
  are code points, and each byte that is no valid UTF-8 counts as one; 0 and 0 for no answer;
- `scores` float32 [n]: the logarithm of how much likelier the best span is than no answer. It is told for "" too, and
  is the least float32 there is where the text has no word.

A question is answered where the score is at least the model's `threshold`. A long text is read in overlapping windows,
all of them in one batch; see `kpt.QuestionAnswerer`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from kpt.data import sequence_marks
from kpt.export.sequences import pair_sequences
from kpt.export.settings import concrete
from kpt.export.tag_signatures import word_pieces
from kpt.tasks import QuestionAnswerer
from kpt.text import Tokenizer
from kpt.text.word_spans_graph import GraphSpans, graph_word_spans

__all__ = ["ServedAnswerer"]

#: The logit of a word that is not there.
WORST = float("-inf")


class ServedAnswerer(tf.Module):
    """A question answerer behind its tokenizer; what it tracks is what a SavedModel of it holds.

    Args:
        model: the question answerer.
        tokenizer: the tokenizer it was trained with.
        length: tokens of a window at most, question and marks included.

    Attributes:
        functions: the signature.
        methods: nothing; the signature answers Predict alone.
    """

    def __init__(self, model: QuestionAnswerer, tokenizer: Tokenizer, length: int) -> None:
        super().__init__()
        # The variables alone: a Keras object in the SavedModel would ask for Keras when it is loaded.
        self.weights = [weight.value for weight in model.weights]
        self.tokenizer = tokenizer.in_graph()
        self.methods: dict[str, str] = {}
        unknown, room = tokenizer.vocabulary.roles.get("unk", 0), length - sequence_marks(tokenizer.vocabulary).pair

        def function(questions: tf.Tensor, contexts: tf.Tensor) -> dict[str, tf.Tensor]:
            spans = graph_word_spans(contexts)
            pieces = word_pieces(self.tokenizer, spans, unknown)
            rows = tf.gather(spans.rows, pieces.value_rowids())
            ids = tf.RaggedTensor.from_value_rowids(pieces.values, rows, tf.size(contexts, tf.int64), validate=False)
            windows = context_windows(self.tokenizer(questions), ids, room, model.stride)
            batch = pair_sequences(windows.asked, windows.read, tokenizer.vocabulary, length)
            logits = tf.cast(model(batch, training=False), tf.float64)
            nothing = tf.math.segment_min(tf.reduce_sum(logits[:, 0], axis=-1), windows.owners)
            words = logits_of_words(logits, windows, pieces.row_starts())
            dense = tf.RaggedTensor.from_value_rowids(words, spans.rows, ids.nrows(), validate=False)
            first, last, score = best_spans(
                dense.to_tensor(tf.constant(WORST, tf.float64), shape=[None, None, 2]), model.answer_words
            )
            told = score > WORST
            if model.threshold is not None:
                told &= score - nothing >= model.threshold
            score = tf.where(score > WORST, tf.cast(score - nothing, tf.float32), tf.float32.min)
            return answer_outputs(contexts, spans, dense.row_starts(), (first, last), told) | {"scores": score}

        self.functions: dict[str, Any] = {"serving_default": concrete(function, ["questions", "contexts"])}


class Windows(NamedTuple):
    """Windows of texts, each with its question, as `kpt.data.questions.encode_questions` has them.

    Attributes:
        asked: int32 [windows, None], the question.
        read: int32 [windows, None], the part of the text.
        owners: int64 [windows], the number of the text, ascending.
        begins: int64 [windows], the first piece of each, of the pieces of all texts.
    """

    asked: tf.RaggedTensor
    read: tf.RaggedTensor
    owners: tf.Tensor
    begins: tf.Tensor


def context_windows(questions: tf.RaggedTensor, contexts: tf.RaggedTensor, room: int, stride: int) -> Windows:
    """Divide texts into windows beside their questions.

    Args:
        questions: int32 [n, None].
        contexts: int32 [n, None].
        room: pieces of both that a window has.
        stride: pieces from the beginning of a window to that of the next at most.
    """
    sizes = tf.minimum(questions.row_lengths(), max(1, room // 2))
    rooms, pieces = room - sizes, contexts.row_lengths()
    strides = tf.minimum(tf.constant(stride, tf.int64), rooms)
    numbers = tf.ragged.range(1 + tf.maximum(tf.constant(0, tf.int64), -(-(pieces - rooms) // strides)))
    owners = numbers.value_rowids()
    offsets = numbers.values * tf.gather(strides, owners)
    parts = tf.minimum(tf.gather(rooms, owners), tf.gather(pieces, owners) - offsets)
    asked = tf.gather(questions.row_starts(), owners)
    begins = tf.gather(contexts.row_starts(), owners) + offsets
    return Windows(
        tf.gather(questions.values, tf.ragged.range(asked, asked + tf.gather(sizes, owners))),
        tf.gather(contexts.values, tf.ragged.range(begins, begins + parts)),
        owners,
        begins,
    )


def logits_of_words(logits: tf.Tensor, windows: Windows, starts: tf.Tensor) -> tf.Tensor:
    """Return the logits of each word, float64 [words, 2], in the window in which it has the most context.

    Args:
        logits: float64 [windows, columns, 2].
        windows: the windows.
        starts: int64 [words], the first piece of each word, of the pieces of all texts.
    """
    asked, parts = windows.asked.row_lengths(), windows.read.row_lengths()
    # Every word that begins in a window, a row a window.
    words = tf.ragged.range(
        *(tf.searchsorted(starts, edge, out_type=tf.int64) for edge in (windows.begins, windows.begins + parts))
    )
    window, word = words.value_rowids(), words.values
    before = tf.gather(starts, word) - tf.gather(windows.begins, window)
    size = tf.gather(parts, window)
    context = tf.cast(tf.minimum(before, size - 1 - before), tf.float64) + 0.01 * tf.cast(size, tf.float64)
    count = tf.size(starts, tf.int64)
    most = tf.math.unsorted_segment_max(context, word, count)
    best = tf.where(context == tf.gather(most, word))[:, 0]  # of equal ones the first window is taken
    word, window = tf.gather(word, best), tf.gather(window, best)
    nearest = tf.math.unsorted_segment_min(window, word, count)
    column = starts - tf.gather(windows.begins, nearest) + tf.gather(asked, nearest) + 2
    return tf.gather_nd(logits, tf.stack([nearest, column], axis=1))


def best_spans(logits: tf.Tensor, most: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return what `kpt.tasks.question_answerer.best_span` does, for each row.

    Args:
        logits: float64 [n, words, 2], minus infinity where a row has fewer words.
        most: words of a span at most.

    Returns:
        int64 [n], the first word; int64 [n], the last one; float64 [n], the score, minus infinity for no word.
    """
    # A word that is not there stands at the end, so that there is one to be found.
    logits = tf.pad(logits, [[0, 0], [0, most], [0, 0]], constant_values=tf.constant(WORST, logits.dtype))
    count = tf.shape(logits)[1] - most + 1
    ends = tf.range(most)[:, None] + tf.range(count)
    scores = logits[:, None, :count, 0] + tf.gather(logits[..., 1], ends, axis=1)
    # The first of the greatest: the shortest one, and of these the one that begins first.
    flat = tf.reshape(scores, [-1, most * count])
    best = tf.argmax(flat, axis=1)
    extra, first = best // tf.cast(count, tf.int64), best % tf.cast(count, tf.int64)
    return first, first + extra, tf.reduce_max(flat, axis=1)


def answer_outputs(
    contexts: tf.Tensor, spans: GraphSpans, rows: tf.Tensor, words: tuple[tf.Tensor, tf.Tensor], told: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Return the answers and their places; see the module.

    Args:
        contexts: string [n].
        spans: their words.
        rows: int64 [n], the number of the first word of each text.
        words: int64 [n] each, the first and the last word of each answer, of those of the text.
        told: bool [n], whether there is one.
    """
    none = tf.zeros([1], tf.int32)  # so that there is a word to gather
    begins, ends = (
        tf.where(told, tf.gather(tf.concat([places, none], axis=0), tf.where(told, rows + word, 0)), 0)
        for places, word in zip((spans.begins, spans.ends), words, strict=True)
    )
    whole = tf.strings.unicode_transcode(contexts, "UTF-8", "UTF-8", replace_control_characters=False)
    return {
        "answers": tf.strings.substr(whole, begins, ends - begins, unit="UTF8_CHAR"),
        "begins": begins,
        "ends": ends,
    }
