from __future__ import annotations

import io

import pytest
from rich.console import Console

from kpt.training.progress import TrainingProgress, clock, summary


def run(progress: TrainingProgress, losses: list[float]) -> None:
    """Call the callback as `fit` does, with the running means of losses."""
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    for batch in range(len(losses)):
        progress.on_train_batch_end(batch, {"loss": sum(losses[: batch + 1]) / (batch + 1), "masked_lm_accuracy": 0.25})
    progress.on_epoch_end(0, {"loss": 1.0, "val_loss": 0.5, "val_masked_lm_accuracy": 0.125})
    progress.on_train_end()


def test_without_a_terminal_lines_come_now_and_then() -> None:
    stream = io.StringIO()
    run(TrainingProgress(steps=4, tokens_per_step=1000, file=stream, lines=2), [8.0, 6.0, 4.0, 2.0])
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[:3] for line in lines[:-1]] == [
        ["step 1/4", "loss 8.000", "masked lm 25.0 %"],
        ["step 3/4", "loss 5.000", "masked lm 25.0 %"],
        ["step 4/4", "loss 2.000", "masked lm 25.0 %"],
    ]
    assert "tokens/s" not in lines[0] and "left" not in lines[0]
    assert all(" k tokens/s" in line and line.endswith(" left") for line in lines[1:-1])
    assert lines[-1] == "held out after 4 steps:  loss 0.500  masked lm 12.5 %"


def test_the_throughput_may_be_that_of_words() -> None:
    stream = io.StringIO()
    run(TrainingProgress(steps=4, tokens_per_step=1000, unit="words", file=stream, lines=2), [8.0, 6.0, 4.0, 2.0])
    assert stream.getvalue().count(" k words/s") == 2 and "tokens" not in stream.getvalue()


def test_the_means_go_on_in_the_middle_of_an_epoch() -> None:
    stream = io.StringIO()
    progress = TrainingProgress(steps=6, start_step=2, epoch_start=0, file=stream, lines=6)
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    # The means of Keras over three and four batches: the losses are 8, 8, 5 and 3.
    progress.on_train_batch_end(0, {"loss": 7.0})
    progress.on_train_batch_end(1, {"loss": 6.0})
    assert [line.split("  ")[:2] for line in stream.getvalue().splitlines()] == [
        ["step 3/6", "loss 7.000"],
        ["step 4/6", "loss 3.000"],
    ]


def test_a_terminal_gets_a_bar() -> None:
    stream = io.StringIO()
    progress = TrainingProgress(steps=2, file=stream)
    progress.console = Console(file=stream, force_terminal=True, width=100)
    run(progress, [8.0, 6.0])
    assert "2/2" in stream.getvalue()
    assert "loss 6.000" in stream.getvalue()
    assert progress._bar is None


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "0:00"), (59.6, "1:00"), (75, "1:15"), (3725, "1:02:05")])
def test_clock(seconds: float, words: str) -> None:
    assert clock(seconds) == words


def test_summary_names_only_what_is_there() -> None:
    assert summary({}) == ""
    assert summary({"loss": 1.0, "next_sentence_accuracy": 1.0}) == "loss 1.000  next sentence 100.0 %"
