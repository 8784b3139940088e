"""The word2vec model: two tables of vectors, trained by `fit` with updates of single rows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kpt.data import Batches, Windows
from kpt.distribution import StrategyModel, sum_over_replicas
from kpt.errors import InputError
from kpt.objectives.cbow import cbow_gradients, cbow_loss, cbow_softmax_loss
from kpt.objectives.joined_steps import JoinedSteps
from kpt.objectives.skip_gram import skip_gram_gradients, skip_gram_loss, skip_gram_softmax_loss
from kpt.objectives.table_rows import descend, mean_square, row_scale, take_rows, uniform_rows
from kpt.objectives.word_blocks import WordBlocks, word_blocks

__all__ = ["CURVATURE", "Word2Vec"]

_LOSSES = {"skip-gram": (skip_gram_loss, skip_gram_softmax_loss), "cbow": (cbow_loss, cbow_softmax_loss)}
_GRADIENTS = {"skip-gram": skip_gram_gradients, "cbow": cbow_gradients}
# While training, the loss is that of one block in so many.
_MEASURED = 8
# Where windows are summed up by products, pieces have at least so many words.
_PIECE = 16
#: The curvature of a term of the loss for vectors of length 1. It is at most 1/4, where the logit is 0 and all vectors
#: point the same way; at 1/4 the damping costs quality, and at 1/10 a vocabulary of 32 words still trains.
CURVATURE = 0.1


@keras.saving.register_keras_serializable("kpt")
class Word2Vec(StrategyModel, keras.Model):
    r"""Vectors of words, learned from the words around them: skip-gram or CBOW with negative sampling.

    .. math:: \log \sigma(v'_{w_O} \cdot v_{w_I}) + \sum_{i=1}^{k} E_{w_i \sim P_n} \log \sigma(-v'_{w_i} \cdot v_{w_I})

    for each pair of a word and a word of its window (skip-gram), or each word and the mean of its window (CBOW). The
    negatives are shared by the words of a block and weighted so that the expectation of the gradient is the formula's;
    then the products are those of small matrices.

    Compile it with `keras.optimizers.SGD` without momentum, and the learning rate is word2vec's: that of a single pair,
    0.025 to begin with (gensim: `alpha`), falling linearly (`kpt.training.WarmupDecay`). Gradients of a batch's pairs
    add up, a step touches the rows of the words in it alone, and takes equally long whatever the size of the
    vocabulary. With any other optimizer, and with the full softmax, the model is trained on the mean of the losses as
    any Keras model is, and a step goes through the whole tables (but for what TensorFlow keeps sparse).

    Where a word occurs so often in a batch that the sum of its gradients would overshoot, its step is shorter, by
    :math:`1 / \max(1, \eta\, n_i\, c\, \bar\lambda)` with :math:`n_i` the expected number of terms of its gradient,
    :math:`\bar\lambda` the mean squared length of the vectors on the other side and :math:`c` the `CURVATURE` of a
    term. This keeps large batches and small vocabularies from diverging; to all but frequent words it does nothing.

    The loss that is shown is the mean per pair (CBOW: per word) in nats; while training with SGD, that of every eighth
    block.

    Args:
        vocabulary_size: number of ids.
        width: size of a vector (gensim: `vector_size`).
        architecture: `"skip-gram"` or `"cbow"` (gensim: `sg=1`, `sg=0`).
        window: the largest window of the examples (gensim: `window`).
        negatives: :math:`k`, negatives per pair (gensim: `negative`); 0: the full softmax over the vocabulary, for
            small ones.

    Call arguments:
        inputs: a batch, see `kpt.data.Windows`. Only `token_ids` need be there, to predict.

    Returns:
        The words' vectors, `[rows, length, width]`.

    Raises:
        InputError: the architecture is unknown or a number is out of its range.

    Example:
        >>> model = Word2Vec(vocabulary_size=1000, width=50, architecture="cbow")
        >>> model.vectors.shape
        (1000, 50)
        >>> model.compile(optimizer=keras.optimizers.SGD(0.025))

    Source: Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space" and "Distributed
    Representations of Words and Phrases and their Compositionality".
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int = 100,
        architecture: str = "skip-gram",
        window: int = 5,
        negatives: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if architecture not in _LOSSES:
            raise InputError(f"Unknown architecture {architecture!r}; choose skip-gram or cbow.")
        for name, value, least in (
            ("vocabulary_size", vocabulary_size, 1),
            ("width", width, 1),
            ("window", window, 1),
            ("negatives", negatives, 0),
        ):
            if value < least:
                raise InputError(f"{name} is {value}; give {least} or more.")
        self.vocabulary_size, self.width, self.architecture = vocabulary_size, width, architecture
        self.window, self.negatives = window, negatives
        shape = (vocabulary_size, width)
        # gensim begins with 1 / width, word2vec's code with half of that; from 3 / width on small corpora learn sooner.
        self.word_table = self.add_weight(shape=shape, initializer=uniform_rows(3 / width), name="word_vectors")
        self.context_table = self.add_weight(shape=shape, initializer="zeros", name="context_vectors")
        self.built = True

    @property
    def vectors(self) -> np.ndarray:
        """The words' vectors, float32 `[vocabulary_size, width]`."""
        return np.asarray(ops.convert_to_numpy(self.word_table.value))

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        return take_rows(self.word_table, inputs["token_ids"], self.compute_dtype)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Train as `keras.Model.fit` does; `Batches` are taken in the order of their steps.

        Raises:
            InputError: the examples have more ids than the model, or another window.
        """
        if isinstance(x, Batches) and isinstance(x.maker, Windows):
            self._check(x.maker)
        return super().fit(x, *args, **kwargs)

    def train_step(self, *args: Any) -> Any:
        """Update the rows of the words in a batch; on JAX takes and returns the state too, as Keras has it."""
        if not self._by_rows():
            return super().train_step(*args)
        if keras.backend.backend() == "jax":
            return self._stateless_step(*args)
        return self._update(args[0])

    def make_train_function(self, force: bool = False) -> None:
        """Make what `fit` calls; on JAX the steps of an execution are one call."""
        joined = self.steps_per_execution > 1 and keras.backend.backend() == "jax" and self._by_rows()
        if not joined or self.run_eagerly or not self.jit_compile or keras.distribution.distribution() is not None:
            super().make_train_function(force)
        elif force or getattr(self, "train_function", None) is None:
            self.train_function = JoinedSteps(self.train_step, self.steps_per_execution)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the mean loss per pair (CBOW: per word) of a batch; all of it is computed from `x`."""
        blocks = self._blocks(x)
        sampled, softmax = _LOSSES[self.architecture]
        if self.negatives:
            loss, number = sampled(self._take_words, self._take_contexts, blocks, self.negatives)
        else:
            table = ops.cast(self.context_table.value, self.compute_dtype)
            loss, number = softmax(self._take_words, table, blocks)
        return loss / ops.maximum(sum_over_replicas(number), 1.0)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the loss."""
        return self.get_metrics_result()

    def extend(self, vocabulary_size: int) -> Word2Vec:
        """Return a model with more words: the first rows are copies, the new ones are as in a new model.

        `WordTokenizer.extend` gives the vocabulary along with it, in which the old words keep their ids. Optimizer and
        compilation are not taken over.

        Raises:
            InputError: the new vocabulary is smaller.
        """
        if vocabulary_size < self.vocabulary_size:
            raise InputError(f"The model has {self.vocabulary_size} words; {vocabulary_size} are fewer.")
        grown = Word2Vec.from_config({**self.get_config(), "vocabulary_size": vocabulary_size})
        for old, new in zip(self.weights, grown.weights, strict=True):
            values = np.array(ops.convert_to_numpy(new.value))
            values[: self.vocabulary_size] = ops.convert_to_numpy(old.value)
            new.assign(values)
        return grown

    def get_config(self) -> dict[str, Any]:
        return {
            "vocabulary_size": self.vocabulary_size,
            "width": self.width,
            "architecture": self.architecture,
            "window": self.window,
            "negatives": self.negatives,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Word2Vec:
        return cls(**config)

    def _check(self, maker: Windows) -> None:
        if maker.store.vocabulary.size > self.vocabulary_size:
            raise InputError(
                f"the token store {maker.store.folder} has {maker.store.vocabulary.size} ids and the model "
                f"{self.vocabulary_size}; give the model as many"
            )
        if maker.window > self.window:
            raise InputError(f"the examples have windows of up to {maker.window} and the model of {self.window}")

    def _blocks(self, x: dict[str, Any], update: bool = False) -> WordBlocks:
        """The blocks of a batch; windows are summed up in pieces as long as suits `window_sums`."""
        skip_gram, length = self.architecture == "skip-gram", x["token_ids"].shape[1]
        if keras.backend.backend() == "jax" and (update or not skip_gram):
            return word_blocks(x, self.window, length)
        if skip_gram:
            return word_blocks(x, self.window)
        block = length // x["negative_ids"].shape[1]
        least = max(_PIECE, self.window)
        return word_blocks(x, self.window, min((n for n in range(least, block) if block % n == 0), default=block))

    def _take_words(self, ids: Any) -> Any:
        return take_rows(self.word_table, ids, self.compute_dtype)

    def _take_contexts(self, ids: Any) -> Any:
        return take_rows(self.context_table, ids, self.compute_dtype)

    def _by_rows(self) -> bool:
        """Whether the optimizer is plain stochastic gradient descent, whose steps need not touch all rows."""
        optimizer = self.optimizer
        plain = isinstance(optimizer, keras.optimizers.SGD) and not (
            optimizer.momentum
            or optimizer.weight_decay
            or optimizer.clipnorm
            or optimizer.clipvalue
            or optimizer.global_clipnorm
            or optimizer.use_ema
            or optimizer.gradient_accumulation_steps
            or optimizer.loss_scale_factor
        )
        return plain and self.negatives > 0

    def _update(self, data: Any) -> dict[str, Any]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        of_words, of_contexts, loss, number = _GRADIENTS[self.architecture](
            self._take_words,
            self._take_contexts,
            self._blocks(x, update=True),
            self.negatives,
            self._rates(x["token_ids"]),
            _MEASURED,
        )
        descend(self.optimizer, [(self.word_table, *of_words), (self.context_table, *of_contexts)])
        loss, number = sum_over_replicas([loss, number])
        self._loss_tracker.update_state(loss / ops.maximum(number, 1.0), sample_weight=number)
        return self.get_metrics_result()

    def _rates(self, token_ids: Any) -> tuple[Any, Any]:
        """The factors on the gradients of both tables' rows, for a batch of that many words: see the class."""
        words = sum_over_replicas(ops.cast(ops.prod(ops.shape(token_ids)), "float32"))
        pairs = self.window + 1 if self.architecture == "skip-gram" else 1
        reach = CURVATURE * pairs * words * ops.cast(self.optimizer.learning_rate, "float32")
        scale = row_scale(self.optimizer)

        def of_words(shares: Any, *others: Any) -> Any:
            terms = (1 + self.negatives) * shares[..., 0]
            return scale / ops.maximum(reach * mean_square(*others) * terms, 1.0)

        def of_contexts(shares: Any, *others: Any) -> Any:
            terms = shares[..., 0] + self.negatives * shares[..., 1]
            return scale / ops.maximum(reach * mean_square(*others) * terms, 1.0)

        return of_words, of_contexts

    def _stateless_step(self, state: Any, data: Any) -> Any:
        groups = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        )
        mapping = [
            pair for group, values in zip(groups, state, strict=True) for pair in zip(group, values, strict=True)
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            logs = self._update(data)
        return logs, tuple([scope.get_current_value(variable) for variable in group] for group in groups)
