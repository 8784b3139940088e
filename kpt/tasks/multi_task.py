"""Several tasks on one backbone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from kpt.data.labelled_batches import LabelledBatches
from kpt.data.task_mixture import TaskMixture
from kpt.distribution import StrategyModel, replica_count, sum_over_replicas
from kpt.errors import InputError
from kpt.recording import RecordedSteps
from kpt.tasks.task_model import TaskModel
from kpt.tasks.windows import read_backbone

__all__ = ["MultiTask", "refuse_several"]


@keras.saving.register_keras_serializable("kpt")
class MultiTask(RecordedSteps, StrategyModel, keras.Model):
    r"""Task models on one backbone, trained together: each row of a batch is of one task, and is told by its head.

    .. math:: L = \sum_t \lambda_t \frac{n_t}{n} L_t

    with n texts in a batch, :math:`n_t` of them of the task t, and :math:`L_t` the task's own mean loss over these. A
    batch of `kpt.data.TaskMixture` has one task, so that :math:`L = \lambda_t L_t`.

    It is an ordinary Keras model. The backbone reads a batch once and every head is computed, which costs little
    beside it; what counts is chosen by weights that are 0 where a row is not of the task. So a step is the same
    computation whichever task it has, and is compiled once. `fit` logs `loss`, and the loss and the metrics of each
    task under its name (`sentiment_loss`, `sentiment_accuracy`), each counted over the texts of the task alone.

    To predict, take one of `tasks`, which is a task model like any other: `model.tasks["sentiment"].classify(texts)`.

    Args:
        tasks: Task models by name, of one backbone and one `length`. A name is one of letters, digits and underscores.
        loss_weights: :math:`\lambda_t` by name; by default 1 for each.

    Call arguments:
        inputs: As those of `TaskModel`, in windows if one of the tasks reads in windows.

    Returns:
        A dict from each task's name to what its model returns.

    Raises:
        InputError: If there is no task, the tasks have different backbones or lengths, two of their models have one
            name, or a name or a weight does not fit.

    Example:
        >>> from kpt import Classifier, Encoder, Regressor, WordPieceTokenizer
        >>> tokenizer = WordPieceTokenizer.train(["good film", "bad film"] * 2, 27)
        >>> encoder = Encoder(tokenizer.vocabulary.size, width=8, depth=1, heads=2)
        >>> tasks = {"mood": Classifier(encoder, ["neg", "pos"], length=16), "stars": Regressor(encoder, length=16)}
        >>> model = MultiTask(tasks)
        >>> model.tokenizer = tokenizer
        >>> model.compile(optimizer="adamw")
        >>> texts = ["good film", "bad film"]
        >>> _ = model.fit({"mood": (texts, ["pos", "neg"]), "stars": (texts, [5.0, 1.0])}, verbose=0)
        >>> model.tasks["mood"].probabilities(["a good one"]).shape
        (1, 2)

    Source: Caruana 1997, "Multitask Learning"; Liu et al. 2019, "Multi-Task Deep Neural Networks for Natural Language
    Understanding".
    """

    def __init__(
        self, tasks: Mapping[str, TaskModel], loss_weights: Mapping[str, float] | None = None, **kwargs: Any
    ) -> None:
        check_tasks(tasks)
        for name, weight in (loss_weights or {}).items():
            if name not in tasks or not 0 <= weight < float("inf"):
                raise InputError(f"the loss of {name!r} has the weight {weight}; give a task's name and 0 or more")
        first = next(iter(tasks.values()))
        super().__init__(**{"dtype": first.dtype_policy, **kwargs})
        self.backbone, self.length = first.backbone, first.length
        self.windows = max(task.windows for task in tasks.values())
        self.tasks = dict(tasks)
        self.loss_weights = {name: float((loss_weights or {}).get(name, 1.0)) for name in tasks}
        # Each task model freezes a pooler that it does not read itself.
        pooled = any(task.pooling == "pooled" for task in tasks.values())
        for layer in getattr(self.backbone, "layers", ()):
            if layer.name == "pooler":
                layer.trainable = pooled
        self.task_losses = {name: task.default_loss() for name, task in tasks.items()}
        self.task_means = {name: keras.metrics.Mean(name=f"{name}_loss") for name in tasks}
        self.task_metrics = {
            name: [
                type(metric).from_config({**metric.get_config(), "name": f"{name}_{metric.name}"})
                for metric in task.default_metrics()
            ]
            for name, task in tasks.items()
        }
        self.built = True

    @property
    def step_constants(self) -> tuple[Any, ...]:
        """The tasks' losses and their weights."""
        return (*self.loss_weights.values(), *self.task_losses.values())

    @property
    def tokenizer(self) -> Any:
        """For raw texts, see `TaskModel`; setting it sets that of all tasks."""
        return next(iter(self.tasks.values())).tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Any) -> None:
        for task in self.tasks.values():
            task.tokenizer = tokenizer

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        read = read_backbone(self.backbone, inputs, self.length, self.windows, training)
        return {name: task.head_outputs(read, training) for name, task in self.tasks.items()}

    def compile(self, optimizer: Any = "adamw", **kwargs: Any) -> None:
        """Configure the training as `keras.Model.compile` does; losses and metrics are those of the tasks.

        Args:
            optimizer: The optimizer; see `kpt.training.finetune_optimizer`.
            **kwargs: As in Keras, without `loss` and `metrics`.

        Raises:
            InputError: If a loss or metrics are given.
        """
        own = ("loss", "loss_weights", "metrics", "weighted_metrics")
        if given := [name for name in own if kwargs.get(name) is not None]:
            raise InputError(f"the tasks have their own losses and metrics; leave out {', '.join(given)}")
        super().compile(optimizer=optimizer, **kwargs)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch; on several replicas, this one's share of it."""
        rows = ops.cast(ops.shape(x["task"])[0], "float32")
        total = ops.zeros((), "float32")
        for name, (losses, weights, own) in self._task_parts(x, y, y_pred, sample_weight).items():
            over = ops.sum(weights) if len(losses.shape) > 1 else own
            over, everywhere, all_rows = sum_over_replicas([over, own, rows])
            share = everywhere / all_rows
            total += self.loss_weights[name] * share * ops.divide_no_nan(ops.sum(losses * weights), over)
        return sum((loss / replica_count() for loss in self.losses), total)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Update and return the losses and the metrics of the tasks."""
        self.update_metrics(x, y, y_pred, sample_weight)
        return self.get_metrics_result()

    def update_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> None:
        """Count a batch in the losses and the metrics of the tasks."""
        for name, (losses, weights, own) in self._task_parts(x, y, y_pred, sample_weight).items():
            words = len(losses.shape) > 1
            over = ops.sum(weights) if words else own
            self.task_means[name].update_state(ops.divide_no_nan(ops.sum(losses * weights), over), over)
            # How much a text counts is for the loss; of the metrics each counts the same.
            counted = weights if words else ops.cast(ops.equal(x["task"], list(self.tasks).index(name)), "float32")
            for metric in self.task_metrics[name]:
                metric.update_state(*as_columns(y[name], y_pred[name]), sample_weight=counted)

    @property
    def own_metrics(self) -> list[Any]:
        """The losses and the metrics of the tasks."""
        return [*self.task_means.values(), *(metric for some in self.task_metrics.values() for metric in some)]

    @property
    def uneven_metrics(self) -> frozenset[str]:
        """The names of metrics in which not every batch counts alike: all but the loss."""
        return frozenset(metric.name for metric in self.own_metrics)

    def _task_parts(self, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, tuple[Any, Any, Any]]:
        """For each task the losses of all texts (or words), their weights, and how many texts are of the task."""
        parts = {}
        for number, (name, loss) in enumerate(self.task_losses.items()):
            truth, told = as_columns(y[name], y_pred[name])
            own = ops.sum(ops.cast(ops.equal(x["task"], number), "float32"))
            parts[name] = ops.cast(loss.call(truth, told), "float32"), ops.cast(sample_weight[name], "float32"), own
        return parts

    def batches(
        self,
        data: Mapping[str, Any],
        *,
        temperature: float = 1.0,
        proportions: Mapping[str, float] | None = None,
        batch_size: int = 32,
        seed: int = 0,
        shuffle: bool = True,
        **options: Any,
    ) -> LabelledBatches:
        """Return batches of raw texts of one task each, see `kpt.data.TaskMixture`.

        Args:
            data: For each task its texts and their labels, and optionally how much each counts.
            temperature: Of the mixture: 1 takes the tasks by their sizes, more makes them more alike.
            proportions: Of the tasks' batches, in place of their sizes.
            batch_size: Texts of a batch.
            seed: Of the order.
            shuffle: Whether the texts of each task are in random order.
            **options: Of `LabelledBatches`.

        Raises:
            InputError: If the tasks are others than the model's, or as `TaskModel.batches`.
        """
        if set(data) != set(self.tasks):
            raise InputError(
                f"data is for {', '.join(data)}; give texts and labels for each of {', '.join(self.tasks)}"
            )
        examples = {}
        for name, task in self.tasks.items():
            texts, labels, *weights = data[name]
            one: dict[str, Any] = {"weights": weights[0] if weights else None, "seed": seed, "shuffle": shuffle}
            examples[name] = task.batches(texts, labels, batch_size=batch_size, **one).maker
        mixture = TaskMixture(examples, temperature=temperature, proportions=proportions, seed=seed)
        return LabelledBatches(mixture, batch_size=batch_size, **options)

    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """Train as `keras.Model.fit` does, also on raw texts: a dict of texts and labels by the tasks' names."""
        if self._is_data(x):
            x, batch_size = self.batches(x, batch_size=batch_size or 32), None
        if self._is_data(kwargs.get("validation_data")):
            size = kwargs.pop("validation_batch_size", None) or 32
            kwargs["validation_data"] = self._in_order(kwargs["validation_data"], size)
        return super().fit(x, y, batch_size, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """Evaluate as `keras.Model.evaluate` does, also on raw texts by the tasks' names."""
        if self._is_data(x):
            x, batch_size = self._in_order(x, batch_size or 32), None
        return super().evaluate(x, y, batch_size, *args, **kwargs)

    def _is_data(self, x: Any) -> bool:
        return isinstance(x, Mapping) and bool(set(x) & set(self.tasks))

    def _in_order(self, data: Mapping[str, Any], batch_size: int) -> LabelledBatches:
        sizes = {name: float(-(-len(data[name][0]) // batch_size)) for name in data}  # so each text comes once
        return self.batches(data, proportions=sizes, batch_size=batch_size, shuffle=False, repeat=True)

    def get_config(self) -> dict[str, Any]:
        tasks = {}
        for name, task in self.tasks.items():
            saved = keras.saving.serialize_keras_object(task)
            saved.pop("compile_config", None)
            del saved["config"]["backbone"]  # it is the same for all
            tasks[name] = saved
        return {
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "tasks": tasks,
            "loss_weights": dict(self.loss_weights),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> MultiTask:
        config = dict(config)
        backbone = keras.saving.deserialize_keras_object(config.pop("backbone"), custom_objects)
        tasks = {}
        for name, saved in config.pop("tasks").items():
            kind = keras.saving.get_registered_object(saved["registered_name"], custom_objects)
            if not (isinstance(kind, type) and issubclass(kind, TaskModel)):
                raise InputError(f"the task {name!r} is a {saved['registered_name']}, no task model; take another file")
            tasks[name] = kind(backbone, **saved["config"])
        return cls(tasks, **config)


def check_tasks(tasks: Mapping[str, TaskModel]) -> None:
    """Make sure that tasks can be trained together.

    Raises:
        InputError: they cannot; see `MultiTask`.
    """
    if not tasks:
        raise InputError("there is no task; give at least one task model by its name")
    for name in tasks:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise InputError(f"a task is called {name!r}; take letters, digits and underscores, a letter first")
    models = list(tasks.values())
    if any(model.backbone is not models[0].backbone for model in models):
        raise InputError("the tasks have different backbones; make all of their models on one")
    if len(lengths := {model.length for model in models}) > 1:
        raise InputError(f"the tasks read lengths of {', '.join(map(str, sorted(lengths)))} tokens; give all the same")
    if len({model.name for model in models}) < len(models):
        raise InputError("two of the tasks' models have one name; make them with different values of name")


def as_columns(truth: Any, told: Any) -> tuple[Any, Any]:
    """Return numbers [texts] as [texts, 1], over whose last axis Keras takes a mean; anything else as it is."""
    if len(told.shape) > 1:
        return truth, told
    return ops.expand_dims(truth, -1), ops.expand_dims(told, -1)


def refuse_several(model: Any, called: object = "the model", remedy: str = "") -> None:
    """Refuse a model of several tasks, where what is written has one.

    Args:
        model: Any model.
        called: What the message calls it.
        remedy: How one of its tasks is named; by default by `tasks`.

    Raises:
        InputError: It is a `MultiTask`.
    """
    if isinstance(model, MultiTask):
        remedy = remedy or f"give one of them, such as model.tasks[{next(iter(model.tasks))!r}]"
        raise InputError(f"{called} has several tasks, and such a folder has one; {remedy}")
