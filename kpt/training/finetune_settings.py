"""The settings of a fine-tuning, each checked by itself before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from kpt.data.glue import glue_task
from kpt.errors import InputError
from kpt.layers import POOLINGS
from kpt.training.optimizers import FINETUNE_RATE, finetune_optimizer
from kpt.training.settings import PRECISIONS, check_choice

__all__ = ["SMALL_RATE", "FinetuneSettings", "peak_rate"]

#: The peak for models narrower than published ones of the base size.
SMALL_RATE = 3e-4
#: The peak for adapters, of models of the base size (Hu et al. 2021, table 9) and of smaller ones; for a head alone.
LORA_RATE, SMALL_LORA_RATE, HEAD_RATE = 5e-4, 2e-3, 1e-3
#: The width of the base size.
BASE_WIDTH = 768


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """How a model is fine-tuned on labelled texts.

    Args:
        task: `"classify"` for labels, `"regress"` for numbers, `"tag"` for tags of words, `"qa"` for
            answers to questions.
        multi_label: whether a text may have several labels.
        epochs: how often each text is seen.
        batch_size: texts of a batch.
        length: tokens of a window at most; by default 256, or the model's positions if these are fewer.
        windows: windows of a text at most, see `kpt.tasks.TaskModel`; tagged texts and pairs have one.
        training_windows: windows of a text that a step trains on at most, drawn anew for each epoch; None for all that
            the model reads. What is fitted or scored reads all.
        learning_rate: peak of the schedule; by default 2e-5 for models of the base size and above, 3e-4 for others; of
            adapters 5e-4 and 2e-3, of the head alone 1e-3.
        warmup: share of the steps in which the rate rises to its peak; it falls to 0 in the others.
        weight_decay: on all weights but biases and normalizations.
        epsilon: of AdamW.
        clip_norm: largest norm of the gradient.
        layer_decay: factor on the learning rate from each block to the one below it; the head has the whole rate, the
            highest block that times the factor, and the embeddings the lowest.
        freeze: number of the lowest blocks that are not trained, nor the embeddings then; or `"backbone"`: the head
            alone is trained (a linear probe).
        gradual_unfreezing: whether the head alone is trained in the first epoch, and in each further one a block more,
            from the highest down.
        lora_rank: rank of the adapters that are trained in place of the backbone's weights, see `kpt.layers.add_lora`;
            None for no adapters.
        lora_alpha: their scale; by default the rank.
        dropout: rate before the head; the backbone keeps its own.
        pooling: what stands for a text, see `kpt.tasks.TaskModel`.
        document_vectors: whether the head also reads the vectors of documents that a pre-training left, where the
            pooling is a mean, see `kpt.tasks.TaskModel`.
        probe: whether the head is fitted before the rest is trained, see `kpt.training.probe.fit_head`.
        class_weights: `"none"`, or `"balanced"`: a text counts in inverse proportion to the frequency of its label.
        patience: epochs without a better score after which the training ends; None for never.
        precision: Keras dtype policy of a new model; one that was trained keeps its own.
        seed: of the order, the head and dropout.
        text_field: field of the text.
        pair_field: field of the second text, where texts come in pairs.
        label_field: field of the label.
        glue: name of one of GLUE's tasks, in whose files the texts are, see `kpt.data.glue`; `task` has to be its.
        column: where words are tagged, the number of the tag's column, see `kpt.data.read_conll`.
        repair_tags: whether tags that are not valid BIO are made so and counted.
        stride: where questions are answered, pieces from the beginning of a window to that of the next.
        answer_words: there, the most words of an answer.

    Raises:
        InputError: a value is out of its range, or a name is unknown.

    Example:
        >>> FinetuneSettings(epochs=0)
        Traceback (most recent call last):
        ...
        kpt.errors.InputError: epochs is 0; give 1 or more
    """

    task: str = "classify"
    multi_label: bool = False
    epochs: int = 4
    batch_size: int = 32
    length: int | None = None
    windows: int = 16
    training_windows: int | None = None
    learning_rate: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.01
    epsilon: float = 1e-8
    clip_norm: float = 1.0
    layer_decay: float = 1.0
    freeze: int | str = 0
    gradual_unfreezing: bool = False
    lora_rank: int | None = None
    lora_alpha: float | None = None
    dropout: float = 0.1
    pooling: str = "distinct"
    document_vectors: bool = True
    probe: bool = True
    class_weights: str = "none"
    patience: int | None = None
    precision: str = "float32"
    seed: int = 0
    text_field: str = "text"
    pair_field: str | None = None
    label_field: str = "label"
    glue: str | None = None
    column: int = -1
    repair_tags: bool = False
    stride: int = 128
    answer_words: int = 30

    def __post_init__(self) -> None:
        for name in (
            "epochs",
            "batch_size",
            "length",
            "windows",
            "training_windows",
            "patience",
            "lora_rank",
            "stride",
            "answer_words",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; give 1 or more")
        for name in ("learning_rate", "epsilon", "clip_norm", "lora_alpha"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and isfinite(value)):
                raise InputError(f"{name} is {value}; give a number above 0")
        for name in ("warmup", "dropout", "weight_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; give a number from 0 to below 1")
        if not 0 < self.layer_decay <= 1:
            raise InputError(f"layer_decay is {self.layer_decay}; give a number above 0 and at most 1")
        if self.freeze != "backbone" and (isinstance(self.freeze, str) or self.freeze < 0):
            raise InputError(f"freeze is {self.freeze!r}; give a number of blocks from 0 up, or backbone")
        if self.lora_rank is not None and self.freeze:
            raise InputError("lora_rank freezes the model's own weights by itself; leave freeze out")
        if self.lora_alpha is not None and self.lora_rank is None:
            raise InputError("lora_alpha is the scale of adapters; give lora_rank too")
        if self.gradual_unfreezing and (self.freeze == "backbone" or self.epochs < 2):
            raise InputError(
                "gradual_unfreezing trains a block more in each epoch; give 2 or more, and no backbone to freeze"
            )
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed is {self.seed}; give a whole number from 0 to 2**63 - 1")
        check_choice("task", self.task, ("classify", "regress", "tag", "qa"))
        check_choice("pooling", self.pooling, (*POOLINGS, "pooled"))
        check_choice("class_weights", self.class_weights, ("none", "balanced"))
        check_choice("precision", self.precision, PRECISIONS)
        if self.glue is not None and self.task != (wanted := "regress" if glue_task(self.glue).numbers else "classify"):
            raise InputError(f"task is {self.task!r}; GLUE's {self.glue} is one to {wanted}")
        if self.task != "classify" and (self.multi_label or self.class_weights != "none"):
            raise InputError("multi_label and class_weights are for labels of texts; leave them out")
        if self.multi_label and self.class_weights != "none":
            raise InputError("class_weights are for texts with one label each; leave them out with multi_label")

    def optimizer(self, steps: int, width: int) -> Any:
        """Return the optimizer of a run.

        Args:
            steps: its number of steps.
            width: of the model.
        """
        return finetune_optimizer(
            steps,
            peak_rate(self, width),
            warmup_steps=min(int(self.warmup * steps), steps - 1),
            weight_decay=self.weight_decay,
            epsilon=self.epsilon,
            clip_norm=self.clip_norm,
        )


def peak_rate(settings: FinetuneSettings, width: int) -> float:
    """Return the peak of the learning rate for a model of some width.

    Example:
        >>> peak_rate(FinetuneSettings(), 768), peak_rate(FinetuneSettings(), 256)
        (2e-05, 0.0003)
    """
    if settings.learning_rate is not None:
        return settings.learning_rate
    if settings.freeze == "backbone":
        return HEAD_RATE
    if settings.lora_rank is not None:
        return LORA_RATE if width >= BASE_WIDTH else SMALL_LORA_RATE
    return FINETUNE_RATE if width >= BASE_WIDTH else SMALL_RATE
