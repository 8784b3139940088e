"""What is kept of a run that is interrupted or fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kpt.training.checkpoints import Checkpoints
from kpt.training.interruption import Interruption
from kpt.training.progress import TrainingProgress
from kpt.training.run_folder import RunFolder

__all__ = ["kept_run"]


@contextmanager
def kept_run(
    run: RunFolder,
    checkpoints: Checkpoints,
    shown: Sequence[TrainingProgress],
    report: Callable[[], Any],
    keep: Callable[[], None] = lambda: None,
) -> Iterator[Interruption]:
    """Surround `fit`: Ctrl-C and SIGTERM end the step that runs and save a checkpoint; the next one ends at once.

    Args:
        run: the run.
        checkpoints: of the run; a callback of `fit`.
        shown: what shows how far it is; closed in the end.
        report: writes the report, also of a run that failed.
        keep: saves what else there is to keep after an interruption.

    Yields:
        The last of the callbacks for `fit`.

    Raises:
        KeyboardInterrupt: Ctrl-C; the message says what was kept and how to go on.
        Terminated: likewise for SIGTERM.
        OSError: a checkpoint could not be written.
    """
    with Interruption() as interruption:
        try:
            try:
                yield interruption
            finally:
                for progress in shown:
                    progress.close()
                if checkpoints.log is not None:
                    checkpoints.log.close()
        except BaseException:
            if interruption.urgent:
                raise
            if not interruption.heard:
                with suppress(Exception):  # what went wrong first is what there is to tell
                    checkpoints.wait()
                with suppress(Exception):
                    report()
                raise
        else:
            if not interruption.asked:  # it may come after the last step, too
                return
        checkpoints.save()
        checkpoints.wait()
        keep()
        with suppress(Exception):
            report()
        with suppress(Exception):  # one that is gone leaves the others as they are
            interruption.wait_for_hosts()
        raise interruption.with_message(
            f"interrupted after step {checkpoints.step:,}, of which {run.path} has a checkpoint; go on with the same "
            "command and --resume"
        )
