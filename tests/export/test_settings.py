from __future__ import annotations

import pytest
import tensorflow as tf

from kpt.export.settings import checked, concrete, setting


@pytest.mark.parametrize("value", [3, [3], [3, 3, 3], [[3], [3]]])
def test_a_setting_may_be_told_for_each_text(value: object) -> None:
    single = setting(tf.constant(value), "top_k")
    assert (single.shape.rank, int(single)) == (0, 3)


@pytest.mark.parametrize("value", [[], [3, 4]])
def test_texts_have_the_same_setting(value: list[int]) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="top_k has no value or several that differ"):
        setting(tf.constant(value, tf.int32), "top_k")


def test_what_does_not_hold_is_said() -> None:
    yes, no = tf.constant(True), tf.constant(False)
    assert int(checked(tf.constant(5), (yes, ["fine"]), (yes, ["too"]))) == 5
    with pytest.raises(tf.errors.InvalidArgumentError, match="bad"):
        checked(tf.constant(5), (yes, ["fine"]), (no, ["bad", tf.constant(7)]))


def test_a_signature_has_texts_and_settings() -> None:
    function = concrete(lambda texts, k: {"n": tf.size(texts) + setting(k, "k")}, ["texts"], k=tf.int32)
    assert int(function(texts=tf.constant(["a", "b"]), k=tf.constant(3))["n"]) == 5
    assert int(function(texts=tf.constant(["a"]), k=tf.constant([4]))["n"]) == 5
