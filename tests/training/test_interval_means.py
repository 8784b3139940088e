import json

import pytest

from kpt.training.interval_means import IntervalMeans


def test_the_means_of_the_intervals_are_recovered_from_running_means() -> None:
    losses = [9.0, 8.0, 7.0, 4.0, 2.0, 0.0]
    means = IntervalMeans()
    assert means.update(1, {"loss": losses[0]}) == {"loss": 9.0}
    assert means.update(3, {"loss": sum(losses[:3]) / 3})["loss"] == pytest.approx(7.5)
    assert means.update(6, {"loss": sum(losses) / 6})["loss"] == pytest.approx(2.0)


def test_an_epoch_begins_anew() -> None:
    means = IntervalMeans()
    means.update(4, {"loss": 10.0})
    means.reset()
    assert means.update(2, {"loss": 3.0}) == {"loss": 3.0}


def test_without_a_new_batch_the_running_means_are_returned() -> None:
    means = IntervalMeans()
    means.update(2, {"loss": 5.0})
    assert means.update(2, {"loss": 5.0}) == {"loss": 5.0}


def test_a_metric_that_appears_later_is_taken_as_it_is() -> None:
    means = IntervalMeans()
    means.update(2, {"loss": 5.0})
    assert means.update(4, {"loss": 5.0, "accuracy": 0.5})["accuracy"] == 0.5


def test_what_not_every_batch_counts_alike_stays_a_mean_since_the_epoch_began() -> None:
    means = IntervalMeans()
    means.update(2, {"loss": 5.0, "mood_accuracy": 0.2}, {"mood_accuracy"})
    latest = means.update(3, {"loss": 6.0, "mood_accuracy": 0.8}, {"mood_accuracy"})
    assert latest == {"loss": 8.0, "mood_accuracy": 0.8}


def test_they_go_on_from_what_was_kept() -> None:
    means = IntervalMeans()
    means.update(3, {"loss": 4.0})
    kept = json.loads(json.dumps(means.state()))
    again = IntervalMeans()
    again.restore(kept)
    assert again.update(5, {"loss": 3.0}) == means.update(5, {"loss": 3.0}) == {"loss": 1.5}
