"""What every task model is: a backbone, one vector for each text, and a dense layer on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from kpt.data.labelled_batches import LabelledBatches, LabelledExamples
from kpt.data.text_sequences import encode_texts
from kpt.distribution import StrategyModel, replica_count, sum_over_replicas
from kpt.errors import InputError
from kpt.layers import Dropout, check_pooling, count_tokens, pool_sequence, truncated_normal
from kpt.recording import RecordedSteps
from kpt.tasks.raw_texts import is_texts, split_pairs
from kpt.tasks.windows import BackboneOutputs, mean_of_windows, read_backbone

__all__ = ["TaskModel"]


class TaskModel(RecordedSteps, StrategyModel, keras.Model):
    """A head on a backbone that tells something of a text; it is an ordinary Keras model.

    `compile` without a loss takes the task's own, and its metrics. `fit`, `evaluate` and `predict` take whatever Keras
    takes (`kpt.data.LabelledBatches`, dicts of arrays with `token_ids`, `segment_ids` and `padding_mask`), and also raw
    texts through the tokenizer: a list of strings, or of pairs of them, batched by their lengths. A text that is longer
    than `length` is read in windows of that length, which do not see one another and are pooled together; what is past
    the last of them is cut, as is what is over the length in a pair.

    A subclass gives `outputs`, `targets`, `tell`, `default_loss` and `default_metrics`.

    Args:
        backbone: A model such as `kpt.Encoder` or `kpt.Decoder`: it takes a dict of inputs, gives a dict of outputs and
            has `width`. Where nothing reads its layer `pooler`, that layer is frozen.
        outputs: Number of outputs of the head.
        pooling: What stands for a text: `"mean"` of its tokens' vectors, the mean in which each `"distinct"` token
            counts once (`kpt.layers.once_each`), its `"first"` or `"last"` one, or `"pooled"`, the backbone's own
            output of that name. None: each token stands for itself.
        dropout: Rate on the vector before the head.
        document_width: Width of `document_vectors`; 0 for none.
        length: Tokens of a window at most, marks included; by default the backbone's `maximum_length`.
        windows: Windows of a raw text at most.
        tokenizer: For raw texts; it is not part of what `save` writes, and may be set later.

    Attributes:
        document_vectors: where `document_width` is above 0, a vector for each token of the vocabulary; the mean of
            those of a text's distinct tokens stands beside what the pooling gives. It is for vectors by the documents
            that tokens occur in (`kpt.vectors.latent_semantic_vectors`), which know what a text is about from few
            labels, and are zeros until they are assigned: `model.document_vectors.kernel.assign(vectors)`.

    Call arguments:
        inputs: A dict of `token_ids` int32, `segment_ids` int32 (which a backbone without segments does not read) and
            `padding_mask` bool, `[batch, length]` each; or, if `windows` is more than 1, `[batch, columns]` with a
            window in each `length` columns (`kpt.data.encode_texts`).

    Raises:
        InputError: If the pooling is unknown or the backbone has no such output, the length is over its positions, or
            there is no window.
    """

    def __init__(
        self,
        backbone: keras.Model,
        outputs: int,
        pooling: str | None = "mean",
        dropout: float = 0.1,
        document_width: int = 0,
        length: int | None = None,
        windows: int = 1,
        tokenizer: Any = None,
        **kwargs: Any,
    ) -> None:
        policy = getattr(backbone, "encoder_policy", backbone.dtype_policy)
        super().__init__(**{"dtype": policy, **kwargs})
        if pooling is not None:
            check_pooling(pooling, ("pooled",))
        longest = getattr(backbone, "maximum_length", None)
        if length is not None and longest is not None and not 1 <= length <= longest:
            raise InputError(f"length is {length}; the positions of the model allow 1 to {longest}")
        if windows < 1:
            raise InputError(f"windows is {windows}; give 1 or more")
        self.backbone, self.pooling, self.length = backbone, pooling, length or longest or 512
        self.windows = windows
        pooler = next((layer for layer in getattr(backbone, "layers", ()) if layer.name == "pooler"), None)
        if pooling == "pooled" and pooler is None:
            raise InputError("The backbone has no output 'pooled'; choose the pooling mean, first or last.")
        if pooling != "pooled" and pooler is not None:
            pooler.trainable = False
        if document_width < 0 or (document_width and pooling is None):
            raise InputError(f"document_width is {document_width}; give 0 or more, and 0 where each token is told")
        self.vocabulary_size = getattr(backbone, "vocabulary_size", None)
        if self.vocabulary_size is None and (pooling == "distinct" or document_width):
            raise InputError(
                "distinct tokens are counted by the backbone's vocabulary_size, which it has not; pool a mean"
            )
        self.tokenizer, self.document_width = tokenizer, document_width
        if document_width:
            self.document_vectors = keras.layers.Dense(
                document_width,
                use_bias=False,
                kernel_initializer="zeros",
                dtype="float32",
                name=f"{self.name}_documents",
            )
            self.document_vectors.build((None, self.vocabulary_size))
            # What tells texts apart is small beside what their vectors share: 16 bits would round it away.
            policy = "float32"
        self.dropout = Dropout(dropout, dtype=policy, name="head_dropout")
        self.head = keras.layers.Dense(
            outputs, kernel_initializer=truncated_normal(), dtype=policy, name=f"{self.name}_head"
        )
        self.head.build((None, backbone.width + document_width))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        read = read_backbone(self.backbone, inputs, self.length, self.windows, training)
        return self.head_outputs(read, training)

    def head_outputs(self, read: BackboneOutputs, training: bool | None = None) -> Any:
        """Return what `call` returns of inputs that the backbone has read."""
        return self.head(self.dropout(self.head_inputs(read), training=training))

    def head_inputs(self, read: BackboneOutputs) -> Any:
        """Return what the head reads: a vector for each text, `[batch, width + document_width]`, or for each token."""
        sequence, mask, token_ids = read.outputs["sequence"], read.padding_mask, read.token_ids
        if read.windowed:
            whole = tuple(ops.reshape(each, (read.batch, -1)) for each in (mask, token_ids))
            if self.pooling not in ("first", "pooled"):
                sequence, (mask, token_ids) = ops.reshape(sequence, (read.batch, -1, sequence.shape[-1])), whole
        else:
            whole = (mask, token_ids)
        if self.pooling is None:
            vector = sequence[:, : read.columns]
        elif self.pooling in ("first", "pooled"):
            vector = read.outputs["pooled"] if self.pooling == "pooled" else pool_sequence(sequence, mask, "first")
            if read.windowed:
                vector = mean_of_windows(vector, mask, read.batch)
        else:
            vector = pool_sequence(sequence, mask, self.pooling, token_ids, self.vocabulary_size)
        if self.document_width:
            there = ops.cast(count_tokens(whole[1], whole[0], self.vocabulary_size) > 0, "float32")
            shares = there / ops.maximum(ops.sum(there, axis=1, keepdims=True), 1.0)
            vector = ops.concatenate([ops.cast(vector, "float32"), self.document_vectors(shares)], axis=-1)
        return vector

    def targets(self, labels: Any) -> np.ndarray:
        """Return labels as the loss takes them.

        Args:
            labels: One for each text, as people write them, or an array that is returned as it is.
        """
        raise NotImplementedError

    def tell(self, x: Any, **options: Any) -> list[dict[str, Any]]:
        """Return what the model tells of each text, as plain values that JSON has.

        Args:
            x: Strings, or pairs of them.
            **options: Of `predict`.
        """
        raise NotImplementedError

    def default_loss(self) -> keras.losses.Loss:
        """Return the loss of the task."""
        raise NotImplementedError

    def default_metrics(self) -> list[Any]:
        """Return what `fit` shows beside the loss."""
        raise NotImplementedError

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss of a batch; on several replicas, this one's share of the mean over the global batch."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if (count := replica_count()) > 1:  # Keras has taken a mean here and divided it by their number
            if sample_weight is not None and getattr(self.loss, "reduction", None) == "mean_with_sample_weight":
                part = ops.sum(ops.cast(sample_weight, "float32"))
            else:
                part = ops.cast(ops.shape(y_pred)[0], "float32")
            loss = loss * ops.divide_no_nan(part * count, sum_over_replicas(part))
        return loss

    def compile(self, optimizer: Any = "adamw", loss: Any = None, *, metrics: Any = None, **kwargs: Any) -> None:
        """Configure the training as `keras.Model.compile` does.

        Args:
            optimizer: The optimizer; see `kpt.training.finetune_optimizer`.
            loss: By default that of the task.
            metrics: By default those of the task, if the loss is the task's too.
            **kwargs: As in Keras.
        """
        if loss is None:
            loss = self.default_loss()
            metrics = self.default_metrics() if metrics is None else metrics
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def batches(
        self, x: Any, labels: Any = None, *, weights: Any = None, batch_size: int = 32, seed: int = 0, **options: Any
    ) -> LabelledBatches:
        """Return batches of raw texts.

        Args:
            x: Strings, or pairs of them.
            labels: One for each text, or none.
            weights: How much each text counts.
            batch_size: Texts of a batch.
            seed: Of the order.
            **options: `shuffle` of `LabelledExamples`, the others of `LabelledBatches`.

        Raises:
            InputError: If the model has no tokenizer, or texts, labels and weights do not go together.
        """
        if self.tokenizer is None:
            raise InputError("the model has no tokenizer to read texts by; set its tokenizer, or pass token ids")
        texts, seconds = split_pairs(x)
        examples = LabelledExamples(
            encode_texts(self.tokenizer, texts, seconds, length=self.length, windows=self.windows),
            self.tokenizer.vocabulary,
            None if labels is None else self.targets(labels),
            None if weights is None else np.asarray(weights, "float32"),
            seed=seed,
            shuffle=options.pop("shuffle", True),
        )
        return LabelledBatches(examples, batch_size=batch_size, **options)

    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """Train as `keras.Model.fit` does, also on raw texts; `Batches` are taken in the order of their steps."""
        if is_texts(x):
            weights = kwargs.pop("sample_weight", None)
            x, y = self.batches(x, y, weights=weights, batch_size=batch_size or 32), None
            batch_size = None
        validation = kwargs.get("validation_data")
        if isinstance(validation, tuple | list) and is_texts(validation[0]):
            texts, labels, *rest = validation
            size = kwargs.pop("validation_batch_size", None) or 32
            options: dict[str, Any] = {"batch_size": size, "shuffle": False, "repeat": True}
            kwargs["validation_data"] = self.batches(texts, labels, weights=rest[0] if rest else None, **options)
        return super().fit(x, y, batch_size, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluate as `keras.Model.evaluate` does, also on raw texts."""
        if is_texts(x):
            weights = kwargs.pop("sample_weight", None)
            x = self.batches(x, y, weights=weights, batch_size=batch_size or 32, shuffle=False, repeat=True)
            y = batch_size = None
        return super().evaluate(x, y, batch_size, *args, **kwargs)

    def predict(self, x: Any, batch_size: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """Return what `call` returns, as `keras.Model.predict` does; of raw texts in their order."""
        if not is_texts(x):
            return super().predict(x, batch_size, *args, **kwargs)
        batches = self.batches(x, batch_size=batch_size or 32, shuffle=False, repeat=True)
        return self.predict_in_order(batches, *args, **kwargs)

    def predict_in_order(self, batches: LabelledBatches, **kwargs: Any) -> np.ndarray:
        """Return what `call` returns for the texts of batches that are not shuffled, in the order of the texts.

        Args:
            batches: From `batches(..., shuffle=False, repeat=True)`, or made so.
            **kwargs: As in `predict`.
        """
        found = super().predict(batches, **{"verbose": 0, **kwargs})
        outputs = np.empty_like(found)
        outputs[batches.maker.order(batches.batch_size)] = found
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "pooling": self.pooling,
            "dropout": self.dropout.rate,
            "document_width": self.document_width,
            "length": self.length,
            "windows": self.windows,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
        config = dict(config)
        backbone = keras.saving.deserialize_keras_object(config.pop("backbone"), custom_objects)
        return cls(backbone, **config)


def as_labels(labels: Any) -> Any:
    """Return labels as a list, also those of an array of strings; an array of numbers as it is."""
    if isinstance(labels, np.ndarray):
        return labels if labels.dtype.kind in "iufb" else labels.tolist()
    return list(labels)
