"""The functions that an exported model of several tasks serves: for each task those it has alone, under its name.

A task called `mood` has the signature `mood`, which takes and gives what `serving_default` of the task alone does
(`kpt.export.task_signatures`, `kpt.export.tag_signatures`), and with its name before theirs the others:
`mood_classify`, `mood_pairs`, `mood_classify_pairs`. `serving_default` is the first task.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from kpt.errors import InputError
from kpt.export.tag_signatures import ServedTagger
from kpt.export.task_signatures import ServedTask, task_notes
from kpt.tasks import MultiTask, Tagger
from kpt.text import Tokenizer

__all__ = ["ServedTasks", "tasks_notes"]


class ServedTasks(tf.Module):
    """Several tasks behind one tokenizer; the weights of their encoder are there once.

    Args:
        model: the tasks.
        tokenizer: the tokenizer they were trained with.
        length: tokens of a window at most, marks included.

    Attributes:
        functions: the signatures.
        methods: names of methods of signatures that do not answer Predict alone, see `set_method_names`.

    Raises:
        InputError: two tasks have a signature of one name.
    """

    def __init__(self, model: MultiTask, tokenizer: Tokenizer, length: int) -> None:
        super().__init__()
        self.tasks: dict[str, Any] = {}
        self.functions: dict[str, Any] = {}
        self.methods: dict[str, str] = {}
        for name, task in model.tasks.items():
            serve: Any = ServedTagger if isinstance(task, Tagger) else ServedTask
            served = self.tasks[name] = serve(task, tokenizer, length)
            for signature, function in served.functions.items():
                full = name if signature == "serving_default" else f"{name}_{signature}"
                if full in self.functions or full == "serving_default":
                    raise InputError(f"two signatures would be called {full!r}; give the task {name!r} another name")
                self.functions[full] = function
                if signature in served.methods:
                    self.methods[full] = served.methods[signature]
        self.functions = {"serving_default": self.functions[next(iter(model.tasks))], **self.functions}


def tasks_notes(model: MultiTask) -> dict[str, Any]:
    """Return what the note beside an exported model says of its tasks."""
    return {"kind": "multi_task", "tasks": {name: task_notes(task) for name, task in model.tasks.items()}}
