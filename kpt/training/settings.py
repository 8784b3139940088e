"""The settings of a pre-training, each checked by itself before anything is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from typing import Any, ClassVar, NamedTuple

from kpt.errors import InputError

__all__ = ["PRECISIONS", "Architecture", "PretrainSettings", "check_choice"]

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


class Architecture(NamedTuple):
    """A model and how it is trained.

    Attributes:
        config: from the name of a size to the arguments of the backbone.
        optimizer: from the number of steps, and options, to the optimizer.
        learning_rate: the optimizer's peak, where none is given.
    """

    config: Callable[[str], dict[str, Any]]
    optimizer: Callable[..., Any]
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """What all pre-trainings on sequences of tokens have in common.

    Args:
        steps: number of batches.
        size: name of a size of the backbone.
        backbone: its arguments, in place of a size: those of a model that is trained further, see
            `kpt.training.adaptation`.
        architecture: one of `architectures`.
        batch_size: sequences of a batch.
        length: tokens of a sequence.
        learning_rate: peak of the schedule; by default that of the architecture.
        warmup_steps: steps of linear warm-up; by default a tenth of `steps`.
        precision: name of the Keras dtype policy.
        accumulate: batches whose gradients are averaged before the weights change, a divisor of `steps`: that many
            times the batch, in the memory of one.
        remat: whether blocks are computed again for their gradient instead of kept, see `TransformerBlock`.
        held_out: share of the documents that is evaluated on and never trained on.
        evaluations: how often that happens, the last time at the end.
        evaluation_batches: batches of an evaluation, the same each time.
        checkpoint_every: steps between two checkpoints; by default those between two evaluations, before which there is
            one in any case.
        keep: how many of the newest checkpoints are kept, beside the best.
        seed: of the split, the examples and the initial weights.

    Raises:
        InputError: a value is out of its range, or a name is unknown.
    """

    architectures: ClassVar[Mapping[str, Architecture]] = {}
    shortest: ClassVar[int] = 1

    steps: int
    size: str = "mini"
    backbone: dict[str, Any] | None = None
    architecture: str = "modern"
    batch_size: int = 32
    length: int = 128
    learning_rate: float | None = None
    warmup_steps: int | None = None
    precision: str = "float32"
    accumulate: int = 1
    remat: bool = False
    held_out: float = 0.05
    evaluations: int = 8
    evaluation_batches: int = 24
    checkpoint_every: int | None = None
    keep: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (
            "steps",
            "batch_size",
            "evaluations",
            "evaluation_batches",
            "checkpoint_every",
            "keep",
            "accumulate",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; give 1 or more")
        if self.learning_rate is not None and not (self.learning_rate > 0 and isfinite(self.learning_rate)):
            raise InputError(f"learning_rate is {self.learning_rate}; give a number above 0")
        if not 0 < self.held_out < 1:
            raise InputError(f"held_out is {self.held_out}; give a share between 0 and 1, neither of them")
        if not 0 <= self.seed < 2**63:
            raise InputError(f"seed is {self.seed}; give a whole number from 0 to 2**63 - 1")
        if self.steps % self.accumulate:
            raise InputError(f"steps is {self.steps}; give a multiple of the {self.accumulate} that are accumulated")
        check_choice("architecture", self.architecture, tuple(self.architectures))
        check_choice("precision", self.precision, PRECISIONS)
        if self.warmup_steps is not None and not 0 <= self.warmup_steps < self.steps:
            raise InputError(f"warmup_steps is {self.warmup_steps} of {self.steps} steps; give fewer than the steps")
        longest = self.model_config.get("maximum_length", 512)
        if not self.shortest <= self.length <= longest:
            raise InputError(f"length is {self.length}; the positions of the model allow {self.shortest} to {longest}")

    @property
    def model_config(self) -> dict[str, Any]:
        """What the backbone is built with, beside the size of the vocabulary."""
        config = self.backbone or self.architectures[self.architecture].config(self.size)
        return config | {"remat": True} if self.remat else config

    @property
    def peak(self) -> float:
        """The learning rate after the warm-up."""
        if self.learning_rate is not None:
            return self.learning_rate
        return self.architectures[self.architecture].learning_rate

    @property
    def interval(self) -> int:
        """Steps between two evaluations."""
        return -(-self.steps // self.evaluations)

    @property
    def tokens_per_step(self) -> int:
        """Slots of a batch."""
        return self.batch_size * self.length

    def optimizer(self) -> Any:
        """Return the architecture's optimizer with the schedule of this run."""
        make = self.architectures[self.architecture].optimizer
        accumulated = self.accumulate if self.accumulate > 1 else None
        options = {"warmup_steps": self.warmup_steps, "gradient_accumulation_steps": accumulated}
        return make(self.steps, learning_rate=self.peak, **options)


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Make sure that a value is one of its choices.

    Raises:
        InputError: it is not; the message has the choices and the one that was probably meant.
    """
    if value in choices:
        return
    near = get_close_matches(str(value), choices, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise InputError(f"{name} is {value!r}; {hint}there are {', '.join(choices)}")
