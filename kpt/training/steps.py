"""`fit` from any step on, with the evaluations after the same steps as if it had begun at the first."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras

from kpt.training.metrics_log import MetricsLog

__all__ = ["fit_steps", "parts"]


def fit_steps(
    model: keras.Model,
    batches: Callable[[int, int], Any],
    *,
    start_step: int,
    steps: int,
    interval: int,
    log: MetricsLog,
    callbacks: Sequence[keras.callbacks.Callback],
    validation: Any = None,
    scored: bool = False,
) -> None:
    """Train from a step to the last, an epoch of `fit` being the steps between two multiples of `interval`.

    What a run did not come to after the last step of an epoch, because it died, is done first: the evaluation, and the
    lines of the log. In the middle of an epoch a call of `fit` brings it to its end, a second one does the others.

    Args:
        model: compiled; of a checkpoint after `start_step` steps, if that is above 0.
        batches: from a first step and a number of steps to what `fit` takes, such as `kpt.data.Batches`. Every pass
            is to give the same (`repeat=True`): Keras looks at a batch before it begins, and where there are few its
            look goes through all of them.
        start_step: steps that were done.
        steps: of the whole run.
        interval: steps between two evaluations.
        log: the log of the run, one of the callbacks.
        callbacks: for `fit`.
        validation: what is evaluated, by default nothing.
        scored: whether a callback evaluates instead, and adds what it finds to the logs of an epoch.
    """
    if (
        start_step
        and (start_step % interval == 0 or start_step == steps)
        and not log.ends_epoch(validation is not None or scored)
    ):
        end_epoch(model, -(-start_step // interval) - 1, log, callbacks, validation)
        if model.stop_training:
            return
    with warnings.catch_warnings():  # the last epoch may be shorter than the others
        warnings.filterwarnings("ignore", "\\s*Your input ran out of data", UserWarning)
        for start, stop in parts(start_step, steps, interval):
            model.fit(
                batches(start, stop - start),
                initial_epoch=start // interval,
                epochs=-(-stop // interval),
                steps_per_epoch=min(interval, stop - start),
                shuffle=False,
                validation_data=validation,
                callbacks=list(callbacks),
                verbose=0,
            )
            if model.stop_training:
                return


def parts(start_step: int, steps: int, interval: int) -> list[tuple[int, int]]:
    """Return the first step and the end of each call of `fit`: up to the next multiple of `interval`, and the rest.

    Example:
        >>> parts(0, 10, 4), parts(3, 10, 4), parts(9, 10, 4), parts(10, 10, 4)
        ([(0, 10)], [(3, 4), (4, 10)], [(9, 10)], [])
    """
    boundary = min(-(-start_step // interval) * interval, steps)
    return [(start, stop) for start, stop in ((start_step, boundary), (boundary, steps)) if start < stop]


def end_epoch(
    model: keras.Model,
    epoch: int,
    log: MetricsLog,
    callbacks: Sequence[keras.callbacks.Callback],
    validation: Any,
) -> None:
    """Do what `fit` does after the last batch of an epoch."""
    every = keras.callbacks.CallbackList(list(callbacks), model=model)
    every.on_train_begin()
    scores = {}
    if validation is not None:
        scores = model.evaluate(validation, callbacks=every, return_dict=True, verbose=0)
    every.on_epoch_end(epoch, {**log.logs, **{f"val_{name}": value for name, value in scores.items()}})
    every.on_train_end()
